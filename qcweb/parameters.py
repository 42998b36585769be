"""Reads query parameters; a wrong one is a 400 that says which and what is known."""

import datetime as dt

from django.http import QueryDict

from pipelines.domain.times import datetime_to_mjd
from qcweb.problems import Problem, ProblemError

MAX_LIMIT = 10_000
# The years 1858 to 2406. A larger number is a date without its dashes.
MAX_MJD = 200_000


def bad(where: str, detail: str, hint: str) -> ProblemError:
    return ProblemError(Problem(400, "Bad parameter", detail, where=where, hint=hint))


def check_known(query: QueryDict, known: tuple[str, ...]) -> None:
    for name in query:
        if name not in known:
            hint = f"Known are {', '.join(known)}." if known else "None is known here."
            raise bad(name, f"There is no parameter {name!r}.", hint)


def one_of(query: QueryDict, name: str, known: tuple[str, ...]) -> str:
    value = query.get(name, known[0])
    if value not in known:
        words = ", ".join(word for word in known if word)
        raise bad(name, f"{name}={value!r} is not known.", f"Known are {words}.")
    return value


def mjd(query: QueryDict, name: str, *, is_end: bool = False) -> float | None:
    """Read a time: MJD, ISO date or ISO date and time, all UT. A date as an end includes its day."""
    text = query.get(name, "").strip()
    if not text:
        return None
    hint = "Give an MJD (57080.5), a date (2015-02-27) or a UT time (2015-02-27T10:46:39)."
    try:
        number = float(text)
    except ValueError:
        return _iso(name, text, hint, is_end=is_end)
    if not 0 <= number <= MAX_MJD:
        raise bad(name, f"{name}={text!r} is no time.", hint)
    return number


def _iso(name: str, text: str, hint: str, *, is_end: bool) -> float:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise bad(name, f"{name}={text!r} is no time.", hint) from error
    if is_end and len(text) <= 10:
        instant += dt.timedelta(days=1) - dt.timedelta(microseconds=1)
    return datetime_to_mjd(instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC))


def limit(query: QueryDict, default: int = MAX_LIMIT, most: int = MAX_LIMIT) -> int:
    return number(query, "limit", default, most)


def number(query: QueryDict, name: str, default: int, most: int) -> int:
    """Read a count from 1 to `most`."""
    text = query.get(name, str(default))
    is_short_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_short_number or not 1 <= int(text) <= most:
        raise bad(name, f"{name}={text[:60]!r}.", f"Give a number from 1 to {most}.")
    return int(text)
