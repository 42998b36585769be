"""Blocks run real recipes; results are written only by whoever still owns the block."""

import dataclasses
import datetime as dt
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from pipelines.models import AssociationBlock, Attempt, Outcome, ProcessStatus, Product
from pipelines.recipes import forked
from pipelines.recipes.process import FencedError
from pipelines.services import attempts, inputs, process
from pipelines.services.process import process_block
from pipelines.services.recover import recover_lost
from qcweb import workflow
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FLAT, later, taken, with_defect

pytestmark = pytest.mark.django_db


def block_of(raw_type="BIAS"):
    return AssociationBlock.objects.get(raw_type=raw_type)


def test_a_bias_is_run_and_its_product_kept(take, tmp_path):
    take(taken(tmp_path, BIAS))
    run_to_rest()
    block = block_of()
    assert block.process_status == ProcessStatus.SUCCESSFUL
    assert not block.is_degraded
    product = Product.objects.get(attempt=block.current_attempt)
    assert product.pro_catg == "MASTER_BIAS"
    assert (settings.HCM_DATA_DIR / product.path).stat().st_size == product.size
    attempt = block.current_attempt
    assert attempt.return_code == 0
    assert "hcm_bias" in attempt.argv
    assert attempt.log
    assert attempt.pipeline_version.startswith("hcm/")


