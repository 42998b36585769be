"""Accounts and rights where no page can be reached: the first administrator, a forgotten password."""

import datetime as dt
import sys
from typing import Any

from axes.utils import reset
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from pipelines.models import Instrument
from qcweb.management.base import DatabaseCommand
from qcweb.people.models import Right, Role
from qcweb.people.services import accounts, rights
from qcweb.people.services.accounts import AccountError
from qcweb.people.services.audit import About, Actor, record
from qcweb.people.services.rights import RightError

# What the record says of who has done something here: nobody is logged in.
BY = "manage.py account"
ROLES = {"scientist": Role.SCIENTIST, "staff": Role.STAFF}


class Command(DatabaseCommand):
    help = (
        "Accounts of people: add one, list them, give or take a right, give another password, "
        "close or open one, unlock one after too many wrong passwords."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        add = acts.add_parser("add", help="make one, and print its password this once")
        _name(add)
        add.add_argument("--email", default="")
        add.add_argument("--admin", action="store_true", help="may everything, and gives rights")
        add.add_argument("--role", choices=ROLES, help="with --instrument, or for all")
        _instruments(add)
        _password(add)
        _password(_name(acts.add_parser("password", help="give one another password")))
        right = _name(acts.add_parser("right", help="give one a role, or take it back"))
        right.add_argument("--role", choices=ROLES, required=True)
        right.add_argument("--take", action="store_true", help="take it back")
        _instruments(right)
        acts.add_parser("list", help="list all")
        for name, said in (
            ("close", "let one log in no more; it is never deleted"),
            ("open", "open a closed one again"),
            ("admin", "let one give rights"),
            ("no-admin", "let one give no more rights"),
            ("unlock", "forget the wrong passwords of a name, from wherever they came"),
        ):
            _name(acts.add_parser(name, help=said))

    def handle(self, *_args: Any, **options: Any) -> None:
        act = options["act"]
        if act == "list":
            self._list()
            return
        try:
            with transaction.atomic():
                getattr(self, f"_{act.replace('-', '_')}")(options, timezone.now())
        except (AccountError, RightError) as error:
            raise CommandError(str(error)) from error

    def _add(self, options: dict[str, Any], at: dt.datetime) -> None:
        wanted = _wanted(options)
        if options["instrument"] and not wanted:
            raise CommandError("--instrument says where a role is held: give --role too.")
        user, password = accounts.make_account(
            options["name"], email=options["email"], is_admin=options["admin"],
            password=_typed(options), rights=wanted, by=BY, at=at,
        )  # fmt: skip
        _record("account made", user, None, at)
        self.stdout.write(f"{user}: made, {_may(user)}")
        self._tell(password, options)

    def _password(self, options: dict[str, Any], at: dt.datetime) -> None:
        user = _user(options["name"])
        password = accounts.set_password(user, _typed(options))
        _record("password changed", user, accounts.state_of(user), at)
        self.stdout.write(f"{user}: another password")
        self._tell(password, options)

    def _tell(self, password: str, options: dict[str, Any]) -> None:
        if not options["password_stdin"]:
            self.stderr.write("Its password, which is not shown again:")
            self.stdout.write(password)

    def _right(self, options: dict[str, Any], at: dt.datetime) -> None:
        user = _user(options["name"])
        before = accounts.state_of(user)
        for role, instrument in _wanted(options):
            if options["take"]:
                rights.take(rights.find_right(user, role, instrument), BY, at)
            else:
                rights.give(user, role, instrument, BY, at)
        _record("right taken" if options["take"] else "right given", user, before, at)
        self.stdout.write(f"{user}: {_may(user)}")

    def _close(self, options: dict[str, Any], at: dt.datetime) -> None:
        self._change(options, at, accounts.close, "closed")

    def _open(self, options: dict[str, Any], at: dt.datetime) -> None:
        self._change(options, at, accounts.reopen, "open")

    def _admin(self, options: dict[str, Any], at: dt.datetime) -> None:
        self._change(options, at, accounts.make_admin, "administrator")

    def _no_admin(self, options: dict[str, Any], at: dt.datetime) -> None:
        self._change(options, at, accounts.unmake_admin, "no administrator")

    def _change(self, options: dict[str, Any], at: dt.datetime, change: Any, said: str) -> None:
        user = _user(options["name"])
        before = accounts.state_of(user)
        if not change(user):
            raise CommandError(f"{user}: {said} already.")
        _record("account changed", user, before, at)
        self.stdout.write(f"{user}: {said}")

    def _unlock(self, options: dict[str, Any], at: dt.datetime) -> None:
        name = options["name"]
        if not reset(username=name):
            raise CommandError(f"{name}: no wrong passwords are counted.")
        record(Actor(BY), "unlocked", About("account", name), at=at)
        self.stdout.write(f"{name}: may try again")

    def _list(self) -> None:
        found = User.objects.order_by("username")
        for user in found:
            seen = f"{user.last_login:%Y-%m-%d %H:%M} UT" if user.last_login else "never"
            state = "" if user.is_active else "closed, "
            self.stdout.write(f"{user}: {state}{_may(user)}, last login {seen}")
        if not found:
            self.stdout.write(
                "No account has been made yet: `manage.py account add NAME --admin` makes the first."
            )


def _name(parser: CommandParser) -> CommandParser:
    parser.add_argument("name", metavar="NAME", help="what its person logs in with")
    return parser


def _instruments(parser: CommandParser) -> None:
    parser.add_argument(
        "--instrument", action="append", default=[], metavar="NAME",
        help="this one alone, or several; without it all",
    )  # fmt: skip


def _password(parser: CommandParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true",
        help="read the password from standard input; without it one is made",
    )  # fmt: skip


def _typed(options: dict[str, Any]) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else None


def _wanted(options: dict[str, Any]) -> list[tuple[Role, Instrument | None]]:
    if not options["role"]:
        return []
    role = ROLES[options["role"]]
    return [(role, _instrument(name)) for name in options["instrument"]] or [(role, None)]


def _instrument(name: str) -> Instrument:
    found = Instrument.objects.filter(name=name.upper()).first()
    if found is None:
        known = ", ".join(Instrument.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no instrument {name}. Known: {known}.")
    return found


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no account {name}.")
    return user


def _may(user: User) -> str:
    if user.is_superuser:
        return "administrator"
    held = Right.objects.open().filter(user=user).select_related("instrument").order_by("pk")
    return ", ".join(map(str, held)) or "reads"


def _record(verb: str, user: User, before: dict[str, object] | None, at: dt.datetime) -> None:
    about = About("account", user.username, f"/people/{user.username}/")
    record(Actor(BY), verb, about, before=before, after=accounts.state_of(user), at=at)
