"""The calendar of a year: each night's worst state, holes, links; in few queries."""

import datetime as dt

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pipelines.models import AssociationBlock
from qcweb.nightlines import NightLine
from qcweb.web.views.calendar import state_of_night

YEAR = "/nights/CCDCAM/calendar/2026/"
DAY = dt.date(2026, 3, 1)


@pytest.fixture(autouse=True)
def _in_may():
    with time_machine.travel("2026-05-10T12:00:00Z", tick=True):
        yield


def line(**numbers):
    return NightLine("CCDCAM", DAY, **({"n": 4, "n_done": 4, "n_scored": 9} | numbers))


@pytest.mark.parametrize(
    ("numbers", "state"),
    [
        ({}, "green"),
        ({"n_scored": 0}, "grey"),
        ({"n_review": 1}, "review"),
        ({"n_done": 3, "n_review": 1}, "work"),
        ({"n_failed": 1, "n_done": 3, "n_review": 1}, "failed"),
        ({"n_nok": 1, "n_failed": 1, "n_review": 2}, "red"),
    ],
)
def test_a_night_shows_the_worst_it_has(numbers, state):
    assert state_of_night(line(**numbers)) == state


def test_every_night_until_today_is_a_link_that_says_what_it_has(states, see):
    page = see(YEAR)
    days = {one.attributes["href"]: one for one in page.all("a", css="day")}
    assert len(days) == 31 + 28 + 31 + 30 + 9
    night = days["/nights/CCDCAM/2026-03-01/"]
    assert ("day-red" in night.classes, night.glyphs) == (True, ["nok"])
    assert night.attributes["aria-label"] == night.attributes["title"]
    assert night.attributes["title"] == (
        "2026-03-01: NOK, 8 blocks, day result 1/22, 1 failed, 1 incomplete, 5 to review, 1 at work"
    )
    hole = days["/nights/CCDCAM/2026-03-02/"]
    assert ("day-hole" in hole.classes, hole.glyphs) == (True, ["nodata"])
    assert hole.attributes["aria-label"] == "2026-03-02: no data"
    assert len(page.all("span", css="day-future")) == 365 - len(days)


def test_the_legend_counts_the_states(states, see):
    legend = see(YEAR).one("ul", css="legend")
    assert [one.text for one in legend.all("li")] == [
        "NOK 1", "failed 0", "at work 0", "to review 0", "not scored 0", "OK 0", "no data 128",
    ]  # fmt: skip


def test_years_with_data_are_linked_to_each_other(states, see):
    page = see(YEAR)
    assert page.all("a", aria_label="Previous year, 2025") == []
    other = AssociationBlock.objects.get(pk=states["green"].pk)
    other.pk, other.ab_name, other.night = None, "old.ab", dt.date(2025, 7, 1)
    other.current_attempt = None
    other.save()
    assert len(see(YEAR).all("a", aria_label="Previous year, 2025")) == 1
    assert len(see(YEAR.replace("2026", "2025")).all("a", aria_label="Next year, 2026")) == 1


def test_without_a_year_it_is_the_newest(states, see):
    assert see("/nights/CCDCAM/calendar/").one("h1").text == "CCDCAM, nights of 2026"


@pytest.mark.parametrize("address", ["/nights/NONE/calendar/2026/", "/nights/CCDCAM/calendar/99/"])
def test_what_there_is_not_is_said(states, see, address):
    see(address, status=404)


def test_a_full_year_takes_no_more_queries_than_one_night(states, client, vera):
    client.force_login(vera)
    with CaptureQueriesContext(connection) as few:
        client.get(YEAR)
    for n in range(1, 200):
        copy = AssociationBlock.objects.get(pk=states["green"].pk)
        copy.pk, copy.ab_name, copy.night = None, f"{n}.ab", DAY + dt.timedelta(days=n % 60)
        copy.group_key, copy.current_attempt = f"{n}", None
        copy.save()
    cache.clear()
    with CaptureQueriesContext(connection) as many:
        client.get(YEAR)
    assert len(many) == len(few) <= 12
