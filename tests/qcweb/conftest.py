"""Nights that ran, for pages, API and certification: each runs once, every test gets its rows."""

import io
from dataclasses import replace

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from pipelines.models import AssociationBlock
from pipelines.services.ingest import find_frames, ingest
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, FLAT, later, taken, with_defect
from tests.qcweb.snapshot import Snapshot
from trending.models import BlockScore, QC1Row, QC1Value, ScoreRule


@pytest.fixture(autouse=True)
def _nothing_is_kept():
    """What one test has drawn is not shown to the next."""
    cache.clear()


RED_BIAS = with_defect(FAST_BIAS, chip="CHIP2", ron_factor=1.35)
GREY_BIAS = replace(later(BIAS, 10 / 1440), read_mode="FAST", binning=2)
FAILED_BIAS = with_defect(replace(later(BIAS, 15 / 1440), binning=2), truncated_frame=2)
WAITING_DARK = later(DARK, 70 / 1440)
DEGRADED_FLAT = with_defect(replace(FLAT, n_frames=4), saturated_frame=2)
SHORT_FLAT = replace(later(FLAT, 20 / 1440), n_frames=2, filter_name="R")


def nothing():
    pass


def snapshot_of(blocker, directory, *templates, before=nothing, after=nothing):
    """Run the frames of templates for real, keep the rows, and leave the database as it was."""
    with blocker.unblock(), transaction.atomic():
        call_command("load_instruments", stdout=io.StringIO())
        before()
        ingest(find_frames(taken(directory, *templates)), timezone.now())
        run_to_rest()
        after()
        kept = Snapshot.take()
        transaction.set_rollback(True)
    return kept


@pytest.fixture(scope="session")
def night_rows(django_db_setup, django_db_blocker, tmp_path_factory):
    directory = tmp_path_factory.mktemp("frames") / "night"
    return snapshot_of(django_db_blocker, directory, BIAS, RED_BIAS, DARK)


@pytest.fixture
def night(db, night_rows):
    """A green bias, a red one (read noise of CHIP2), a dark that used the green one.

    | raw type | setup    | score | certification |
    | BIAS     | SLOW_1x1 | OK    | AUTO          |
    | BIAS     | FAST_1x1 | NOK   | open          |
    | DARK     | SLOW_1x1 | OK    | AUTO          |
    """
    night_rows.put_back()
    return {
        "green": AssociationBlock.objects.get(raw_type="BIAS", setup="SLOW_1x1"),
        "red": AssociationBlock.objects.get(raw_type="BIAS", setup="FAST_1x1"),
        "dark": AssociationBlock.objects.get(raw_type="DARK"),
    }


@pytest.fixture(scope="session")
def states_rows(django_db_setup, django_db_blocker, tmp_path_factory):
    directory = tmp_path_factory.mktemp("frames") / "states"
    return snapshot_of(
        django_db_blocker, directory, BIAS, RED_BIAS, GREY_BIAS, FAILED_BIAS, DARK, WAITING_DARK,
        DEGRADED_FLAT, SHORT_FLAT, before=_rules_for_1x1_only, after=_wait_for_the_failed,
    )  # fmt: skip


def _rules_for_1x1_only():
    for rule in ScoreRule.objects.filter(parameter__table__name="ccdcam_bias"):
        rule.setup["binning"] = "1x1"
        rule.save()


def _wait_for_the_failed():
    """Stop the second dark at the point where it finds that its bias failed."""
    failed = AssociationBlock.objects.get(process_status="FAILED")
    waiting = AssociationBlock.objects.filter(raw_type="DARK").order_by("mjd_obs").last()
    BlockScore.objects.filter(block=waiting).delete()
    QC1Value.objects.filter(row__attempt__block=waiting).delete()
    QC1Row.objects.filter(attempt__block=waiting).delete()
    AssociationBlock.objects.filter(pk=waiting.pk).update(
        process_status="BLOCKED", blocked_by=failed, next_step="PROCESS", current_attempt=None,
        needs_person=False, reason=f"waits for {failed.ab_name}",
    )  # fmt: skip


@pytest.fixture
def states(db, states_rows):
    """One block in each state a night's page can show.

    | raw type | what is with it                          | score      | certification |
    | BIAS     | nothing                                  | OK         | AUTO          |
    | BIAS     | read noise of CHIP2                      | NOK        | open          |
    | BIAS     | no rule for its setup                    | not scored | open          |
    | BIAS     | a frame is truncated: failed             | –          | open          |
    | DARK     | nothing                                  | OK         | AUTO          |
    | DARK     | waits for the failed bias                | –          | –             |
    | FLAT     | a frame is saturated: degraded           | OK         | open          |
    | FLAT     | two frames of three: incomplete          | –          | open          |
    """
    states_rows.put_back()
    blocks = AssociationBlock.objects.all()
    biases = blocks.filter(raw_type="BIAS")
    return {
        "green": biases.get(setup="SLOW_1x1"),
        "red": biases.get(setup="FAST_1x1"),
        "grey": biases.get(setup="FAST_2x2"),
        "failed": biases.get(process_status="FAILED"),
        "blocked": blocks.get(process_status="BLOCKED"),
        "degraded": blocks.get(is_degraded=True),
        "incomplete": blocks.get(completeness="INCOMPLETE"),
    }
