"""The page of one value: why it is as it is, and what people may say of it, with the way back."""

import pytest
from django.urls import reverse

from tests.qcweb.api.problems import assert_problem
from tests.qcweb.web.conftest import store_history
from tests.qcweb.web.html import parse
from trending.models import Mark, QC1Value, Score, ScoreAct, ValueState

EVIL = "<script>alert(1)</script>"


def open_page(history, parameter="bias_level", day=40):
    answer = history.client.get(history.address(parameter, day))
    assert answer.status_code == 200
    assert EVIL.encode() not in answer.content
    return parse(answer)


def undo(history, parameter, day, **subject):
    address = history.address(parameter, day, "value-undo")
    return history.client.post(address, {"reason": "looked again", **subject}, follow=True)


def test_a_red_value_says_why_and_which_case_was_like_it(history):
    page = open_page(history)
    why = page.one("section", css="panel-nok")
    assert "Why is it red?" in why.text
    assert "ADU is above the upper limit" in why.text
    assert "VAL 1470,1490, version 1" in why.text
    assert "Statistics none: the limits are fixed" in why.text
    cases = page.one("section", aria_labelledby="ca")
    assert len(cases.one("tbody").all("tr")) == 1
    assert "imported" in cases.text
    assert page.one("title").text == "bias_level CHIP1, NOK"
    assert page.one("link", rel="icon").attributes["href"].endswith("nok.svg")


def test_the_first_outlier_has_no_case_like_it(history):
    assert "It was never outside this limit before." in open_page(history, day=20).text


def test_a_statistical_limit_shows_what_it_rests_on(history):
    page = open_page(history, "ron_master", 40)
    why = page.one("section", aria_labelledby="why")
    assert "Why is it green?" in why.text
    assert "of 40 earlier values" in why.text
    early = open_page(history, "ron_master", 0).one("section", aria_labelledby="why")
    assert "too few points" in early.text
    assert "no earlier values" in early.text


def test_a_step_is_dated_and_leads_to_its_first_value(history):
    page = open_page(history, "struct_y", 50)
    assert "the level changed by" in page.text
    since = next(one for one in page.all("a") if one.text == "value after it")
    assert since.attributes["href"] == history.address("struct_y", 45)
    assert "more than 99 % sure" in page.text


def test_a_value_before_the_step_is_not_told_of_it(history):
    assert "no lasting change before it" in open_page(history, "struct_y", 30).text


def test_a_value_without_a_rule_says_so(history):
    page = open_page(history, "overscan_level", 5)
    assert "No rule judges this parameter." in page.text
    assert page.one("link", rel="icon").attributes["href"].endswith("none.svg")


def test_a_measured_value_shows_its_block_and_neighbours(night, see):
    score = Score.objects.get(is_current=True, result=1, series__parameter__name="ron_raw")
    page = see(reverse("value", args=["ccdcam_bias", "ron_raw", score.row_id]))
    names = [row.one("th").text for row in page.one("section", aria_labelledby="nb").all("tr")[1:]]
    assert names[0] == "ron_raw"
    assert "bias_level" in names
    block = reverse("block", args=[night["red"].ab_name])
    assert block in {one.attributes.get("href") for one in page.all("a")}
    assert "QC scientists correct values." in page.text
    assert page.all("textarea") == []


def test_the_plot_knows_the_value_and_its_rows(history):
    chart = open_page(history).one(css="chart")
    assert chart.attributes["data-row"] == str(history.row(40).pk)
    figure = history.client.get(chart.attributes["data-figure"]).json()["datasets"][0]
    assert history.row(40).pk in figure["rows"]
    assert figure["row_url"] == "/qc1/ccdcam_bias/bias_level/0/"
    assert history.client.get("/series/999999/figure/").status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/qc1/ccdcam_bias/bias_level/99999999999999999999/",
        "/qc1/ccdcam_bias/nothing/{row}/",
        "/qc1/nothing/bias_level/{row}/",
        "/qc1/ccdcam_dark/ron/{row}/",
    ],
)
def test_an_unknown_value_is_a_problem_with_a_hint(history, address):
    url = address.format(row=history.row(1).pk)
    assert_problem(history.client.get(url, headers={"accept": "application/json"}), 404)


