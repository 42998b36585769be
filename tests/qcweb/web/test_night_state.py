"""A night is closed and opened by people, and looked at as a cascade of blocks."""

import datetime as dt
import re

import pytest
import time_machine
from django.utils import timezone

from pipelines.models import AssociationBlock, CalibrationLink, NightEvent, RawFile, Root
from qcweb.web.graph import cascade_graph
from tests.frames import MORNING
from tests.qcweb.web.html import parse

NIGHT = "/nights/CCDCAM/2026-03-01/"


@pytest.fixture
def post(client, quinn):
    """Act as Quinn, follow, and return the page."""
    client.force_login(quinn)

    def acted(action, **form):
        return parse(client.post(f"{NIGHT}{action}/", form, follow=True))

    return acted


def form_of(client):
    """Return what the form of the night would send."""
    page = parse(client.get(f"{NIGHT}close/"))
    left = [one.attributes["value"] for one in page.all("input", name="left")]
    return page, left


def test_what_is_left_is_shown_and_closing_keeps_it(states, client, post):
    page, left = form_of(client)
    rows = {row.all("th")[0].text: row.all("td")[0].text for row in page.all("tbody")[0].all("tr")}
    assert rows == {"at work or waiting": "1", "to review": "5", "failed": "1", "incomplete": "1",
                    "damaged frames": "1"}  # fmt: skip
    assert left == [f"{what}:{n}" for what, n in rows.items()]
    assert page.one("main").all("button")[0].text == "Close it all the same"
    closed = post("close", left=left, comment="the rest is known")
    assert "CCDCAM 2026-03-01 is closed." in closed.one(css="note-ok").text
    assert closed.one("header", css="head").one(css="st-accepted").text == "closed"
    after = parse(client.get(f"{NIGHT}close/"))
    assert after.one("h1").text == "The night is closed"
    [entry] = after.one("ul", css="log").all("li")
    assert "the rest is known" in entry.text
    assert "left then: at work or waiting 1, to review 5" in entry.text
    assert re.search(r"quinn, \d{4}-\d\d-\d\d \d\d:\d\d UT", entry.text)


def test_the_closed_night_says_so_wherever_it_is_listed(states, client, post):
    assert "closed" not in parse(client.get("/nights/")).one("tbody").text
    post("close", left=form_of(client)[1])
    assert parse(client.get("/nights/")).one("tbody").one(css="st-accepted").text == "closed"
    with time_machine.travel(MORNING.replace(hour=14)):
        assert "closed" in [one.text for one in parse(client.get("/")).all(css="st-accepted")]
    links = parse(client.get(NIGHT)).one("header", css="head").one("nav", css="links")
    assert links.all("a")[-1].text == "Reopen the night"


def test_a_night_that_has_changed_meanwhile_is_not_closed(states, client, post):
    _, left = form_of(client)
    RawFile.objects.filter(pk=RawFile.objects.first().pk).update(gone_at=timezone.now())
    page = post("close", left=left, comment="seen by quinn")
    assert "what is left has changed meanwhile" in page.one(role="alert").text
    assert "frames gone from disk" in page.one("main").text
    assert page.one("input", id="comment").attributes["value"] == "seen by quinn"
    assert form_of(client)[0].one("input", id="comment").attributes["value"] == ""
    assert NightEvent.objects.count() == 0


@pytest.mark.parametrize(
    "left",
    [[], ["failed"], ["failed:x"], ["failed:-1"], ["failed:²"], [":"], ["failed:" + "9" * 20]],
)
def test_a_form_that_lies_is_not_believed(states, post, left):
    assert "changed meanwhile" in post("close", left=left).one(role="alert").text
    assert NightEvent.objects.count() == 0


def test_a_night_with_nothing_left_is_closed_plainly(night, client, post):
    AssociationBlock.objects.update(needs_person=False)
    page, left = form_of(client)
    assert (left, page.one("main").all("button")[0].text) == ([], "Close the night")
    assert "Nothing." in page.one(css="empty").text
    assert "is closed." in post("close").one(css="note-ok").text


def test_closed_twice_and_opened_twice(night, client, post):
    _, left = form_of(client)
    post("close", left=left)
    assert "is closed already" in post("close", left=left).one(role="alert").text
    opened = post("reopen", comment="one more look")
    assert "is open again" in opened.one(css="note-ok").text
    assert opened.one("header", css="head").all(css="st-accepted") == []
    assert "is open." in post("reopen").one(role="alert").text
    page, _ = form_of(client)
    entries = [one.one("div") for one in page.one("ul", css="log").all("li")]
    assert [one.one("b").text for one in entries] == ["reopened", "closed"]
    assert ": one more look" in entries[0].text


def test_a_comment_is_only_text(night, client, post):
    evil = "<script>alert(1)</script>"
    post("close", left=form_of(client)[1], comment=evil)
    for address in (NIGHT, f"{NIGHT}close/"):
        page = parse(client.get(address))
        assert [one for one in page.all("script") if not one.attributes.get("src")] == []
    assert evil in page.one("ul", css="log").text


def test_the_days_calibrations_are_finished_once(night, client, post):
    with time_machine.travel(MORNING.replace(hour=12), tick=False):
        page, _ = form_of(client)
        assert "The day's calibrations are not finished." in page.text
        said = post("calibrated")
        post("calibrated")
        page, _ = form_of(client)
    assert "the day's calibrations are finished" in said.one(css="note-ok").text
    assert "not finished" not in page.text
    assert NightEvent.objects.get().kind == "CALIBRATED"
    assert len(page.one("ul", css="log").all("li")) == 1


