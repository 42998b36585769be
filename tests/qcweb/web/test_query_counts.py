"""How many queries each page makes: written down, and the same for one block as for many."""

import json
import os
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pipelines.models import AssociationBlock, BlockFrame
from tests.qcweb.web.conftest import ODD_DAYS, store_history
from trending.models import QualityEvent, Score
from trending.services.rules import change_rule

COUNTS = Path(__file__).parents[2] / "query_counts.json"
UPDATE = os.environ.get("UPDATE_QUERY_COUNTS") == "1"
NIGHT = "/nights/CCDCAM/2026-03-01/"
PAGES = {
    "home": "/",
    "nights": "/nights/",
    "night": NIGHT,
    "calendar": "/nights/CCDCAM/calendar/2026/",
    "night-report": f"{NIGHT}report/",
    "month-report": "/nights/CCDCAM/months/2026-03/",
    "frames": f"{NIGHT}frames/",
    "cascade": f"{NIGHT}cascade/",
    "night-close": f"{NIGHT}close/",
    "raw-frames": "/frames/",
    "frame": "/frames/{frame}/",
    "plans": "/plan/",
    "plan": "/plan/CCDCAM/",
    "search": "/search/?q=flat",
    "monitor": "/work/",
    "block-associations": "/blocks/{red}/associations/",
    "block-provenance": "/blocks/{red}/provenance/",
    "worklist": "/worklist/",
    "block": "/blocks/{red}/",
    "block-log": "/blocks/{red}/log/1/",
    "block-run": "/blocks/{red}/run/",
    "block-replace": "/blocks/{red}/replace/",
    "block-compare": "/blocks/{red}/compare/",
    "gallery": f"{NIGHT}gallery/",
    "night-run": f"{NIGHT}run/",
    "handover": "/handover/CCDCAM/?since=2026-03-01&until=2026-03-01",
    "reports": "/reports/",
    "report": "/reports/CCDCAM/read_noise/",
    "report-figure": "/reports/CCDCAM/read_noise/figures/1/",
    "tables": "/qc1/",
    "table": "/qc1/ccdcam_bias/",
    "value": "/qc1/ccdcam_bias/ron_raw/{row}/",
    "series-figure": "/series/{series}/figure/",
    "rules": "/rules/",
    "rule": "/rules/{rule}/",
    "rule, tried": "/rules/{rule}/?limits=3MAD&average=MEDIAN&min_n=5",
    "rule-new": "/rules/new/ccdcam_bias/struct_x/",
    "events": "/events/",
    "sanity": "/sanity/?instrument=CCDCAM",
    "tokens": "/tokens/",
    "news": "/news/",
    "waivers": "/waivers/",
    "patterns": "/patterns/",
    "login": "/login/",
    "health": "/health/",
    "metrics": "/metrics",
    "api:root": "/api/v1/",
    "api:root, page": "/api/v1/?format=html",
    "api:instruments": "/api/v1/instruments/",
    "api:instrument": "/api/v1/instruments/CCDCAM/",
    "api:nights": "/api/v1/nights/",
    "api:night": f"/api/v1{NIGHT}",
    "api:blocks": "/api/v1/blocks/",
    "api:blocks, page": "/api/v1/blocks/?format=html",
    "api:blocks, filtered": "/api/v1/blocks/?score=NOK&certification=open&instrument=CCDCAM",
    "api:block": "/api/v1/blocks/{red}/",
    "api:block-certifications": "/api/v1/blocks/{red}/certifications/",
    "api:block-provenance": "/api/v1/blocks/{red}/provenance/",
    "api:scores": "/api/v1/scores/",
    "api:certifications": "/api/v1/certifications/",
    "api:reports": "/api/v1/reports/",
    "api:report": "/api/v1/reports/CCDCAM/read_noise/",
    "api:tables": "/api/v1/qc1/tables/",
    "api:table": "/api/v1/qc1/tables/ccdcam_bias/",
    "api:columns": "/api/v1/qc1/tables/ccdcam_bias/columns/",
    "api:events": "/api/v1/events/",
    "api:frames": "/api/v1/frames/",
    "api:frame": "/api/v1/frames/{frame}/",
    "api:products": "/api/v1/products/",
    "api:rows": "/api/v1/qc1/tables/ccdcam_bias/rows/",
    "api:rows, csv": "/api/v1/qc1/tables/ccdcam_bias/rows/?format=csv",
}


