"""Why a block uses what it uses: what each select takes now, and what it nearly took."""

import pytest

from pipelines.models import AssociationBlock
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, FLAT, later, taken


def page_of(see, block):
    return see(f"/blocks/{block.ab_name}/associations/")


@pytest.fixture
def dark(take, tmp_path):
    """A dark between a bias of its day, one of another mode, and one of another week."""
    take(taken(tmp_path, BIAS, FAST_BIAS, later(BIAS, -9), DARK, FLAT))
    run_to_rest()
    return AssociationBlock.objects.get(raw_type="DARK")


def rows_of(page):
    panel = page.one("main").all("section", css="panel")[0]
    return [[row.all("th")[0].text, *(one.text for one in row.all("td"))]
            for row in panel.one("tbody").all("tr")]  # fmt: skip


def test_each_select_says_what_it_wants_from_where_and_on_which_condition(dark, see):
    page = page_of(see, dark)
    head = page.one("main").all("section", css="panel")[0].one(css="panel-head")
    assert head.one("h2").text == "MASTER_BIAS"
    assert "from calibFiles, 1 to 1 wanted" in head.text
    condition = page.all(css="condition")[0].text
    assert condition.startswith("where ")
    assert 'PRO.CATG == "MASTER_BIAS"' in condition
    assert "DET.READ.MODE" in condition


def test_what_is_taken_comes_first_with_its_distance(dark, see):
    bias = dark.calibrations.get().producer
    name, taken_, distance, certified, why = rows_of(page_of(see, dark))[0]
    assert (name, taken_) == (f"MASTER_BIAS of {bias.ab_name}", "taken")
    assert (distance, certified, why) == ("−35 min", "certified", "")


def test_what_is_not_taken_says_why(dark, see):
    lost = {row[0].split(" of ")[1]: row for row in rows_of(page_of(see, dark))[1:]}
    others = AssociationBlock.objects.filter(raw_type="BIAS").exclude(
        pk=dark.calibrations.get().producer_id
    )
    assert set(lost) == {one.ab_name for one in others}
    assert {row[1] for row in lost.values()} == {"not taken"}
    fast = AssociationBlock.objects.get(setup="FAST_1x1")
    assert "DET.READ.MODE" in lost[fast.ab_name][4]
    old = others.exclude(pk=fast.pk).get()
    assert lost[old.ab_name][2] == "−9.0 d"
    assert "MJD-OBS" in lost[old.ab_name][4]


def test_offers_and_the_block_are_linked(dark, see, client):
    page = page_of(see, dark)
    for link in page.one("main").all("a"):
        assert client.get(link.attributes["href"].split("#")[0]).status_code == 200
    block = see(f"/blocks/{dark.ab_name}/").one(id="inputs")
    assert f"/blocks/{dark.ab_name}/associations/" in {
        one.attributes["href"] for one in block.all("a")
    }


def test_what_is_missing_is_said_and_that_there_is_none(take, tmp_path, see):
    take(taken(tmp_path, DARK))
    page = page_of(see, AssociationBlock.objects.get())
    panel = page.one("main").all("section", css="panel")[0]
    assert panel.one(css="st-incomplete").text == "MASTER_BIAS 0 of 1"
    assert "no file of this category within half a year" in panel.one(css="empty").text


def test_what_takes_no_calibrations_says_so(dark, see):
    bias = AssociationBlock.objects.filter(raw_type="BIAS").first()
    assert "needs no calibrations" in page_of(see, bias).one(css="empty").text


def test_an_action_the_rules_do_not_know_is_said(dark, see):
    AssociationBlock.objects.filter(pk=dark.pk).update(action="NOBODY")
    assert "The rules know no action NOBODY." in page_of(see, dark).one(css="empty").text


def test_a_block_without_frames_opens(dark, see):
    dark.block_frames.all().delete()
    assert page_of(see, dark).one("h1").text == "Associations"


def test_a_block_nobody_knows_is_not_there(db, see):
    assert "Find it through its night." in see("/blocks/NONE.ab/associations/", 404).text
