"""`manage.py account`: accounts and rights where no page can be reached."""

import io
import sys

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from qcweb.access import may_certify
from qcweb.people.models import AuditEntry

pytestmark = pytest.mark.django_db


def account(*words, typed=None, monkeypatch=None):
    out, said = io.StringIO(), io.StringIO()
    if monkeypatch:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    call_command("account", *words, stdout=out, stderr=said)
    return out.getvalue().strip().splitlines()


def test_the_first_administrator_is_made_here():
    assert "account add NAME --admin" in account("list")[0]
    said, password = account("add", "root", "--admin")
    assert said == "root: made, administrator"
    root = User.objects.get()
    assert root.is_superuser
    assert root.check_password(password)
    assert account("list") == ["root: administrator, last login never"]


def test_a_scientist_of_some_instruments_is_made(instruments):
    account(
        "add", "uma", "--role", "scientist", "--instrument", "uves", "--instrument", "MUSE",
        "--email", "uma@example.org",
    )  # fmt: skip
    uma = User.objects.get()
    assert uma.email == "uma@example.org"
    assert [may_certify(uma, name) for name in ("UVES", "MUSE", "CCDCAM")] == [True, True, False]


def test_a_right_is_given_and_taken(stan, instruments):
    given = account("right", "stan", "--role", "scientist", "--instrument", "UVES")
    assert given == ["stan: QC scientist of UVES"]
    assert account("right", "stan", "--role", "staff")[0].endswith("staff of all instruments")
    with pytest.raises(CommandError, match="is QC scientist of UVES already"):
        account("right", "stan", "--role", "scientist", "--instrument", "UVES")
    words = ("right", "stan", "--role", "scientist", "--instrument", "UVES", "--take")
    account(*words)
    assert not may_certify(stan)
    with pytest.raises(CommandError, match="is no QC scientist of UVES"):
        account(*words)


def test_a_password_comes_from_standard_input_and_is_not_repeated(stan, monkeypatch):
    words = ("password", "stan", "--password-stdin")
    assert account(*words, typed="lamp-and-slit\n", monkeypatch=monkeypatch) == [
        "stan: another password"
    ]
    stan.refresh_from_db()
    assert stan.check_password("lamp-and-slit")
    with pytest.raises(CommandError, match="too short"):
        account(*words, typed="short\n", monkeypatch=monkeypatch)


def test_without_one_a_password_is_made(stan):
    _, password = account("password", "stan")
    stan.refresh_from_db()
    assert stan.check_password(password)


def test_accounts_are_closed_and_opened_and_the_last_administrator_stays(stan, root):
    assert account("close", "stan") == ["stan: closed"]
    assert "stan: closed, reads" in account("list")[1]
    with pytest.raises(CommandError, match="closed already"):
        account("close", "stan")
    account("open", "stan")
    for act in ("close", "no-admin"):
        with pytest.raises(CommandError, match="is the last administrator"):
            account(act, "root")
    account("admin", "stan")
    account("no-admin", "root")
    assert list(User.objects.filter(is_superuser=True)) == [stan]


def test_who_was_locked_out_is_let_in_again(client, stan):
    for _ in range(6):
        answer = client.post("/login/", {"username": "stan", "password": "guess"})
    assert answer.status_code == 429
    assert account("unlock", "stan") == ["stan: may try again"]
    typed = {"username": "stan", "password": "stan-strays"}
    assert client.post("/login/", typed).status_code == 302
    with pytest.raises(CommandError, match="no wrong passwords"):
        account("unlock", "stan")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "stan"], "There is an account stan already"),
        (["add", "STAN"], "There is an account stan already"),
        (["add", "a b"], "letters, digits"),
        (["add", "nina", "--email", "nina"], "no address of mail"),
        (["add", "nina", "--role", "king"], "invalid choice"),
        (["add", "nina", "--instrument", "UVES"], "give --role too"),
        (
            ["add", "nina", "--role", "staff", "--instrument", "HUBBLE"],
            "There is no instrument HUBBLE",
        ),
        (["right", "nobody", "--role", "staff"], "There is no account nobody"),
        (["right", "stan"], "--role"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_made(stan, instruments, words, said):
    with pytest.raises(CommandError, match=said):
        account(*words)
    assert list(User.objects.all()) == [stan]
    assert not AuditEntry.objects.exists()


def test_each_act_has_its_line_and_no_password_is_in_it(instruments):
    _, password = account("add", "nina", "--role", "staff")
    account("right", "nina", "--role", "scientist", "--instrument", "UVES")
    account("close", "nina")
    _, other = account("password", "nina")
    lines = list(AuditEntry.objects.order_by("pk"))
    assert [one.verb for one in lines] == [
        "account made", "right given", "account changed", "password changed",
    ]  # fmt: skip
    assert {(one.person, one.subject) for one in lines} == {("manage.py account", "nina")}
    assert (lines[1].after or {})["rights"] == [
        "observatory staff of all instruments", "QC scientist of UVES",
    ]  # fmt: skip
    kept = str(list(AuditEntry.objects.values()))
    assert password not in kept
    assert other not in kept
