"""The hourly round: what it finds, what it tries again, and that a subject has one runner."""

import datetime as dt
import os

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Attempt, Instrument, NightEvent, RawFile, Root, Round
from pipelines.services import rounds
from pipelines.services.reprocess import run_again
from pipelines.services.rounds import INCOMING, run_round, subjects
from qcweb import tasks
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken, with_defect

# The frames of the tests are of this morning.
AT = dt.datetime(2026, 3, 2, 18, 0, tzinfo=dt.UTC)


@pytest.fixture
def followed(instruments, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "QUIET_S", 0.0)
    directory = tmp_path / "incoming"
    directory.mkdir()
    Root.objects.create(
        name="incoming", path=str(directory), is_followed=True, recorded_at=timezone.now()
    )
    return directory


def test_there_is_a_round_for_the_directories_and_for_each_instrument(instruments):
    assert subjects() == [INCOMING, "CCDCAM", "MUSE", "UVES"]


def test_new_frames_below_followed_directories_are_found(followed):
    taken(followed, BIAS)
    report = run_round(INCOMING, AT)
    assert str(report) == "incoming: 3 registered, 1 new blocks"
    assert report.to_advance == [AssociationBlock.objects.get().pk]
    assert str(run_round(INCOMING, AT)) == "incoming: nothing new"


def test_files_that_are_still_written_are_left_for_the_next_round(followed, monkeypatch):
    monkeypatch.setattr(rounds, "QUIET_S", 3600.0)
    taken(followed, BIAS)
    assert str(run_round(INCOMING, AT)) == "incoming: nothing new"
    assert not RawFile.objects.exists()


def test_a_directory_that_is_gone_is_counted_and_stops_nothing(followed):
    followed.rmdir()
    assert str(run_round(INCOMING, AT)) == "incoming: 1 directories gone"


def test_the_younger_of_two_rounds_ends_at_once(followed):
    older = Round.objects.create(
        subject="UVES", worker="other:1", started_at=AT, lease_until=AT + dt.timedelta(minutes=15)
    )
    report = run_round("UVES", AT + dt.timedelta(minutes=5))
    assert (report.is_older, report.round) == (True, older)
    assert "other:1 is at work since 18:00:00 UT" in str(report)
    assert not run_round("MUSE", AT).is_older


def test_a_round_whose_worker_was_lost_is_taken_over(followed):
    lost = Round.objects.create(
        subject="UVES", worker="other:1", started_at=AT, lease_until=AT + dt.timedelta(minutes=15)
    )
    assert not run_round("UVES", AT + dt.timedelta(minutes=16)).is_older
    lost.refresh_from_db()
    assert lost.error == "Its worker was lost."


def test_a_round_that_fails_says_why_and_is_over(followed, monkeypatch):
    def fail(*_args):
        raise OSError("disk full")

    monkeypatch.setattr(rounds, "_look_after", fail)
    with pytest.raises(OSError, match="disk full"):
        run_round("UVES", AT)
    assert Round.objects.get().error == "OSError: disk full"
    assert Round.objects.get().finished_at is not None


