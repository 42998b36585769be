"""Messages go where somebody reads: special workers first, all of them else."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, NextStep, Worker
from qcweb import queues, workflow
from tests.frames import BIAS, taken

pytestmark = pytest.mark.django_db


@pytest.fixture
def bias(take, tmp_path):
    take(taken(tmp_path / "night", BIAS))
    return AssociationBlock.objects.select_related("instrument").get()


@pytest.fixture
def read(monkeypatch):
    """Let queues be read anew each time: what they hold for some seconds is of another test."""
    monkeypatch.setattr(queues, "_KEPT_S", -1.0)

    def by(*names, seen_s=0.0, stopped=False):
        at = timezone.now() - dt.timedelta(seconds=seen_s)
        Worker.objects.create(
            name=f"host:{Worker.objects.count() + 1}", host="host", pid=1, queues=list(names),
            started_at=at, seen_at=at, stopped_at=at if stopped else None,
        )  # fmt: skip

    return by


def large(block):
    block.instrument.recipes["hcm_bias"]["memory_mb"] = 9000
    block.instrument.save()
    return block


def where(block):
    ((_, queue),) = workflow.routes([block.pk])
    return queue


def test_without_special_workers_all_goes_to_all(bias, read):
    assert where(bias) == "blocks"
    read("blocks", "clock")
    assert where(bias) == "blocks"


def test_an_instrument_with_workers_of_its_own_has_its_own_queue(bias, read):
    read("blocks", "clock")
    read("blocks.ccdcam")
    assert where(bias) == "blocks.ccdcam"


def test_large_jobs_go_to_workers_for_large_ones(bias, read):
    read("blocks", "blocks.ccdcam")
    assert where(large(bias)) == "blocks.ccdcam"
    read("blocks.large")
    assert where(bias) == "blocks.large"
    read("blocks.ccdcam.large")
    assert where(bias) == "blocks.ccdcam.large"
    # Reading values takes no memory to speak of.
    AssociationBlock.objects.update(next_step=NextStep.EXTRACT)
    assert where(bias) == "blocks.ccdcam"


@pytest.mark.parametrize("gone", [{"seen_s": 120.0}, {"stopped": True}])
def test_a_queue_whose_workers_are_gone_gets_no_more(bias, read, gone):
    read("blocks")
    read("blocks.ccdcam", **gone)
    assert where(bias) == "blocks"


def test_what_is_urgent_for_other_workers_does_not_hinder_these(bias, read, take, tmp_path):
    from tests.frames import FAST_BIAS

    take(taken(tmp_path / "more", FAST_BIAS))
    other = AssociationBlock.objects.exclude(pk=bias.pk).get()
    read("blocks")
    read("blocks.large")
    AssociationBlock.objects.filter(pk=other.pk).update(priority=1, recipe="hcm_huge")
    other.instrument.recipes["hcm_huge"] = {"memory_mb": 9000}
    other.instrument.save()
    assert workflow.more_urgent(bias.pk) is None
