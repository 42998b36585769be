"""The page that asks whether the rules make sense."""

import pytest

from tests.qcweb.web.html import parse
from trending.models import Dataset, ScoreRule


@pytest.fixture
def findings(history):
    """Open the page, and return what it says under each heading."""

    def found(address="/sanity/?instrument=CCDCAM"):
        answer = history.client.get(address)
        assert answer.status_code == 200
        page = parse(answer)
        return {
            one.one("h2").text: one for one in page.all("section", css="panel") if one.all("table")
        }

    return found


def test_stale_limits_come_first_and_lead_to_their_rule(history, findings):
    rule = history.rule("bias_level")
    ScoreRule.objects.filter(pk=rule.pk).update(limits="VAL 1,2")
    found = findings()
    assert next(iter(found)) == "The usual value lies outside the limits"
    line = found["The usual value lies outside the limits"].one("tbody").all("tr")[0]
    assert "bias_level" in line.text
    assert f"/rules/{rule.pk}/" in {one.attributes["href"] for one in line.all("a")}
    assert "Fires most of the time" in found


def test_a_rule_without_values_says_what_it_is_for(history, findings):
    ScoreRule.objects.filter(parameter__name="struct_y").update(detector="CHIP9")
    words = [row.text for row in findings()["A rule without values"].one("tbody").all("tr")]
    assert any("struct_y" in one and "CHIP9" in one for one in words)


def test_the_count_is_of_all_findings(history, findings):
    page = parse(history.client.get("/sanity/?instrument=CCDCAM"))
    n = sum(len(one.one("tbody").all("tr")) for one in findings().values())
    assert page.one(css="head-title").one(css="tag").text == f"{n} findings"


def test_what_is_drawn_and_not_judged_offers_to_make_a_rule(history, findings, vera):
    ScoreRule.objects.filter(parameter__name="bias_level").update(
        superseded_at=history.score("bias_level", 1).recorded_at
    )
    group = findings()["Drawn, and not judged"]
    assert group.one("a", href="/rules/new/ccdcam_bias/bias_level/").text == "make one"
    history.client.force_login(vera)
    assert "make one" not in findings()["Drawn, and not judged"].text


def test_a_fresh_installation_has_an_empty_page(db, see):
    assert "There is no instrument with QC1 tables yet" in see("/sanity/").one(css="empty").text


def test_an_instrument_without_findings_says_so(history):
    ScoreRule.objects.filter(parameter__table__instrument__name="UVES").update(
        superseded_at=history.score("bias_level", 1).recorded_at
    )
    Dataset.objects.filter(parameter__table__instrument__name="UVES").delete()
    page = parse(history.client.get("/sanity/?instrument=UVES"))
    assert "Nothing odd" in page.one(css="empty").text


def test_an_unknown_instrument_is_a_problem_that_names_the_known_ones(history):
    answer = history.client.get("/sanity/?instrument=X", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert "CCDCAM" in answer.json()["hint"]


@pytest.mark.parametrize("name", ["CCDCAM", "UVES", "HCM", "MUSE"])
def test_every_instrument_has_its_page(history, name):
    page = parse(history.client.get(f"/sanity/?instrument={name}"))
    current = [one for one in page.one(css="tabs").all("a") if "aria-current" in one.attributes]
    assert [one.text for one in current] == [name]
