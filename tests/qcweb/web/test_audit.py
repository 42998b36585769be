"""Every act leaves its line in the audit log, and the page that shows them."""

import csv
import datetime as dt
import io
import json

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.models import AssociationBlock, NightEvent, Waiver
from pipelines.services.ingest import find_frames, ingest
from pipelines.services.nights import close_night, what_is_left
from pipelines.services.reprocess import run_again
from qcweb.access import TABLE, Access
from qcweb.acts import ACTS
from qcweb.certification.models import Decision
from qcweb.certification.services.bulk import Seen
from qcweb.certification.services.decisions import decide
from qcweb.certification.services.record import latest
from qcweb.notes.models import Comment, News
from qcweb.people.models import AuditEntry, Role
from qcweb.people.services.audit import About, Actor, record
from qcweb.people.services.rights import give
from tests.conftest import run_to_rest
from tests.frames import BIAS, later, taken
from tests.qcweb.tokens import bearer, made
from tests.qcweb.web.conftest import FIRST_DAY, JUMP, ODD_DAYS, store_history
from tests.qcweb.web.html import parse
from trending.models import Mark, QC1Table, QualityEvent, ReferenceValue, ScoreRule
from trending.services.proposals import proposals

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


class World:
    """A night and a history, and somebody who may everything in front of them."""

    def __init__(self, client, night, root, folder):
        self.client, self.root, self.folder = client, root, folder
        self.green, self.red, self.dark = night["green"], night["red"], night["dark"]
        self.night = ["CCDCAM", self.green.night.isoformat()]
        self.table = QC1Table.objects.get(name="ccdcam_bias")
        self.forget()

    def forget(self):
        self.seen = AuditEntry.objects.values_list("pk", flat=True).first() or 0

    @property
    def lines(self):
        return list(AuditEntry.objects.filter(pk__gt=self.seen))

    def post(self, name, /, *args, **form):
        return self.client.post(reverse(name, args=args), form)

    def decide(self, decision, comment="seen"):
        last = latest(self.green)
        decide(
            self.green, decision, self.root, comment, seen=last.number if last else 0,
            seen_attempt=self.green.attempt, seen_result=self.green.current_attempt.number,
            at=timezone.now(),
        )  # fmt: skip

    def value(self):
        store_history(self.table)
        row = self.table.rows.get(mjd_obs=FIRST_DAY + ODD_DAYS[0], is_current=True)
        return ["ccdcam_bias", "bias_level", row.pk]

    def event(self):
        instrument = self.green.instrument
        return QualityEvent.objects.create(
            instrument=instrument, kind="other", mjd=FIRST_DAY + JUMP - 0.5, title="New lamp",
            author="root", recorded_at=timezone.now(), begins_epoch=True,
        )  # fmt: skip

    def rule(self):
        return ScoreRule.objects.open().filter(parameter__table=self.table).first()


def close(world):
    left = what_is_left(world.green.instrument, world.green.night)
    words = [f"{what}:{n}" for what, n in left.items()]
    return world.post("night-close", *world.night, left=words, comment="all seen")


def reopen(world):
    left = what_is_left(world.green.instrument, world.green.night)
    close_night(world.green.instrument, world.green.night, world.root, "seen", left, timezone.now())
    return world.post("night-reopen", *world.night, comment="one more")


def certify(world):
    return world.post(
        "block-certify", world.red.ab_name, decision="REJECTED", comment="stripes",
        seen=latest(world.red).number if latest(world.red) else 0, attempt=world.red.attempt,
        result=world.red.current_attempt.number,
    )  # fmt: skip


def undo(world):
    world.decide(Decision.ACCEPTED)
    return world.post("block-undo", world.green.ab_name, seen=latest(world.green).number)


def replace(world):
    """Let the dark take another bias, made a little later."""
    ingest(find_frames(taken(world.folder, later(BIAS, 30 / 1440))), timezone.now())
    run_to_rest()
    world.decide(Decision.REJECTED)
    return world.post("block-replace", world.green.ab_name, ab=world.dark.ab_name, reason="next")