@pytest.mark.parametrize("action", ["close", "reopen", "calibrated"])
def test_a_night_that_is_none_cannot_be_decided(instruments, client, quinn, action):
    client.force_login(quinn)
    for where in ("FORS2/2026-03-01", "CCDCAM/2026-02-30"):
        assert client.post(f"/nights/{where}/{action}/").status_code == 404
    assert NightEvent.objects.count() == 0


def test_a_reader_is_not_offered_to_close(night, see):
    links = see(NIGHT).one("header", css="head").one("nav", css="links").text
    assert "Close" not in links
    assert "Cascade" in links


# The cascade ------------------------------------------------------------------------------


def drawn():
    return cascade_graph(list(AssociationBlock.objects.of_night("CCDCAM", dt.date(2026, 3, 1))))


def master_of(block):
    """Put a master on disk in the place of what a block used."""
    root = Root.objects.create(name="calib", path="/calib", recorded_at=timezone.now())
    file = RawFile.objects.create(
        instrument=block.instrument, name="M.fits", root=root, path="M.fits", size=1,
        header_digest="m" * 64, night=block.night, mjd_obs=block.mjd_obs, pro_catg="MASTER_BIAS",
        recorded_at=timezone.now(),
    )  # fmt: skip
    block.calibrations.update(producer=None, file=file)
    return file


def test_each_block_is_a_box_and_each_calibration_a_line(night):
    graph = drawn()
    assert [(one.title, one.words, one.look.css) for one in graph.nodes] == [
        ("BIAS", "SLOW_1x1", "ok"), ("BIAS", "FAST_1x1", "ok"), ("DARK", "SLOW_1x1", "ok"),
    ]  # fmt: skip
    assert not any(one.is_outside for one in graph.nodes)
    [edge] = graph.edges
    assert (edge.words, edge.is_beyond_plan) == ("MASTER_BIAS for DARK", False)
    bias, dark = graph.nodes[0], graph.nodes[2]
    assert edge.path.startswith(f"M{bias.x + 190} {bias.y + 20}C")
    assert edge.path.endswith(f" {dark.x} {dark.y + 20}")
    assert dark.x > bias.x
    assert graph.width >= dark.x + 190
    assert graph.height >= max(one.y for one in graph.nodes) + 40


def test_no_two_boxes_overlap(states):
    boxes = [(one.x, one.y) for one in drawn().nodes]
    assert len(boxes) == 8
    for n, (x, y) in enumerate(boxes):
        for a, b in boxes[n + 1 :]:
            assert abs(x - a) >= 190 or abs(y - b) >= 40


def test_a_file_on_disk_stands_at_the_left(night, see):
    file = master_of(night["dark"])
    graph = drawn()
    first = graph.nodes[0]
    assert (first.title, first.words, first.is_outside) == ("MASTER_BIAS", "file on disk", True)
    assert first.address == f"/frames/{file.pk}/"
    assert all(one.x > first.x for one in graph.nodes[1:])
    assert len(graph.edges) == 1
    node = see(f"{NIGHT}cascade/").one("a", css="node-out")
    assert node.attributes["href"] == f"/frames/{file.pk}/"
    assert node.text == "MASTER_BIAS MASTER_BIAS file on disk"


def test_a_block_of_another_night_stands_at_the_left_with_its_night(night):
    AssociationBlock.objects.filter(pk=night["green"].pk).update(night=dt.date(2026, 2, 27))
    CalibrationLink.objects.update(level=1)
    graph = drawn()
    assert [(one.title, one.words) for one in graph.nodes if one.is_outside] == [
        ("BIAS", "night 2026-02-27")
    ]
    assert [edge.is_beyond_plan for edge in graph.edges] == [True]


def test_what_several_use_is_one_box(states):
    biases = [one for one in drawn().nodes if one.title == "BIAS" and one.words == "SLOW_1x1"]
    assert len(biases) == 1
    assert len(drawn().edges) == CalibrationLink.objects.count()


def test_each_state_has_its_shape_and_word(states, see):
    page = see(f"{NIGHT}cascade/")
    nodes = {one.one("title").text: one.glyphs for one in page.all("a", css="node")}
    assert nodes == {
        "BIAS: OK": ["ok"],
        "BIAS: NOK failed": ["failed"],
        "DARK: OK": ["ok"],
        "DARK: blocked": ["blocked"],
        "FLAT: OK, degraded": ["warn"],
        "FLAT: incompl.": ["warn"],
    }
    assert page.one("header", css="head").one(css="tag").text == "8 blocks"


def test_an_empty_cascade_says_so(instruments, see):
    assert "No blocks in this night" in see("/nights/UVES/2015-02-26/cascade/").text


@pytest.mark.parametrize("where", ["FORS2/2026-03-01", "CCDCAM/never", "CCDCAM/2026-02-30"])
def test_a_cascade_of_no_night_is_not_there(instruments, see, where):
    assert see(f"/nights/{where}/cascade/", 404).one("h1").text.startswith("Unknown")


def test_names_in_the_drawing_are_only_text_and_not_too_long(night, see):
    evil = "</title><script>alert(1)</script>"
    AssociationBlock.objects.update(setup="S" * 200)
    AssociationBlock.objects.filter(raw_type="DARK").update(raw_type=evil)
    page = see(f"{NIGHT}cascade/")
    assert [one for one in page.all("script") if not one.attributes.get("src")] == []
    assert any(one.text.startswith("</title>") for one in page.one(css="graph").all("title"))
    assert max(len(one.text) for one in page.one(css="graph").all("text")) <= 26
