"""Hold, release, cancel, run first, make current: what a person asks happens, and is recorded."""

import errno
import os
import signal
import threading
import time
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from pipelines.models import (
    Act,
    ActKind,
    AssociationBlock,
    Attempt,
    Hold,
    NextStep,
    Outcome,
    ProcessStatus,
)
from pipelines.recipes.process import FencedError
from pipelines.services import attempts, control
from pipelines.services.inputs import is_gone
from pipelines.services.process import process_block
from pipelines.services.recover import recover_lost, tidy_own_jobs
from pipelines.services.reprocess import run_again
from qcweb import workflow
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, taken, with_defect
from trending.models import QC1Row

pytestmark = pytest.mark.django_db


@pytest.fixture
def blocks(take, tmp_path):
    take(taken(tmp_path / "night", BIAS, FAST_BIAS, DARK))
    return {(one.raw_type, one.setup): one for one in AssociationBlock.objects.all()}


@pytest.fixture
def bias(blocks):
    return blocks["BIAS", "SLOW_1x1"]


def fresh(block):
    return AssociationBlock.objects.select_related("instrument", "current_attempt").get(pk=block.pk)


def subject_of(scope, block):
    return {"block": block, "instrument": block.instrument, "pool": None}[scope]


@pytest.mark.parametrize("scope", ["block", "instrument", "pool"])
def test_what_is_held_does_not_start_until_it_is_released(bias, quinn, scope):
    subject, at = subject_of(scope, bias), timezone.now()
    assert control.hold(subject, at, quinn, "the lamp is off")
    assert not control.hold(subject, at, quinn, "again")
    assert bias.pk not in workflow.due_blocks(at)
    assert not process_block(fresh(bias))
    assert not Attempt.objects.exists()
    assert control.release(subject, at, quinn)
    assert not control.release(subject, at, quinn)
    assert bias.pk in workflow.due_blocks(timezone.now())
    run_to_rest()
    assert fresh(bias).process_status == ProcessStatus.SUCCESSFUL
    assert [act.kind for act in Act.objects.order_by("pk")] == ["HOLD", "RELEASE"]
    assert Act.objects.last().done_by == quinn


def test_a_held_block_keeps_no_other_from_running(blocks, bias, quinn):
    control.hold(bias, timezone.now(), quinn)
    other = blocks["BIAS", "FAST_1x1"]
    workflow.advance(other.pk)
    assert fresh(other).process_status == ProcessStatus.SUCCESSFUL


def test_what_has_run_is_scored_though_it_is_held(bias, quinn):
    workflow.advance(bias.pk)
    control.hold(None, timezone.now(), quinn)
    assert fresh(bias).next_step == NextStep.EXTRACT
    assert bias.pk in workflow.due_blocks(timezone.now())


def test_run_first_puts_a_block_and_what_it_waits_for_before_all_others(blocks, bias, quinn):
    dark, other = blocks["DARK", "SLOW_1x1"], blocks["BIAS", "FAST_1x1"]
    assert control.run_first([dark], timezone.now(), quinn) == sorted([bias.pk, dark.pk])
    assert workflow.due_blocks(timezone.now())[0] == bias.pk
    # A worker that was told of another takes the urgent one.
    assert workflow.more_urgent(other.pk) == bias.pk
    assert workflow.more_urgent(bias.pk) is None
    run_to_rest()
    assert {one.priority for one in AssociationBlock.objects.all()} == {0}


def test_a_queued_block_is_cancelled_and_can_be_asked_for_again(bias, quinn):
    assert control.cancel(bias, timezone.now(), quinn, "wrong frames")
    block = fresh(bias)
    assert (block.process_status, block.next_step) == (ProcessStatus.CREATED, NextStep.REST)
    assert (block.needs_person, block.reason) == (True, "Cancelled by quinn: wrong frames")
    assert not control.cancel(bias, timezone.now(), quinn)
    assert Act.objects.filter(kind=ActKind.CANCEL).count() == 1