def test_leaving_out_of_statistics_moves_later_limits_and_can_be_taken_back(history):
    before = history.score("ron_master", 41)
    assert history.act("ron_master", 40, "exclude", EVIL).status_code == 302
    assert history.score("ron_master", 41).n == before.n - 1
    page = open_page(history, "ron_master", 40)
    assert EVIL in page.one("section", aria_labelledby="st").text
    assert "Leave this value out" not in page.one("section", aria_labelledby="do").text

    mark = Mark.objects.get()
    assert "Taken back." in undo(history, "ron_master", 40, mark=mark.pk).content.decode()
    after = history.score("ron_master", 41)
    assert (after.n, after.lower, after.upper) == (before.n, before.lower, before.upper)
    said = open_page(history, "ron_master", 40).one("section", id="history").text
    assert "taken back by quinn" in said
    assert "looked again" in said
    assert (
        "has been taken back already"
        in undo(history, "ron_master", 40, mark=mark.pk).content.decode()
    )


def test_a_hidden_row_is_out_of_everything_and_says_so(history):
    history.act("bias_level", 40, "hide", "the shutter was open")
    values = QC1Value.objects.filter(row=history.row(40))
    assert set(values.values_list("state", flat=True)) == {ValueState.HIDDEN}
    page = open_page(history)
    assert "It is hidden: nothing judges it" in page.one("section", aria_labelledby="why").text
    assert page.one(css="st-big").text == "hidden"
    table = parse(history.client.get("/qc1/ccdcam_bias/"))
    assert "the shutter was open" in table.one("section", id="marks").text

    undo(history, "bias_level", 40, mark=Mark.objects.get().pk)
    assert history.score("bias_level", 40).result == 1
    assert parse(history.client.get("/qc1/ccdcam_bias/")).all("section", id="marks") == []


@pytest.mark.parametrize(("action", "result"), [("override", 0), ("remove", None)])
def test_a_corrected_score_names_who_and_why_and_comes_back(history, action, result):
    history.act("bias_level", 40, action, EVIL)
    assert history.score("bias_level", 40).result == result
    page = open_page(history)
    assert "by quinn" in page.one("section", aria_labelledby="why").text
    assert EVIL in page.text
    known = {one.attributes.get("id", "").removeprefix("g-") for one in page.all("symbol")}
    assert set(page.glyphs) <= known
    undo(history, "bias_level", 40, act=ScoreAct.objects.get().pk)
    assert history.score("bias_level", 40).result == 1


def test_a_value_called_ok_says_that_it_lies_outside(history):
    history.act("bias_level", 40, "override", "a known reset")
    why = open_page(history).one("section", aria_labelledby="why").text
    assert "above the upper limit" in why
    assert "and quinn has called it OK" in why


def test_scoring_again_leaves_a_trace_and_nothing_to_take_back(history):
    history.act("bias_level", 40, "rescore", "after the new rule")
    page = open_page(history)
    assert page.all("section", aria_labelledby="st") == []
    assert "after the new rule" in page.one("section", id="history").text


def test_without_a_reason_nothing_happens_and_the_choice_stays(history):
    answer = history.act("bias_level", 40, "hide", "  ")
    assert answer.status_code == 400
    page = parse(answer)
    assert page.one("input", value="hide").attributes.get("checked") == ""
    reason = page.one("textarea", id="reason")
    assert reason.attributes["aria-describedby"] == "reason_error"
    assert "A reason is needed" in page.one(id="reason_error").text
    assert not Mark.objects.exists()


def test_what_cannot_be_done_says_why_and_keeps_the_reason(history):
    answer = history.act("overscan_level", 5, "remove", f"why not {EVIL}")
    assert answer.status_code == 400
    assert "This value has no score." in parse(answer).one(id="reason_error").text
    assert parse(answer).one("textarea", id="reason").text == f"why not {EVIL}"


def test_an_unknown_action_or_decision_is_a_problem(history):
    assert history.act("bias_level", 40, "explode").status_code == 400
    assert undo(history, "bias_level", 40, mark=12345).status_code == 404
    assert undo(history, "bias_level", 40, act="x").status_code == 404
    assert undo(history, "bias_level", 40).status_code == 404


def test_a_reason_is_kept_whole_or_refused(history):
    history.act("bias_level", 40, "hide", "long " * 1000)
    assert not Mark.objects.exists()
    history.act("bias_level", 40, "hide", "long " * 400)
    assert len(Mark.objects.get().reason) == 1999
    assert "long long" in open_page(history).text


