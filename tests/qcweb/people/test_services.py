"""Tokens are made once, kept as a sum, found while they are good, and taken back for ever."""

import datetime as dt
import hashlib
import logging

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from qcweb.people.models import ApiToken, TokenState
from qcweb.people.services.tokens import (
    ClosedAccountError,
    ExpiredTokenError,
    RefusedTokenError,
    RevokedTokenError,
    TokenError,
    UnknownTokenError,
    find_token,
    make_token,
    note_use,
    revoke,
)
from tests.qcweb.tokens import expired, made

AT = dt.datetime(2026, 11, 30, 12, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def test_the_secret_is_random_and_only_its_sum_is_kept(quinn):
    (token, secret), (other, another) = made(quinn, "read"), made(quinn, "read")
    assert secret.startswith("hcm_")
    assert len(secret) == 4 + 43  # 32 bytes in base64
    assert secret != another
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert token.prefix == secret[:12]
    assert all(
        secret not in str(value) for value in ApiToken.objects.values_list().get(pk=token.pk)
    )
    assert find_token(secret, timezone.now()) == token
    assert find_token(another, timezone.now()) == other


def test_scopes_and_instruments_are_kept_in_order_and_once(quinn, instruments):
    token, _ = made(
        quinn, "certify", "read", "read", instruments=["UVES", "CCDCAM", "UVES"]
    )  # fmt: skip
    token.refresh_from_db()
    assert token.scopes == ["read", "certify"]
    assert token.instruments == ["CCDCAM", "UVES"]


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"name": " "}, "name", "Say what it is for"),
        ({"name": "x" * 101}, "name", "at most 100 characters"),
        ({"scopes": []}, "scopes", "Say what it may do: read, ingest, certify."),
        ({"scopes": ["read", "write"]}, "scopes", "No scope: write. Known: read, ingest, certify."),
        (
            {"instruments": ["HUBBLE"]},
            "instruments",
            "There is no instrument HUBBLE. Known: CCDCAM",
        ),
        ({"expires_at": AT}, "expires_at", "expired already"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(quinn, instruments, given, field, words):
    with pytest.raises(TokenError, match=words) as error:
        make_token(quinn, **{"name": "export", "scopes": ["read"], "at": AT} | given)
    assert error.value.field == field
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("secret", ["", "hcm_", "hcm_" + "x" * 43, "ü€", "x" * 5000])
def test_what_nobody_was_given_is_unknown(db, secret):
    with pytest.raises(UnknownTokenError, match=r"There is no such token\."):
        find_token(secret, AT)


def test_a_token_is_good_until_it_expires(quinn):
    token, secret = make_token(quinn, "export", ["read"], expires_at=AT + MINUTE, at=AT)
    assert find_token(secret, AT + MINUTE / 2) == token
    with pytest.raises(ExpiredTokenError, match="expired at 2026-11-30 12:01 UT") as error:
        find_token(secret, AT + MINUTE)
    assert str(error.value).startswith(f"The token {secret[:12]}… (export)")
    assert token.state(AT) == TokenState.ACTIVE
    assert token.state(AT + MINUTE) == TokenState.EXPIRED


def test_a_revoked_token_says_since_when_and_by_whom_and_keeps_it(quinn):
    token, secret = make_token(quinn, "export", ["read"], at=AT)
    assert revoke(token, "quinn", AT + MINUTE)
    assert not revoke(token, "vera", AT + 2 * MINUTE)
    with pytest.raises(RevokedTokenError, match="revoked at 2026-11-30 12:01 UT by quinn"):
        find_token(secret, AT + MINUTE)
    token.refresh_from_db()
    assert token.state(AT) == TokenState.REVOKED


def test_a_closed_account_closes_its_tokens(quinn):
    _, secret = made(quinn)
    quinn.is_active = False
    quinn.save()
    with pytest.raises(ClosedAccountError, match="is closed"):
        find_token(secret, timezone.now())


def test_a_deleted_account_leaves_its_tokens_as_a_record_that_opens_nothing(quinn):
    token, secret = made(quinn)
    revoked, _ = made(quinn)
    revoke(revoked, quinn.get_username(), timezone.now())
    quinn.delete()
    token.refresh_from_db()
    revoked.refresh_from_db()
    assert (token.user, revoked.revoked_by) == (None, "quinn")
    with pytest.raises(ClosedAccountError):
        find_token(secret, timezone.now())


def test_no_refusal_tells_the_secret(quinn):
    gone, secret = made(quinn)
    revoke(gone, "quinn", timezone.now())
    for one in (secret, expired(quinn)[1], "hcm_unknown-to-all"):
        with pytest.raises(RefusedTokenError) as error:
            find_token(one, timezone.now())
        assert one not in str(error.value)


def test_its_use_is_noted_at_most_once_a_minute(quinn, django_assert_num_queries):
    token, secret = make_token(quinn, "export", ["read"], at=AT)

    def used(at, address):
        note_use(find_token(secret, at), address, at)
        token.refresh_from_db()
        return token.last_used_at, token.last_used_from

    assert used(AT, "192.0.2.1") == (AT, "192.0.2.1")
    assert used(AT + MINUTE / 2, "192.0.2.2") == (AT, "192.0.2.1")
    assert used(AT + MINUTE, "2001:db8::1") == (AT + MINUTE, "2001:db8::1")
    assert used(AT + 3 * MINUTE, None) == (AT + 3 * MINUTE, None)
    with django_assert_num_queries(0):
        note_use(token, "192.0.2.1", AT + 3 * MINUTE)


def test_of_two_uses_at_once_one_is_noted(quinn):
    _, secret = make_token(quinn, "export", ["read"], at=AT)
    one, other = find_token(secret, AT), find_token(secret, AT)
    note_use(one, "192.0.2.1", AT)
    note_use(other, "192.0.2.2", AT)
    assert ApiToken.objects.get().last_used_from == "192.0.2.1"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="another database says it otherwise")
def test_a_use_that_cannot_be_noted_is_said_and_lets_the_request_go_on(quinn, caplog):
    token, _ = made(quinn)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
        try:
            with caplog.at_level(logging.WARNING):
                note_use(token, "192.0.2.1", timezone.now())
        finally:
            cursor.execute("PRAGMA query_only = 0")
    assert f"the use of token {token.prefix}… (nightly export) is not noted" in caplog.text


@pytest.mark.parametrize(
    ("nonsense", "name"),
    [
        ({"name": ""}, "api_token_says_what_it_is_for"),
        ({"scopes": []}, "api_token_may_do_something"),
        ({"expires_at": AT}, "api_token_expires_after_it_was_made"),
        ({"revoked_at": AT}, "api_token_revoked_says_by_whom"),
        ({"revoked_by": "quinn"}, "api_token_revoked_says_by_whom"),
    ],
)
def test_the_database_refuses_nonsense(quinn, nonsense, name):
    token, _ = make_token(quinn, "export", ["read"], at=AT)
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        ApiToken.objects.filter(pk=token.pk).update(**nonsense)


def test_the_database_refuses_two_tokens_of_one_secret(quinn):
    token, _ = made(quinn)
    token.pk = None
    with pytest.raises(IntegrityError, match="digest"), transaction.atomic():
        token.save()