def make_current(world):
    run_again([world.green], timezone.now(), world.root, is_anew=True)
    run_to_rest()
    return world.post("block-current", world.green.ab_name, 1, reason="better")


def correct(world):
    return world.post("value-act", *world.value(), action="exclude", reason="a plane")


def uncorrect(world):
    address = world.value()
    world.post("value-act", *address, action="exclude", reason="a plane")
    world.forget()
    mark = Mark.objects.get(superseded_at=None)
    return world.post("value-undo", *address, mark=mark.pk, reason="no plane")


def declare(world):
    return world.post(
        "events", instrument="CCDCAM", title="New lamp", happened_at="2026-03-01 12:00",
        kind="intervention",
    )  # fmt: skip


def adopt(world):
    store_history(world.table)
    event = world.event()
    series = proposals(event)[0].series_id
    return world.post("event-adopt", event.pk, chosen=series, reason="ten good values")


def take_back_reference(world):
    adopt(world)
    world.forget()
    made = ReferenceValue.objects.get(superseded_at=None, event__isnull=False)
    return world.post("reference-withdraw", made.event_id, made.pk, reason="too few")


def change_rule(world):
    rule = world.rule()
    fields = {"limits": "3MAD", "average": "MEDIAN", "min_n": "7", "baseline_points": "9"}
    return world.post("rule-change", rule.pk, **fields, reason="drifts")


def make_rule(world):
    store_history(world.table)
    return world.post(
        "rule-new", "ccdcam_bias", "overscan_level", series="", limits="3MAD",
        average="MEDIAN", min_n="5", reason="nobody looks",
    )  # fmt: skip


def certify_by_token(world):
    secret = made(world.root, "certify")[1]
    body = {"decision": "REJECTED", "comment": "stripes", "seen": 0}
    last = latest(world.red)
    body["seen"] = last.number if last else 0
    return Client(headers=bearer(secret)).post(
        reverse("api:block-certifications", args=[world.red.ab_name]), json.dumps(body),
        content_type="application/json",
    )  # fmt: skip


def send_rows(world):
    row = {
        "mjd_obs": 61000.5, "detector": "CHIP1", "pro_catg": "MASTER_BIAS", "read_mode": "FAST",
        "binning": "1x1", "ron_raw": 5.0,
    }  # fmt: skip
    return Client(headers=bearer(made(world.root, "ingest")[1])).post(
        reverse("api:rows", args=["ccdcam_bias"]), json.dumps({"rows": [row]}),
        content_type="application/json",
    )  # fmt: skip


def archive(world):
    night = world.green.night.isoformat()
    answer = world.post("handover-archive", "CCDCAM", since=night, until=night)
    assert b"".join(answer)
    return answer


def revoke(world):
    return world.post("token-revoke", made(world.root)[0].pk)


def take_right(world):
    right = give(User.objects.get(username="stan"), Role.STAFF, None, "root", AT)
    return world.post("right-take", "stan", right.pk)


def seen(block):
    return str(Seen.of(block, latest(block)))


def decide_all(world):
    form = {"ab": [world.red.ab_name], f"seen-{world.red.pk}": seen(world.red)}
    return world.post(
        "worklist-decide", **form, decision="REJECTED", comment="stripes", confirmed="on"
    )


def undo_all(world):
    decide_all(world)
    world.forget()
    return world.post("worklist-undo", latest(world.red).bulk)


def withdraw_comment(world):
    world.post("comment", "CCDCAM", text="windy", ab_name=world.red.ab_name)
    world.forget()
    return world.post("comment-withdraw", Comment.objects.get().pk)


def withdraw_news(world):
    world.post("news", text="new lamp", scope="instrument:CCDCAM")
    world.forget()
    return world.post("news-withdraw", News.objects.get().pk)


def waive(world):
    """Waive the red block, as one that has failed."""
    red = AssociationBlock.objects.filter(pk=world.red.pk)
    red.update(process_status="FAILED", current_attempt=None, needs_person=True)
    return world.post("block-waive", world.red.ab_name, reason="no lamp", last_night=world.night[1])


def unwaive(world):
    waive(world)
    world.forget()
    return world.post("waiver-withdraw", Waiver.objects.get().pk)


