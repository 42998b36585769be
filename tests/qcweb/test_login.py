"""The login: who guesses waits, whatever he sends; passwords are kept well; sessions are safe."""

import datetime as dt

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings as configured
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.auth.models import User
from django.test import Client

from qcweb import settings as product
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
RIGHT = "quinn-certifies"


def log_in(client, password, name="quinn", **sent):
    return client.post("/login/", {"username": name, "password": password}, **sent)


def guess(client, n=configured.HCM_LOGIN_FAILURES, **sent):
    return [log_in(client, f"guess {one}", **sent).status_code for one in range(n)]


@pytest.fixture
def clock():
    with time_machine.travel(AT, tick=False) as clock:
        yield clock


def test_the_right_password_opens(client, quinn):
    answer = log_in(client, RIGHT)
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_after_five_wrong_passwords_the_right_one_waits_too(client, quinn, clock):
    assert guess(client) == [200, 200, 200, 200, 429]
    answer = log_in(client, RIGHT)
    assert answer.status_code == 429
    text = parse(answer).one("main").text
    assert "nobody logs in from your address until 2026-03-01 12:15 UT" in text
    assert answer["Retry-After"] == "900"
    clock.shift(dt.timedelta(minutes=14, seconds=59))
    assert log_in(client, RIGHT).status_code == 429
    clock.shift(dt.timedelta(seconds=2))
    assert log_in(client, RIGHT).status_code == 302


def test_trying_on_does_not_make_it_longer(client, quinn, clock):
    guess(client)
    clock.shift(dt.timedelta(minutes=10))
    assert guess(client, 3) == [429] * 3
    clock.shift(dt.timedelta(minutes=5, seconds=1))
    assert log_in(client, RIGHT).status_code == 302


def test_a_name_that_nobody_has_waits_as_any_other(client, clock):
    assert guess(client, name="nobody")[-1] == 429


def test_who_logs_in_from_elsewhere_or_as_somebody_else_does_not_wait(client, quinn, vera):
    guess(client, REMOTE_ADDR="192.0.2.7")
    assert log_in(Client(), RIGHT, REMOTE_ADDR="192.0.2.7").status_code == 429
    assert log_in(Client(), RIGHT, REMOTE_ADDR="192.0.2.8").status_code == 302
    there = {"REMOTE_ADDR": "192.0.2.7"}
    assert log_in(Client(), "vera-watches", "vera", **there).status_code == 302


def test_behind_a_proxy_its_own_address_counts_and_no_made_up_one(client, quinn, settings):
    settings.HCM_PROXIES = 1
    for n in range(configured.HCM_LOGIN_FAILURES):
        sent = {"X-Forwarded-For": f"203.0.113.{n}, 192.0.2.7"}
        log_in(client, "guess", headers=sent)
    assert AccessAttempt.objects.get().ip_address == "192.0.2.7"
    assert log_in(client, RIGHT, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 429
    assert log_in(client, RIGHT, headers={"X-Forwarded-For": "192.0.2.8"}).status_code == 302


def test_a_login_forgets_the_wrong_passwords_before(client, quinn):
    guess(client, 4)
    assert log_in(client, RIGHT).status_code == 302
    client.post("/logout/")
    assert guess(client, 4) == [200] * 4


def test_no_password_is_written_down_with_a_wrong_login(client, quinn):
    guess(client, 2)
    kept = AccessAttempt.objects.get()
    assert "guess" not in f"{kept.post_data} {kept.get_data}"


def test_a_password_is_kept_by_argon2_and_an_older_sum_is_replaced_at_the_login(client, settings):
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS
    user = User.objects.create(
        username="olga", password=make_password("older", hasher="pbkdf2_sha256")
    )
    assert log_in(client, "older", "olga").status_code == 302
    user.refresh_from_db()
    assert identify_hasher(user.password).algorithm == "argon2"


@pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
def test_cookies_are_for_this_site_and_no_script(client, quinn, name):
    client.get("/login/")
    log_in(client, RIGHT)
    cookie = client.cookies[name]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_login_ends_after_a_week(client, quinn):
    log_in(client, RIGHT)
    assert client.session.get_expiry_age() == 7 * 86400
