"""Every page: full, empty, and asked for what is not there."""

import re
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.urls import reverse

from pipelines.models import AssociationBlock, Product
from qcweb.looks import DECISIONS, PROCESS
from qcweb.web.views.plan import LOOKS as PLAN_LOOKS
from tests.frames import MORNING
from tests.qcweb.web.html import parse
from trending.models import QC1Value

PAGES = [
    "/", "/nights/", "/worklist/", "/reports/", "/qc1/", "/frames/", "/plan/", "/search/",
    "/patterns/", "/login/",
]  # fmt: skip
NIGHT = "/nights/CCDCAM/2026-03-01/"
REPORT = "/reports/CCDCAM/bias_level/"


def addresses(block):
    product = Product.objects.filter(attempt=block.current_attempt).first()
    assert product is not None
    return [
        *PAGES, NIGHT, f"{NIGHT}frames/", f"/blocks/{block.ab_name}/",
        f"/blocks/{block.ab_name}/log/1/", REPORT, "/qc1/ccdcam_bias/",
        f"{NIGHT}cascade/", f"/blocks/{block.ab_name}/associations/", "/plan/CCDCAM/",
        f"/frames/{block.block_frames.first().raw_file_id}/", "/search/?q=bias",
    ]  # fmt: skip


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_an_empty_system_opens_and_says_how_it_fills(db, see, address):
    page = see(address)
    assert page.one("h1").text
    if address not in {"/patterns/", "/login/"}:
        assert page.all(css="empty") or "Nothing" in page.text


def test_nothing_without_data_is_green(instruments, see):
    addresses = [one for one in PAGES if one not in {"/patterns/", "/login/"}]
    for address in [*addresses, NIGHT, REPORT, f"{NIGHT}cascade/", "/plan/CCDCAM/"]:
        page = see(address)
        main = page.one("main")
        legend = {id(one) for box in main.all(css="legend") for one in box.walk()}
        green = [one.text for one in main.all(css="st-ok") if id(one) not in legend]
        assert green == [], address
        assert main.all(css="cell-ok") == [], address
        assert page.one("link", rel="icon").attributes["href"].endswith("none.svg"), address


def test_known_instruments_without_data_have_a_cell_that_says_so(instruments, see):
    page = see("/")
    cells = page.one("table", css="matrix").all("a", css="cell")
    assert len(cells) == 8
    assert {cell.text for cell in cells} == {"no data"}
    assert {tuple(cell.glyphs) for cell in cells} == {("nodata",)}
    assert "No current data." in page.one("p", css="answer").text


def test_an_empty_night_says_why_and_leads_to_the_last_one_with_data(night, see):
    page = see("/nights/CCDCAM/2026-03-09/")
    assert "No calibrations for this night" in page.text
    assert page.one("a", css="btn-go").attributes["href"] == NIGHT
    assert "An empty night is not a fault" in page.text
    assert see("/nights/UVES/2026-03-01/").all("a", css="btn-go") == []
    assert "No frames of this night" in see("/nights/UVES/2026-03-01/frames/").text


def test_the_first_page_says_what_is_red_since_when_and_against_what(night, see):
    with time_machine.travel(MORNING.replace(hour=14)):
        page = see("/")
    assert page.one("title").text == "1 NOK, Health Check Monitor"
    assert page.one("link", rel="icon").attributes["href"].endswith("nok.svg")
    assert page.one("p", css="answer").text.startswith("1 report group needs a look on CCDCAM .")
    cell = page.one("a", css="cell-nok")
    assert (cell.glyphs, cell.text) == (["nok"], "1/4 NOK 5h")
    assert cell.attributes["href"] == "/reports/CCDCAM/read_noise/"
    todo = page.one("ul", css="todo").all("li")
    assert len(todo) == 1
    assert "CCDCAM ron_raw, CHIP2" in todo[0].text
    assert re.search(r"[67]\.\d+ ADU , limits 4\.5…6", todo[0].text)
    assert night["red"].ab_name in todo[0].all("a")[1].attributes["href"]


def test_the_first_page_says_that_work_is_going_on(night, see):
    assert "still being worked on" not in see("/").one(css="answer").text
    AssociationBlock.objects.filter(pk=night["red"].pk).update(next_step="PROCESS")
    assert "1 block is still being worked on." in see("/").one(css="answer").text


