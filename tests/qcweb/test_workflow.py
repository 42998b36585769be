"""The order of work: each step once, from what the database says, whatever fails on the way."""

import dataclasses
import datetime as dt
import shutil
import threading

import pytest
from django.conf import settings as project
from django.db import connection, connections
from django.utils import timezone

from pipelines.models import AssociationBlock, Attempt, NextStep, Outcome, ProcessStatus
from qcweb import tasks, workflow
from qcweb.certification.models import Certification
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, FLAT, taken, with_defect
from trending.models import BlockScore, QC1Row, Score

pytestmark = pytest.mark.django_db


@pytest.fixture
def bias(take, tmp_path):
    """A bias that waits for its recipe."""
    take(taken(tmp_path / "night", BIAS))
    return AssociationBlock.objects.get()


def fresh(block):
    return AssociationBlock.objects.select_related("current_attempt").get(pk=block.pk)


def step(block):
    """Do one step; return where the block is then."""
    workflow.advance(block.pk)
    return fresh(block).next_step


def test_the_steps_come_in_their_order_from_the_database_alone(bias):
    assert bias.next_step == NextStep.PROCESS
    assert step(bias) == NextStep.EXTRACT
    assert (Attempt.objects.count(), QC1Row.objects.count()) == (1, 0)
    assert step(bias) == NextStep.CERTIFY
    assert (QC1Row.objects.count(), BlockScore.objects.count()) == (2, 1)
    assert not Certification.objects.exists()
    assert step(bias) == NextStep.REST
    assert Certification.objects.count() == 1
    assert step(bias) == NextStep.REST


