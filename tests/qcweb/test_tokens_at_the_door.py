"""A token opens doors for programs, as far as its scopes and its account reach, and nothing else."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from qcweb import access
from qcweb.people.models import ApiToken
from qcweb.people.services.rights import take
from qcweb.people.services.tokens import revoke
from tests.qcweb import doors
from tests.qcweb.api.problems import assert_problem
from tests.qcweb.tokens import bearer, expired, made

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.qcweb.doors")]
MACHINES = ["/api/read/", "/tap/sync/", "/cgi"]


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setattr(access, "TABLE", access.TABLE | doors.TABLE)


def challenge(answer):
    return answer["WWW-Authenticate"]


@pytest.mark.parametrize("word", ["Bearer", "bearer", "Token", "TOKEN"])
@pytest.mark.parametrize("address", MACHINES)
def test_a_token_lets_its_account_in(client, vera, address, word):
    token, secret = made(vera)
    answer = client.get(address, headers=bearer(secret, word))
    assert answer.json() == {"user": "vera", "token": str(token), "instruments": None}
    assert "Authorization" in answer["Vary"]


def test_a_token_may_be_for_some_instruments_only(client, vera, instruments):
    _, secret = made(vera, instruments=["UVES", "MUSE"])
    answer = client.get("/api/read/", headers=bearer(secret))
    assert answer.json()["instruments"] == ["MUSE", "UVES"]
    client.force_login(vera)
    assert client.get("/api/read/").json() == {"user": "vera", "token": "", "instruments": None}


def test_the_token_counts_and_not_the_login_beside_it(client, quinn, vera):
    client.force_login(quinn)
    _, secret = made(vera, "read", "certify")
    assert client.get("/api/read/", headers=bearer(secret)).json()["user"] == "vera"
    assert client.get("/api/certify/", headers=bearer(secret)).status_code == 403


ALL = ("read", "ingest", "certify")
# What each access answers to: Quinn's tokens of one scope, Vera's of all, no token; and to the
# logins of Quinn, Vera, Stan.
SCOPES = {
    "read": ((200, 403, 403), 200, 401, (200, 200, 200)),
    "ingest": ((403, 200, 403), 403, 401, (200, 403, 403)),
    "certify": ((403, 403, 200), 403, 401, (200, 403, 403)),
    "account": ((200, 403, 403), 200, 401, (200, 200, 200)),
    "open": ((200, 200, 200), 200, 200, (200, 200, 200)),
}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("door", SCOPES)
def test_scopes_and_the_account_both_have_to_reach(client, quinn, vera, stan, door, method):
    of_one_scope, of_vera, of_nobody, of_logins = SCOPES[door]
    ask = getattr(client, method)
    address = f"/api/{door}/"
    for scope, status in zip(ALL, of_one_scope, strict=True):
        answer = ask(address, headers=bearer(made(quinn, scope)[1]))
        assert answer.status_code == status, scope
    assert ask(address, headers=bearer(made(vera, *ALL)[1])).status_code == of_vera
    assert ask(address).status_code == of_nobody
    for who, status in zip((quinn, vera, stan), of_logins, strict=True):
        client.force_login(who)
        assert ask(address).status_code == status, who


def test_the_missing_scope_is_named(client, quinn):
    token, secret = made(quinn, "read", "certify")
    answer = client.post("/api/ingest/", headers=bearer(secret))
    problem = assert_problem(answer, 403, "Authorization", "with ingest at /tokens/")
    assert problem["detail"] == f"This needs the scope ingest; the token {token} has read, certify."
    assert challenge(answer).endswith('error="insufficient_scope", scope="ingest"')


def test_a_token_never_widens_what_its_account_may(client, vera):
    _, secret = made(vera, *ALL)
    for door in ("ingest", "certify"):
        problem = assert_problem(client.post(f"/api/{door}/", headers=bearer(secret)), 403)
        assert "This needs a QC scientist" in problem["detail"]


def test_who_may_certify_no_more_has_tokens_that_may_not(client, quinn):
    _, secret = made(quinn, "certify")
    assert client.post("/api/certify/", headers=bearer(secret)).status_code == 200
    take(quinn.rights.get(), "root", timezone.now())
    assert client.post("/api/certify/", headers=bearer(secret)).status_code == 403


def revoked(user):
    token, secret = made(user)
    revoke(token, "quinn", timezone.now())
    return token, secret


def closed(user):
    token, secret = made(user)
    user.is_active = False
    user.save()
    return token, secret


@pytest.mark.parametrize("address", MACHINES)
@pytest.mark.parametrize(
    ("made_so", "title", "words"),
    [
        (expired, "Expired token", "expired at 20"),
        (revoked, "Revoked token", "by quinn"),
        (closed, "Closed account", "is closed"),
    ],
)
def test_a_token_that_is_good_no_more_is_told_which_and_since_when(
    client, vera, quinn, settings, made_so, title, words, address
):
    settings.HCM_ANONYMOUS_READ = True  # and it never goes on as anybody
    client.force_login(quinn)
    token, secret = made_so(vera)
    answer = client.get(address, headers=bearer(secret))
    problem = assert_problem(answer, 401, "Authorization", "/tokens/")
    assert problem["title"] == title
    assert str(token) in problem["detail"]
    assert words in problem["detail"]
    assert secret not in answer.content.decode()
    assert challenge(answer) == 'Bearer realm="Health Check Monitor", error="invalid_token"'
    token.refresh_from_db()
    assert token.last_used_at is None


@pytest.mark.parametrize(
    "sent", ["Bearer hcm_guess", "Token x", "Bearer", "Bearer ", "bearer\xfc x"]
)
def test_what_is_no_token_of_ours_is_refused_and_not_repeated(client, settings, sent):
    settings.HCM_ANONYMOUS_READ = True
    answer = client.get("/api/read/", headers={"Authorization": sent})
    if sent.startswith("bearer\xfc"):
        assert answer.status_code == 200  # another word
        return
    problem = assert_problem(answer, 401, "Authorization")
    assert problem["detail"] == "There is no such token."
    assert "guess" not in answer.content.decode()


def test_a_wrong_token_is_refused_whatever_the_method(client):
    for method in ("get", "post", "put", "delete", "options"):
        answer = getattr(client, method)("/api/read/", headers=bearer("hcm_guess"))
        assert_problem(answer, 401, "Authorization")


def test_a_password_for_a_proxy_in_front_is_none_of_our_business(client, settings):
    settings.HCM_ANONYMOUS_READ = True
    answer = client.get("/api/read/", headers={"Authorization": "Basic cXVpbm46eA=="})
    assert answer.json()["user"] == ""


def test_anybody_reads_where_that_is_on_but_no_token_without_the_scope(client, quinn, settings):
    settings.HCM_ANONYMOUS_READ = True
    assert client.get("/api/read/").status_code == 200
    assert_problem(client.get("/api/read/", headers=bearer(made(quinn, "ingest")[1])), 403)
    assert_problem(client.post("/api/ingest/"), 401)


@pytest.mark.parametrize("address", MACHINES)
def test_nobody_is_told_to_bring_a_token(client, address):
    answer = client.get(address)
    assert_problem(answer, 401, hint="/login/")
    assert "/tokens/" in answer.json()["hint"]
    assert challenge(answer) == 'Bearer realm="Health Check Monitor"'


def test_pages_know_no_tokens(client, quinn, instruments):
    token, secret = made(quinn, *ALL)
    for address in ("/nights/", "/tokens/", "/qc1/"):
        answer = client.get(address, headers=bearer(secret))
        assert answer.status_code == 302, address
        assert answer["Location"].startswith("/login/")
        assert "WWW-Authenticate" not in answer
    assert client.post("/blocks/x/certify/", headers=bearer(secret)).status_code == 302
    client.force_login(quinn)
    assert client.get("/nights/", headers=bearer("hcm_guess")).status_code == 200
    token.refresh_from_db()
    assert token.last_used_at is None


def test_an_address_that_is_not_there_needs_no_token(client):
    assert_problem(client.get("/api/nothing/", headers=bearer("hcm_guess")), 404)


def test_its_use_is_noted_with_the_address(client, vera):
    token, secret = made(vera)
    before = timezone.now()
    client.get("/api/read/", headers=bearer(secret), REMOTE_ADDR="192.0.2.7")
    client.get("/api/read/", headers=bearer(secret), REMOTE_ADDR="192.0.2.8")
    token.refresh_from_db()
    assert before <= token.last_used_at <= timezone.now()
    assert token.last_used_from == "192.0.2.7"


def test_a_token_used_within_the_minute_costs_one_query(client, vera, django_assert_num_queries):
    token, secret = made(vera)
    ApiToken.objects.filter(pk=token.pk).update(
        last_used_at=timezone.now() - dt.timedelta(seconds=5)
    )
    with django_assert_num_queries(1):
        client.get("/api/read/", headers=bearer(secret))


def test_a_token_needs_no_token_of_a_form_and_a_login_does(quinn):
    client = Client(enforce_csrf_checks=True)
    _, secret = made(quinn, "ingest")
    assert client.post("/api/ingest/", headers=bearer(secret)).status_code == 200
    client.force_login(quinn)
    assert client.post("/api/ingest/", headers=bearer(secret)).status_code == 200
    problem = assert_problem(client.post("/api/ingest/"), 403)
    assert "CSRF" in problem["detail"]
    assert client.get("/api/ingest/").status_code == 200


def test_a_login_with_the_token_of_the_form_acts(quinn):
    client = Client(enforce_csrf_checks=True)
    client.force_login(quinn)
    client.get("/tokens/")
    sent = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post("/api/ingest/", headers=sent).status_code == 200