def test_the_first_page_says_what_is_late(night, see):
    with time_machine.travel(MORNING.replace(day=4)):
        page = see("/")
    late = [one for one in page.all("li") if "stale" in one.glyphs]
    assert any("CCDCAM bias level is late" in one.text for one in late)
    assert "The last came 48h ago, expected every 1 d." in page.text
    with time_machine.travel(MORNING.replace(day=20)):
        page = see("/")
    assert page.all(css="cell-nok") == []
    assert {cell.text[:7] for cell in page.all("a", css="cell")} == {"no data"}


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/nights/FORS2/2026-03-01/", 404, "Known are CCDCAM, MUSE, UVES."),
        ("/nights/FORS2/2026-03-01/frames/", 404, "Known are CCDCAM, MUSE, UVES."),
        ("/nights/CCDCAM/yesterday/", 404, "Nights are dates: 2015-02-26."),
        ("/nights/CCDCAM/2026-02-30/", 404, "Nights are dates: 2015-02-26."),
        ("/nights/CCDCAM/2026-02-30/frames/", 404, "Nights are dates: 2015-02-26."),
        ("/nights/CCDCAM/0001-01-01/", 404, "Nights are dates: 2015-02-26."),
        ("/nights/CCDCAM/9999-12-31/cascade/", 404, "Nights are dates: 2015-02-26."),
        ("/blocks/NONE.ab/", 404, "Find it through its night."),
        ("/blocks/NONE.ab/log/1/", 404, "Find it through its night."),
        ("/products/999999/", 404, "manage.py reprocess"),
        ("/reports/CCDCAM/none/", 404, "See the list of reports."),
        ("/reports/FORS2/bias_level/", 404, "See the list of reports."),
        (f"{REPORT}figures/9/", 404, "panels 1 to 4"),
        (f"{REPORT}figures/0/", 404, "panels 1 to 4"),
        ("/qc1/fors2_bias/", 404, "Known are ccdcam_arc"),
        ("/nowhere/", 404, "Start from the first page"),
        (f"{NIGHT}?show=blue", 400, "Known are all, successful"),
        (f"{NIGHT}?sort=colour", 400, "Known are index, ab_name"),
        (f"{NIGHT}?sort=--index", 400, "Known are index, ab_name"),
        (f"{REPORT}?days=7", 400, "Known are 90, 365, all."),
        (f"{REPORT}figures/1/?days=x", 400, "Known are 90, 365, all."),
        ("/?q=%00", 400, "UTF-8, without NUL"),
        (f"{NIGHT}?q=%ff", 400, "UTF-8, without NUL"),
        ("/blocks/%00/", 400, "UTF-8, without NUL"),
        ("/blocks/%fe%ff/", 400, "UTF-8, without NUL"),
    ],
)
def test_a_wrong_address_is_told_what_is_wrong_and_what_is_known(night, see, address, status, says):
    page = see(address, status)
    assert says in page.one("main").text
    assert page.one("a", css="btn-go").attributes["href"] == "/"


@pytest.mark.parametrize("body", ["comment=%00", "comment=%ff", "comm%00ent=x", b"comment=\x00"])
def test_a_form_with_unreadable_bytes_is_refused(night, client, quinn, body):
    client.force_login(quinn)
    form = "application/x-www-form-urlencoded"
    answer = client.post(f"/blocks/{night['red'].ab_name}/certify/", body, content_type=form)
    assert answer.status_code == 400
    assert "form" in parse(answer).one("main").text


def test_whoever_asks_for_json_gets_the_problem_as_json(night, client, vera):
    client.force_login(vera)
    answer = client.get("/nights/FORS2/2026-03-01/", headers={"Accept": "application/json"})
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["where"]) == (404, "instrument")


def test_every_page_is_whole_and_carries_no_script_or_style_of_its_own(states, see):
    for address in addresses(states["red"]):
        page = see(address)
        for element in page.walk():
            assert "style" not in element.attributes, address
            assert not [name for name in element.attributes if name.startswith("on")], address
            if element.tag == "script":
                assert element.attributes.get("src") or (
                    element.attributes.get("type") == "application/json"
                ), address
        ids = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
        assert len(ids) == len(set(ids)), address
        assert len(page.all("h1")) == 1, address
        labels = {one.attributes.get("href") for one in page.all("use")}
        drawn = {f"#{one.attributes['id']}" for one in page.all("symbol")}
        assert labels <= drawn, address


@pytest.mark.parametrize(
    "path", sorted((settings.BASE_DIR / "templates").rglob("*.html")), ids=lambda path: path.name
)
def test_a_template_has_no_inline_script_or_style(path: Path):
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text)
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|\|safe\b|autoescape off", text)


