"""Calibrations on disk: registered, given to blocks, and left out when hidden or gone."""

import dataclasses
import datetime as dt
import shutil

import pytest
from astropy.io import fits
from django.utils import timezone

from pipelines.domain.times import mjd_to_datetime
from pipelines.models import AssociationBlock, NightEvent, Product, RawFile
from pipelines.services import process
from pipelines.services.hiding import hide_frame, show_frame
from pipelines.services.ingest import Done
from pipelines.services.inputs import links_of, plan_call
from pipelines.services.nights import close_night, state_of, what_is_left
from pipelines.services.process import process_block
from pipelines.services.rounds import run_round
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken

LONG_AGO = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)


@pytest.fixture
def master(take, tmp_path, settings):
    """A master bias on disk; the block that made it here has been rejected."""
    take(taken(tmp_path / "bias", BIAS))
    run_to_rest()
    path = tmp_path / "calib" / "M.CCDCAM.2026-03-02.fits"
    path.parent.mkdir()
    shutil.copy(settings.HCM_DATA_DIR / Product.objects.get().path, path)
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["HIERARCH ESO OBS NAME"] = "another header"
    AssociationBlock.objects.update(is_withdrawn=True)
    return path


def test_it_is_registered_as_what_it_is_and_makes_no_block(master, take):
    report = take(master.parent)
    assert [one.done for one in report.files] == [Done.MASTER]
    file = RawFile.objects.masters().get()
    assert (file.pro_catg, file.raw_type, file.do_catg) == ("MASTER_BIAS", "", "MASTER_BIAS")
    assert AssociationBlock.objects.count() == 1


def test_a_dark_is_given_it_and_runs_with_it(master, take, tmp_path):
    take(master.parent)
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    link = dark.calibrations.get()
    assert (dark.completeness, link.producer, link.file.name) == ("COMPLETE", None, master.name)
    run_to_rest()
    dark.refresh_from_db()
    assert (dark.process_status, dark.reason) == ("SUCCESSFUL", "")
    assert dark.current_attempt.inputs[0]["file"] == master.name


def test_hidden_or_gone_it_is_not_associated(master, take, quinn, tmp_path):
    take(master.parent)
    file = RawFile.objects.masters().get()
    hide_frame(file, quinn, "light leak", timezone.now())
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    assert (dark.completeness, dark.incomplete_reason) == ("INCOMPLETE", "MASTER_BIAS 0 of 1")
    RawFile.objects.filter(pk=file.pk).update(
        hidden_at=None, hidden_by=None, hidden_reason="", gone_at=timezone.now()
    )
    take(taken(tmp_path / "more", DARK))
    dark.refresh_from_db()
    assert dark.completeness == "INCOMPLETE"


def test_one_that_goes_before_the_run_is_named_by_the_failure(master, take, tmp_path):
    take(master.parent)
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.select_related("instrument").get(raw_type="DARK")
    master.unlink()
    process_block(dark)
    dark.refresh_from_db()
    assert (dark.process_status, dark.failure_kind) == ("FAILED", "missing")
    assert master.name in dark.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"hidden_at": LONG_AGO}, "is hidden"), ({"gone_at": LONG_AGO}, "is gone from disk")],
)
def test_one_that_can_be_used_no_more_is_never_given_to_a_run(
    master, take, tmp_path, fields, reason
):
    take(master.parent)
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.select_related("instrument").get(raw_type="DARK")
    RawFile.objects.masters().update(**fields)
    assert not process_block(dark)
    dark.refresh_from_db()
    assert (dark.completeness, dark.next_step, dark.needs_person, dark.attempt) == (
        "INCOMPLETE", "REST", True, 0,
    )  # fmt: skip
    assert dark.incomplete_reason == f"MASTER_BIAS: {master.name} {reason}"
    RawFile.objects.masters().update(**dict.fromkeys(fields))
    run_round("CCDCAM", mjd_to_datetime(dark.mjd_obs))
    dark.refresh_from_db()
    assert (dark.completeness, dark.next_step) == ("COMPLETE", "PROCESS")


