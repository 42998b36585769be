"""Associations between blocks: the nearest master, no circles, and no worker overwritten."""

import dataclasses
import gzip
from pathlib import Path

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, RuleSet
from pipelines.services import organise
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, later, taken, with_defect

pytestmark = pytest.mark.django_db

CIRCLE = """
if DPR.TYPE=="BIAS" then { RAW.TYPE="BIAS"; DO.CATG="BIAS"; }
if DPR.TYPE=="DARK" then { RAW.TYPE="DARK"; DO.CATG="DARK"; }
select execute(MAKE_BIAS) from inputFiles where RAW.TYPE=="BIAS" group by TPL.START as (TPL_A,tpl);
select execute(MAKE_DARK) from inputFiles where RAW.TYPE=="DARK" group by TPL.START as (TPL_A,tpl);
action MAKE_BIAS {
  minRet=1; maxRet=1; select file as MASTER_DARK from calibFiles where PRO.CATG=="MASTER_DARK";
  recipe hcm_bias; product MASTER_BIAS { PRO.CATG="MASTER_BIAS"; }
}
action MAKE_DARK {
  minRet=1; maxRet=1; select file as MASTER_BIAS from calibFiles where PRO.CATG=="MASTER_BIAS";
  recipe hcm_dark; product MASTER_DARK { PRO.CATG="MASTER_DARK"; }
}
"""


def test_the_nearest_master_is_taken(take, tmp_path):
    take(taken(tmp_path, later(BIAS, -2), later(BIAS, -1), BIAS, later(BIAS, 2), DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    assert dark.calibrations.get().producer.mjd_obs == pytest.approx(dark.mjd_obs, abs=0.1)


def test_a_later_master_may_be_the_nearest(take, tmp_path):
    take(taken(tmp_path, later(BIAS, -3), later(BIAS, 1), DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    assert (dark.calibrations.get().delta_days or 0) > 0


def test_a_circle_of_rules_leaves_both_blocks_incomplete_and_ends(take, tmp_path):
    instrument = Instrument.objects.get(name="CCDCAM")
    instrument.rule_sets.update(superseded_at=timezone.now())
    RuleSet.objects.create(
        instrument=instrument, version=2, text=CIRCLE, digest="circle", recorded_at=timezone.now()
    )
    take(taken(tmp_path, BIAS, DARK))
    states = dict(AssociationBlock.objects.values_list("raw_type", "completeness"))
    assert set(states.values()) == {"INCOMPLETE"}
    reasons = AssociationBlock.objects.values_list("incomplete_reason", flat=True)
    assert sum("needs this block itself" in reason for reason in reasons) == 1


def test_a_replaced_frame_heals_a_failed_block(take, tmp_path):
    take(taken(tmp_path / "cut", with_defect(BIAS, truncated_frame=2)))
    run_to_rest()
    assert AssociationBlock.objects.get().process_status == "FAILED"
    report = take(taken(tmp_path / "whole", BIAS))
    assert report.to_advance
    run_to_rest()
    block = AssociationBlock.objects.get()
    assert (block.process_status, block.attempt) == ("SUCCESSFUL", 2)
    assert not block.needs_person


def test_compressed_frames_are_processed(take, tmp_path):
    directory = taken(tmp_path, dataclasses.replace(BIAS, n_frames=4))
    for path in sorted(Path(directory).iterdir())[:2]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    take(directory)
    run_to_rest()
    block = AssociationBlock.objects.get()
    assert (block.process_status, block.is_degraded) == ("SUCCESSFUL", False)
    assert block.block_frames.count() == 4


def test_organising_again_changes_nothing(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    run_to_rest()
    before = list(AssociationBlock.objects.order_by("pk").values())
    block = AssociationBlock.objects.first()
    assert block is not None
    organise.organise_nights([(block.instrument_id, block.night)], timezone.now())
    assert list(AssociationBlock.objects.order_by("pk").values()) == before


def test_a_master_beyond_the_plan_is_used_and_marked(take, tmp_path):
    take(taken(tmp_path, later(BIAS, -2.5), DARK))
    link = AssociationBlock.objects.get(raw_type="DARK").calibrations.get()
    assert link.level == 1


def test_a_master_beyond_all_windows_is_none(take, tmp_path):
    # The rule itself would take it: its window is five days wide.
    take(taken(tmp_path, later(BIAS, -4), DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    assert (dark.completeness, dark.incomplete_reason) == ("INCOMPLETE", "MASTER_BIAS 0 of 1")
