"""Why a block uses what it uses: what each select takes now, and what it nearly took."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, RawFile
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, FLAT, later, taken
from tests.qcweb.web.html import parse


def recent():
    return timezone.now().date() - dt.timedelta(days=2)


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
    name, taken_, distance, level, certified, why = rows_of(page_of(see, dark))[0]
    assert (name, taken_) == (f"MASTER_BIAS of {bias.ab_name}", "taken")
    assert (distance, level, certified, why) == ("−35 min", "within plan", "certified", "")


def test_what_is_not_taken_says_why(dark, see):
    lost = {row[0].split(" of ")[1]: row for row in rows_of(page_of(see, dark))[1:]}
    others = AssociationBlock.objects.filter(raw_type="BIAS").exclude(
        pk=dark.calibrations.get().producer_id
    )
    assert set(lost) == {one.ab_name for one in others}
    assert {row[1] for row in lost.values()} == {"not taken"}
    fast = AssociationBlock.objects.get(setup="FAST_1x1")
    assert "DET.READ.MODE is FAST" in lost[fast.ab_name][5]
    assert lost[fast.ab_name][3] == "within plan"
    old = others.exclude(pk=fast.pk).get()
    assert lost[old.ab_name][2] == "−9.0 d"
    assert lost[old.ab_name][3] == "outside every window"
    assert "MJD-OBS" in lost[old.ab_name][5]


def test_the_windows_of_the_plan_are_in_the_head(dark, see):
    head = page_of(see, dark).one("main").all("section", css="panel")[0].one(css="panel-head")
    assert "plan −1.5 d to +1.5 d, extended −3.0 d to +3.0 d" in head.text


def test_a_label_without_windows_takes_any_distance(dark, see):
    dark.rule_set.levels = ""
    dark.rule_set.save()
    page = page_of(see, dark)
    head = page.one("main").all("section", css="panel")[0].one(css="panel-head")
    assert "plan: any distance" in head.text
    assert {row[3] for row in rows_of(page)} == {"within plan"}


def test_between_plan_and_the_end_of_all_windows_is_beyond_the_plan(dark, see):
    levels = '[[associations]]\nlabel = "MASTER_BIAS"\nplan_days = [-0.01, 0]\n'
    dark.rule_set.levels = levels + "extended_days = [-20, 20]\n"
    dark.rule_set.save()
    assert {row[3] for row in rows_of(page_of(see, dark))} == {"beyond plan"}


# Whose values -----------------------------------------------------------------------------


@pytest.fixture
def anybody(dark, client, settings):
    """Open the page as somebody who has not logged in: the reasons by block."""
    settings.HCM_ANONYMOUS_READ = True

    def opened():
        page = parse(client.get(f"/blocks/{dark.ab_name}/associations/"))
        return {row[0].split(" of ")[1]: row[5] for row in rows_of(page)[1:]}

    return opened


def test_values_of_calibrations_are_told_to_anybody(dark, anybody):
    fast = AssociationBlock.objects.get(setup="FAST_1x1")
    assert "DET.READ.MODE is FAST" in anybody()[fast.ab_name]


@pytest.mark.parametrize("whose", ["candidate", "asker"])
def test_values_of_frames_that_may_be_science_need_a_login(dark, anybody, client, vera, whose):
    fast = AssociationBlock.objects.get(setup="FAST_1x1")
    block = fast if whose == "candidate" else dark
    link = block.block_frames.last()
    RawFile.objects.filter(pk=link.raw_file_id).update(dpr_catg="SCIENCE", night=recent())
    told = anybody()
    assert "DET.READ.MODE" in told[fast.ab_name]
    assert " is " not in told[fast.ab_name]
    assert "values need a login" in told[fast.ab_name]
    others = [words for name, words in told.items() if name != fast.ab_name]
    assert [" is " in words for words in others] == [whose == "candidate"]
    client.force_login(vera)
    assert "DET.READ.MODE is FAST" in anybody()[fast.ab_name]


def test_values_of_a_file_on_disk_that_may_be_science_need_a_login(dark, anybody):
    frame = RawFile.objects.filter(setup="FAST_1x1").first()
    word = {"PRO.CATG": "MASTER_BIAS"}
    frame.pk, frame.header_digest, frame.name = None, "f" * 64, "X of DISK"
    frame.pro_catg, frame.raw_type, frame.dpr_catg, frame.program_id = "MASTER_BIAS", "", "", ""
    frame.keywords = {**frame.keywords, **word}
    frame.night = recent()
    frame.save()
    assert "DET.READ.MODE is FAST" in anybody()["DISK"]
    frame.program_id = "114.B-0123(A)"
    frame.save()
    assert " is " not in anybody()["DISK"]
    assert "values need a login" in anybody()["DISK"]


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
