"""The page where people give out tokens: the secret once, and what became of each."""

import datetime as dt

import pytest
from django.utils import timezone

from qcweb.people.models import ApiToken
from qcweb.people.services.tokens import find_token, note_use, revoke
from tests.qcweb.tokens import bearer, expired, made
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db
FILLED = {"name": "nightly export", "scopes": ["read"], "expires_at": "90"}


def make(client, **changes):
    return client.post("/tokens/", FILLED | changes)


def rows(page):
    return [row for row in page.one("table", "tbl").all("tr") if row.all("td")]


def test_without_tokens_the_page_says_what_to_do(see):
    page = see("/tokens/")
    assert "No tokens yet" in page.one(css="empty").text
    assert not page.all(id="secret")


def test_the_menu_of_an_account_leads_there(see, client):
    assert see("/").all("a", href="/tokens/")
    client.logout()
    assert not parse(client.get("/login/")).all("a", href="/tokens/")


def test_the_secret_is_shown_once_and_kept_nowhere(client, quinn):
    client.force_login(quinn)
    before = timezone.now()
    answer = make(client, scopes=["read", "ingest"])
    secret = parse(answer).one(id="secret").text
    assert parse(answer).one("button", data_copy=secret).text == "Copy"
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    token = find_token(secret, timezone.now())
    assert (token.user, token.name, token.scopes) == (quinn, "nightly export", ["read", "ingest"])
    assert token.expires_at == token.created_at + dt.timedelta(days=90)
    assert token.created_at >= before
    assert secret not in client.get("/tokens/").content.decode()
    assert secret not in str(dict(client.session))
    assert client.get("/api/v1/", headers=bearer(secret)).status_code == 200


@pytest.mark.parametrize(
    ("chosen", "days"), [("30", 30), ("90", 90), ("365", 365), ("never", None)]
)
def test_a_token_is_good_for_as_long_as_was_chosen(client, vera, chosen, days):
    client.force_login(vera)
    make(client, expires_at=chosen)
    token = ApiToken.objects.get()
    lasts = token.expires_at - token.created_at if token.expires_at else None
    assert lasts == (dt.timedelta(days=days) if days else None)


def test_ninety_days_and_reading_are_what_stands_there(see):
    page = see("/tokens/")
    chosen = [one for one in page.one("select", name="expires_at").all("option")
              if "selected" in one.attributes]  # fmt: skip
    assert [one.text for one in chosen] == ["90 days"]
    checked = [one.attributes["value"] for one in page.all("input", type="checkbox")
               if "checked" in one.attributes]  # fmt: skip
    assert checked == ["read"]


@pytest.mark.parametrize(
    ("name", "offered"), [("quinn", ["read", "ingest", "certify"]), ("vera", ["read"]),
                          ("stan", ["read"])],
)  # fmt: skip
def test_only_what_the_account_may_is_offered_and_taken(
    client, request, name, offered
):  # fmt: skip
    client.force_login(request.getfixturevalue(name))
    page = parse(client.get("/tokens/"))
    assert [one.attributes["value"] for one in page.all("input", name="scopes")] == offered
    taken = make(client, scopes=["read", "certify"]).status_code
    assert taken == (200 if "certify" in offered else 400)
    assert ApiToken.objects.count() == (taken == 200)


def test_a_token_may_be_for_some_instruments(client, vera, instruments):
    client.force_login(vera)
    page = parse(client.get("/tokens/"))
    names = [one.attributes["value"] for one in page.all("input", name="instruments")]
    assert {"CCDCAM", "UVES"} <= set(names)
    shown = rows(parse(make(client, instruments=["UVES", "CCDCAM"])))
    assert ApiToken.objects.get().instruments == ["CCDCAM", "UVES"]
    assert "CCDCAM, UVES" in shown[0].text


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "x" * 101}, {"scopes": []}, {"scopes": ["write"]},
     {"instruments": ["HUBBLE"]}, {"expires_at": ""}, {"expires_at": "36500"}],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_said_at_its_field(client, quinn, instruments, changes):
    client.force_login(quinn)
    answer = make(client, **changes)
    page = parse(answer)
    assert answer.status_code == 400
    (field,) = page.all(css="has-err")
    assert field.one(css="err").attributes["id"] == f"id_{next(iter(changes))}_error"
    assert not ApiToken.objects.exists()


def test_each_token_has_its_state_in_colour_shape_and_word(client, quinn):
    taken_back, _ = made(quinn)
    revoke(taken_back, "root", timezone.now())
    made(quinn, age_days=1)
    expired(quinn)
    client.force_login(quinn)
    shown = rows(parse(client.get("/tokens/")))
    states = [row.one(css="st") for row in shown]
    assert [(one.text, one.glyphs) for one in states] == [
        ("revoked", ["rejected"]), ("active", ["ok"]), ("expired", ["stale"]),
    ]  # fmt: skip
    assert [next(css for css in one.classes if css.startswith("st-")) for one in states] == [
        "st-rejected",
        "st-ok",
        "st-stale",
    ]
    assert "by root" in shown[0].text
    assert [len(row.all("form")) for row in shown] == [0, 1, 1]


def test_the_last_use_is_shown_with_its_address(client, vera):
    token, secret = made(vera)
    at = dt.datetime(2026, 11, 30, 12, 34, tzinfo=dt.UTC)
    client.force_login(vera)
    assert "never" in rows(parse(client.get("/tokens/")))[0].text
    note_use(token, "192.0.2.7", at)
    line = rows(parse(client.get("/tokens/")))[0].text
    assert "2026-11-30 12:34 UT" in line
    assert "from 192.0.2.7" in line
    assert secret[:12] in line
    assert secret not in line


def test_a_revoked_token_opens_nothing_any_more(client, vera):
    token, secret = made(vera)
    assert client.get("/api/v1/", headers=bearer(secret)).status_code == 200
    client.force_login(vera)
    answer = client.post(f"/tokens/{token.pk}/revoke/", follow=True)
    assert answer.redirect_chain == [("/tokens/", 302)]
    assert "nightly export: revoked" in parse(answer).one(css="note").text
    token.refresh_from_db()
    assert token.revoked_by == "vera"
    assert client.get("/api/v1/", headers=bearer(secret)).status_code == 401
    again = client.post(f"/tokens/{token.pk}/revoke/", follow=True)
    assert "revoked already" in parse(again).one(css="note").text


def test_nobody_sees_or_revokes_the_tokens_of_others(client, quinn, vera):
    token, _ = made(vera)
    client.force_login(quinn)
    assert "No tokens yet" in client.get("/tokens/").content.decode()
    assert client.post(f"/tokens/{token.pk}/revoke/").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_superuser_sees_and_revokes_all(client, root, quinn, vera, stan):
    tokens = [made(who)[0] for who in (quinn, vera, stan)]
    stan.is_active = False
    stan.save()
    vera.delete()
    client.force_login(root)
    shown = [row.text for row in rows(parse(client.get("/tokens/")))]
    assert "stan" in shown[0]
    assert "account closed" in shown[0]
    assert "account closed" in shown[1]
    assert "quinn" in shown[2]
    assert "active" in shown[2]
    client.post(f"/tokens/{tokens[0].pk}/revoke/")
    tokens[0].refresh_from_db()
    assert tokens[0].revoked_by == "root"


def test_the_number_of_queries_does_not_grow_with_the_tokens(client, root, quinn, vera):
    from django.core.cache import cache
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.force_login(root)

    def count():
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            client.get("/tokens/")
        return len(queries)

    made(quinn)
    before = count()
    for who in (quinn, vera, root):
        made(who)
    assert count() == before