PASSWORDS = {"old_password": "root-roots-it", "new_password1": "lamp-and-slit",
             "new_password2": "lamp-and-slit"}  # fmt: skip
# Each act, done; and what its line says: kind and name of what it was done to.
DONE = {
    "night-close": (close, "night", "CCDCAM 2026-03-01"),
    "night-reopen": (reopen, "night", "CCDCAM 2026-03-01"),
    "night-calibrated": (lambda w: w.post("night-calibrated", *w.night), "night", "CCDCAM 2026-03-01"),
    "night-run": (lambda w: w.post("night-run", *w.night, ab=w.red.ab_name), "night", "CCDCAM 2026-03-01"),
    "handover-archive": (archive, "masters", "CCDCAM"),
    "frame-hide": (
        lambda w: w.post("frame-hide", w.red.block_frames.first().raw_file_id, reason="cloud"),
        "frame", ".fits",
    ),
    "monitor-act": (lambda w: w.post("monitor-act", act="hold", subject="pool"), "work", "everything"),
    "refresh": (lambda w: w.post("refresh", "CCDCAM"), "instrument", "CCDCAM"),
    "block-certify": (certify, "block", ".ab"),
    "block-undo": (undo, "block", ".ab"),
    "block-scores": (
        lambda w: w.post("block-scores", w.red.ab_name, action="override", reason="known"),
        "block", ".ab",
    ),
    "block-run": (lambda w: w.post("block-run", w.red.ab_name, reason="again"), "block", ".ab"),
    "block-act": (lambda w: w.post("block-act", w.red.ab_name, act="hold"), "block", ".ab"),
    "block-replace": (replace, "block", ".ab"),
    "block-current": (make_current, "block", ".ab"),
    "value-act": (correct, "value", "ccdcam_bias.bias_level row"),
    "value-undo": (uncorrect, "value", "ccdcam_bias.bias_level row"),
    "events": (declare, "event", "New lamp"),
    "event-adopt": (adopt, "event", "New lamp"),
    "event-withdraw": (lambda w: w.post("event-withdraw", w.event().pk, reason="no"), "event", "New lamp"),
    "reference-withdraw": (take_back_reference, "event", "New lamp"),
    "rule-change": (change_rule, "rule", "ccdcam_bias"),
    "rule-new": (make_rule, "rule", "ccdcam_bias.overscan_level"),
    "tokens": (
        lambda w: w.post("tokens", name="export", scopes="read", expires_at="90"), "token", "export",
    ),
    "token-revoke": (revoke, "token", "nightly export"),
    "password": (lambda w: w.post("password", **PASSWORDS), "account", "root"),
    "people": (lambda w: w.post("people", username="nina", instrument="*"), "account", "nina"),
    "person-act": (lambda w: w.post("person-act", "stan", act="close"), "account", "stan"),
    "right-give": (
        lambda w: w.post("right-give", "stan", role="SCIENTIST", instrument="CCDCAM"),
        "account", "stan",
    ),
    "right-take": (take_right, "account", "stan"),
    "worklist-claim": (
        lambda w: w.post("worklist-claim", act="claim", ab=w.red.ab_name), "blocks", ".ab",
    ),
    "worklist-decide": (decide_all, "blocks", ".ab"),
    "worklist-undo": (undo_all, "blocks", ""),
    "comment": (
        lambda w: w.post("comment", "CCDCAM", text="windy", ab_name=w.red.ab_name), "comment", "CCDCAM",
    ),
    "comment-withdraw": (withdraw_comment, "comment", "windy"),
    "news": (
        lambda w: w.post("news", text="new lamp", scope="instrument:CCDCAM"), "news", "CCDCAM",
    ),
    "news-withdraw": (withdraw_news, "news", "new lamp"),
    "block-waive": (waive, "block", ".ab"),
    "waiver-withdraw": (unwaive, "waiver", ""),
    "api:block-certifications": (certify_by_token, "block", ".ab"),
    "api:rows": (send_rows, "table", "ccdcam_bias"),
}  # fmt: skip


@pytest.fixture
def world(client, night, root, stan, tmp_path):
    client.force_login(root)
    return World(client, night, root, tmp_path / "more")