def whole(directory, template):
    """Write the frames of a template anew, as a second transfer does: with the times of the first."""
    for path in taken(directory.with_name("again"), template).iterdir():
        there = directory / path.name
        times = there.stat()
        there.write_bytes(path.read_bytes())
        os.utime(there, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_what_failed_for_its_input_is_tried_again_when_that_has_changed(take, tmp_path):
    take(taken(tmp_path / "night", with_defect(BIAS, truncated_frame=2)))
    run_to_rest()
    block = AssociationBlock.objects.get()
    assert (block.process_status, block.failure_kind) == ("FAILED", "input")
    later = timezone.now() + dt.timedelta(hours=2)
    AssociationBlock.objects.update(night=later.date())
    for hours in range(3):
        assert "tried again" not in str(run_round("CCDCAM", later + dt.timedelta(hours=hours)))
        run_to_rest()
    assert block.attempts.count() == 1
    whole(tmp_path / "night", BIAS)
    assert str(run_round("CCDCAM", later)) == "CCDCAM: 1 tried again"
    run_to_rest()
    block.refresh_from_db()
    assert (block.process_status, block.attempt) == ("SUCCESSFUL", 2)


def test_what_failed_for_its_input_rests_when_its_night_is_closed(take, quinn, tmp_path):
    take(taken(tmp_path / "night", with_defect(BIAS, truncated_frame=2)))
    run_to_rest()
    later = timezone.now() + dt.timedelta(hours=2)
    AssociationBlock.objects.update(night=later.date())
    whole(tmp_path / "night", BIAS)
    NightEvent.objects.create(
        instrument=Instrument.objects.get(name="CCDCAM"), night=later.date(), kind="CLOSED",
        decided_by=quinn, decided_at=later,
    )  # fmt: skip
    assert str(run_round("CCDCAM", later + dt.timedelta(days=1))) == "CCDCAM: nothing new"


def test_what_failed_for_want_of_a_file_is_tried_again_when_it_is_back(take, tmp_path):
    take(taken(tmp_path / "night", BIAS, DARK))
    frame = AssociationBlock.objects.get(raw_type="DARK").block_frames.first().raw_file
    away = frame.full_path.rename(tmp_path / "away.fits")
    run_to_rest()
    block = AssociationBlock.objects.get(raw_type="DARK")
    assert (block.process_status, block.failure_kind) == ("FAILED", "input")
    later = timezone.now() + dt.timedelta(hours=2)
    AssociationBlock.objects.update(night=later.date())
    assert "tried again" not in str(run_round("CCDCAM", later))
    # A disk that is mounted again brings its files with all their times.
    frame.full_path.symlink_to(away)
    Attempt.objects.update(started_at=timezone.now() + dt.timedelta(minutes=1))
    assert "1 tried again" in str(run_round("CCDCAM", later))


def test_what_failed_is_tried_again_with_another_calibration(take, tmp_path):
    take(taken(tmp_path / "night", BIAS, DARK))
    run_to_rest()
    later = timezone.now() + dt.timedelta(hours=2)
    dark = AssociationBlock.objects.filter(raw_type="DARK")
    dark.update(process_status="FAILED", failure_kind="missing", night=later.date())
    assert str(run_round("CCDCAM", later)) == "CCDCAM: nothing new"
    run_again(AssociationBlock.objects.filter(raw_type="BIAS"), timezone.now(), None)
    run_to_rest()
    assert "1 tried again" in str(run_round("CCDCAM", later))


def test_what_failed_for_the_machine_is_tried_again_as_it_is(take, tmp_path):
    take(taken(tmp_path, BIAS))
    run_to_rest()
    later = timezone.now() + dt.timedelta(hours=2)
    AssociationBlock.objects.update(
        process_status="FAILED", failure_kind="environment", night=later.date()
    )
    assert str(run_round("CCDCAM", later)) == "CCDCAM: 1 tried again"


def test_what_a_recipe_refused_is_not_tried_again(take, tmp_path):
    take(taken(tmp_path, BIAS))
    run_to_rest()
    later = timezone.now() + dt.timedelta(hours=2)
    AssociationBlock.objects.update(
        process_status="FAILED", failure_kind="recipe", night=later.date()
    )
    assert str(run_round("CCDCAM", later)) == "CCDCAM: nothing new"


def test_recent_frames_that_are_gone_are_missed(take, tmp_path):
    take(taken(tmp_path, BIAS))
    RawFile.objects.select_related("root").first().full_path.unlink()
    assert str(run_round("CCDCAM", AT)) == "CCDCAM: 1 frames gone"
    assert RawFile.objects.exclude(gone_at=None).count() == 1


def test_an_incomplete_block_is_completed_when_rules_ask_for_less(take, tmp_path):
    take(taken(tmp_path, DARK))
    rules = Instrument.objects.get(name="CCDCAM").rule_sets.get()
    rules.text = rules.text.replace("minRet = 1; maxRet = 1;", "minRet = 0; maxRet = 1;")
    rules.save()
    assert str(run_round("CCDCAM", AT)) == "CCDCAM: 1 blocks completed"
    assert AssociationBlock.objects.get().next_step == "PROCESS"


def test_the_beat_asks_for_the_round_of_every_subject(instruments, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(tasks.one_round, "delay", asked.append)
    assert tasks.rounds() == asked == [INCOMING, "CCDCAM", "MUSE", "UVES"]
    assert tasks.one_round("UVES") == "UVES"
    assert Round.objects.get().subject == "UVES"


def test_a_long_round_stays_alive_and_one_that_was_taken_over_ends(followed, monkeypatch):
    taken(followed, BIAS)
    monkeypatch.setattr(rounds, "FILES_A_BEAT", 1)
    leases = []
    real = rounds._Work.beat

    def beat(work):
        real(work)
        leases.append(Round.objects.get().lease_until)

    monkeypatch.setattr(rounds._Work, "beat", beat)
    run_round(INCOMING, AT)
    assert len(leases) == 3
    assert leases == sorted(leases)
    assert leases[-1] > AT + rounds.LEASE

    def lose(work):
        Round.objects.filter(pk=work.round_pk).update(finished_at=AT, error="taken over")
        real(work)

    monkeypatch.setattr(rounds._Work, "beat", lose)
    with pytest.raises(rounds.LostRoundError):
        run_round(INCOMING, AT + dt.timedelta(hours=1))
    assert Round.objects.latest("pk").error == "taken over"
