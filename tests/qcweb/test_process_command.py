"""`manage.py process`: a night is queued, shown, waited for; what fails is named."""

import io
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from pipelines.models import AssociationBlock, ProcessStatus
from pipelines.services.progress import progress
from pipelines.services.workers import say_alive
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken, with_defect

pytestmark = pytest.mark.django_db
NIGHT = "2026-03-01"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """Nobody reads the queue here: what is asked for is done by `run_to_rest`."""
    asked: list[list[int]] = []

    def ask(ids):
        asked.append(list(ids))
        return True

    monkeypatch.setattr("qcweb.management.commands.process.ask", ask)
    return asked


def process(*words):
    out, err = io.StringIO(), io.StringIO()
    call_command("process", *words, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def test_what_has_no_result_is_queued_and_counted(take, tmp_path, no_broker):
    take(taken(tmp_path / "night", BIAS, DARK))
    said, _ = process(NIGHT)
    assert said == "0 of 2 done, 2 queued"
    assert len(no_broker[0]) == 2
    run_to_rest()
    said, err = process(NIGHT)
    assert said == "2 of 2 done"
    assert "0 blocks queued" in err


def test_the_time_left_comes_from_the_recipes_history(take, tmp_path):
    take(taken(tmp_path / "night", BIAS))
    run_to_rest()
    block = AssociationBlock.objects.get()
    block.attempts.update(duration_s=90.0)
    said, _ = process(NIGHT, "--all")
    assert said == "0 of 1 done, 1 queued"  # nobody does it
    say_alive("host:1", queues=["blocks"], concurrency=2, version="1")
    said, _ = process(NIGHT, "--all")
    assert said == "0 of 1 done, 1 queued, about 1 min 30 s left"
    assert progress(AssociationBlock.objects.all()).left_s == 90.0


def test_a_failed_block_is_tried_again_and_named(take, tmp_path):
    take(taken(tmp_path / "night", with_defect(BIAS, truncated_frame=2)))
    run_to_rest()
    process(NIGHT)
    assert AssociationBlock.objects.get().process_status == ProcessStatus.QUEUED
    run_to_rest()
    AssociationBlock.objects.update(recipe="")
    said, _ = process(NIGHT, "--wait")
    assert said == "0 of 0 done"


@pytest.mark.django_db(transaction=True)
def test_waiting_ends_with_the_night_and_says_what_failed(take, tmp_path, monkeypatch):
    take(taken(tmp_path / "night", with_defect(BIAS, truncated_frame=2)))
    monkeypatch.setattr("qcweb.management.commands.process.LOOK_S", 0.05)

    def work(_ids):
        thread = threading.Thread(target=_run)
        thread.start()
        thread.join()
        return True

    monkeypatch.setattr("qcweb.management.commands.process.ask", work)
    err = io.StringIO()
    with pytest.raises(CommandError, match="1 of 1 blocks failed"):
        call_command("process", NIGHT, "--wait", stdout=io.StringIO(), stderr=err)
    assert "an input file" in err.getvalue()


def _run():
    try:
        run_to_rest()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["yesterday"], "is no night"),
        (["2001-01-01"], "has no blocks. `manage.py ingest DIR`"),
        (["2001-01-01", "--instrument", "NONESUCH"], "has no blocks|no instrument NONESUCH"),
    ],
)
def test_a_wrong_call_says_what_is_expected(instruments, words, said):
    with pytest.raises(CommandError, match=said):
        process(*words)
