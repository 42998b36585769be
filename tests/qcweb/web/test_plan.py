"""The pages of the calibration plan: a cell for each setup and night, what is lacking, what next."""

import dataclasses
import datetime as dt

import pytest
import time_machine

from pipelines.models import AssociationBlock, Instrument, NightEvent
from pipelines.services.instruments import parsed
from tests.frames import BIAS, FLAT, later, taken
from tests.qcweb.web.html import parse

NIGHT = "2026-03-01"
SCIENCE = dataclasses.replace(
    BIAS, kind="SCIENCE", n_frames=1, exptime_s=300.0, filter_name="V",
    start=BIAS.start - dt.timedelta(hours=5), expectation=None,
)  # fmt: skip
MORNING = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)
DAY_OVER = dt.datetime(2026, 3, 2, 22, 0, tzinfo=dt.UTC)
HERE = "/plan/CCDCAM/"


@pytest.fixture
def plan(take, see, tmp_path):
    """Take frames and open the plan at a moment."""

    def opened(*templates, at=DAY_OVER, query=""):
        if templates:
            take(taken(tmp_path, *templates))
        with time_machine.travel(at, tick=False):
            return see(f"{HERE}{query}")

    return opened


def cells(page):
    """Return the words of the row of the only setup, night by night."""
    [row] = page.one("table", css="plan").one("tbody").all("tr")
    *nights, lacking = row.all("td")
    return [one.text for one in nights], lacking.text


def needs(page):
    """Return the details: what is needed, its state, and why."""
    rows = page.one(id="needs").one("tbody").all("tr")
    return {row.all("th")[0].text: (row.all("td")[0].text, row.all("td")[-1].text) for row in rows}


def test_with_all_it_needs_a_setup_is_ok_in_its_night_and_says_nothing_of_others(plan):
    page = plan(SCIENCE, BIAS, FLAT)
    assert cells(page) == ([*"······", "OK"], "–")
    state = page.one("header", css="head").one(css="st")
    assert (state.text, state.glyphs) == ("OK", ["ok"])
    assert page.one("table", css="plan").one("tbody").one(css="st").glyphs == ["ok"]
    assert [one.attributes["id"] for one in page.all("section") if "id" in one.attributes] == []


def test_what_is_missing_is_said_and_what_to_take(plan):
    page = plan(SCIENCE, BIAS)
    assert cells(page) == ([*"······", "MISS"], "MASTER_FLAT")
    assert page.one("header", css="head").one(css="st").glyphs == ["nok"]
    assert needs(page) == {
        "MASTER_BIAS": ("OK", "within the plan"),
        "MASTER_FLAT": ("MISS", "missing, 0 of 1 found"),
        "MASTER_DARK": ("optional", "optional"),
    }
    frames = page.one(id="needs").one(css="panel-head")
    assert frames.text.startswith(f"SLOW_1x1_V, night {NIGHT} 1 frame:")
    assert frames.one("a").attributes["href"].startswith("/frames/")


def test_what_is_outdated_is_shown_with_its_distance_and_the_plans(plan):
    page = plan(SCIENCE, BIAS, later(BIAS, -4), later(FLAT, -4))
    assert cells(page) == ([*"······", "NOK"], "MASTER_FLAT")
    row = page.one(id="needs").one("tbody").all("tr")[1]
    _, offer, distance, allowed, certified, why = (one.text for one in row.all("td"))
    flat = AssociationBlock.objects.get(raw_type="FLAT")
    assert offer == f"MASTER_FLAT of {flat.ab_name}"
    assert row.one("a").attributes["href"] == f"/blocks/{flat.ab_name}/"
    assert (distance, allowed) == ("−3.7 d", "−12.0 h to +12.0 h")
    assert (certified, why) == ("not yet", "farther in time than the plan allows")


def test_before_the_day_is_over_it_is_pending_and_a_scientist_may_say_it_is(
    plan, client, quinn, vera
):
    page = plan(SCIENCE, BIAS, at=MORNING)
    assert cells(page) == ([*"······", "pending"], "MASTER_FLAT")
    assert "1 sci, day not over" in page.one("table", css="plan").one("thead").text
    action = f"/nights/CCDCAM/{NIGHT}/calibrated/"
    assert page.all("form", action=action) == []
    client.force_login(quinn)
    with time_machine.travel(MORNING, tick=False):
        seen = parse(client.get(HERE))
        assert seen.one(id="needs").one("form", action=action)
        after = parse(client.post(action, follow=True))
        again = parse(client.post(action, follow=True))
    assert "the day's calibrations are finished" in after.one(css="note-ok").text
    for one in (after, again):
        assert cells(one) == ([*"······", "MISS"], "MASTER_FLAT")
        assert one.all("form", action=action) == []
    event = NightEvent.objects.get()
    assert (event.kind, event.decided_by, str(event.night)) == ("CALIBRATED", quinn, NIGHT)


