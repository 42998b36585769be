"""`manage.py token`: makes, lists and revokes them, where there is no page."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from qcweb.people.models import ApiToken
from qcweb.people.services.tokens import RevokedTokenError, find_token, note_use
from tests.qcweb.tokens import expired, made

pytestmark = pytest.mark.django_db


def token(*words):
    out, said = io.StringIO(), io.StringIO()
    call_command("token", *words, stdout=out, stderr=said)
    return out.getvalue().strip(), said.getvalue().strip()


def test_it_makes_one_and_prints_its_secret_alone(quinn, instruments):
    secret, said = token(
        "make", "quinn", "--name", "pipeline", "--scope", "read", "--scope", "ingest",
        "--instrument", "ccdcam", "--days", "30",
    )  # fmt: skip
    found = find_token(secret, timezone.now())
    assert (found.user, found.name, found.scopes) == (quinn, "pipeline", ["read", "ingest"])
    assert found.instruments == ["CCDCAM"]
    assert found.expires_at == found.created_at + dt.timedelta(days=30)
    assert said.startswith(f"{secret[:12]}… (pipeline), for quinn, until 20")
    assert secret not in said


def test_without_days_it_is_good_for_ninety_and_never_is_said(vera):
    token("make", "vera", "--name", "a", "--scope", "read")
    token("make", "vera", "--name", "b", "--scope", "read", "--never")
    first, second = ApiToken.objects.order_by("pk")
    assert first.expires_at == first.created_at + dt.timedelta(days=90)
    assert second.expires_at is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody", "--name", "x", "--scope", "read"], "There is no account nobody"),
        (["vera", "--name", "x", "--scope", "ingest", "--scope", "certify"],
         "vera may not certify, ingest."),
        (["vera", "--name", " ", "--scope", "read"], "Say what it is for"),
        (["vera", "--name", "x", "--scope", "read", "--instrument", "hubble"],
         "There is no instrument HUBBLE"),
        (["vera", "--name", "x", "--scope", "read", "--days", "0"], "expected 1 to 3650"),
        (["vera", "--name", "x", "--scope", "read", "--days", "9999999999"], "expected 1 to 3650"),
        (["vera", "--name", "x", "--scope", "write"], "invalid choice: 'write'"),
        (["vera", "--name", "x"], "--scope"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said(vera, instruments, words, said):
    with pytest.raises(CommandError, match=said):
        token("make", *words)
    assert not ApiToken.objects.exists()


def test_it_lists_all_with_state_and_last_use(quinn, vera, instruments):
    assert token("list")[0] == "No token has been made yet."
    old, _ = expired(vera)
    used, _ = made(quinn, "read", "certify", instruments=["UVES"])
    note_use(used, "192.0.2.7", dt.datetime(2026, 11, 30, 12, 34, tzinfo=dt.UTC))
    vera.delete()
    assert token("list")[0].splitlines() == [
        f"{used.prefix}… (nightly export): active, quinn, read+certify, UVES, until revoked, "
        "used 2026-11-30 12:34 UT from 192.0.2.7",
        f"{old.prefix}… (nightly export): expired, account deleted, read, all instruments, "
        f"until {old.expires_at:%Y-%m-%d %H:%M} UT, never used",
    ]


def test_it_revokes_one_by_how_it_begins(quinn):
    found, secret = made(quinn)
    assert token("revoke", found.prefix)[0] == f"{found}: revoked"
    with pytest.raises(RevokedTokenError, match=r"by manage\.py token"):
        find_token(secret, timezone.now())
    with pytest.raises(CommandError, match="was revoked already"):
        token("revoke", found.prefix)


def test_a_secret_that_was_found_somewhere_may_be_given_whole(quinn):
    found, secret = made(quinn)
    assert token("revoke", secret)[0] == f"{found}: revoked"


def test_what_fits_none_or_several_is_refused_and_no_secret_repeated(quinn):
    made(quinn)
    made(quinn)
    with pytest.raises(CommandError, match="Several tokens begin with 'hcm_'"):
        token("revoke", "hcm_")
    with pytest.raises(CommandError, match="No token begins with 'hcm_xxxxxxxx'"):
        token("revoke", "hcm_" + "x" * 43)
    with pytest.raises(CommandError, match="No token begins with ''"):
        token("revoke", "")
    assert not ApiToken.objects.exclude(revoked_at=None).exists()
