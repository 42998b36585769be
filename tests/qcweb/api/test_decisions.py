"""A decision through the API: written once, on what was seen, by whoever may."""

import json
import threading
from urllib.parse import urlencode

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from pipelines.models import AssociationBlock
from qcweb.certification.models import Certification, Decision
from qcweb.certification.services.decisions import decide
from qcweb.certification.services.record import standing
from tests.conftest import run_to_rest
from tests.frames import FAST_BIAS, taken
from tests.qcweb.api.problems import assert_problem
from trending.models import QC1Value, ValueState

FORM = "application/x-www-form-urlencoded"


def address(block):
    return f"/api/v1/blocks/{block.ab_name}/certifications/"


@pytest.fixture
def post(client, quinn):
    client.force_login(quinn)

    def posted(block, body, **options):
        options = {"content_type": "application/json", **options}
        return client.post(address(block), body, **options)

    return posted


def test_a_person_writes_a_decision_and_gets_the_entry(night, post, client):
    seen = client.get(address(night["red"])).json()
    assert (seen["seen"], seen["seen_attempt"], seen["seen_result"]) == (0, 1, 1)
    body = {name: seen[name] for name in ("seen", "seen_attempt", "seen_result")}
    answer = post(night["red"], {"decision": "REJECTED", "comment": " noisy ", **body})
    assert answer.status_code == 201
    entry = answer.json()
    assert (entry["number"], entry["decision"], entry["comment"]) == (1, "REJECTED", "noisy")
    assert (entry["decided_by"], entry["n_nok"], entry["is_standing"]) == ("quinn", 1, True)
    assert [one["result"] for one in entry["scores"]].count(1) == 1
    assert client.get(address(night["red"])).json()["certifications"] == [entry]
    block = AssociationBlock.objects.get(pk=night["red"].pk)
    assert block.is_withdrawn
    states = QC1Value.objects.filter(row__attempt__block=block).values_list("state", flat=True)
    assert set(states) == {ValueState.REJECTED}


def test_a_decision_is_taken_back_and_the_history_keeps_both(night, post, client):
    post(night["red"], {"decision": "ACCEPTED", "comment": "a true state", "seen": 0})
    answer = post(night["red"], {"decision": "REOPENED", "comment": "too quick", "seen": 1})
    assert answer.status_code == 201
    assert (answer.json()["decision"], answer.json()["is_standing"]) == ("REOPENED", False)
    told = client.get(address(night["red"])).json()
    assert [one["decision"] for one in told["certifications"]] == ["REOPENED", "ACCEPTED"]
    assert told["seen"] == 2
    assert standing(night["red"]) is None


def test_who_has_not_seen_the_last_entry_is_told_of_a_conflict(night, post, vera, quinn):
    decide(night["red"], Decision.ACCEPTED, quinn, "fine", seen=0, at=timezone.now())
    for decision in ("REJECTED", "REOPENED"):
        answer = post(night["red"], {"decision": decision, "comment": "no", "seen": 0})
        problem = assert_problem(answer, 409, "seen", "GET the history")
        assert "quinn has written" in problem["detail"]
    assert Certification.objects.filter(block=night["red"]).count() == 1


@pytest.mark.parametrize("decision", ["ACCEPTED", "REOPENED"])
@pytest.mark.parametrize("name", ["seen_attempt", "seen_result"])
def test_who_has_looked_at_another_run_is_told_of_a_conflict(night, post, decision, name):
    n = Certification.objects.filter(block=night["green"]).count()
    for number in (0, 2):
        body = {"decision": decision, "comment": "seen", "seen": 1, name: number}
        assert "run again" in assert_problem(post(night["green"], body), 409)["detail"]
    assert Certification.objects.filter(block=night["green"]).count() == n


@pytest.mark.django_db(transaction=True)
@pytest.mark.xdist_group("threads")
def test_of_some_who_decide_at_once_all_but_one_are_told(take, tmp_path, quinn):
    if connection.vendor != "postgresql":
        pytest.skip("one connection on SQLite: tests/site/test_database.py runs it")
    take(taken(tmp_path / "night", FAST_BIAS))
    run_to_rest()
    block = AssociationBlock.objects.get()
    n = Certification.objects.count()
    body = {"decision": "REJECTED", "comment": "noise", "seen": n}
    statuses = []

    def decides():
        client = Client()
        client.force_login(quinn)
        answer = client.post(address(block), body, content_type="application/json")
        statuses.append(answer.status_code)
        connections.close_all()

    threads = [threading.Thread(target=decides) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409, 409, 409]
    assert Certification.objects.count() == n + 1


@pytest.mark.parametrize(
    ("state", "body", "where", "words"),
    [
        ("red", {"decision": "ACCEPTED", "seen": 0}, "comment", "comment is needed"),
        ("green", {"decision": "REJECTED", "comment": "  ", "seen": 1}, "comment", "comment"),
        ("failed", {"decision": "ACCEPTED", "comment": "x", "seen": 0}, "decision", "no product"),
        ("red", {"decision": "REOPENED", "seen": 0}, "", "no decision to take back"),
        ("blocked", {"decision": "REJECTED", "comment": "x", "seen": 0}, "", "worked on"),
    ],
)
def test_what_cannot_be_decided_is_said_with_its_part(states, post, state, body, where, words):
    problem = assert_problem(post(states[state], body), 422, where)
    assert words in problem["detail"]