def test_every_acting_address_is_done_below():
    acting = {
        name for name, (_, act) in TABLE.items() if act not in {None, Access.OPEN, Access.READ}
    }
    assert acting == set(ACTS) == set(DONE)


@pytest.mark.parametrize("name", DONE)
def test_an_act_that_was_done_has_one_line(world, name):
    do, kind, subject = DONE[name]
    answer = do(world)
    assert answer.status_code in {200, 201, 302}
    (line,) = world.lines
    assert (line.person, line.verb, line.kind) == ("root", ACTS[name].verb, kind)
    assert subject in line.subject
    assert line.source == "127.0.0.1"
    assert bool(line.token) == name.startswith("api:")
    is_of_people = kind in {"account", "token"} or line.subject == "everything"
    assert line.instrument == ("" if is_of_people else "CCDCAM")
    if kind in {"block", "blocks", "value", "rule"} and name != "api:rows":
        assert line.before != line.after, line.after
    for secret in ("lamp-and-slit", "root-roots-it", "hcm_"):
        assert secret not in f"{line.asked}{line.before}{line.after}"


@pytest.mark.parametrize(
    ("name", "arguments", "form"),
    [
        ("block-certify", ["{red}"], {"decision": "REJECTED", "seen": 0}),
        ("block-undo", ["{red}"], {}),
        ("block-act", ["{red}"], {"act": "release"}),
        ("block-act", ["{red}"], {"act": "burn"}),
        ("night-close", ["CCDCAM", "2026-03-01"], {"left": ["to review:17"]}),
        ("night-reopen", ["CCDCAM", "2026-03-01"], {}),
        ("night-reopen", ["CCDCAM", "yesterday"], {}),
        ("people", [], {"username": "root", "instrument": "*"}),
        ("right-give", ["stan"], {"role": "KING"}),
        ("person-act", ["root"], {"act": "no-admin"}),
        ("tokens", [], {"name": ""}),
    ],
)
def test_an_act_that_was_not_done_has_none(world, name, arguments, form):
    address = [one.format(red=world.red.ab_name) for one in arguments]
    world.post(name, *address, **form)
    assert world.lines == []


def test_an_act_whose_line_cannot_be_written_is_not_done(world, monkeypatch):
    from qcweb import auditing

    def fails(*_args, **_kwargs):
        raise OSError("the disk is full")

    monkeypatch.setattr(auditing, "record", fails)
    assert world.post("night-calibrated", *world.night).status_code == 500
    assert not NightEvent.objects.exists()


def test_before_and_after_are_how_the_subject_stood(world):
    certify(world)
    (line,) = world.lines
    assert (line.before["decision"], line.after["decision"]) == (None, "REJECTED")
    assert line.after["decided_by"] == "root"
    assert line.words == "stripes"
    assert line.address == reverse("block", args=[world.red.ab_name])
    row = rows(parse(world.client.get("/audit/")))[0]
    assert "decision – → REJECTED" in row.text


# Logins.


def log_in(client, password, name="quinn"):
    client.post("/login/", {"username": name, "password": password}, REMOTE_ADDR="192.0.2.7")
    return list(AuditEntry.objects.order_by("pk").values_list("person", "verb", "source"))


def test_logins_have_their_lines_failed_ones_too(client, quinn):
    log_in(client, "guess")
    log_in(client, "quinn-certifies")
    client.post("/logout/", REMOTE_ADDR="192.0.2.7")
    assert log_in(client, "hunter2", name="hunter2") == [
        ("quinn", "login failed", "192.0.2.7"), ("quinn", "logged in", "192.0.2.7"),
        ("quinn", "logged out", "192.0.2.7"), ("an unknown name", "login failed", "192.0.2.7"),
    ]  # fmt: skip
    assert "hunter2" not in str(list(AuditEntry.objects.values()))


def test_a_lockout_has_one_line_however_often_somebody_tries_on(client, quinn):
    for _ in range(9):
        found = log_in(client, "guess")
    assert [verb for _, verb, _ in found] == ["login failed"] * 4 + ["locked out"]


# The page.