def test_a_block_says_who_is_next(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    bias, dark = AssociationBlock.objects.order_by("mjd_obs")
    assert workflow.advance(dark.pk) == []
    assert fresh(dark).blocked_by == bias
    assert workflow.advance(bias.pk) == [bias.pk, dark.pk]
    assert workflow.advance(dark.pk) == [dark.pk]
    assert fresh(dark).process_status == ProcessStatus.SUCCESSFUL
    assert fresh(dark).blocked_by is None


def test_a_producer_that_fails_releases_those_that_wait_for_it_too(take, tmp_path):
    take(taken(tmp_path, with_defect(BIAS, truncated_frame=1), DARK))
    bias, dark = AssociationBlock.objects.order_by("mjd_obs")
    workflow.advance(dark.pk)
    assert dark.pk in workflow.advance(bias.pk)


def test_a_block_that_is_gone_or_at_rest_or_not_yet_due_is_left_alone(bias):
    assert workflow.advance(bias.pk + 1) == []
    AssociationBlock.objects.update(next_try_at=timezone.now() + dt.timedelta(hours=1))
    assert workflow.advance(bias.pk) == []
    AssociationBlock.objects.update(next_try_at=None, next_step=NextStep.REST)
    assert workflow.advance(bias.pk) == []
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("at", [NextStep.EXTRACT, NextStep.CERTIFY])
def test_a_step_is_taken_once_by_two_workers_with_the_same_picture(bias, at):
    while fresh(bias).next_step != at:
        workflow.advance(bias.pk)
    one, other = fresh(bias), fresh(bias)
    workflow._take_step(one, NextStep(at))
    counts = QC1Row.objects.count(), BlockScore.objects.count(), Certification.objects.count()
    workflow._take_step(other, NextStep(at))
    assert counts == (
        QC1Row.objects.count(), BlockScore.objects.count(), Certification.objects.count()
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("threads")
def test_two_workers_at_the_same_time_do_each_step_once(take, tmp_path):
    if connection.vendor != "postgresql":
        pytest.skip("one connection on SQLite: tests/site/test_database.py runs it")
    take(taken(tmp_path / "night", BIAS))
    block = AssociationBlock.objects.get()
    errors = []

    def work():
        try:
            workflow.advance(block.pk)
        except Exception as error:  # noqa: BLE001  shown by the test
            errors.append(error)
        finally:
            connections.close_all()

    for _ in range(3):
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    run_to_rest()
    assert errors == []
    counts = [model.objects.count() for model in (Attempt, QC1Row, BlockScore, Certification)]
    assert counts == [1, 2, 1, 1]


# ---- what fails


@pytest.fixture
def unreadable(bias, settings):
    """A bias whose product was removed before it was read."""
    settings.HCM_RETRY_S, settings.HCM_MAX_ATTEMPTS = 600.0, 3
    workflow.advance(bias.pk)
    product = fresh(bias).current_attempt.products.get()
    path = project.HCM_DATA_DIR / product.path
    path.rename(path.with_suffix(".away"))
    yield path
    path.with_suffix(".away").unlink(missing_ok=True)


def fail(block):
    AssociationBlock.objects.filter(pk=block.pk).update(next_try_at=None)
    with pytest.raises(FileNotFoundError):
        workflow.advance(block.pk)
    return fresh(block)


def test_a_step_that_fails_is_seen_to_fail_and_leaves_the_block_where_it_was(bias, unreadable):
    block = fail(bias)
    assert (block.next_step, block.process_status) == (NextStep.EXTRACT, ProcessStatus.SUCCESSFUL)
    assert (block.is_degraded, block.needs_person, block.n_failures) == (True, False, 1)
    assert block.reason.startswith(
        "To read and score its QC1 parameters did not work. FileNotFound"
    )
    assert not QC1Row.objects.exists()
    assert not BlockScore.objects.exists()


def test_a_step_that_fails_is_not_tried_again_at_once(bias, unreadable):
    block = fail(bias)
    assert workflow.advance(block.pk) == []
    assert workflow.due_blocks(timezone.now() + dt.timedelta(seconds=500)) == []
    assert workflow.due_blocks(timezone.now() + dt.timedelta(seconds=700)) == [block.pk]


def test_a_step_that_fails_again_and_again_is_left_to_a_person(bias, unreadable):
    for _ in range(3):
        block = fail(bias)
    assert (block.next_step, block.next_try_at) == (NextStep.REST, None)
    assert (block.needs_person, block.is_degraded) == (True, True)
    assert workflow.due_blocks(timezone.now() + dt.timedelta(days=1)) == []
    assert not Certification.objects.exists()


def test_a_step_that_works_at_last_leaves_no_mark(bias, unreadable):
    fail(bias)
    unreadable.with_suffix(".away").rename(unreadable)
    run_to_rest()
    block = fresh(bias)
    assert (block.is_degraded, block.reason, block.n_failures) == (False, "", 0)
    assert Certification.objects.filter(block=block).exists()


def test_what_its_run_degraded_stays_so_when_a_step_works_at_last(take, tmp_path, settings):
    settings.HCM_RETRY_S = 600.0
    flat = dataclasses.replace(with_defect(FLAT, saturated_frame=2), n_frames=4)
    take(taken(tmp_path / "night", BIAS, flat))
    bias, block = AssociationBlock.objects.order_by("mjd_obs")
    for _ in range(3):
        workflow.advance(bias.pk)
    workflow.advance(block.pk)
    before = fresh(block)
    assert before.is_degraded
    product = (
        project.HCM_DATA_DIR / before.current_attempt.products.get(pro_catg="MASTER_FLAT").path
    )
    product.rename(product.with_suffix(".away"))
    assert fail(block).reason != before.reason
    product.with_suffix(".away").rename(product)
    run_to_rest()
    assert (fresh(block).is_degraded, fresh(block).reason) == (True, before.reason)


def test_a_failure_that_may_pass_is_tried_again_and_can_pass(bias, settings):
    settings.HCM_RETRY_S = 600.0
    limits = bias.instrument.recipes["hcm_bias"]
    bias.instrument.recipes["hcm_bias"] = limits | {"timeout_s": 1e-6}
    bias.instrument.save()
    workflow.advance(bias.pk)
    block = fresh(bias)
    assert (block.process_status, block.next_step) == (ProcessStatus.FAILED, NextStep.PROCESS)
    assert workflow.due_blocks(timezone.now()) == []
    assert workflow.due_blocks(timezone.now() + dt.timedelta(seconds=700)) == [block.pk]
    block.instrument.recipes["hcm_bias"] = limits
    block.instrument.save()
    run_to_rest()
    block = fresh(bias)
    assert (block.process_status, block.n_failures, block.reason) == ("SUCCESSFUL", 0, "")
    assert [one.outcome for one in block.attempts.order_by("number")] == ["FAILED", "SUCCESSFUL"]


def test_a_recipe_that_is_not_installed_is_asked_for_again(bias, settings):
    settings.HCM_RETRY_S, settings.HCM_MAX_ATTEMPTS = 600.0, 2
    bias.instrument.runner, bias.instrument.pipeline = "esorex", "nowhere"
    bias.instrument.save()
    workflow.advance(bias.pk)
    block = fresh(bias)
    assert (block.failure_kind, block.next_step) == ("environment", NextStep.PROCESS)
    assert block.reason == "EsoRex with the nowhere pipeline is not installed on this worker."
    run_to_rest()
    block = fresh(bias)
    assert (block.process_status, block.next_step, block.attempt) == ("FAILED", "REST", 2)
    assert block.needs_person


def test_what_nobody_foresaw_is_recorded_at_once_and_seen(bias, settings):
    """The room for products is a file: moving them there fails in the middle of writing results."""
    settings.HCM_RETRY_S = 600.0
    folder = project.HCM_DATA_DIR / "products" / "CCDCAM" / bias.night.isoformat()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    try:
        with pytest.raises(OSError, match=r"exists|Not a directory"):
            workflow.advance(bias.pk)
    finally:
        folder.unlink()
    block = fresh(bias)
    assert (block.process_status, block.next_step) == (ProcessStatus.FAILED, NextStep.PROCESS)
    assert block.reason.startswith("The worker could not go on: ")
    attempt = block.attempts.get()
    assert (attempt.outcome, attempt.process["pid"] > 0) == (Outcome.FAILED, True)
    run_to_rest()
    assert fresh(bias).process_status == ProcessStatus.SUCCESSFUL


# ---- results stay until there are new ones


def test_a_run_in_progress_leaves_the_former_results_in_place(bias, take, tmp_path):
    run_to_rest()
    before = set(QC1Row.objects.current().values_list("pk", flat=True))
    first = fresh(bias).current_attempt
    AssociationBlock.objects.update(next_step=NextStep.PROCESS, process_status=ProcessStatus.QUEUED)
    workflow.advance(bias.pk)
    assert fresh(bias).current_attempt != first
    assert set(QC1Row.objects.current().values_list("pk", flat=True)) == before
    assert BlockScore.objects.get(is_current=True).attempt == first
    run_to_rest()
    assert not set(QC1Row.objects.current().values_list("pk", flat=True)) & before
    assert set(QC1Row.objects.current().values_list("attempt", flat=True)) == {
        fresh(bias).current_attempt_id
    }
    assert Score.objects.filter(is_current=True, row__in=before).count() == 0


def test_a_later_run_that_fails_leaves_the_former_results_in_place(bias, tmp_path):
    run_to_rest()
    before = set(QC1Row.objects.current().values_list("pk", flat=True))
    shutil.rmtree(tmp_path / "night")
    AssociationBlock.objects.update(next_step=NextStep.PROCESS, process_status=ProcessStatus.QUEUED)
    run_to_rest()
    assert fresh(bias).process_status == ProcessStatus.FAILED
    assert set(QC1Row.objects.current().values_list("pk", flat=True)) == before
    assert fresh(bias).current_attempt.outcome == Outcome.SUCCESSFUL


def test_ingesting_the_same_night_again_starts_nothing(bias, take, tmp_path):
    run_to_rest()
    assert take(tmp_path / "night").to_advance == []
    assert fresh(bias).next_step == NextStep.REST


# ---- the sweep and the broker


@pytest.fixture
def queue():
    """The folder in which the embedded broker keeps messages, empty."""
    for name in ("queue", "control"):
        (project.BROKER_DIR / name).mkdir(parents=True, exist_ok=True)
    folder = project.BROKER_DIR / "queue"
    for message in folder.iterdir():
        message.unlink()
    return folder


def test_the_sweep_asks_once_for_each_block_however_often_it_comes(bias, queue):
    for _ in range(3):
        tasks.sweep()
    assert len(list(queue.iterdir())) == 1
    assert fresh(bias).asked_at is not None


def test_what_the_broker_forgot_is_asked_for_again_after_two_leases(bias, queue):
    tasks.sweep()
    soon = timezone.now() + 1.9 * dt.timedelta(seconds=project.HCM_LEASE_S)
    late = timezone.now() + 2.1 * dt.timedelta(seconds=project.HCM_LEASE_S)
    assert workflow.due_blocks(soon) == []
    assert workflow.due_blocks(late) == [bias.pk]


def test_blocks_are_asked_for_in_cascade_order(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    AssociationBlock.objects.filter(raw_type="DARK").update(mjd_obs=1.0)
    due = workflow.due_blocks(timezone.now())
    assert [AssociationBlock.objects.get(pk=pk).raw_type for pk in due] == ["BIAS", "DARK"]


def test_a_task_goes_on_to_the_end_of_its_block_and_asks_for_those_that_waited(
    bias, queue, take, tmp_path
):
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.exclude(pk=bias.pk).get()
    workflow.advance(dark.pk)
    assert fresh(dark).blocked_by == bias
    assert tasks.advance(bias.pk) == bias.pk
    assert fresh(bias).next_step == NextStep.REST
    (message,) = queue.iterdir()
    assert f"({dark.pk},)" in message.read_text()


def test_a_task_that_was_told_of_another_takes_the_urgent_block_first(bias, queue, take, tmp_path):
    take(taken(tmp_path / "fast", FAST_BIAS))
    other = AssociationBlock.objects.exclude(pk=bias.pk).get()
    AssociationBlock.objects.filter(pk=other.pk).update(priority=1)
    tasks.advance(bias.pk)
    assert fresh(other).next_step == NextStep.REST
    assert fresh(bias).next_step == NextStep.PROCESS
    assert len(list(queue.iterdir())) == 1


def test_a_broker_that_takes_nothing_leaves_the_asking_to_the_sweep(bias, queue):
    shutil.rmtree(queue)
    queue.write_text("in the way")
    assert not tasks.ask([bias.pk])
    assert fresh(bias).asked_at is None
    queue.unlink()
    queue.mkdir()
    assert tasks.sweep() == [bias.pk]
    assert len(list(queue.iterdir())) == 1