WRONG = [
    ("", "decision", "required"),
    ("{", "", "JSON"),
    ("[]", "", "no JSON object"),
    ("null", "", "no JSON object"),
    ('"ACCEPTED"', "", "no JSON object"),
    ("[" * 100_000, "", "deep"),
    ('{"a":' * 15_000, "", "deep"),
    ("{}", "decision", "required"),
    ('{"decision": "AUTO", "seen": 0}', "decision", "AUTO"),
    ('{"decision": "ACCEPTED"}', "seen", "required"),
    ('{"decision": "ACCEPTED", "seen": -1}', "seen", "greater"),
    ('{"decision": "ACCEPTED", "seen": NaN}', "", "JSON"),
    ('{"decision": "ACCEPTED", "seen": 1e400}', "seen", "integer"),
    ('{"decision": "ACCEPTED", "seen": 99999999999999999999}', "seen", "less"),
    ('{"decision": "ACCEPTED", "seen": "' + "9" * 5000 + '"}', "seen", "large"),
    ('{"decision": "ACCEPTED", "seen": true}', "seen", "integer"),
    ('{"decision": "ACCEPTED", "seen": null}', "seen", "null"),
    ('{"decision": "ACCEPTED", "seen": 0, "seen_attempt": 99999999999}', "seen_attempt", "less"),
    ('{"decision": "REJECTED", "seen": 0, "comment": "a\\u0000b"}', "comment", "Null"),
    ('{"decision": "REJECTED", "seen": 0, "comment": "\\ud800"}', "comment", "Surrogate"),
    ('{"decision": "REJECTED", "seen": 0, "comment": ["x"]}', "comment", "valid string"),
    (json.dumps({"decision": "REJECTED", "seen": 0, "comment": "x" * 5001}), "comment", "5000"),
    ('{"decision": "REJECTED", "seen": 0, "comment": "x", "by": "quinn"}', "by", "no such field"),
]


@pytest.mark.parametrize(("body", "where", "words"), WRONG, ids=[one[0][:40] for one in WRONG])
def test_a_wrong_body_is_told_what_is_wrong_and_changes_nothing(night, post, body, where, words):
    problem = assert_problem(post(night["red"], body), 400, where)
    assert words in problem["detail"], problem
    assert not Certification.objects.filter(block=night["red"]).exists()


def test_several_wrong_parts_are_all_named(night, post):
    problem = assert_problem(post(night["red"], {"decision": "MAYBE", "more": 1}), 400, "more")
    assert [one["where"] for one in problem["errors"]] == ["more", "decision", "seen"]
    one = assert_problem(post(night["red"], {"decision": "MAYBE", "seen": 0}), 400, "decision")
    assert (one["errors"], one["hint"]) == ([], "Known are ACCEPTED, REJECTED, REOPENED.")


def test_a_body_that_nobody_can_mean_is_too_large(night, post):
    body = json.dumps({"decision": "REJECTED", "seen": 0, "comment": "x" * 100_000})
    assert_problem(post(night["red"], body), 413, hint="100000")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x"]
)
def test_a_body_in_another_format_is_not_read(night, post, kind):
    assert_problem(post(night["red"], "decision=ACCEPTED", content_type=kind), 415)


@pytest.mark.parametrize("charset", ["hex", "zip", "utf-7", "idna", "undefined", "nonsense"])
def test_a_charset_that_makes_no_text_is_no_failure(night, client, quinn, charset):
    client.force_login(quinn)
    kind = f"application/json; charset={charset}"
    answer = client.generic("POST", address(night["red"]), b"{}", content_type=kind)
    assert_problem(answer, 400)


def test_a_parameter_is_refused_as_everywhere(night, client, quinn):
    client.force_login(quinn)
    assert_problem(client.post(f"{address(night['red'])}?x=1"), 400, "x")


def test_a_block_that_is_not_there_is_told_so(night, client, quinn):
    client.force_login(quinn)
    assert_problem(client.post("/api/v1/blocks/nothing/certifications/"), 404, "ab_name")


def test_only_a_qc_scientist_decides(night, vera, client):
    body = {"decision": "REJECTED", "comment": "no", "seen": 0}
    answer = client.post(address(night["red"]), body, content_type="application/json")
    assert_problem(answer, 401)
    client.force_login(vera)
    answer = client.post(address(night["red"]), body, content_type="application/json")
    assert_problem(answer, 403)
    assert not Certification.objects.filter(block=night["red"]).exists()


def test_a_login_needs_the_token_of_a_form_and_the_form_has_it(night, quinn):
    client = Client(enforce_csrf_checks=True)
    client.force_login(quinn)
    body = {"decision": "REJECTED", "comment": "no", "seen": 0}
    answer = client.post(address(night["red"]), body, content_type="application/json")
    assert_problem(answer, 403)
    page = client.get(f"{address(night['red'])}?format=html").content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="', 1)[1].split('"', 1)[0]
    form = urlencode({"csrfmiddlewaretoken": token, "json": json.dumps(body)})
    answer = client.post(
        address(night["red"]), form, content_type=FORM, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 201
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert Certification.objects.get(block=night["red"]).comment == "no"


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 50_000])
def test_a_form_without_json_is_told_so(night, client, quinn, text):
    client.force_login(quinn)
    form = urlencode({"json": text})
    assert_problem(client.post(address(night["red"]), form, content_type=FORM), 400)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_no_other_method_writes(night, client, quinn, method):
    client.force_login(quinn)
    answer = getattr(client, method)(address(night["red"]))
    assert_problem(answer, 405)
    assert answer["Allow"] == "GET, HEAD, OPTIONS, POST"
