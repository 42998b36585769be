"""What Prometheus reads, read back by its own parser."""

import datetime as dt

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from pipelines.models import AssociationBlock, Attempt
from pipelines.services.reprocess import run_again
from pipelines.services.workers import say_alive
from qcweb import tasks
from qcweb.settings import VERSION

pytestmark = pytest.mark.django_db


def scrape(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }


def test_it_tells_how_the_work_stands(client, states, settings):
    settings.HCM_ANONYMOUS_READ = True
    say_alive("host:1", queues=["blocks", "clock"], concurrency=2, version="0")
    at = timezone.now()
    run_again([states["green"]], at, None)
    AssociationBlock.objects.filter(pk=states["green"].pk).update(
        status_at=at - dt.timedelta(hours=2)
    )
    Attempt.objects.filter(block=states["failed"]).update(failure_kind="memory")
    tasks.sweep()
    tasks.measure_delay()
    found = scrape(client)
    camera = ("instrument", "CCDCAM")
    assert found["hcm_blocks", camera, ("status", "failed")] == 1
    assert found["hcm_waiting", ("queue", "blocks")] == 1
    assert found["hcm_to_do", ("state", "blocked")] == 1
    assert 7200 <= found["hcm_oldest_waiting_seconds",] < 7400
    assert found["hcm_workers_alive",] == 1
    bias = (camera, ("recipe", "hcm_bias"))
    assert found["hcm_recipe_seconds_count", *bias] == 3
    assert found["hcm_recipe_seconds_sum", *bias] > 0
    assert found["hcm_recipe_seconds", camera, ("quantile", "0.5"), bias[1]] > 0
    assert found["hcm_file_to_score_seconds", camera, ("quantile", "0.9")] > 0
    assert found["hcm_sweep_age_seconds",] < 60
    assert found["hcm_data_free_bytes",] > 1e6
    assert found["hcm_info", ("version", VERSION)] == 1


def test_runs_of_the_last_hour_are_counted_by_outcome_and_kind(client, quinn, night):
    client.force_login(quinn)
    Attempt.objects.update(finished_at=timezone.now() - dt.timedelta(hours=2))
    Attempt.objects.filter(block=night["red"]).update(
        finished_at=timezone.now(), outcome="FAILED", failure_kind="timeout"
    )
    found = {key: value for key, value in scrape(client).items() if key[0] == "hcm_runs_last_hour"}
    assert found == {("hcm_runs_last_hour", ("kind", "timeout"), ("outcome", "failed")): 1}


def test_an_empty_installation_has_metrics_too(client, db, settings):
    settings.HCM_ANONYMOUS_READ = True
    found = scrape(client)
    assert found["hcm_workers_alive",] == 0
    assert found["hcm_oldest_waiting_seconds",] == 0
    assert ("hcm_sweep_age_seconds",) not in found


def test_the_token_opens_the_metrics_and_nothing_else(client, db, settings):
    settings.HCM_METRICS_TOKEN = "sesame"
    assert scrape(client, authorization="Bearer sesame")
    assert client.get("/work/", headers={"authorization": "Bearer sesame"}).status_code == 302


@pytest.mark.parametrize(
    ("token", "sent"),
    [("sesame", "Bearer open"), ("sesame", "Basic sesame"), ("sesame", "sesame"), ("sesame", ""),
     ("", "Bearer "), ("", "Bearer"), ("sesame", "Bearer sésame")],
)  # fmt: skip
def test_a_wrong_token_opens_nothing(client, db, settings, token, sent):
    settings.HCM_METRICS_TOKEN = token
    answer = client.get("/metrics", headers={"authorization": sent})
    assert answer.status_code == 401
    assert b"hcm_" not in answer.content
