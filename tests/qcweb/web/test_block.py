"""A block's page: why it is red, what it was made of, and the decision in the browser."""

import re

import pytest
from django.conf import settings
from django.urls import reverse

from pipelines.models import AssociationBlock, Attempt, Product, RawFile
from qcweb import worklist
from qcweb.certification.models import Certification
from qcweb.certification.services.record import standing
from tests.qcweb.web.html import parse
from trending.models import QC1Parameter, Report, ScoreRule

EVIL = '<script>alert("x")</script>&amp;'


@pytest.fixture
def judge(client, quinn):
    """Open a block as Quinn, and post what its form would."""
    client.force_login(quinn)

    def send(block, what="certify", **fields):
        return client.post(reverse(f"block-{what}", args=[block.ab_name]), fields, follow=True)

    return send


def page_of(client, block):
    return parse(client.get(reverse("block", args=[block.ab_name])))


def entries(block):
    return list(Certification.objects.filter(block=block).order_by("number"))


def test_a_red_block_says_why_with_value_limits_and_rule(night, see):
    page = see(reverse("block", args=[night["red"].ab_name]))
    why = page.one("section", css="panel-nok")
    assert re.search(r"ron_raw , CHIP2: [67]\.\d+ ADU is above the upper limit 6", why.text)
    assert "VAL 4.5,6, version 1" in why.text
    report, value = why.all("a")
    assert report.attributes["href"] == "/reports/CCDCAM/read_noise/"
    assert value.attributes["href"].startswith("/qc1/ccdcam_bias/ron_raw/")
    assert page.one("title").text == "CAL002 BIAS, NOK"


def test_the_score_report_has_the_red_first_then_the_scored_and_folds_the_rest(night, see):
    page = see(reverse("block", args=[night["red"].ab_name]))
    scores = page.one("section", id="scores")
    scored, unscored = scores.all("table")
    words = [row.all("td")[3].text for row in scored.one("tbody").all("tr")]
    assert words == ["NOK", *["OK"] * 5, *["not scored too few points"] * 4]
    assert "6 scored, 1 outside" in scores.text
    fold = scores.one("details")
    n = len(unscored.one("tbody").all("tr"))
    assert fold.one("summary").text == f"{n} values without a score"
    assert "open" not in fold.attributes
    assert {row.all("td")[3].text for row in unscored.one("tbody").all("tr")} == {"–"}


def test_a_block_without_rules_shows_its_values_and_the_reason(states, see):
    page = see(reverse("block", args=[states["grey"].ab_name]))
    assert "no rule for this setup" in page.one("section", id="scores").text
    assert page.one("link", rel="icon").attributes["href"].endswith("none.svg")


@pytest.mark.parametrize(
    ("state", "css", "says"),
    [
        ("failed", "note-nok", "is truncated: 141696 of 236160 bytes"),
        ("degraded", "note-warn", "It is never certified by itself"),
        ("incomplete", "note-warn", "frames that arrive later complete it"),
        ("blocked", "note-warn", "Waits for"),
    ],
)
def test_a_block_that_is_not_plainly_done_says_what_is_with_it(states, see, state, css, says):
    page = see(reverse("block", args=[states[state].ab_name]))
    assert says in page.one(css=css).text


def test_inputs_name_the_master_and_its_distance_and_the_master_its_users(night, see):
    inputs = see(reverse("block", args=[night["dark"].ab_name])).one("section", id="inputs")
    assert "1 calibration" in inputs.text
    assert f"MASTER_BIAS of {night['green'].ab_name}" in inputs.text
    assert re.search(r"−\d+ min", inputs.text)
    users = see(reverse("block", args=[night["green"].ab_name])).one("section", id="inputs")
    assert "Used by DARK 2026-03-01" in users.text