def test_a_former_result_shows_where_the_current_one_is_and_offers_nothing(history):
    former = history.row(40)
    store_history(history.table, 1, 40)
    page = parse(
        history.client.get(reverse("value", args=["ccdcam_bias", "bias_level", former.pk]))
    )
    assert "A former result." in page.text
    assert history.address("bias_level", 40) in {
        one.attributes.get("href") for one in page.one("section", id="history").all("a")
    }
    assert "A former result is history" in page.text
    answer = history.client.post(
        reverse("value-act", args=["ccdcam_bias", "bias_level", former.pk]),
        {"action": "hide", "reason": "late"},
    )
    assert answer.status_code == 400
    assert "A later run has taken the place" in answer.content.decode()


def test_a_rejected_block_is_taken_back_on_its_own_page(night, client, quinn):
    client.force_login(quinn)
    block = night["red"]
    client.post(
        reverse("block-certify", args=[block.ab_name]),
        {"decision": "REJECTED", "comment": "the lamp was on", "seen": 0,
         "attempt": block.attempt, "result": 1},
    )  # fmt: skip
    mark = Mark.objects.filter(kind="rejected").first()
    assert mark is not None
    args = ["ccdcam_bias", "bias_level", mark.row_id]
    page = parse(client.get(reverse("value", args=args)))
    assert "The block's decision" in page.one("section", aria_labelledby="st").text
    answer = client.post(reverse("value-undo", args=args), {"mark": mark.pk}, follow=True)
    assert "taken back on the block" in answer.content.decode()
    mark.refresh_from_db()
    assert mark.superseded_at is None


def test_a_reader_sees_what_stands_and_no_form(history, vera):
    history.act("bias_level", 40, "exclude", "a cosmic")
    history.client.force_login(vera)
    page = open_page(history)
    assert "a cosmic" in page.one("section", aria_labelledby="st").text
    assert [one.text for one in page.all("button") if "Take it back" in one.text] == []
    assert history.act("bias_level", 40, "hide").status_code == 403


# A block's scores, from its page.


def scores_of(client, block):
    return parse(client.get(reverse("block", args=[block.ab_name]))).one("section", id="scores")


def correct(client, block, **fields):
    return client.post(reverse("block-scores", args=[block.ab_name]), fields, follow=True)


@pytest.mark.parametrize(("action", "left"), [("override", "0/6"), ("remove", "not scored")])
def test_a_blocks_scores_are_corrected_and_come_back(night, client, quinn, action, left):
    client.force_login(quinn)
    block = night["red"]
    page = parse(correct(client, block, action=action, reason=f"known {EVIL}"))
    assert left in page.one(css="head-title").text
    scores = page.one("section", id="scores")
    assert f"by quinn, {ScoreAct.objects.get().recorded_at:%Y-%m-%d}" in scores.text
    assert EVIL in scores.text

    page = parse(correct(client, block, act=ScoreAct.objects.get().pk, reason="no, it is real"))
    assert "1/6 NOK" in page.one(css="head-title").text
    assert "Taken back" in page.one(css="note-ok").text


def test_a_block_is_scored_again(night, client, quinn):
    client.force_login(quinn)
    page = parse(correct(client, night["red"], action="rescore", reason="new limits"))
    assert "Scored again" in page.one(css="note-ok").text
    assert not ScoreAct.objects.open().exists()


def test_a_block_correction_without_a_reason_keeps_the_choice(night, client, quinn):
    client.force_login(quinn)
    page = parse(correct(client, night["red"], action="override", reason=""))
    assert "A reason is needed" in page.one(css="note-nok", role="alert").text
    fold = next(one for one in page.all("details") if "Correct these scores" in one.text)
    assert "open" in fold.attributes
    assert "checked" in fold.one("input", value="override").attributes
    assert not ScoreAct.objects.exists()


def test_only_who_may_certify_is_offered_it(night, see):
    assert "Correct these scores" not in see(reverse("block", args=[night["red"].ab_name])).text


def test_a_block_without_a_result_or_an_unknown_wish_is_told(states, client, quinn):
    client.force_login(quinn)
    assert "Correct these scores" not in scores_of(client, states["failed"]).text
    answer = correct(client, states["failed"], action="rescore", reason="why")
    assert "nothing to score" in answer.content.decode()
    assert correct(client, states["red"], action="x", reason="why").status_code == 400
    assert correct(client, states["red"], act="77", reason="why").status_code == 404