def test_a_closed_night_is_opened_when_a_block_of_it_lacks_one(master, take, tmp_path, quinn):
    take(master.parent)
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.select_related("instrument").get(raw_type="DARK")
    left = what_is_left(dark.instrument, dark.night)
    close_night(dark.instrument, dark.night, quinn, "", left, timezone.now())
    RawFile.objects.masters().update(gone_at=LONG_AGO)
    process_block(dark)
    comment = state_of(dark.instrument, dark.night).entry.comment
    assert comment == f"{dark.ab_name} lacks MASTER_BIAS: {master.name} is gone from disk"


def test_an_optional_one_that_can_be_used_no_more_is_left_out(master, take, tmp_path):
    take(master.parent)
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.select_related("instrument").get(raw_type="DARK")
    dark.calibrations.update(is_required=False)
    RawFile.objects.masters().update(hidden_at=LONG_AGO)
    resolved = process._resolve(dark, LONG_AGO)
    assert isinstance(resolved, process._Resolved)
    assert resolved.calibrations == []


def test_hiding_one_asks_again_about_what_was_made_with_it(master, take, tmp_path, quinn):
    take(master.parent)
    take(taken(tmp_path / "dark", DARK))
    run_to_rest()
    AssociationBlock.objects.update(is_certified=True, needs_person=False)
    dark = AssociationBlock.objects.get(raw_type="DARK")
    file = RawFile.objects.masters().get()
    affected = hide_frame(file, quinn, "light leak", timezone.now())
    assert (affected.anew, affected.used) == ((), (dark.ab_name,))
    assert str(affected) == "0 blocks organised anew, 1 that has used it waits for a person"
    dark.refresh_from_db()
    assert (dark.process_status, dark.needs_person, dark.is_certified, dark.attempt) == (
        "SUCCESSFUL", True, False, 1,
    )  # fmt: skip
    show_frame(file, quinn, timezone.now())
    entries = NightEvent.objects.filter(raw_file=file)
    assert [(one.kind, one.decided_by, one.comment) for one in entries] == [
        ("HIDDEN", quinn, "light leak"),
        ("SHOWN", quinn, ""),
    ]


def test_the_block_of_the_night_is_nearer_than_the_disk(master, take, tmp_path):
    take(master.parent)
    nearer = dataclasses.replace(BIAS, start=BIAS.start + dt.timedelta(minutes=10))
    take(taken(tmp_path / "both", nearer, DARK))
    dark = AssociationBlock.objects.select_related("instrument").get(raw_type="DARK")
    assert dark.calibrations.get().producer is not None
    assert plan_call(dark, []).raws
    assert len(links_of(dark)) == 1


def test_a_table_without_a_date_is_taken_and_ranks_last(master, take, tmp_path):
    with fits.open(master, mode="update") as hdus:
        del hdus[0].header["MJD-OBS"]
    assert [one.done for one in take(master.parent).files] == [Done.MASTER]
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    # Its rules ask for a bias of these days: without a date it is none.
    assert (dark.completeness, RawFile.objects.masters().get().is_undated) == ("INCOMPLETE", True)
    rules = dark.rule_set
    rules.text = rules.text.replace("and MJD-OBS > inputFile.MJD-OBS - 5.", "").replace(
        "and MJD-OBS < inputFile.MJD-OBS + 5.", ""
    )
    rules.save()
    dark.refresh_from_db()
    RawFile.objects.filter(raw_type="DARK").update(organised_at=None)
    take(tmp_path / "dark")
    link = AssociationBlock.objects.get(raw_type="DARK").calibrations.get()
    assert (link.file.name, link.delta_days) == (master.name, None)


def test_what_was_not_kept_of_a_frame_of_before_is_filled_in(master, take):
    take(master.parent)
    RawFile.objects.masters().update(pro_catg="", rule_set=None, setup="", trace={})
    take(master.parent)
    file = RawFile.objects.masters().get()
    assert (file.pro_catg, file.rule_set is None) == ("MASTER_BIAS", False)
