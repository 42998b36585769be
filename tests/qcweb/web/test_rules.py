"""Rules: the list, a version and its history, what a change would have done, and saving it."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from qcweb.web.rule_form import RuleForm, as_typed
from tests.qcweb.web.conftest import FIRST_DAY
from tests.qcweb.web.html import parse
from trending.models import QC1Parameter, QualityEvent, ReferenceValue, Score, ScoreRule
from trending.services.rules import new_rule

EVIL = "<script>alert(1)</script>"


def typed(rule, **changes):
    """Return what the form of a rule sends: an unchecked box sends nothing."""
    fields = as_typed(rule) | changes
    return {name: value for name, value in fields.items() if value is not False}


def url(rule, what="rule"):
    return reverse(what, args=[rule.pk])


def try_it(history, rule, **changes):
    answer = history.client.get(url(rule), typed(rule, **changes))
    assert answer.status_code == 200
    return parse(answer)


def counts(page):
    """Return what the page says would turn red, green and grey, and be red then."""
    facts = [one.text for one in page.one("section", id="trial").one("dl").all("dd")]
    return [int(one) for one in facts[:3]], int(facts[4].split()[0])


def sent_by(page):
    """Return what the Save form sends."""
    form = next(one for one in page.all("form") if "Reason" in one.text)
    return {
        one.attributes["name"]: one.attributes.get("value", "")
        for one in form.all("input", type="hidden")
        if one.attributes["name"] != "csrfmiddlewaretoken"
    }


def save(history, rule, fields, reason="seen in the trial"):
    return history.client.post(url(rule, "rule-change"), {**fields, "reason": reason})


def test_the_list_has_every_rule_in_force_under_its_table(history, see):
    page = see("/rules/")
    rows = [one for one in page.all("tr") if one.all("td")]
    assert len(rows) == ScoreRule.objects.open().count()
    groups = [one.one("a").text for one in page.all("tr", css="group")]
    assert groups == sorted(groups)
    assert "ccdcam_bias" in groups


def test_without_rules_the_list_says_where_they_come_from(db, see):
    page = see("/rules/")
    assert "No rules yet" in page.one(css="empty").text
    assert page.all("table") == []


def test_a_rule_says_what_it_is_and_what_it_has_judged(history):
    page = parse(history.client.get(url(history.rule("bias_level"))))
    assert "VAL 1470,1490" in page.text
    assert "60, of which 2 NOK" in page.text
    assert "nothing: the limits are fixed" in page.text
    assert page.all("section", id="trial") == []


def test_an_unknown_rule_or_parameter_is_a_problem_with_a_hint(history):
    for address in ("/rules/999999/", "/rules/99999999999999999999/", "/rules/new/x/y/",
                    "/rules/new/ccdcam_bias/read_mode/"):  # fmt: skip
        answer = history.client.get(address, headers={"accept": "application/json"})
        assert answer.status_code == 404, address
        assert answer.json()["hint"]


TRIED = [
    {"limits": "VAL 1479,1481"},
    {"limits": "3MAD"},
    {"limits": "5SIG", "average": "MEAN", "window_points": "12"},
    {"limits": "OFF 2", "average": "none", "baseline": "rolling", "drop_repeats": "on"},
    {"limits": "OFF 3", "valid_from": "2025-12-20 00:00"},
    {"limits": "none"},
]


@pytest.mark.parametrize("changes", TRIED, ids=lambda one: " ".join(one.values()))
def test_what_the_trial_says_is_what_saving_and_scoring_again_gives(history, changes):
    rule = history.rule("bias_level")
    before = dict(Score.objects.filter(
        series=history.series("bias_level"), is_current=True
    ).values_list("row", "result"))  # fmt: skip
    page = try_it(history, rule, **changes)
    turned, n_red = counts(page)
    answer = save(history, rule, sent_by(page))
    assert answer.status_code == 302
    history.rescore()
    after = dict(Score.objects.filter(
        series=history.series("bias_level"), is_current=True
    ).values_list("row", "result"))  # fmt: skip
    moved = [after[row] for row in before if after[row] != before[row]]
    assert turned == [moved.count(1), moved.count(0), moved.count(None)]
    assert n_red == history.reds("bias_level")


def test_a_trial_knows_events_though_the_present_limits_need_none(history):
    """The step of an intervention must not stand in the statistics of the rule that is tried."""
    QualityEvent.objects.create(
        instrument=history.table.instrument, kind="intervention", mjd=FIRST_DAY + 45 - 0.1,
        title="New amplifier", author="quinn", recorded_at=timezone.now(),
    )  # fmt: skip
    ScoreRule.objects.filter(parameter__name="struct_y").update(limits="VAL ,9")
    history.rescore()
    rule = history.rule("struct_y")
    page = try_it(history, rule, limits="12MAD")
    turned, n_red = counts(page)
    save(history, rule, sent_by(page))
    history.rescore()
    assert n_red == history.reds("struct_y") == 0
    scores = Score.objects.filter(series=history.series("struct_y"), is_current=True)
    assert turned == [0, 0, scores.filter(result=None).count()]


def test_a_trial_around_a_reference_uses_it(history):
    rule = history.rule("bias_level")
    ReferenceValue.objects.create(
        parameter=rule.parameter, setup={"read_mode": "FAST"}, detector="CHIP1", value=1480.0,
        sigma=1.0, n=10, valid_from_mjd=FIRST_DAY - 1, author="quinn", reason="measured",
        recorded_at=timezone.now(),
    )  # fmt: skip
    page = try_it(history, rule, limits="OFF 5", average="REFERENCE")
    assert counts(page) == ([0, 0, 0], 2)


def test_a_trial_of_a_general_rule_leaves_the_specific_one_in_force(history):
    parameter = QC1Parameter.objects.get(table=history.table, name="bias_level")
    page = parse(history.client.get(
        reverse("rule-new", args=["ccdcam_bias", "bias_level"]),
        {"limits": "VAL 0,1", "average": "MEDIAN", "min_n": "5"},
    ))  # fmt: skip
    assert counts(page)[0] == [0, 0, 0]
    assert "The more specific one judges." in page.text
    assert parameter.name in page.one("h1").text


@pytest.mark.parametrize("box", [True, False])
def test_what_is_saved_is_what_was_tried_boxes_too(history, box):
    rule = history.rule("bias_level")
    ScoreRule.objects.filter(pk=rule.pk).update(is_hc=not box, drop_repeats=not box)
    page = try_it(history, rule, is_hc=box, drop_repeats=box, run_rules="WE1, CUSUM(k=0.5,h=5)")
    save(history, rule, sent_by(page), f"because {EVIL}")
    made = history.rule("bias_level")
    assert (made.version, made.is_hc, made.drop_repeats) == (2, box, box)
    assert made.run_rules == ["WE1", "CUSUM(k=0.5,h=5)"]
    assert (made.author, made.limits, made.valid_from_mjd) == (
        "quinn", rule.limits, rule.valid_from_mjd,
    )  # fmt: skip
    answer = history.client.get(url(made))
    assert EVIL.encode() not in answer.content
    page = parse(answer)
    assert EVIL in page.one("section", id="versions").text
    change = "no → yes" if box else "yes → no"
    assert f"Health Check: {change}" in page.one("section", id="versions").text


def test_ids_on_the_page_are_there_once(history):
    page = try_it(history, history.rule("bias_level"), limits="3MAD")
    ids = [one.attributes["id"] for one in page.walk() if "id" in one.attributes]
    assert len(ids) == len(set(ids))


def test_a_former_version_leads_to_the_one_in_force_and_cannot_be_tried(history):
    rule = history.rule("bias_level")
    save(history, rule, typed(rule, limits="VAL 1471,1490"))
    page = parse(history.client.get(url(rule), typed(rule)))
    note = page.one(css="note-warn")
    assert note.one("a").attributes["href"] == url(history.rule("bias_level"))
    assert page.all("section", id="trial") == page.all("section", id="change") == []


BAD = [
    ("limits", "3MADS", "none of the forms known"),
    ("limits", "", "required"),
    ("limits", "VAL 5,1", "above"),
    ("warning", "x", "none of the forms known"),
    ("fallback", "VAL", "none of the forms known"),
    ("min_n", "0", "greater than or equal to 1"),
    ("window_days", "nan", "number"),
    ("run_rules", "WE9", "none of the run rules known"),
    ("valid_from", "yesterday", "valid date/time"),
    ("valid_from", "1999-01-01", "choose a later instant"),
    ("baseline", "weekly", "not one of the available choices"),
    ("limits", "9" * 65 + "%", "at most 64 characters"),
]


@pytest.mark.parametrize(("name", "value", "says"), BAD, ids=lambda one: str(one)[:20])
def test_a_bad_entry_is_told_beside_its_field(history, name, value, says):
    rule = history.rule("bias_level")
    fields = typed(rule, **{name: value})
    for answer, status in (
        (history.client.get(url(rule), fields), 200),
        (save(history, rule, fields), 400),
    ):
        assert answer.status_code == status
        page = parse(answer)
        assert page.all("section", id="trial") == []
        error = page.one("span", id=f"id_{name}_error")
        assert re.search(re.escape(says), error.text)
        entry = next(one for one in page.walk() if one.attributes.get("id") == f"id_{name}")
        assert error.attributes["id"] in entry.attributes["aria-describedby"]
        assert entry.attributes["aria-invalid"] == "true"
    assert history.rule("bias_level") == rule


def test_an_average_that_limits_need_is_asked_for(history):
    rule = history.rule("bias_level")
    page = try_it(history, rule, limits="3SIG", average="none")
    assert "choose one" in page.one(id="id_average_error").text
    page = try_it(history, rule, limits="3SIG", average="REFERENCE", baseline="epoch")
    assert "choose one of the two" in page.one(id="id_baseline_error").text


def test_a_date_is_read_as_ut_and_the_former_version_ends_there(history):
    rule = history.rule("bias_level")
    save(history, rule, typed(rule, limits="VAL 1475,1485", valid_from="2026-01-01 06:00"))
    ended, made = ScoreRule.objects.open().filter(key=rule.key).order_by("valid_from_mjd")
    assert ended.valid_until_mjd == made.valid_from_mjd == 61041.25
    assert (ended.limits, made.limits) == (rule.limits, "VAL 1475,1485")
    page = parse(history.client.get(url(ended)))
    assert "2020-01-01 to 2026-01-01" in page.text
    again = try_it(history, ended, limits="VAL 1,2", valid_from="2026-02-01")
    assert "choose an earlier instant" in again.one(id="id_valid_from_error").text


def test_a_date_to_come_changes_nothing_yet_and_says_so(history):
    page = try_it(history, history.rule("bias_level"), limits="VAL 1,2", valid_from="2090-01-01")
    assert "No value lies in its time yet" in page.one("section", id="trial").text
    assert counts(page)[0] == [0, 0, 0]


def test_without_a_reason_nothing_is_saved_and_all_that_was_typed_stays(history):
    rule = history.rule("bias_level")
    answer = save(history, rule, typed(rule, limits="VAL 1479,1481", is_hc=False), " ")
    assert answer.status_code == 400
    page = parse(answer)
    assert "A reason is needed" in page.one(id="why_error").text
    assert page.one("input", id="id_limits").attributes["value"] == "VAL 1479,1481"
    assert counts(page)[0][0] > 10
    assert sent_by(page)["limits"] == "VAL 1479,1481"
    tries = next(one for one in page.all("form") if "Show what" in one.text)
    assert tries.attributes["action"] == f"{url(rule)}#trial"
    assert history.rule("bias_level") == rule


def test_of_two_tabs_the_second_is_told_and_keeps_what_was_typed(history):
    rule = history.rule("bias_level")
    save(history, rule, typed(rule, limits="VAL 1471,1490"))
    answer = history.client.post(
        url(rule, "rule-change"),
        {**typed(rule, limits="VAL 1472,1490"), "reason": "the other tab"}, follow=True,
    )  # fmt: skip
    made = history.rule("bias_level")
    assert (made.version, made.limits) == (2, "VAL 1471,1490")
    page = parse(answer)
    assert "Not saved" in page.one(css="note-nok", role="alert").text
    assert page.one("input", id="id_limits").attributes["value"] == "VAL 1472,1490"
    assert page.one("input", id="why").attributes["value"] == "the other tab"
    assert save(history, made, sent_by(page), "the other tab").status_code == 302
    assert history.rule("bias_level").limits == "VAL 1472,1490"


def test_a_reader_tries_and_does_not_save(history, vera):
    history.client.force_login(vera)
    rule = history.rule("bias_level")
    page = try_it(history, rule, limits="3MAD")
    assert "QC scientists save rules." in page.one("section", id="trial").text
    assert save(history, rule, typed(rule)).status_code == 403
    assert history.client.get("/rules/new/ccdcam_bias/struct_x/").status_code == 403


# A first rule for a parameter.


def new_address(parameter="overscan_level"):
    return reverse("rule-new", args=["ccdcam_bias", parameter])


def first(**changes):
    return {"limits": "3MAD", "average": "MEDIAN", "min_n": "5", "series": ""} | changes


def test_a_new_rule_is_tried_and_saved_and_does_what_the_trial_said(history):
    page = parse(history.client.get(new_address()))
    assert page.one("input", id="id_limits").attributes["value"] == "3MAD"
    assert "checked" in page.one("input", id="id_drop_repeats").attributes
    series = str(history.series("overscan_level").pk)
    page = parse(history.client.get(new_address(), first(series=series)))
    (red, green, grey), n_red = counts(page)
    answer = history.client.post(new_address(), {**sent_by(page), "reason": "it drifts"})
    made = ScoreRule.objects.open().get(parameter__name="overscan_level")
    assert answer["Location"] == url(made)
    assert (made.setup, made.detector, made.version) == (
        {"read_mode": "FAST", "binning": "1x1"}, "CHIP1", 1,
    )  # fmt: skip
    history.rescore()
    scores = Score.objects.filter(rule=made, is_current=True)
    assert scores.filter(result=1).count() == red == n_red
    assert scores.filter(result=0).count() == green
    assert (scores.filter(result=None).count(), grey) == (5, 0)


def test_a_new_rule_with_a_date_judges_from_then_on(history):
    fields = first(limits="VAL 0,1", valid_from="2026-01-01 06:00", reason="from now on")
    history.client.post(new_address(), fields)
    history.rescore()
    assert history.reds("overscan_level") == 60 - 41


def test_a_new_rule_needs_a_reason_a_known_series_and_no_other_rule(history):
    answer = history.client.post(new_address(), first(limits="4MAD"))
    assert answer.status_code == 400
    page = parse(answer)
    assert "A reason is needed" in page.one(id="why_error").text
    assert page.one("input", id="id_limits").attributes["value"] == "4MAD"

    answer = history.client.post(new_address(), first(series="4711", reason="why"))
    assert answer.status_code == 400
    assert "not one of the available" in parse(answer).one(id="id_series_error").text

    assert history.client.post(new_address(), {"reason": "why"}).status_code == 400
    assert history.client.post(new_address(), first(reason="why")).status_code == 302
    for answer in (
        history.client.get(new_address(), first()),
        history.client.post(new_address(), first(reason="again")),
    ):
        assert "There is a rule for these already" in parse(answer).one(id="id_series_error").text


def test_a_new_rule_that_somebody_was_faster_with_is_not_saved_twice(history, monkeypatch):
    parameter = QC1Parameter.objects.get(table=history.table, name="overscan_level")
    fields = RuleForm(first())
    assert fields.is_valid()

    def faster(self):
        new_rule(
            parameter, fields.fields_of_rule, setup={}, detector="", author="robin",
            reason="faster", valid_from_mjd=1.0, at=timezone.now(),
        )  # fmt: skip
        return {}, ""

    monkeypatch.setattr("qcweb.web.rule_form.NewRuleForm.clean_series", faster)
    answer = history.client.post(new_address(), first(reason="slower"), follow=True)
    assert "Not saved: There is a rule" in parse(answer).one(css="note-nok").text
    assert ScoreRule.objects.get(parameter=parameter).author == "robin"


def test_a_name_with_markup_stays_text(history):
    rule = history.rule("bias_level")
    QC1Parameter.objects.filter(name="overscan_level").update(description=EVIL)
    ScoreRule.objects.filter(pk=rule.pk).update(reason=EVIL, author=EVIL, detector=EVIL[:32])
    pages = ("/rules/", new_address(), url(rule), "/qc1/ccdcam_bias/", "/sanity/?instrument=CCDCAM")
    for address in pages:
        content = history.client.get(address).content
        assert b"<script>alert" not in content, address
        assert b"&lt;script&gt;alert" in content, address
