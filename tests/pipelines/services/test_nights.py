"""A night is open or closed, by whom and when; hidden frames leave it."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, NightEvent, RawFile
from pipelines.services.hiding import HidingError, hide_frame, show_frame
from pipelines.services.nights import (
    NightError,
    close_night,
    closed_nights,
    is_calibrated,
    note_calibrated,
    reopen_night,
    state_of,
    what_is_left,
)
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken

NIGHT = dt.date(2026, 3, 1)


@pytest.fixture
def camera(instruments):
    return Instrument.objects.get(name="CCDCAM")


def test_closing_says_what_is_left_and_keeps_it(take, camera, quinn, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    left = what_is_left(camera, NIGHT)
    assert left == {"at work or waiting": 2}
    with pytest.raises(NightError, match="changed meanwhile"):
        close_night(camera, NIGHT, quinn, "", {}, timezone.now())
    event = close_night(camera, NIGHT, quinn, "good", left, timezone.now())
    state = state_of(camera, NIGHT)
    assert (state.is_closed, state.entry.decided_by, event.left) == (True, quinn, left)
    assert closed_nights([(camera.pk, NIGHT)]) == {(camera.pk, NIGHT)}
    with pytest.raises(NightError, match="closed already"):
        close_night(camera, NIGHT, quinn, "", left, timezone.now())


def test_a_night_is_opened_by_a_person_or_by_frames_that_arrive(take, camera, quinn, tmp_path):
    take(taken(tmp_path, BIAS))
    left = what_is_left(camera, NIGHT)
    close_night(camera, NIGHT, quinn, "", left, timezone.now())
    reopen_night(camera, NIGHT, quinn, "one more look", timezone.now())
    with pytest.raises(NightError, match="is open"):
        reopen_night(camera, NIGHT, quinn, "", timezone.now())
    close_night(camera, NIGHT, quinn, "", left, timezone.now())
    take(taken(tmp_path, DARK))
    last = state_of(camera, NIGHT).entry
    assert (last.kind, last.decided_by, last.comment) == ("REOPENED", None, "3 frames have arrived")
    assert NightEvent.objects.count() == 4


def test_ingesting_the_same_frames_again_leaves_a_night_closed(take, camera, quinn, tmp_path):
    take(taken(tmp_path, BIAS))
    close_night(camera, NIGHT, quinn, "", what_is_left(camera, NIGHT), timezone.now())
    take(tmp_path)
    assert state_of(camera, NIGHT).is_closed


def test_the_days_calibrations_are_finished_when_said_or_when_the_day_is_over(camera, quinn):
    before, after = (dt.datetime(2026, 3, 2, hour, 0, tzinfo=dt.UTC) for hour in (20, 21))
    assert (is_calibrated(camera, NIGHT, before), is_calibrated(camera, NIGHT, after)) == (0, 1)
    note_calibrated(camera, NIGHT, quinn, before)
    note_calibrated(camera, NIGHT, quinn, before)
    assert is_calibrated(camera, NIGHT, before)
    assert NightEvent.objects.count() == 1


def test_a_hidden_frame_leaves_its_block_which_runs_again_without_it(take, quinn, tmp_path):
    import dataclasses

    take(taken(tmp_path, dataclasses.replace(BIAS, n_frames=4)))
    run_to_rest()
    block = AssociationBlock.objects.get()
    frame = block.block_frames.first().raw_file
    assert hide_frame(frame, quinn, "satellite", timezone.now()).anew == (block.ab_name,)
    block.refresh_from_db()
    assert (block.block_frames.count(), block.next_step, block.is_certified) == (
        3,
        "PROCESS",
        False,
    )
    run_to_rest()
    block.refresh_from_db()
    assert (block.process_status, block.attempt) == ("SUCCESSFUL", 2)
    frame.refresh_from_db()
    show_frame(frame, quinn, timezone.now())
    block.refresh_from_db()
    assert (block.block_frames.count(), block.next_step) == (4, "PROCESS")


def test_a_block_all_of_whose_frames_are_hidden_is_incomplete_and_offers_nothing(
    take, quinn, tmp_path
):
    take(taken(tmp_path, BIAS, DARK))
    for frame in RawFile.objects.filter(raw_type="BIAS"):
        hide_frame(frame, quinn, "lamp was on", timezone.now())
    bias, dark = (AssociationBlock.objects.get(raw_type=one) for one in ("BIAS", "DARK"))
    assert (bias.completeness, bias.incomplete_reason) == ("INCOMPLETE", "too_small 0 of 3")
    assert (dark.completeness, dark.incomplete_reason) == ("INCOMPLETE", "MASTER_BIAS 0 of 1")


def test_hiding_needs_a_reason_and_happens_once(take, quinn, tmp_path):
    take(taken(tmp_path, BIAS))
    frame = RawFile.objects.all()[0]
    with pytest.raises(HidingError, match="Say why"):
        hide_frame(frame, quinn, "  ", timezone.now())
    with pytest.raises(HidingError, match="not hidden"):
        show_frame(frame, quinn, timezone.now())
    hide_frame(frame, quinn, "bad", timezone.now())
    with pytest.raises(HidingError, match="hidden already"):
        hide_frame(frame, quinn, "bad", timezone.now())
