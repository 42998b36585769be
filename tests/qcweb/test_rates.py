"""How often programs may ask: headers that tell, 429 past the limit, and nothing without Redis."""

import logging

import limits
import pytest
import time_machine
from django.test import Client

from qcweb.management import servers
from qcweb.rates import FAILED
from tests.qcweb.api.problems import assert_problem
from tests.qcweb.tokens import bearer, expired, made
from tests.site.services import free_port, redis, running

ROOT = "/api/v1/"
NOON = "2026-11-30T12:00:00+00:00"
SIX_TOKEN, FOUR_ADDRESS = limits.parse("6/minute"), limits.parse("4/minute")


@pytest.fixture(autouse=True)
def limited(settings, db):
    settings.HCM_RATE_TOKEN, settings.HCM_RATE_ADDRESS = SIX_TOKEN, FOUR_ADDRESS
    settings.HCM_ANONYMOUS_READ = True
    settings.CELERY_BROKER_URL = "filesystem://localhost"


@pytest.fixture
def secret(vera):
    return made(vera)[1]


def left(answer):
    return tuple(int(answer[f"RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


def ask(client, secret=None, address="192.0.2.1", **headers):
    sent = headers | (bearer(secret) if secret else {})
    return client.get(ROOT, headers=sent, REMOTE_ADDR=address)


def statuses(client, n, *args, **given):
    return [ask(client, *args, **given).status_code for _ in range(n)]


def test_every_answer_tells_what_is_left_and_for_how_long(client, secret):
    with time_machine.travel(NOON, tick=False) as clock:
        assert left(ask(client, secret)) == (6, 5, 60)
        clock.shift(20)
        assert left(ask(client, secret)) == (6, 4, 40)
        answer = client.get(f"{ROOT}?x=1", headers=bearer(secret))
        assert_problem(answer, 400)
        assert left(answer) == (6, 3, 40)
        answer = client.post(ROOT, headers=bearer(secret))
        assert_problem(answer, 405)
        assert left(answer) == (6, 2, 40)


def test_past_the_limit_a_program_is_told_how_long_to_wait(client, secret):
    with time_machine.travel(NOON, tick=False) as clock:
        assert statuses(client, 6, secret) == [200] * 6
        clock.shift(18)
        answer = ask(client, secret)
        problem = assert_problem(answer, 429, hint="Wait 42 s.")
        assert problem["detail"] == "More than 6 per minute with this token."
        assert answer["Retry-After"] == "42"
        assert left(answer) == (6, 0, 42)
        clock.shift(42)
        assert left(ask(client, secret)) == (6, 5, 60)


def test_a_limit_of_several_hours_is_said_so(client, secret, settings):
    settings.HCM_RATE_TOKEN = limits.parse("1 per 2 hours")
    assert statuses(client, 1, secret) == [200]
    problem = assert_problem(ask(client, secret), 429)
    assert problem["detail"] == "More than 1 per 2 hour with this token."


def test_each_token_account_and_address_has_its_own(client, secret, quinn, vera):
    assert statuses(client, 5) == [200] * 4 + [429]
    assert statuses(client, 1, address="192.0.2.2") == [200]
    assert statuses(client, 7, secret) == [200] * 6 + [429]
    assert statuses(client, 1, secret, address="192.0.2.2") == [429]
    assert statuses(client, 1, made(vera)[1]) == [200]
    client.force_login(vera)
    assert statuses(client, 7) == [200] * 6 + [429]
    assert "by this account" in ask(client).json()["detail"]
    client.force_login(quinn)
    assert statuses(client, 1) == [200]


def test_the_reader_of_a_page_is_never_limited(client, instruments):
    for _ in range(10):
        answer = client.get("/nights/")
        assert answer.status_code == 200
        assert "RateLimit-Limit" not in answer
    assert client.get("/health/").status_code == 200


def test_guessing_tokens_is_limited_by_address(client, secret, vera, settings):
    settings.HCM_RATE_TOKEN = limits.parse("1000/minute")
    n = FAILED.amount
    with time_machine.travel(NOON, tick=False) as clock:
        guesses = [ask(client, f"hcm_{number}") for number in range(n)]
        assert {one.status_code for one in guesses} == {401}
        assert left(guesses[0]) == (n, n - 1, 60)
        answer = ask(client, "hcm_other")
        problem = assert_problem(answer, 429, hint="Wait 60 s.")
        assert "tokens that are no good from this address" in problem["detail"]
        assert left(answer) == (n, 0, 60)
        # A good one too: else the right guess would tell itself from the others.
        assert ask(client, secret).status_code == 429
        # Who sends no token is not concerned, nor is another address.
        assert ask(client).status_code == 200
        assert ask(client, secret, address="192.0.2.2").status_code == 200
        clock.shift(60)
        assert ask(client, secret).status_code == 200


def test_one_expired_token_is_counted_as_a_guess_too(client, vera, settings):
    settings.HCM_RATE_TOKEN = limits.parse("1000/minute")
    _, secret = expired(vera)
    assert statuses(client, FAILED.amount + 1, secret) == [401] * FAILED.amount + [429]


def test_a_refusal_for_want_of_a_scope_is_no_guess(client, quinn, settings):
    settings.HCM_RATE_TOKEN = limits.parse("1000/minute")
    _, secret = made(quinn, "ingest")
    assert set(statuses(client, FAILED.amount + 5, secret)) == {403}


def test_behind_a_proxy_it_is_the_visitor_who_is_counted(client, settings):
    settings.HCM_PROXIES = 1
    visitor = {"X-Forwarded-For": "203.0.113.5, 198.51.100.7"}
    other = {"X-Forwarded-For": "203.0.113.5, 198.51.100.8"}
    assert statuses(client, 5, **visitor) == [200] * 4 + [429]
    assert statuses(client, 1, **other) == [200]


def test_without_a_proxy_nobody_escapes_by_saying_he_is_another(client):
    answers = [
        ask(client, **{"X-Forwarded-For": f"198.51.100.{number}"}).status_code
        for number in range(5)
    ]
    assert answers == [200] * 4 + [429]


def test_without_limits_nothing_is_counted_and_nothing_told(client, secret, settings):
    settings.HCM_RATE_TOKEN = settings.HCM_RATE_ADDRESS = None
    assert set(statuses(client, FAILED.amount + 5, "hcm_guess")) == {401}
    assert statuses(client, 2) == statuses(client, 2, secret) == [200, 200]
    assert "RateLimit-Limit" not in ask(client)


@pytest.mark.needs("redis-server")
def test_processes_count_together_in_redis(secret, settings):
    with redis() as settings.CELERY_BROKER_URL:
        one, other = Client(), Client()
        assert statuses(one, 3, secret) == statuses(other, 3, secret) == [200] * 3
        answer = ask(one, secret)
        assert_problem(answer, 429)
        assert 0 < int(answer["Retry-After"]) <= 60
        assert statuses(other, 5) == [200] * 4 + [429]


def test_without_redis_everybody_passes_and_one_line_says_so(client, secret, settings, caplog):
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    with caplog.at_level(logging.WARNING, "qcweb.rates"):
        assert statuses(client, 8, secret) == [200] * 8
        assert statuses(client, 8) == [200] * 8
    assert "RateLimit-Limit" not in ask(client)
    (said,) = [one.message for one in caplog.records]
    assert said.startswith("Redis does not answer, requests are not limited: ")


@pytest.mark.needs("redis-server")
def test_when_redis_is_back_it_counts_again(
    client, secret, settings, caplog, monkeypatch, tmp_path
):
    monkeypatch.setattr("qcweb.rates.REDIS_PAUSE_S", 0.0)
    port = free_port()
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{port}/0"
    caplog.set_level(logging.INFO, "qcweb.rates")
    with running(servers.redis(tmp_path, port), port):
        assert left(ask(client, secret))[1] == 5
    assert [("RateLimit-Limit" in ask(client, secret)) for _ in range(8)] == [False] * 8
    with running(servers.redis(tmp_path, port), port):
        assert left(ask(client, secret))[0] == 6
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