def rows(page):
    return [row for row in page.one("table", "tbl").all("tr") if row.all("td")]


def lines(n, at=AT, **fields):
    for one in range(n):
        about = About("block", f"BLOCK_{one:03d}", instrument=fields.get("instrument", "UVES"))
        record(
            Actor(fields.get("person", "quinn"), "192.0.2.7"), fields.get("verb", "block certified"),
            about, asked={"comment": fields.get("words", "")}, at=at + dt.timedelta(minutes=one),
        )  # fmt: skip


@pytest.fixture
def admin(client, root):
    client.force_login(root)
    return client


def shown(client, query=""):
    page = parse(client.get(f"/audit/?{query}"))
    return [row.all("td")[2].text.split()[-1] for row in rows(page)]


def test_without_lines_the_page_says_so(client, uma):
    client.force_login(uma)
    page = parse(client.get("/audit/"))
    assert "Nobody has written anything yet" in page.one(css="empty").text
    page = parse(client.get("/audit/?q=flat"))
    assert "None fits" in page.one(css="empty").text


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("", 8), ("person=vera", 2), ("person=ver", 0), ("verb=rule+changed", 1),
        ("instrument=CCDCAM", 2), ("q=STRIPES", 2), ("q=block_000", 4), ("q=block_000+stripes", 1),
        ("from=2026-03-03", 2), ("to=2026-03-02", 6), ("from=2026-03-02&to=2026-03-02", 6),
        ("from=2026-03-04", 0),
    ],
)  # fmt: skip
def test_lines_are_found_by_what_they_say(admin, query, n):
    lines(3)
    lines(2, person="vera", instrument="CCDCAM", words="stripes in the flat")
    lines(1, verb="rule changed")
    lines(2, at=AT + dt.timedelta(days=1))
    found = [one for one in csv_rows(admin, query) if one["kind"] == "block"]
    assert len(found) == n


def csv_rows(client, query=""):
    answer = client.get(f"/audit/?{query}&format=csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(b"".join(answer).decode())))


@pytest.mark.parametrize(
    ("query", "where"), [("from=tomorrow", "from"), ("to=9999-12-31", "to"), ("before=x", "before")]
)
def test_what_cannot_be_asked_is_said(admin, query, where):
    answer = admin.get(f"/audit/?{query}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["where"]) == (400, where)


def test_long_logs_come_in_pages_of_a_hundred_and_nothing_is_left_out(admin):
    lines(250)
    address, seen = "/audit/?instrument=UVES", []
    for n in (100, 100, 50):
        page = parse(admin.get(address))
        found = [row.all("td")[2].text.split()[-1] for row in rows(page)]
        assert len(found) == n
        seen += found
        lines(1)  # what comes meanwhile moves nothing
        if older := page.all("a", rel="next"):
            address = f"/audit/{older[0].attributes['href']}"
    assert seen == [f"BLOCK_{n:03d}" for n in reversed(range(250))]


def test_a_scientist_sees_what_was_done_to_his_instruments_and_no_logins(client, uma, quinn):
    lines(1, instrument="UVES")
    lines(2, instrument="CCDCAM")
    record(Actor("vera"), "logged in", About("account", "vera"))
    for who, n in ((uma, 1), (quinn, 3)):
        client.force_login(who)
        assert len(csv_rows(client)) == n
        assert len(shown(client)) == n
    client.force_login(uma)
    assert csv_rows(client, "instrument=CCDCAM") == []


def test_a_formula_in_the_file_is_only_text(admin):
    lines(1, words='=HYPERLINK("http://evil")')
    (found,) = (one for one in csv_rows(admin) if one["kind"] == "block")
    assert found["words"].startswith("'=HYPERLINK")
    assert found["at"].startswith("2026-03-02")


def test_nothing_that_was_typed_is_run_on_the_page(admin):
    lines(1, words="<script>alert(1)</script>")
    assert "<script>alert" not in admin.get("/audit/").content.decode()


def test_the_number_of_queries_does_not_grow_with_the_lines(admin, django_assert_max_num_queries):
    lines(90)
    with django_assert_max_num_queries(9):
        admin.get("/audit/")
