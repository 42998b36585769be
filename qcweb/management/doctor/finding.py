"""What a check found: fine, to be looked at, or broken; and what to do."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes
    ----------
    check
        What was looked at, such as ``database``.
    said
        What was found.
    todo
        What to do about it; empty where nothing is to be done.
    """

    check: str
    level: Level
    said: str
    todo: str = ""

    def __str__(self) -> str:
        line = f"{self.level:5} {self.check:15} {self.said}"
        return f"{line}\n{'':21} -> {self.todo}" if self.todo else line

    def as_dict(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items()}


Check = Callable[[], Iterable[Finding]]


def ok(check: str, said: str) -> Finding:
    return Finding(check, Level.OK, said)


def warn(check: str, said: str, todo: str) -> Finding:
    return Finding(check, Level.WARN, said, todo)


def fail(check: str, said: str, todo: str) -> Finding:
    return Finding(check, Level.FAIL, said, todo)


def run(name: str, check: Check) -> Iterator[Finding]:
    """Yield what a check finds; one that breaks is a finding, and the next one has its turn."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001  a doctor that falls ill helps nobody
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        yield fail(
            name, f"could not be looked at: {said}", _AFTER.get(name, "See the lines above.")
        )


_AFTER = {
    "database": "Is DATABASE_URL right, and does the server answer?",
    "broker": "Is CELERY_BROKER_URL right, and does the broker answer?",
}
