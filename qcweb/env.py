"""Typed readers for settings that come from the environment: a wrong value stops the start."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
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


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def directory(name: str, default: Path) -> Path:
    return Path(os.environ.get(name) or default).expanduser().resolve()


def secret(name: str, kept_in: Path) -> str:
    """Return the secret from ``name``, from the file ``name``_FILE names, or made once and kept."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE={path!r}: {error.strerror}.") from error
    return _kept_secret(kept_in)


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened exclusively: of two processes that start at once, one writes and the other reads.
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()
