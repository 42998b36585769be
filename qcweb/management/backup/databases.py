"""The database as a file while the system runs, and back: each kind by its own means.

SQLite is copied by its backup interface, PostgreSQL by `pg_dump` in one snapshot. Rows written one
by one through the ORM would restore on either, and take hours for millions of values.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from .manifest import BackupError

MEMBERS = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}


def dump(target: Path) -> None:
    """Write a consistent copy of the database to a new file."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.backup(copy)
        return
    _postgresql("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def prepare(copy: Path) -> None:
    """Make a copy fit to take the database's place, before anything is touched: SQLite only.

    Raises
    ------
    BackupError
        It is damaged, or cannot be brought to this version.
    """
    if connection.vendor != "sqlite":
        _run([_program("pg_restore"), "--list", str(copy)], {})
        return
    try:
        with closing(sqlite3.connect(copy)) as opened:
            (said,) = opened.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupError(f"The database in the backup is damaged: {error}.") from error
    if said != "ok":
        raise BackupError(f"The database in the backup is damaged: {said}.")
    _run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate", "--verbosity", "0"],
        {"DATABASE_URL": f"sqlite:///{copy}"},
    )


def put_in_place(copy: Path, aside: Path) -> None:
    """Let a prepared copy be the database; what was there goes to the directory `aside`."""
    if connection.vendor == "sqlite":
        name = Path(str(connection.settings_dict["NAME"]))
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            old = Path(f"{name}{suffix}")
            if old.exists():
                shutil.move(old, aside / old.name)
        for suffix in ("-wal", "-shm"):  # of the migration; it closed the file in good order
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
        shutil.move(copy, name)
        return
    dump(aside / MEMBERS["postgresql"])
    connection.close()
    # All of it in one transaction: a restore that fails leaves what was there.
    _postgresql(
        "pg_restore", "--clean", "--if-exists", "--single-transaction", "--exit-on-error",
        "--no-owner", "--no-privileges", f"--dbname={connection.settings_dict['NAME']}", str(copy),
    )  # fmt: skip
    call_command("migrate", verbosity=0)


def _postgresql(program: str, *words: str) -> None:
    given = connection.settings_dict
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD",
             "PGDATABASE": "NAME"}  # fmt: skip
    env = {key: str(given[name]) for key, name in names.items() if given.get(name)}
    if mode := given.get("OPTIONS", {}).get("sslmode"):
        env["PGSSLMODE"] = str(mode)
    _run([_program(program), *words], env)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupError(f"{name} is not installed here: apt-get install postgresql-client")
    return found


def _run(argv: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(
        argv, env=os.environ | env, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        raise BackupError(f"{Path(argv[0]).name} ended with {done.returncode}: {' '.join(last)}.")
