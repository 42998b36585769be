"""What may go goes, and only when it is asked for; what somebody may need stays."""

import datetime as dt
import io
import os

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.models import Act, AssociationBlock, Attempt, Chore, Preview, Product, Worker
from pipelines.services.previews import make_previews
from pipelines.services.reprocess import run_again
from pipelines.services.workers import say_alive
from qcweb.certification.models import Certification
from qcweb.management.commands.prune import _bytes
from qcweb.management.prune.heaps import find_heaps
from tests.conftest import run_to_rest
from trending.models import QC1Row

pytestmark = pytest.mark.django_db
MONTHS = dt.timedelta(days=200)


def prune(*words):
    out = io.StringIO()
    call_command("prune", *words, stdout=out)
    return out.getvalue()


def heap(name):
    found = find_heaps(timezone.now(), dt.timedelta(days=90))
    return next(one for one in found if one.name.startswith(name))


def files_of(attempt):
    return [settings.HCM_DATA_DIR / one.path for one in attempt.products.all()]


def written(path, *, ago=MONTHS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    then = (timezone.now() - ago).timestamp()
    os.utime(path, (then, then))
    return path


@pytest.fixture
def again(night):
    """The red block, never certified, has run a second time, both runs long ago."""
    block = night["red"]
    first = block.current_attempt
    make_previews(first)
    run_again([block], timezone.now(), None, is_anew=True)
    run_to_rest()
    Attempt.objects.filter(block=block).update(finished_at=timezone.now() - MONTHS)
    block = AssociationBlock.objects.select_related("current_attempt").get(pk=block.pk)
    return first, block.current_attempt


def test_it_says_what_would_go_and_removes_nothing(again):
    first, second = again
    said = prune()
    assert "Nothing was removed: --yes removes it." in said
    assert all(path.is_file() for path in files_of(first) + files_of(second))
    assert Act.objects.filter(kind="PRUNE").count() == 0


def test_superseded_products_go_and_their_rows_and_values_stay(again, client, quinn):
    first, second = again
    rows = QC1Row.objects.filter(attempt=first).count()
    pictures = [settings.HCM_DATA_DIR / path for one in Preview.objects.filter(
        product__attempt=first) for path in one.files.values()]  # fmt: skip
    assert pictures
    assert all(path.is_file() for path in pictures)
    prune("--yes")
    assert not any(path.exists() for path in files_of(first) + pictures)
    assert all(path.is_file() for path in files_of(second))
    assert QC1Row.objects.filter(attempt=first).count() == rows > 0
    assert Preview.objects.filter(product__attempt=first).count() == 0
    client.force_login(quinn)
    answer = client.get(f"/products/{first.products.first().pk}/")
    assert answer.status_code == 404
    assert "manage.py reprocess" in answer.content.decode()
    act = Act.objects.get(kind="PRUNE")
    assert act.details["counts"]["products of superseded runs"] == first.products.count()
    assert "0 B are free" in prune("--yes")


@pytest.mark.parametrize("reason", ["current", "young", "certified", "reused", "shared"])
def test_what_somebody_may_need_stays(again, quinn, reason):
    first, second = again
    if reason == "current":
        AssociationBlock.objects.filter(pk=first.block_id).update(current_attempt=first)
        Attempt.objects.filter(pk=second.pk).update(finished_at=timezone.now())
    elif reason == "young":
        # Superseded a moment ago: somebody may still read it.
        Attempt.objects.filter(pk=second.pk).update(finished_at=timezone.now())
    elif reason == "certified":
        Certification.objects.create(block=first.block, attempt=first, number=90, decided_by=quinn,
                                     decision="ACCEPTED", decided_at=timezone.now())  # fmt: skip
        Certification.objects.create(block=first.block, attempt=first, number=91, decided_by=quinn,
                                     decision="REOPENED", decided_at=timezone.now())  # fmt: skip
    elif reason == "reused":
        Attempt.objects.filter(pk=second.pk).update(reused=first)
    else:
        Product.objects.filter(attempt=second).update(path=first.products.first().path)
        Product.objects.filter(attempt=first).exclude(pk=first.products.first().pk).delete()
    assert heap("products of superseded").products == []


def test_directories_of_runs_that_ended_go_and_those_at_work_stay(night):
    run = night["green"].current_attempt
    Attempt.objects.update(finished_at=timezone.now() - MONTHS)
    ended = written(settings.HCM_WORK_DIR / f"{run.block_id}-{run.number}" / "run.log").parent
    running = Attempt.objects.create(
        block=run.block, number=77, recipe="r", worker="w", started_at=timezone.now()
    )
    working = written(settings.HCM_WORK_DIR / f"{run.block_id}-{running.number}" / "f").parent
    lost = written(settings.HCM_WORK_DIR / "999999-1" / "f").parent
    foreign = written(settings.HCM_WORK_DIR / "notes" / "f").parent
    found = heap("job directories").paths
    assert {ended, lost} <= set(found)
    assert working not in found
    assert foreign not in found
    Attempt.objects.filter(pk=run.pk).update(finished_at=timezone.now())
    assert ended not in heap("job directories").paths


def test_products_that_no_run_knows_go_unless_a_run_is_writing_them(night):
    run = night["green"].current_attempt
    folder = settings.HCM_DATA_DIR / "products" / "CCDCAM" / "2026-03-01"
    orphan = written(folder / "999998-1" / "master.fits").parent
    fresh = written(folder / "999997-1" / "master.fits", ago=dt.timedelta()).parent
    then = (timezone.now() - MONTHS).timestamp()
    os.utime(orphan, (then, then))
    Attempt.objects.create(
        block=run.block, number=78, recipe="r", worker="w", started_at=timezone.now()
    )
    writing = written(folder / f"{run.block_id}-78" / "master.fits").parent
    os.utime(writing, (then, then))
    found = heap("product directories").paths
    assert orphan in found
    assert fresh not in found
    assert writing not in found
    assert files_of(run)[0].parent not in found


def test_an_empty_database_makes_no_orphans(db):
    folder = settings.HCM_DATA_DIR / "products" / "CCDCAM" / "2026-03-01" / "999996-1"
    written(folder / "master.fits")
    then = (timezone.now() - MONTHS).timestamp()
    os.utime(folder, (then, then))
    assert heap("product directories").paths == []


def test_old_looks_logs_and_records_go(db):
    look = written(settings.HCM_DATA_DIR / "looks" / "1-1-1.png")
    log = written(settings.HCM_DATA_DIR / "logs" / "web.log", ago=dt.timedelta(days=1))
    at = timezone.now()
    for days in (300, 200, 1):
        Chore.objects.create(name="ingest", started_at=at - dt.timedelta(days=days))
    Chore.objects.create(name="sweep", started_at=at - MONTHS)
    say_alive("host:1", queues=[], concurrency=1, version="")
    say_alive("host:2", queues=[], concurrency=1, version="")
    Worker.objects.filter(name="host:2").update(seen_at=at - MONTHS)
    assert "are free." in prune("--yes")
    assert (look.exists(), log.exists()) == (False, True)
    assert sorted(Chore.objects.values_list("name", flat=True)) == ["ingest", "sweep"]
    assert Worker.objects.get().name == "host:1"


def test_raw_frames_are_never_among_them(again):
    frames = {one.raw_file.full_path for one in again[0].block.block_frames.all()}
    found = {path for one in find_heaps(timezone.now(), dt.timedelta(0)) for path in one.paths}
    assert frames
    assert not any(frame == path or path in frame.parents for frame in frames for path in found)


@pytest.mark.parametrize("days", ["0", "-1", "soon"])
def test_a_wrong_age_is_refused(db, days):
    with pytest.raises(CommandError, match="expected days"):
        prune("--older-than", days)


def test_sizes_are_written_as_people_read_them():
    assert [_bytes(10**n) for n in (0, 3, 9, 13)] == ["1 B", "1.0 kB", "1.0 GB", "10.0 TB"]
