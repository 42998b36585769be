"""The benchmark of the night's page, small: the nights it is run on are nights as others."""

import datetime as dt
import json

import pytest

from pipelines.models import AssociationBlock
from qcweb.management.bench import find, web_parts


@pytest.fixture
def nights(instruments, monkeypatch):
    monkeypatch.setattr(web_parts, "NIGHTS", {60: dt.date(2026, 1, 1), 120: dt.date(2026, 1, 2)})
    web_parts.PARTS["web-fill"]()


def test_both_nights_have_blocks_in_all_the_states_that_matter(nights, client, vera):
    client.force_login(vera)
    for n, night in ((60, "2026-01-01"), (120, "2026-01-02")):
        told = json.loads(client.get(f"/api/v1/nights/CCDCAM/{night}/").content)
        assert told["n_blocks"] == n
        assert (
            told["processing"]["failed"] == told["certification"]["review"] - told["score"]["red"]
        )
        assert min(told["score"]["red"], told["score"]["green"], told["processing"]["failed"]) > 0
        assert told["certification"]["auto"] == told["score"]["green"]
        page = client.get(f"/nights/CCDCAM/{night}/").content.decode()
        assert page.count("<tr data-row") == n
        assert "The processing has stopped" not in page


def test_it_is_filled_once(nights):
    before = AssociationBlock.objects.count()
    assert web_parts.PARTS["web-fill"]() == "filled"
    assert AssociationBlock.objects.count() == before


def test_the_group_has_its_goals():
    goals = {one.name: one.goal for one in find("web")}
    assert goals["ready in Chromium, 1000 blocks changed / 1 s"] == 1.0
    assert all(goal is not None for goal in goals.values())