def test_links_of_our_pages_lead_somewhere(states, see, client):
    followed, broken = set(), []
    for address in addresses(states["red"]):
        for link in see(address).all("a"):
            target = link.attributes["href"].split("#")[0]
            if target.startswith("?"):
                target = f"{address}{target}"
            if not target.startswith("/") or target in followed:
                continue
            followed.add(target)
            answer = client.get(target)
            if answer.streaming:
                list(answer.streaming_content)
            if answer.status_code != 200:
                broken.append((address, target, answer.status_code))
    assert broken == []
    assert len(followed) > 50


def test_a_report_shows_each_panel_with_its_numbers(night, see):
    with time_machine.travel(MORNING.replace(hour=14)):
        page = see("/reports/CCDCAM/read_noise/")
        answer = see("/reports/CCDCAM/read_noise/?days=all")
    assert page.one("title").text.startswith("1 NOK, ")
    panels = page.one("div", css="plots").all("section")
    assert len(panels) == 4
    looks = [panel.one(css="panel-head").all(css="st")[0] for panel in panels]
    words = [(look.text, look.glyphs) for look in looks]
    assert sorted(words) == [("NOK", ["nok"]), *[("OK", ["ok"])] * 3]
    assert (
        answer.one(css="seg", aria_label="Time range").one("a", aria_current="true").text == "All"
    )


def test_a_report_whose_data_are_old_is_not_green(night, see):
    with time_machine.travel(MORNING.replace(day=20)):
        page = see(REPORT)
    head = page.one("header", css="head")
    assert "no data" in head.text
    assert page.one("main").all(css="st-ok") == []


def test_a_report_whose_newest_value_is_missing_is_not_green(night, see):
    """Yesterday's green says nothing about a value that did not come today."""
    values = QC1Value.objects.filter(
        series__parameter__name="ron_raw", row__attempt=night["green"].current_attempt
    )
    assert values.update(value=None, score_result=None, missing_reason="NaN") == 2
    with time_machine.travel(MORNING.replace(hour=14)):
        page = see("/reports/CCDCAM/read_noise/")
    looks = [
        panel.one(css="panel-head").all(css="st")[0].text
        for panel in page.one("div", css="plots").all("section")
    ]
    assert sorted(looks) == ["NOK", "OK", "not scored", "not scored"]


def test_a_figure_has_as_many_points_as_the_table_says(night, client, vera):
    client.force_login(vera)
    figure = client.get("/reports/CCDCAM/read_noise/figures/4/?days=all").json()
    assert figure["unit"] == "ADU"
    points = figure["datasets"][0]
    assert (points["n"], points["result"], len(points["blocks"])) == (1, [1], 1)
    assert points["blocks"] == [night["red"].ab_name]
    assert points["block_url"] == reverse("block", args=["AB"])


def test_a_table_shows_values_units_and_where_they_come_from(night, see):
    page = see("/qc1/ccdcam_bias/")
    rows = page.all("table")[0].one("tbody").all("tr")
    assert len(rows) == 4
    assert "SLOW" in rows[-1].text
    assert "bias_level ADU" in page.all("table")[0].one("thead").text
    assert "Simulated." in page.one(css="note").text
    assert "No rows yet" in see("/qc1/uves_bias/").text


def test_the_frames_of_a_night_say_what_became_of_each(states, see):
    page = see(f"{NIGHT}frames/")
    rows = page.one("table").one("tbody").all("tr")
    damaged = [row for row in rows if "failed" in row.glyphs]
    assert ["truncated: 141696 of 236160 bytes" in row.text for row in damaged] == [True]
    assert all(row.all("a") for row in rows)


def test_the_patterns_show_every_state_there_is(see, db):
    page = see("/patterns/")
    shown = {(one.text, *one.glyphs) for one in page.all(css="st")}
    for look in [*PLAN_LOOKS.values(), *PROCESS.values(), *DECISIONS.values()]:
        assert (look.word, look.glyph) in shown, look
    for word, glyph in [
        ("hidden", "rejected"), ("gone from disk", "failed"), ("no rule classifies it", "warn"),
        ("master on disk", "ok"), ("virtual, not made yet", "queued"), ("certified", "auto"),
        ("made, uncertified", "open"), ("rejected meanwhile", "rejected"), ("closed", "accepted"),
    ]:  # fmt: skip
        assert (word, glyph) in shown, word
    graph = page.one(css="graph")
    assert {one.text for one in graph.all("text", css="sub")} >= {
        look.word for look in PROCESS.values()
    }
    assert len(graph.all("a", css="node-out")) == 2
    assert len(graph.all("path", css="edge-far")) == 1


def test_the_health_address_tells_the_watchers(client, db):
    assert client.get("/health/").json() == {"status": "ok", "version": settings.VERSION}
