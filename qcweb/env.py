"""Typed readers for settings that come from the environment: a wrong value stops the start."""

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dj_database_url
import limits
from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_DATABASES = "expected postgres://user:password@host:5432/name or sqlite:////path/to/file"
_FALSE = {"", "0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, *, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r}: expected 1 or 0, true or false, on or off.")


def number(name: str, default: float, *, low: float, high: float) -> float:
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        parsed = float(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r}: expected a number.") from error
    if not low <= parsed <= high:
        raise ImproperlyConfigured(f"{name}={value!r}: expected {low:g} to {high:g}.")
    return parsed


def rate(name: str, default: str) -> limits.RateLimitItem | None:
    """Return how many requests in how long are allowed; empty is None, as many as there are."""
    value = os.environ.get(name, default).strip()
    if not value:
        return None
    try:
        (parsed,) = limits.parse_many(value)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}={value!r}: expected a rate, 600/minute, or nothing for no limit."
        ) from error
    if not parsed.amount:
        raise ImproperlyConfigured(f"{name}={value!r}: expected at least one in some time.")
    return parsed


def one_of(name: str, default: str, known: Sequence[str]) -> str:
    value = os.environ.get(name, default).upper()
    if value not in known:
        raise ImproperlyConfigured(f"{name}={value!r}: known are {', '.join(known)}.")
    return value


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def directory(name: str, default: Path) -> Path:
    return Path(os.environ.get(name) or default).expanduser().resolve()


def database(name: str, default: Path) -> dict[str, Any]:
    """Return the database a URL names, PostgreSQL or SQLite; without one, SQLite in a file."""
    url = os.environ.get(name)
    if not url:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(default)}
    try:
        parsed = dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {_DATABASES}.") from error
    if not parsed["ENGINE"].endswith((".postgresql", ".sqlite3")):
        raise ImproperlyConfigured(f"{name}: {parsed['ENGINE']} is not supported; {_DATABASES}.")
    return dict(parsed)


def secret(name: str, kept_in: Path) -> str:
    """Return the secret from ``name``, from the file ``name``_FILE names, or made once and kept."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            value = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            said = getattr(error, "strerror", "not a text")
            raise ImproperlyConfigured(f"{name}_FILE={path!r}: {said}.") from error
        if not value:
            raise ImproperlyConfigured(f"{name}_FILE={path!r}: the file is empty.")
        return value
    try:
        return _kept_secret(kept_in)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{kept_in} cannot be made: {error.strerror}. Is HCM_DATA_DIR right?"
        ) from error


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside it and linked: of two processes that start at once both read the whole one.
    if not path.exists():
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(part)
        part.unlink()
    return path.read_text()
