"""Makes, lists and revokes tokens, where the pages cannot be reached or for an account of no person."""

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from qcweb.access import scopes_of
from qcweb.management.base import DatabaseCommand
from qcweb.people.models import PREFIX_LENGTH, ApiToken, Scope
from qcweb.people.services.audit import About, Actor, record
from qcweb.people.services.tokens import TokenError, make_token, revoke

# What the record says of who has revoked a token here: nobody is logged in.
BY = "manage.py token"
MOST_DAYS = 3650


class Command(DatabaseCommand):
    help = "Tokens, which programs show instead of a login: make one, list them, revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        make = acts.add_parser("make", help="make one, and print its secret this once")
        make.add_argument("user", metavar="USER", help="the account it acts for")
        make.add_argument("--name", required=True, help="what it is for")
        make.add_argument("--scope", action="append", required=True, choices=Scope.values)
        make.add_argument(
            "--instrument", action="append", default=[], metavar="NAME",
            help="this one alone, or several; without it all",
        )  # fmt: skip
        lasts = make.add_mutually_exclusive_group()
        lasts.add_argument("--days", type=int, default=90, help="how long it is good for: 90")
        lasts.add_argument("--never", action="store_true", help="it does not expire")
        acts.add_parser("list", help="list all")
        end = acts.add_parser("revoke", help="let one open nothing from now on")
        end.add_argument("prefix", metavar="PREFIX", help="how it begins, as the list has it")

    def handle(self, *_args: Any, **options: Any) -> None:
        at = timezone.now()
        if options["act"] == "make":
            self._make(options, at)
        elif options["act"] == "list":
            self._list(at)
        else:
            self._revoke(options["prefix"], at)

    def _make(self, options: dict[str, Any], at: dt.datetime) -> None:
        user = _user(options["user"])
        if lacking := set(options["scope"]) - set(scopes_of(user)):
            raise CommandError(f"{user} may not {', '.join(sorted(lacking))}.")
        try:
            token, secret = make_token(
                user, options["name"], options["scope"],
                instruments=[name.upper() for name in options["instrument"]],
                expires_at=_expires(options, at), at=at,
            )  # fmt: skip
        except TokenError as error:
            raise CommandError(str(error)) from error
        record(Actor(BY), "token made", _about(token), after={"of": str(user)}, at=at)
        # The secret alone on the output, so that it can be taken into a file.
        self.stderr.write(f"{token}, for {user}, {_until(token)}. The secret is not shown again:")
        self.stdout.write(secret)

    def _list(self, at: dt.datetime) -> None:
        found = ApiToken.objects.select_related("user")
        for token in found:
            self.stdout.write(_line(token, at))
        if not found:
            self.stdout.write("No token has been made yet.")

    def _revoke(self, prefix: str, at: dt.datetime) -> None:
        token = _token(prefix)
        if not revoke(token, BY, at):
            raise CommandError(f"{token} was revoked already.")
        record(Actor(BY), "token revoked", _about(token), at=at)
        self.stdout.write(f"{token}: revoked")


def _about(token: ApiToken) -> About:
    return About("token", str(token), "/tokens/")


def _expires(options: dict[str, Any], at: dt.datetime) -> dt.datetime | None:
    if options["never"]:
        return None
    if not 1 <= options["days"] <= MOST_DAYS:
        raise CommandError(f"--days {options['days']}: expected 1 to {MOST_DAYS}, or --never.")
    return at + dt.timedelta(days=options["days"])


def _line(token: ApiToken, at: dt.datetime) -> str:
    account = token.user.get_username() if token.user else "account deleted"
    used = "never used"
    if token.last_used_at:
        used = f"used {token.last_used_at:%Y-%m-%d %H:%M} UT from {token.last_used_from or '?'}"
    return ", ".join(
        [
            f"{token}: {token.state(at).label}", account, "+".join(token.scopes),
            "+".join(token.instruments) or "all instruments", _until(token), used,
        ]
    )  # fmt: skip


def _until(token: ApiToken) -> str:
    return f"until {token.expires_at:%Y-%m-%d %H:%M} UT" if token.expires_at else "until revoked"


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no account {name}.")
    return user


def _token(prefix: str) -> ApiToken:
    """Find a token by how it begins; a whole secret, found where it should not be, does too."""
    prefix = prefix[:PREFIX_LENGTH]
    found = list(ApiToken.objects.filter(prefix__startswith=prefix)[:2]) if prefix else []
    if not found:
        raise CommandError(f"No token begins with {prefix!r}. `manage.py token list` has them.")
    if len(found) > 1:
        raise CommandError(f"Several tokens begin with {prefix!r}: give more of it.")
    return found[0]