def test_without_rules_it_is_no_plan_and_not_green(plan):
    plan(SCIENCE, BIAS, FLAT)
    rules = Instrument.objects.get(name="CCDCAM").rule_sets.get()
    rules.text = rules.text.replace("select execute(CCDCAM_SCIENCE)", "select execute(NOBODY)")
    parsed(rules.text)
    rules.save()
    page = plan()
    assert cells(page) == ([*"······", "no plan"], "–")
    assert page.one("header", css="head").one(css="st").glyphs == ["grey"]
    link = page.one("table", css="plan").one("tbody").one("a", css="plain").attributes["href"]
    page = plan(query=link.split("#")[0])
    assert "nobody has written down what it needs" in page.one(id="needs").text


def test_a_cell_leads_to_its_needs(plan):
    page = plan(SCIENCE, later(SCIENCE, -1), BIAS, later(FLAT, -1))
    assert cells(page)[0][-2:] == ["OK", "NOK"]
    links = page.one("table", css="plan").one("tbody").all("a", css="plain")
    for link, night in zip(links, ["2026-02-28", NIGHT], strict=True):
        address, _, part = link.attributes["href"].partition("#")
        assert part == "needs"
        assert f"night {night}" in plan(query=address).one(id="needs").one("h2").text


def test_what_expires_next_has_its_time_and_what_is_left(plan):
    page = plan(SCIENCE, BIAS, FLAT, at=dt.datetime(2026, 3, 3, 9, 0, tzinfo=dt.UTC))
    rows = [[one.text for one in row.all("td")] for row in page.all("tbody")[-1].all("tr")]
    names = [row.all("th")[0].text for row in page.all("tbody")[-1].all("tr")]
    assert names == ["MASTER_FLAT", "MASTER_BIAS"]
    assert rows[1] == ["SLOW_1x1_V", "2026-03-03 21:00", "+12.0 h"]
    late = plan(at=dt.datetime(2026, 3, 4, 9, 0, tzinfo=dt.UTC))
    first = late.all("tbody")[-1].all("tr")[1]
    assert (first.all("td")[2].text, first.glyphs) == ("−12.0 h", ["warn"])


def test_a_calibration_that_lacks_one_is_listed(plan):
    page = plan(SCIENCE, FLAT)
    panel = page.all("section", css="panel")[-1]
    flat = AssociationBlock.objects.get(raw_type="FLAT")
    assert "MASTER_BIAS 0 of 1" in panel.text
    assert panel.one("a").attributes["href"] == f"/blocks/{flat.ab_name}/"


def test_nights_are_chosen_and_kept(plan):
    page = plan(SCIENCE, BIAS, FLAT, query="?until=2026-03-03&nights=14")
    heads = page.one("table", css="plan").one("thead").all("a")
    assert len(heads) == 14
    assert heads[-1].attributes["href"] == "/nights/CCDCAM/2026-03-03/"
    links = page.one(css="stepper").all("a")
    assert links[0].attributes["href"] == "?until=2026-02-17&nights=14"
    assert len(links) == 2
    early = plan(query="?until=2026-02-10")
    assert early.one(css="stepper").all("a")[-1].attributes["href"] == "?until=2026-02-17&nights=7"
    assert "The newest night with frames is 2026-03-01" in early.one("main").text


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/plan/FORS2/", 404, "Known are CCDCAM, MUSE, UVES."),
        (f"{HERE}?nights=0", 400, "1 to 60."),
        (f"{HERE}?nights=61", 400, "1 to 60."),
        (f"{HERE}?nights=x", 400, "1 to 60."),
        (f"{HERE}?nights=", 400, "1 to 60."),
        (f"{HERE}?nights=%C2%B2", 400, "1 to 60."),
        (f"{HERE}?nights=-7", 400, "1 to 60."),
        (f"{HERE}?until=yesterday", 404, "Nights are dates"),
        (f"{HERE}?until=2026-02-30", 404, "Nights are dates"),
        (f"{HERE}?until=0001-01-01", 404, "Nights are dates"),
        (f"{HERE}?until=9999-12-31", 404, "Nights are dates"),
    ],
)
def test_a_wrong_choice_is_told_what_is_known(instruments, see, address, status, says):
    assert says in see(address, status).one("main").text


def test_a_setup_nobody_knows_shows_what_lacks(plan):
    page = plan(SCIENCE, BIAS, query="?night=2026-03-01&setup=<script>")
    assert "MASTER_FLAT" in page.one(id="needs").text
    assert plan(query="?night=never&setup=").one(id="needs")


def test_without_science_nothing_is_missing_and_nothing_is_green(plan, see):
    page = plan(BIAS, FLAT)
    assert "nothing is missing and nothing is green" in page.one("main").text
    assert page.one("header", css="head").all(css="st") == []
    lines = see("/plan/").one("tbody").all("tr")
    assert [line.all(css="st")[0].text for line in lines] == ["no science"] * 3


def test_all_instruments_in_one_list(plan, see):
    plan(SCIENCE, BIAS)
    with time_machine.travel(DAY_OVER, tick=False):
        line = see("/plan/").one("tbody").all("tr")[0]
    assert line.one("a").attributes["href"] == HERE
    assert [one.text for one in line.all("td")] == [
        "MISS", "02-23 to 2026-03-01", "1", "1", "MASTER_BIAS of SLOW_1x1_V, 2026-03-03 21:00 UT",
    ]  # fmt: skip
    assert line.glyphs == ["nok"]


def test_an_empty_system_says_how_it_fills(db, see):
    assert "manage.py load_instruments" in see("/plan/").one(css="empty").text