def filled(address, block):
    """Put a red block, one of its frames and its red score into an address."""
    score = Score.objects.get(
        row__attempt__block=block, result=1, is_current=True, series__parameter__name="ron_raw"
    )
    return address.format(
        red=block.ab_name, frame=block.block_frames.first().raw_file_id, row=score.row_id,
        series=score.series_id, rule=score.rule_id,
    )  # fmt: skip


@pytest.fixture
def count(client, quinn):
    """Open a page as Quinn and count the queries it makes, the reader's own included."""
    client.force_login(quinn)

    def counted(address):
        cache.clear()  # what was found out for the last page is not found out again
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
            assert answer.status_code == 200, address
            if answer.streaming:
                b"".join(answer)
        return len(queries)

    return counted


def multiply(blocks, times):
    """Copy blocks with their frames, scores and values: a night of as many blocks more."""
    for n in range(1, times + 1):
        for block in blocks:
            frames = list(block.block_frames.all())
            scores = list(block.block_scores.all())
            copy = AssociationBlock.objects.get(pk=block.pk)
            copy.pk, copy.ab_name, copy.group_key = None, f"{n}_{block.ab_name}", f"{n}_{block.pk}"
            copy.save()
            for score in scores:
                score.pk, score.block = None, copy
                score.save()
            BlockFrame.objects.bulk_create(
                BlockFrame(block=copy, raw_file_id=one.raw_file_id) for one in frames
            )


def test_each_page_makes_as_many_queries_as_are_written_down(states, count):
    found = {name: count(filled(address, states["red"])) for name, address in PAGES.items()}
    if UPDATE:
        COUNTS.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(COUNTS.read_text()), "UPDATE_QUERY_COUNTS=1 writes them anew"


def test_the_number_of_queries_does_not_grow_with_the_blocks(states, count):
    addresses = [filled(address, states["red"]) for address in PAGES.values()]
    before = {address: count(address) for address in addresses}
    multiply(list(AssociationBlock.objects.all()), 5)
    assert AssociationBlock.objects.count() == 48
    assert {address: count(address) for address in addresses} == before


def test_the_number_of_queries_does_not_grow_with_the_history(history, count):
    """More days, marks, corrections, versions and events: each page asks as often as before."""
    address = history.address("bias_level", ODD_DAYS[1])
    addresses = ["/qc1/ccdcam_bias/", "/rules/", "/events/", address]

    def seen():
        rule = reverse("rule", args=[history.rule("bias_level").pk])
        tried = f"{rule}?limits=3MAD&average=MEDIAN&min_n=5"
        return [count(one) for one in [*addresses, rule, tried]]

    def happen(day):
        history.act("bias_level", day, "exclude", "seen")
        history.act("bias_level", day, "remove", "seen")
        QualityEvent.objects.create(
            instrument=history.table.instrument, kind="other", mjd=61000.0 + day, title="Event",
            author="quinn", recorded_at=timezone.now(), begins_epoch=False,
        )  # fmt: skip
        change_rule(
            history.rule("bias_level"), {"min_n": day}, author="quinn", reason="seen",
            valid_from_mjd=None, at=timezone.now(),
        )  # fmt: skip

    happen(1)
    history.rescore()
    before = seen()
    for day in (2, 3, 4):
        happen(day)
    store_history(history.table, 40, 60)
    assert seen() == before