def test_a_cancelled_rerun_leaves_the_former_result_and_its_decision(bias, quinn):
    run_to_rest()
    before = fresh(bias)
    assert before.is_certified
    from pipelines.services.requests import request_again

    assert request_again(before, timezone.now())
    at = timezone.now()
    assert process_claimed(fresh(bias)) is not None
    assert control.cancel(fresh(bias), at, quinn)
    run_to_rest()
    after = fresh(bias)
    assert (after.process_status, after.current_attempt) == ("SUCCESSFUL", before.current_attempt)
    assert (after.is_certified, after.needs_person) == (True, False)
    assert after.attempts.get(number=2).outcome == Outcome.CANCELLED


def process_claimed(block):
    from pipelines.services import process

    resolved = process._resolve(block, timezone.now())
    assert isinstance(resolved, process._Resolved)
    return process._claim(block, resolved, timezone.now())


def test_a_run_that_was_cancelled_writes_nothing(bias, quinn):
    attempt = process_claimed(bias)
    control.cancel(fresh(bias), timezone.now(), quinn)
    with pytest.raises(FencedError):
        attempts.renew(attempt)
    attempts.run_attempt(attempt, [])
    block = fresh(bias)
    assert (block.process_status, block.current_attempt) == (ProcessStatus.CREATED, None)
    assert not block.attempts.get().products.exists()
    assert block.attempts.get().outcome == Outcome.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_a_running_recipe_ends_within_moments_of_its_cancelling(bias, quinn):
    runner = threading.Thread(target=_work, args=(bias.pk,))
    runner.start()
    deadline = time.monotonic() + 30
    while not (running := Attempt.objects.exclude(process={}).first()):
        assert time.monotonic() < deadline, "It never began."
        time.sleep(0.01)
    # Stopped, it cannot come to its end by itself: only the cancelling ends it.
    os.kill(running.process["pid"], signal.SIGSTOP)
    control.cancel(fresh(bias), timezone.now(), quinn)
    runner.join(10)
    assert not runner.is_alive()
    assert fresh(bias).process_status == ProcessStatus.CREATED
    attempt = bias.attempts.get()
    assert (attempt.outcome, attempt.products.count()) == (Outcome.CANCELLED, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(running.process["pid"], 0)


def _work(pk):
    try:
        workflow.advance(pk)
    finally:
        connection.close()


def test_an_earlier_run_is_made_the_current_one_and_judged_anew(bias, quinn):
    run_to_rest()
    first = fresh(bias).current_attempt
    done = run_again([fresh(bias)], timezone.now(), quinn, chosen={"outlier-kappa": 20.0})
    assert done.queued
    run_to_rest()
    second = fresh(bias).current_attempt
    assert second.parameters == ["--min-frames=3", "--outlier-kappa=20.0"]
    assert control.make_current(first, timezone.now(), quinn, "the default was right")
    assert not control.make_current(first, timezone.now(), quinn)
    run_to_rest()
    block = fresh(bias)
    assert (block.current_attempt, block.process_status) == (first, ProcessStatus.SUCCESSFUL)
    rows = QC1Row.objects.current().filter(attempt__block=block)
    assert {row.attempt_id for row in rows} == {first.pk}
    assert rows.count() == 2
    act = Act.objects.get(kind=ActKind.CURRENT)
    assert (act.done_by, act.details) == (quinn, {"attempt": 1, "former": 2})


def test_a_failed_run_is_never_made_the_current_one(bias, quinn):
    Attempt.objects.create(
        block=bias, number=7, outcome=Outcome.FAILED, recipe="hcm_bias", worker="w",
        started_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    AssociationBlock.objects.filter(pk=bias.pk).update(next_step=NextStep.REST)
    assert not control.make_current(bias.attempts.get(), timezone.now(), quinn)
    assert not Act.objects.exists()


def test_a_database_away_for_a_moment_ends_no_recipe(bias, monkeypatch):
    attempt = process_claimed(bias)
    heart = attempts._Heart(attempt)

    def away(*_args):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(attempts, "_mine", away)
    monkeypatch.setattr(connection, "close", lambda: None)
    heart.looked_s -= attempts.LOOK_S
    heart.beat()
    heart.looked_s -= attempts.LOOK_S
    heart.renewed_s -= settings.HCM_LEASE_S + 1
    with pytest.raises(FencedError):
        heart.beat()


def test_holds_are_one_a_subject(bias, quinn):
    control.hold(bias, timezone.now(), quinn)
    control.hold(bias.instrument, timezone.now(), quinn)
    assert Hold.objects.count() == 2
    assert set(AssociationBlock.objects.held()) == set(AssociationBlock.objects.all())


# ---- what goes wrong around it


def test_an_ingest_does_not_undo_a_cancelling(bias, quinn):
    from pipelines.services.associate import associate_blocks

    control.cancel(bias, timezone.now(), quinn, "wrong frames")
    associate_blocks(bias.instrument, [bias.night], timezone.now())
    block = fresh(bias)
    assert (block.process_status, block.next_step) == (ProcessStatus.CREATED, NextStep.REST)
    assert block.reason == "Cancelled by quinn: wrong frames"
    run_again([block], timezone.now(), quinn)
    run_to_rest()
    assert fresh(bias).process_status == ProcessStatus.SUCCESSFUL


def test_who_waits_for_a_cancelled_block_lacks_it(blocks, bias, quinn):
    dark = blocks["DARK", "SLOW_1x1"]
    workflow.advance(dark.pk)
    assert fresh(dark).blocked_by == bias
    control.cancel(bias, timezone.now(), quinn)
    assert is_gone(fresh(bias))


def test_a_write_whose_answer_was_lost_is_not_written_twice_nor_thrown_away(bias, monkeypatch):
    attempt = process_claimed(bias)
    write, calls = attempts._write, []

    def lose_the_answer(*arguments):
        write(*arguments)
        calls.append(1)
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(attempts, "_write", lose_the_answer)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(attempts, "connection", Mock(in_atomic_block=False))
    attempts.run_attempt(attempt, [])
    block = fresh(bias)
    assert (block.process_status, calls) == (ProcessStatus.SUCCESSFUL, [1])
    product = block.current_attempt.products.get()
    assert (settings.HCM_DATA_DIR / product.path).is_file()


def test_what_was_moved_before_the_disk_was_full_is_removed(bias, monkeypatch):
    attempt = process_claimed(bias)

    def full(source, target, _beat):
        target.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attempts, "_move", full)
    with pytest.raises(OSError, match="No space left"):
        attempts.run_attempt(attempt, [])
    assert fresh(bias).failure_kind == "environment"
    assert not attempts.product_dir(attempt).exists()


def test_a_product_is_copied_to_another_disk_with_signs_of_life(tmp_path, monkeypatch):
    source, target, beats = tmp_path / "a", tmp_path / "b", []
    source.write_bytes(b"x" * 10)
    monkeypatch.setattr(attempts, "_PIECE", 4)

    def other_disk(*_args):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(type(source), "rename", other_disk)
    attempts._move(source, target, lambda: beats.append(1))
    assert (target.read_bytes(), len(beats)) == (b"x" * 10, 3)


def test_a_run_that_cannot_begin_is_left_alone_for_a_while(bias, monkeypatch, settings):
    settings.HCM_RETRY_S = 600.0
    AssociationBlock.objects.filter(pk=bias.pk).update(priority=1)

    def broken(*_args):
        raise RuntimeError("no such table")

    monkeypatch.setattr(workflow, "process_block", broken)
    with pytest.raises(RuntimeError):
        workflow.advance(bias.pk)
    block = fresh(bias)
    assert (block.process_status, block.failure_kind) == ("FAILED", "environment")
    assert (block.n_failures, block.priority) == (1, 0)
    assert "no such table" in block.reason
    assert bias.pk not in workflow.due_blocks(timezone.now())


def test_the_log_shown_by_a_worker_elsewhere_is_kept_when_it_is_lost(bias):
    attempt = process_claimed(bias)
    Attempt.objects.filter(pk=attempt.pk).update(log="half of it\n", job_dir="/elsewhere/1-1")
    recover_lost(timezone.now() + timedelta(hours=2))
    assert bias.attempts.get().log == "half of it\n"


def test_a_second_loss_waits_before_the_next_try(bias, settings):
    settings.HCM_RETRY_S = 600.0
    process_claimed(bias)
    recover_lost(timezone.now() + timedelta(hours=2))
    assert fresh(bias).next_try_at is None
    process_claimed(fresh(bias))
    at = timezone.now() + timedelta(hours=4)
    recover_lost(at)
    assert fresh(bias).next_try_at == at + timedelta(seconds=600)


def test_a_host_tidies_what_ended_runs_left_on_its_disk(bias, settings, tmp_path):
    settings.HCM_WORK_DIR = tmp_path
    (tmp_path / "7-1" / "out").mkdir(parents=True)
    (tmp_path / "7-1" / "out" / "half.fits").write_bytes(b"x")
    Attempt.objects.create(
        block=bias, number=1, outcome=Outcome.LOST, recipe="hcm_bias", worker="w", log="its log\n",
        job_dir=str(tmp_path / "7-1"), started_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    assert tidy_own_jobs(timezone.now()) == 0
    assert tidy_own_jobs(timezone.now() + timedelta(minutes=2)) == 1
    assert [one.name for one in (tmp_path / "7-1").iterdir()] == ["run.log"]


def test_an_incomplete_block_has_no_current_result_to_choose(bias, quinn):
    run_to_rest()
    first = fresh(bias).current_attempt
    AssociationBlock.objects.filter(pk=bias.pk).update(
        completeness="INCOMPLETE", incomplete_reason="a frame is gone", process_status="CREATED",
        is_degraded=False,
    )  # fmt: skip
    assert not control.make_current(first, timezone.now(), quinn)


def test_values_are_read_for_the_result_that_stands(bias, quinn):
    """A worker that saw an earlier result does not write its values over the chosen one's."""
    run_to_rest()
    first = fresh(bias).current_attempt
    run_again([fresh(bias)], timezone.now(), quinn)
    workflow.advance(bias.pk)
    late = fresh(bias)
    assert late.next_step == NextStep.EXTRACT
    run_to_rest()
    control.make_current(first, timezone.now(), quinn)
    workflow._take_step(late, NextStep.EXTRACT)
    assert fresh(bias).next_step == NextStep.EXTRACT
    run_to_rest()
    rows = QC1Row.objects.current().filter(attempt__block=bias)
    assert {row.attempt_id for row in rows} == {first.pk}


def test_an_instrument_is_cancelled_and_put_first_as_a_whole(blocks, bias, quinn):
    assert control.run_all_first(bias.instrument, timezone.now(), quinn) == 3
    assert control.cancel_all(bias.instrument, timezone.now(), quinn, "power cut") == 3
    assert workflow.due_blocks(timezone.now()) == []
    assert control.cancel_all(None, timezone.now(), quinn) == 0


def test_cancelling_does_not_hide_that_it_had_failed(take, tmp_path, quinn):
    take(taken(tmp_path / "cut", with_defect(BIAS, truncated_frame=2)))
    run_to_rest()
    (block,) = AssociationBlock.objects.all()
    assert block.process_status == ProcessStatus.FAILED
    run_again([block], timezone.now(), quinn)
    control.cancel(fresh(block), timezone.now(), quinn)
    after = fresh(block)
    assert (after.process_status, after.failure_kind) == ("FAILED", "input")
    assert after.reason == block.reason


def test_the_next_run_is_given_what_the_chosen_one_was(bias, quinn):
    run_to_rest()
    first = fresh(bias).current_attempt
    run_again([fresh(bias)], timezone.now(), quinn, chosen={"outlier-kappa": 20.0})
    run_to_rest()
    control.make_current(first, timezone.now(), quinn)
    assert fresh(bias).chosen_parameters == {}
