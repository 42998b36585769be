"""Nights that ran, for pages, API and certification: each runs once, every test gets its rows."""

import io

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from pipelines.models import AssociationBlock
from pipelines.services.ingest import find_frames, ingest
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, FLAT, taken, with_defect
from tests.qcweb.snapshot import Snapshot

RED_BIAS = with_defect(FAST_BIAS, chip="CHIP2", ron_factor=1.35)


def snapshot_of(blocker, directory, *templates, change=lambda: None):
    """Run the frames of templates for real, keep the rows, and leave the database as it was."""
    with blocker.unblock(), transaction.atomic():
        call_command("load_instruments", stdout=io.StringIO())
        ingest(find_frames(taken(directory, *templates)), timezone.now())
        run_to_rest()
        change()
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