@pytest.mark.parametrize("decision", ["ACCEPTED", "REJECTED"])
def test_a_decision_is_written_and_shown_everywhere(night, judge, client, decision):
    answer = judge(night["red"], decision=decision, comment="flat lamp replaced", seen="0")
    assert answer.redirect_chain == [(reverse("block", args=[night["red"].ab_name]), 302)]
    page = parse(answer)
    word = decision.lower()
    assert f"{word}." in page.one(css="note-ok").text
    assert f"{word} , score then 1/6" in page.one("section", id="history").text
    assert "flat lamp replaced quinn" in page.one("section", id="history").text
    assert page.one("section", id="certify").one("div", css="panel-head").text == (
        f"Certify {word}"
    )
    row = parse(client.get("/nights/CCDCAM/2026-03-01/")).one("tr", id=f"row-{night['red'].pk}")
    assert row.one("td", css="c-cert").text == f"{word} flat lamp replaced"
    assert ("is-rejected" in row.classes) == (decision == "REJECTED")
    assert "data-todo" not in row.attributes


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"decision": "ACCEPTED", "comment": " "}, "A comment is needed"),
        ({"decision": "REJECTED", "comment": ""}, "A comment is needed"),
        ({"decision": "", "comment": "typed"}, "Choose to accept or to reject."),
        ({"decision": "AUTO", "comment": "typed"}, "Choose to accept or to reject."),
        ({"decision": "REOPENED", "comment": "typed"}, "Choose to accept or to reject."),
        ({"decision": "perfect", "comment": "typed"}, "Choose to accept or to reject."),
        ({"comment": "typed"}, "Choose to accept or to reject."),
    ],
)
def test_a_decision_that_cannot_be_written_says_why_and_keeps_what_was_typed(
    night, judge, fields, says
):
    page = parse(judge(night["red"], seen="0", **fields))
    assert says in page.one(css="note-nok", role="alert").text
    assert page.one("textarea", id="comment").text == fields["comment"].strip()
    assert entries(night["red"]) == []


@pytest.mark.parametrize("seen", ["0", "", "x", "-1", "99999999999", "٣"])
def test_a_conflict_names_who_and_what_and_loses_no_word(night, judge, vera, seen):
    judge(night["red"], decision="REJECTED", comment="noise", seen="0")
    page = parse(judge(night["red"], decision="ACCEPTED", comment="a long\nthought", seen=seen))
    said = page.one(css="note-nok", role="alert").text
    assert "Not saved: quinn has written “rejected” meanwhile." in said
    assert page.one("textarea", id="comment").children == ["a long\nthought"]
    assert page.one("section", id="certify").all("input", name="seen")[0].attributes["value"] == "1"
    assert [entry.decision for entry in entries(night["red"])] == ["REJECTED"]


def test_what_was_typed_is_shown_once_and_on_its_block_only(night, judge, client):
    judge(night["red"], decision="", comment="typed", seen="0")
    client.post(
        reverse("block-certify", args=[night["red"].ab_name]), {"comment": "typed", "seen": "0"}
    )
    assert page_of(client, night["dark"]).one("textarea", id="comment").text == ""
    assert page_of(client, night["red"]).one("textarea", id="comment").text == "typed"
    assert page_of(client, night["red"]).one("textarea", id="comment").text == ""


def test_a_decision_is_taken_back_and_the_block_is_open_again(night, judge):
    judge(night["red"], decision="REJECTED", comment="noise", seen="0")
    page = parse(judge(night["red"], "undo", seen="1"))
    assert "the decision is taken back" in page.one(css="note-ok").text
    assert [entry.decision for entry in entries(night["red"])] == ["REJECTED", "REOPENED"]
    assert standing(night["red"]) is None
    assert page.all("form", action=reverse("block-undo", args=[night["red"].ab_name])) == []


def test_there_is_nothing_to_take_back_twice(night, judge):
    page = parse(judge(night["red"], "undo", seen="0"))
    assert "There is no decision to take back." in page.one(css="note-nok").text


def test_taking_back_what_changed_meanwhile_is_a_conflict(night, judge):
    judge(night["red"], decision="REJECTED", comment="noise", seen="0")
    judge(night["red"], decision="ACCEPTED", comment="fine", seen="1")
    page = parse(judge(night["red"], "undo", seen="1"))
    assert "quinn has written “accepted” meanwhile" in page.one(css="note-nok").text
    assert standing(night["red"]).decision == "ACCEPTED"


def test_no_decision_is_preselected_and_a_reader_sees_no_form(night, client, quinn, vera):
    client.force_login(quinn)
    radios = page_of(client, night["red"]).all("input", type="radio", name="decision")
    assert [one.attributes["value"] for one in radios] == ["ACCEPTED", "REJECTED"]
    assert not [one for one in radios if "checked" in one.attributes]
    client.force_login(vera)
    panel = page_of(client, night["red"]).one("section", id="certify")
    assert panel.all("form") == []
    assert "QC scientists certify." in panel.text


def test_a_failed_block_can_be_rejected_only(states, client, quinn):
    client.force_login(quinn)
    accept, reject = page_of(client, states["failed"]).all("input", type="radio")
    assert ("disabled" in accept.attributes, "disabled" in reject.attributes) == (True, False)


def test_the_next_to_review_are_linked_in_order(states, client, quinn):
    client.force_login(quinn)
    names = [one.ab_name for one in worklist.waiting()]
    assert len(names) == AssociationBlock.objects.filter(needs_person=True).count() > 3
    seen = []
    for name in names:
        page = parse(client.get(f"/blocks/{name}/"))
        after = [one for one in page.all("a") if "data-review-after" in one.attributes]
        seen.append([one.attributes["href"] for one in after])
    assert seen == [*([f"/blocks/{name}/"] for name in names[1:]), []]


