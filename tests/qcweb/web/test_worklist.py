"""The worklist: order, filters, who works on what, and decisions on several blocks with one undo."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock
from qcweb import worklist
from qcweb.certification.models import Certification, Claim, Decision
from qcweb.certification.services.bulk import Seen
from qcweb.certification.services.claims import ClaimedError, claim, claims_on
from qcweb.certification.services.decisions import decide
from qcweb.certification.services.record import latest, standing
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db


@pytest.fixture
def quinn_in(client, quinn):
    client.force_login(quinn)
    return client


def listed(client, query=""):
    page = parse(client.get(f"/worklist/{query}"))
    return [row.all("a")[0].text for row in page.all("tr", data_row="")]


def test_the_reddest_come_first_and_counters_filter(states, quinn_in):
    kinds = listed(quinn_in)
    assert kinds == sorted(kinds, key=worklist.KINDS.index)
    assert {"red", "failed", "degraded", "incomplete", "not scored"} <= set(kinds)
    assert set(listed(quinn_in, "?kind=failed")) == {"failed"}
    assert listed(quinn_in, "?instrument=CCDCAM&night=2026-03-01") == kinds
    assert listed(quinn_in, "?night=2026-02-01") == []
    page = parse(quinn_in.get("/worklist/"))
    told = {one.all("span")[0].text: int(one.all("b")[0].text) for one in page.all("a", css="count")
            if one.all("b")}  # fmt: skip
    assert told["all"] == len(kinds) == sum(n for word, n in told.items() if word != "all")


@pytest.mark.parametrize(
    ("query", "status"),
    [("?kind=blue", 400), ("?instrument=NONE", 404), ("?night=never", 404)],
)
def test_an_unknown_filter_is_named(states, quinn_in, query, status):
    answer = quinn_in.get(f"/worklist/{query}")
    assert answer.status_code == status
    assert "Known are" in answer.content.decode() or "dates" in answer.content.decode()


def test_open_nights_tell_their_next_step(night, quinn_in):
    [one] = worklist.open_nights()
    assert (one.step, one.line.n_review) == ("review", 1)
    decide(night["red"], Decision.ACCEPTED, quinn_of(quinn_in), "seen", seen=0, at=timezone.now())
    [one] = worklist.open_nights()
    assert one.step == "close"
    assert "close the night" in quinn_in.get("/worklist/").content.decode()


def quinn_of(client):
    from django.contrib.auth.models import User

    return User.objects.get(pk=client.session["_auth_user_id"])


def test_a_claim_is_seen_and_ends_by_itself_by_hand_and_by_a_decision(night, quinn, admin_user):
    at = timezone.now()
    claim(night["red"], quinn, at)
    with pytest.raises(ClaimedError, match="quinn works on it"):
        claim(night["red"], admin_user, at)
    again = claim(night["red"], quinn, at + dt.timedelta(minutes=20))
    assert again.until == at + dt.timedelta(minutes=50)
    late = at + dt.timedelta(minutes=51)
    assert claims_on([night["red"]], late) == {}
    assert claim(night["red"], admin_user, late).claimed_by == admin_user
    decide(night["red"], Decision.ACCEPTED, quinn, "seen", seen=0, at=late)
    assert not Claim.objects.exists()


def test_a_claim_is_made_and_released_on_the_page(night, quinn_in):
    ab = night["red"].ab_name
    quinn_in.post("/worklist/claim/", {"ab": [ab], "act": "claim"})
    assert "quinn" in parse(quinn_in.get("/worklist/")).all("tr", data_row="")[0].text
    quinn_in.post("/worklist/claim/", {"ab": [ab], "act": "release"})
    assert not Claim.objects.exists()


def preview(client, blocks, decision="ACCEPTED", **more):
    return client.post(
        "/worklist/decide/", {"ab": [one.ab_name for one in blocks], "decision": decision, **more}
    )


def confirm(client, blocks, decision="ACCEPTED", **more):
    seen = {f"seen-{one.pk}": str(Seen.of(one, latest(one))) for one in blocks}
    return preview(client, blocks, decision, confirmed="1", **seen, **more)


def test_a_preview_says_what_changes_and_what_does_not_and_writes_nothing(states, quinn_in):
    blocks = [states["red"], states["failed"], states["green"]]
    n = Certification.objects.count()
    page = parse(preview(quinn_in, blocks))
    rows = {row.all("input")[0].attributes["value"]: row.text for row in page.all("tr")
            if row.all("input")}  # fmt: skip
    assert "no product to accept" in rows[states["failed"].ab_name]
    assert "already" in rows[states["green"].ab_name] or "accepted" in rows[states["green"].ab_name]
    assert rows[states["red"].ab_name].endswith("accepted")
    assert "required" in page.all("textarea")[0].attributes
    assert Certification.objects.count() == n


def test_several_are_decided_as_one_and_taken_back_as_one(states, quinn_in):
    blocks = [states["red"], states["degraded"]]
    confirm(quinn_in, blocks, comment="lamp was changed", reason="state of the instrument")
    entries = [standing(one) for one in blocks]
    assert {(one.decision, one.comment, one.reason) for one in entries} == {
        ("ACCEPTED", "lamp was changed", "state of the instrument")
    }
    [bulk] = {one.bulk for one in entries}
    page = parse(quinn_in.get("/worklist/"))
    [undo] = [one for one in page.all("form") if "undo" in one.attributes["action"]]
    assert undo.attributes["action"] == f"/worklist/undo/{bulk}/"
    quinn_in.post(undo.attributes["action"])
    assert [standing(one) for one in blocks] == [None, None]
    assert (
        AssociationBlock.objects.filter(
            pk__in=[one.pk for one in blocks], needs_person=True
        ).count()
        == 2
    )
    assert Certification.objects.filter(bulk=bulk).count() == 4


def test_what_somebody_else_decided_meanwhile_is_left_and_said(states, quinn_in, admin_user):
    red, degraded = states["red"], states["degraded"]
    seen = {f"seen-{one.pk}": str(Seen.of(one, latest(one))) for one in (red, degraded)}
    decide(red, Decision.REJECTED, admin_user, "no", seen=0, at=timezone.now())
    answer = preview(quinn_in, [red, degraded], confirmed="1", comment="fine", **seen)
    assert answer.status_code == 302
    assert (standing(red).decision, standing(degraded).decision) == ("REJECTED", "ACCEPTED")
    assert "admin" in quinn_in.get("/worklist/").content.decode()
    # And the other way round: only what is still one's own is taken back.
    bulk = standing(degraded).bulk
    quinn_in.post(f"/worklist/undo/{bulk}/")
    assert (standing(red).decision, standing(degraded)) == ("REJECTED", None)


def test_a_rejection_of_several_without_a_comment_changes_nothing(states, quinn_in):
    answer = confirm(quinn_in, [states["red"]], "REJECTED")
    assert answer.status_code == 409
    assert "A comment is needed" in answer.content.decode()
    assert standing(states["red"]) is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"decision": "MAYBE"}, 400), ({"decision": "ACCEPTED", "confirmed": "1"}, 400),
        ({"decision": "ACCEPTED", "confirmed": "1", "seen-x": "1"}, 400),
    ],
)  # fmt: skip
def test_odd_forms_are_refused(states, quinn_in, data, status):
    answer = quinn_in.post("/worklist/decide/", {"ab": states["red"].ab_name, **data})
    assert answer.status_code == status
    assert standing(states["red"]) is None


def test_too_many_at_once_are_refused(states, quinn_in):
    answer = quinn_in.post("/worklist/decide/", {"ab": ["x"] * 201, "decision": "ACCEPTED"})
    assert answer.status_code == 400
    assert "At most 200" in answer.content.decode()


def test_who_has_no_right_for_an_instrument_changes_none_of_its_blocks(states, client, uma):
    client.force_login(uma)
    assert confirm(client, [states["red"]], comment="mine?").status_code == 403
    assert client.post("/worklist/claim/", {"ab": states["red"].ab_name}).status_code == 403
    assert standing(states["red"]) is None
    page = parse(client.get("/worklist/"))
    assert [one for one in page.all("input") if one.attributes.get("name") == "ab"] == []
