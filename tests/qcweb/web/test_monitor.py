"""The page Work: workers, queues, throughput, holds, what the machine did."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import (
    Act,
    AssociationBlock,
    Attempt,
    Chore,
    Hold,
    Instrument,
    NextStep,
    Worker,
)
from pipelines.services import control
from pipelines.services.reprocess import run_again
from pipelines.services.workers import say_alive
from qcweb import monitor, tasks
from qcweb.recipe_trends import recipe_trends
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, quinn):
    client.force_login(quinn)
    return lambda: parse(client.get("/work/")).one("main")


def alive(name="host:1", queues=("blocks", "clock")):
    say_alive(name, queues=list(queues), concurrency=4, version="0.1.0")


def test_without_a_worker_it_says_how_to_start_one(page):
    text = page().text
    assert "No worker is alive." in text
    assert "has never run" in text
    assert "Everything is at rest." in text
    assert "No recipe has run yet." in text
    assert "no data" in text
    assert page().all(css="st-ok") == []


def test_a_worker_that_fell_silent_is_marked(page):
    alive("host:1")
    alive("host:2")
    Worker.objects.filter(name="host:2").update(seen_at=timezone.now() - dt.timedelta(minutes=5))
    main = page()
    assert "No worker is alive." not in main.text
    assert [row.all("td")[0].text for row in main.all("tr") if "host:" in row.text] == [
        "alive", "silent",
    ]  # fmt: skip


def test_what_waits_is_counted_once_by_its_reason_and_by_its_queue(states):
    alive(queues=["blocks", "blocks.ccdcam"])
    green, red, degraded = states["green"], states["red"], states["degraded"]
    at = timezone.now()
    run_again([green, red, degraded], at, None)
    control.hold(red, at, None)
    AssociationBlock.objects.filter(pk=degraded.pk).update(next_try_at=at + dt.timedelta(hours=1))
    found = monitor.queues(at)
    assert (found.ready, found.held, found.later, found.blocked, found.running) == (1, 1, 1, 1, 0)
    assert found.n == AssociationBlock.objects.exclude(next_step=NextStep.REST).count()
    assert found.by_queue == {"blocks.ccdcam": 1}
    assert found.unread == []


def test_a_queue_that_nobody_reads_is_named(states, page):
    alive(queues=["clock"])
    run_again([states["green"]], timezone.now(), None)
    assert "No living worker reads the queue blocks ." in page().text


def test_the_oldest_block_says_since_when_and_why(states):
    at = timezone.now()
    run_again([states["green"]], at, None)
    long_ago = at - dt.timedelta(days=2)
    AssociationBlock.objects.filter(pk=states["blocked"].pk).update(status_at=long_ago)
    oldest = monitor.oldest_waiting()
    assert (oldest.block, oldest.since) == (states["blocked"], long_ago)
    assert oldest.why == f"waits for {states['failed'].ab_name}"
    AssociationBlock.objects.filter(pk=states["blocked"].pk).update(status_at=at)
    AssociationBlock.objects.filter(pk=states["green"].pk).update(status_at=long_ago)
    assert monitor.oldest_waiting().why == "waits for a worker"
    control.hold(None, at, None)
    assert monitor.oldest_waiting().why == "held"


def test_throughput_is_counted_by_the_hour(night):
    at = timezone.now()
    Attempt.objects.update(finished_at=at - dt.timedelta(days=2))
    assert sum(n for _, n, _ in monitor.throughput(at)) == 0
    Attempt.objects.filter(block=night["red"]).update(
        finished_at=at - dt.timedelta(hours=1), outcome="FAILED"
    )
    Attempt.objects.filter(block=night["green"]).update(finished_at=at)
    hours = monitor.throughput(at)
    assert len(hours) == 24
    assert [(n, n_bad) for _, n, n_bad in hours[-2:]] == [(1, 1), (1, 0)]


def test_a_recipe_that_became_slower_and_larger_is_marked(night, page):
    block, run = night["green"], night["green"].current_attempt
    Attempt.objects.exclude(pk=run.pk).filter(recipe=run.recipe).update(duration_s=None)
    Attempt.objects.bulk_create(
        Attempt(
            block=block, number=100 + n, outcome="SUCCESSFUL", recipe=run.recipe, worker="w",
            started_at=run.started_at, finished_at=run.finished_at,
            duration_s=2.0 if n < 50 else 4.0, peak_mb=100.0 if n < 50 else 110.0,
        )
        for n in range(70)
    )  # fmt: skip
    trend = next(one for one in recipe_trends() if one.recipe == run.recipe)
    assert len(trend.durations) == len(trend.points) == 60
    assert (trend.duration_s, trend.duration_ratio) == (4.0, 2.0)
    assert trend.memory_mb == 110.0
    assert trend.memory_ratio == pytest.approx(1.1)
    assert (trend.is_slower, trend.is_larger) == (True, False)
    row = next(row for row in page().all("tr") if row.text.startswith(run.recipe))
    assert "× 2.00" in row.text
    assert "warn" in row.glyphs


def test_running_recipes_show_what_is_left_and_failures_of_the_machine_their_reason(night, page):
    block, run = night["dark"], night["dark"].current_attempt
    at = timezone.now()
    Attempt.objects.filter(pk=run.pk).update(duration_s=3600)
    Attempt.objects.create(
        block=block, number=7, recipe=run.recipe, worker="host:9", started_at=at, outcome="RUNNING"
    )
    AssociationBlock.objects.filter(pk=block.pk).update(
        process_status="RUNNING", next_step="PROCESS", lease_until=at + dt.timedelta(minutes=1)
    )
    Attempt.objects.create(
        block=night["red"], number=7, recipe="hcm_bias", worker="w", started_at=at, finished_at=at,
        outcome="FAILED", failure_kind="memory", reason="It took 3 GB.",
    )  # fmt: skip
    text = page().text
    assert "host:9" in text
    assert "59 min" in text or "1 h 0 min" in text
    assert "the memory limit" in text
    assert "It took 3 GB." in text


@pytest.mark.parametrize(("subject", "said"), [("pool", "Everything"), ("CCDCAM", "CCDCAM")])
def test_the_pool_and_an_instrument_are_held_and_released(
    instruments, client, quinn, subject, said
):
    client.force_login(quinn)
    wanted = {"act": "hold", "subject": subject, "reason": "power works"}
    answer = client.post("/work/act/", wanted, follow=True)
    assert f"{said} is held: no new recipe starts." in parse(answer).text
    assert "power works" in parse(answer).one("main").text
    assert (Hold.objects.count(), Act.objects.get().done_by) == (1, quinn)
    again = client.post("/work/act/", wanted, follow=True)
    assert f"{said}: there was nothing to hold." in parse(again).text
    answer = client.post("/work/act/", {"act": "release", "subject": subject}, follow=True)
    assert f"{said} is released." in parse(answer).text
    assert Hold.objects.count() == 0


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({"act": "explode", "subject": "pool"}, 400), ({"act": "hold", "subject": "FORS2"}, 404),
     ({"act": "hold"}, 404)],
)  # fmt: skip
def test_what_cannot_be_held_is_a_wrong_request(instruments, client, quinn, wanted, status):
    client.force_login(quinn)
    assert client.post("/work/act/", wanted).status_code == status
    assert Hold.objects.count() == 0


def test_readers_see_who_holds_and_no_buttons(instruments, client, stan):
    control.hold(Instrument.objects.get(name="UVES"), timezone.now(), None, "new chip")
    client.force_login(stan)
    main = parse(client.get("/work/")).one("main")
    assert "held by the command line" in main.text
    assert "new chip" in main.text
    assert main.all("form") == []


def test_the_sweep_is_stale_when_it_has_not_run_for_long(page):
    tasks.sweep()
    assert "blocks asked for" in page().text
    assert page().all(css="st-stale") == []
    Chore.objects.update(started_at=timezone.now() - dt.timedelta(hours=1))
    assert page().one(css="st-stale").text == "stale"


def test_chores_say_what_came_of_them(page):
    at = timezone.now()
    Chore.objects.create(name="ingest", subject="/data/in", started_at=at, finished_at=at,
                         succeeded=False, said="OSError: disk full")  # fmt: skip
    Chore.objects.create(name="import_qc1", started_at=at)
    rows = {row.all("th")[0].text: row.text for row in page().all("tr") if row.all("th")}
    assert "failed" in rows["ingest /data/in"]
    assert "disk full" in rows["ingest /data/in"]
    assert "not ended" in rows["import_qc1"]