def test_the_log_of_an_attempt_is_shown_with_its_command(night, see):
    page = see(reverse("block-log", args=[night["green"].ab_name, 1]))
    assert "hcm_bias" in page.one("pre").text
    assert "--min-frames=3" in page.one("dl", css="facts").text
    assert (
        "Unknown attempt" in see(reverse("block-log", args=[night["green"].ab_name, 7]), 404).text
    )


def test_the_log_of_a_failed_attempt_says_how_it_ended(states, see):
    page = see(reverse("block-log", args=[states["failed"].ab_name, 1]))
    assert "is truncated" in page.one("dl", css="facts").text


def test_a_product_is_sent_as_it_is(night, client, vera):
    client.force_login(vera)
    product = Product.objects.filter(attempt=night["green"].current_attempt).get()
    answer = client.get(reverse("product", args=[product.pk]))
    assert answer["Content-Disposition"] == f'attachment; filename="{product.name}"'
    sent = b"".join(answer.streaming_content)
    assert (len(sent), sent[:9]) == (product.size, b"SIMPLE  =")


@pytest.mark.parametrize(
    "path",
    ["../outside.fits", "outside.fits", "products/../outside.fits", "/etc/passwd", "products",
     "products/link.fits", "", "products/none.fits", "products-else/x.fits"],
)  # fmt: skip
def test_nothing_outside_the_products_is_sent(night, client, vera, path):
    client.force_login(vera)
    outside = settings.HCM_DATA_DIR / "outside.fits"
    outside.write_text("secret")
    else_dir = settings.HCM_DATA_DIR / "products-else"
    else_dir.mkdir(exist_ok=True)
    (else_dir / "x.fits").write_text("secret")
    link = settings.HCM_DATA_DIR / "products" / "link.fits"
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    product = Product.objects.filter(attempt=night["green"].current_attempt).get()
    Product.objects.filter(pk=product.pk).update(path=path)
    answer = client.get(reverse("product", args=[product.pk]))
    assert answer.status_code == 404
    assert b"secret" not in answer.content


def test_text_from_headers_comments_and_definitions_is_never_markup(night, judge, client):
    red = night["red"]
    judge(red, decision="ACCEPTED", comment=EVIL, seen="0")
    AssociationBlock.objects.filter(pk=red.pk).update(
        setup=EVIL, raw_type=EVIL[:60], reason=EVIL, is_degraded=True, recipe=EVIL[:60]
    )
    Attempt.objects.filter(pk=red.current_attempt_id).update(
        reason=EVIL, argv=[EVIL], pipeline_version=EVIL[:60], worker=EVIL[:60]
    )
    RawFile.objects.update(dpr_type=EVIL[:30], problem=EVIL)
    ScoreRule.objects.update(reason=EVIL, author=EVIL[:60])
    QC1Parameter.objects.update(description=EVIL, unit=EVIL[:30])
    Report.objects.update(title=EVIL, description=EVIL, tutorial=EVIL)
    for address in (
        "/", "/worklist/", "/nights/", "/nights/CCDCAM/2026-03-01/", f"/blocks/{red.ab_name}/",
        "/nights/CCDCAM/2026-03-01/frames/", f"/blocks/{red.ab_name}/log/1/", "/reports/",
        "/reports/CCDCAM/read_noise/", "/qc1/ccdcam_bias/", f"/nights/CCDCAM/2026-03-01/?q={EVIL}",
    ):  # fmt: skip
        text = client.get(address).content.decode()
        assert "<script>alert" not in text, address
        if address not in {"/nights/", "/worklist/"}:
            assert "&lt;script&gt;alert" in text, address


def test_a_rejected_master_says_who_has_used_it(night, judge):
    page = parse(judge(night["green"], decision="REJECTED", comment="lamp was on", seen="1"))
    assert "keep their results: 1." in page.one("div", css="note-warn", role="status").text


def test_a_decision_on_a_run_that_is_not_the_last_is_not_written(night, judge):
    page = parse(judge(night["red"], decision="ACCEPTED", comment="fine", seen="0", attempt="0"))
    assert "has run again meanwhile" in page.one(css="note-nok", role="alert").text
    assert page.one("textarea", id="comment").text == "fine"
    form = page.one("section", id="certify").all("input", name="attempt")
    assert form[0].attributes["value"] == "1"
    judge(night["red"], decision="ACCEPTED", comment="fine", seen="0", attempt="1")
    assert [entry.decision for entry in entries(night["red"])] == ["ACCEPTED"]