def test_a_dark_runs_after_its_bias_and_with_its_product(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    dark = block_of("DARK")
    workflow.advance(dark.pk)
    dark.refresh_from_db()
    assert (dark.process_status, dark.blocked_by) == (ProcessStatus.BLOCKED, block_of())
    run_to_rest()
    dark.refresh_from_db()
    assert dark.process_status == ProcessStatus.SUCCESSFUL
    assert dark.current_attempt.inputs[0]["producer"] == block_of().ab_name


def test_a_truncated_frame_fails_its_block_and_says_which(take, tmp_path):
    take(taken(tmp_path, with_defect(BIAS, truncated_frame=2)))
    run_to_rest()
    block = block_of()
    assert (block.process_status, block.failure_kind) == (ProcessStatus.FAILED, "input")
    assert "is truncated: " in block.reason
    assert block.needs_person
    assert block.attempts.count() == 1


def test_a_saturated_frame_is_left_out_and_the_block_degraded(take, tmp_path):
    flat = dataclasses.replace(with_defect(FLAT, saturated_frame=2), n_frames=4)
    take(taken(tmp_path, BIAS, flat))
    run_to_rest()
    block = block_of("FLAT")
    assert block.process_status == ProcessStatus.SUCCESSFUL
    assert block.is_degraded
    assert "saturated, " in block.reason


def test_a_failed_bias_is_replaced_by_the_next_best(take, tmp_path):
    take(taken(tmp_path / "one", later(BIAS, -1)))
    run_to_rest()
    take(taken(tmp_path / "two", with_defect(BIAS, truncated_frame=2), DARK))
    run_to_rest()
    dark = block_of("DARK")
    assert dark.process_status == ProcessStatus.SUCCESSFUL
    assert dark.calibrations.get().producer.night == dt.date(2026, 2, 28)


def test_without_a_next_best_it_waits_for_the_culprit(take, tmp_path):
    take(taken(tmp_path, with_defect(BIAS, truncated_frame=2), DARK))
    for _ in range(4):
        for block in AssociationBlock.objects.all():
            workflow.advance(block.pk)
    dark = block_of("DARK")
    assert (dark.process_status, dark.blocked_by) == (ProcessStatus.BLOCKED, block_of())


NOTHING = process._Resolved([], frozenset())


def claimed(block):
    at = timezone.now()
    attempt = process._claim(block, NOTHING, at)
    assert attempt is not None
    return attempt


def test_only_one_of_two_workers_gets_a_block(take, tmp_path):
    take(taken(tmp_path, BIAS))
    first, second = block_of(), block_of()
    assert process._claim(first, NOTHING, timezone.now()) is not None
    assert process._claim(second, NOTHING, timezone.now()) is None
    assert Attempt.objects.count() == 1


def test_a_late_worker_changes_nothing(take, tmp_path):
    take(taken(tmp_path, BIAS))
    late = claimed(block_of())
    long_after = timezone.now() + dt.timedelta(hours=2)
    assert recover_lost(long_after) == [late.block_id]
    late.refresh_from_db()
    assert late.outcome == Outcome.LOST
    run_to_rest()
    done = block_of()
    assert (done.attempt, done.process_status) == (2, ProcessStatus.SUCCESSFUL)
    with pytest.raises(FencedError):
        attempts.renew(late)
    before = list(Product.objects.values_list("pk", flat=True))
    attempts.run_attempt(late, [])
    done.refresh_from_db()
    assert list(Product.objects.values_list("pk", flat=True)) == before
    assert done.current_attempt.number == 2
    left = {path.name for path in (settings.HCM_DATA_DIR / late.job_dir).iterdir()}
    assert left == {"in.sof", "run.log"}
    late.refresh_from_db()
    assert late.outcome == Outcome.LOST


def test_a_block_is_given_up_after_so_many_losses(take, tmp_path, settings):
    settings.HCM_MAX_ATTEMPTS = 2
    take(taken(tmp_path, BIAS))
    for _ in range(2):
        claimed(block_of())
        recover_lost(timezone.now() + dt.timedelta(hours=2))
    block = block_of()
    assert (block.process_status, block.failure_kind) == (ProcessStatus.FAILED, "environment")
    assert block.next_step == "REST"


def test_a_recipe_out_of_time_is_ended_and_tried_again_later(take, tmp_path):
    take(taken(tmp_path, BIAS))
    block = block_of()
    block.instrument.recipes["hcm_bias"]["timeout_s"] = 0.001
    block.instrument.save()
    workflow.advance(block.pk)
    block.refresh_from_db()
    assert (block.process_status, block.failure_kind) == (ProcessStatus.FAILED, "timeout")
    assert block.next_step == "PROCESS"
    assert block.next_try_at is not None


def test_a_recipe_out_of_memory_fails_and_says_so(take, tmp_path, monkeypatch):
    # In a fork the limit counts from what this process has, and so small a bias fits into that.
    monkeypatch.setattr(forked, "is_possible", lambda: False)
    take(taken(tmp_path, BIAS))
    block = block_of()
    block.instrument.recipes["hcm_bias"]["memory_mb"] = 40
    block.instrument.save()
    workflow.advance(block.pk)
    block.refresh_from_db()
    assert block.process_status == ProcessStatus.FAILED
    assert not Product.objects.exists()


def test_a_frame_that_is_gone_fails_its_block(take, tmp_path):
    take(taken(tmp_path, BIAS))
    shutil.rmtree(tmp_path)
    run_to_rest()
    assert "is not there any more" in block_of().reason


def test_frames_that_come_after_the_run_make_it_run_again(take, tmp_path):
    everything = taken(tmp_path / "all", dataclasses.replace(BIAS, n_frames=4))
    some = tmp_path / "some"
    some.mkdir()
    for path in sorted(Path(everything).iterdir())[:3]:
        shutil.copy(path, some)
    take(some)
    run_to_rest()
    take(everything)
    run_to_rest()
    block = block_of()
    assert (block.attempt, block.block_frames.count()) == (2, 4)
    assert block.current_attempt.number == 2


def test_what_goes_wrong_while_tidying_up_does_not_touch_the_result(take, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.recipes.jobs.keep_log", full)
    take(taken(tmp_path, BIAS))
    process_block(block_of())
    block = block_of()
    assert (block.process_status, block.attempt) == ("SUCCESSFUL", 1)
    product = Product.objects.get(attempt=block.current_attempt)
    assert (settings.HCM_DATA_DIR / product.path).is_file()


def test_a_directory_that_cannot_be_tidied_up_loses_no_block(take, tmp_path, monkeypatch):
    def gone(*_args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("pipelines.recipes.jobs.read_job_log", gone)
    monkeypatch.setattr("pipelines.recipes.jobs.clean_job", gone)
    take(taken(tmp_path, BIAS, later(BIAS, 1)))
    ids = [block.pk for block in AssociationBlock.objects.all() if claimed(block)]
    assert sorted(recover_lost(timezone.now() + dt.timedelta(hours=2))) == sorted(ids)
    assert set(AssociationBlock.objects.values_list("process_status", flat=True)) == {"QUEUED"}
    assert "Input/output error" in Attempt.objects.first().log


def test_a_recipe_that_calls_its_input_by_another_name_gets_that_name(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    run_to_rest()
    bias = block_of().current_attempt.products.get()
    dark = block_of("DARK")
    link = dark.calibrations.get()
    recipes = dark.instrument.recipes
    recipes["hcm_dark"]["tags"] = {"DARK": "DARK_DETCHECK", "MASTER_BIAS": "OFFSET"}
    call = inputs.plan_call(dark, [inputs.Calibration(link, bias)])
    assert {one.tag for one in call.raws} == {"DARK_DETCHECK"}
    assert [one.tag for one in call.calibrations] == ["OFFSET"]
    assert {one.tag for one in inputs.plan_call(block_of(), []).raws} == {"BIAS"}


def test_a_run_does_not_start_with_calibrations_that_are_linked_no_more(take, tmp_path):
    take(taken(tmp_path / "one", later(BIAS, -1)))
    run_to_rest()
    take(taken(tmp_path / "two", DARK))
    dark = block_of("DARK")
    resolved = process._resolve(dark, timezone.now())
    assert isinstance(resolved, process._Resolved)
    take(taken(tmp_path / "three", BIAS))
    assert block_of("DARK").attempt == dark.attempt
    assert process._claim(dark, resolved, timezone.now()) is None
    assert not Attempt.objects.filter(block=dark).exists()
    run_to_rest()
    night = block_of("DARK").calibrations.get().producer.night
    assert (block_of("DARK").process_status, night) == ("SUCCESSFUL", dt.date(2026, 3, 1))
