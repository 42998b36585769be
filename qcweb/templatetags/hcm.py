"""Small words of the pages: glyphs, states, numbers, times."""

import datetime as dt
import json
import re
from dataclasses import replace
from typing import Any, Protocol

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from pipelines.domain.times import mjd_to_datetime
from qcweb.looks import Look
from qcweb.people.models import AuditEntry

register = template.Library()


class Validity(Protocol):
    """What holds from an instant on, until another one."""

    valid_from_mjd: float
    valid_until_mjd: float | None


@register.simple_tag
def glyph(name: str, css: str = "") -> SafeString:
    if not name:
        return SafeString("")
    return format_html(
        '<svg class="g{}" aria-hidden="true"><use href="#g-{}"/></svg>',
        f" {css}" if css else "",
        name,
    )


@register.simple_tag
def state(look: Look | None, css: str = "") -> SafeString:
    """Draw a state: colour, shape and word. A number as the word is read with "OK" before it."""
    if look is None:
        return SafeString('<span class="faint">–</span>')
    hidden = SafeString('<span class="sr">OK </span>') if look.word[:2] == "0/" else ""
    return format_html(
        '<span class="st st-{}{}" title="{}">{}{}{}</span>',
        look.css,
        f" {css}" if css else "",
        look.title,
        glyph(look.glyph),
        hidden,
        look.word,
    )


@register.simple_tag
def ask(question: Any, by: str = "", **changes: Any) -> str:
    """Return the address of a question that differs from another by some words, or sorts by a column."""
    other = question.sorted_by(by) if by else question
    return str(replace(other, **changes).address())


@register.filter
def quantity(value: float | str | None) -> str:
    """Write a number with six significant digits and a real minus; what is not there is a dash.

    >>> quantity(-0.000142), quantity(143.2234999), quantity(None), quantity(1000000.0)
    ('−0.000142', '143.223', '–', '1000000')
    """
    # A template has "" for what a value that is not there would have.
    if value is None or isinstance(value, str):
        return "–"
    text = f"{value:.6g}"
    if "e" in text and 1e-4 <= abs(value) < 1e9:
        text = f"{value:.0f}"
    return text.replace("-", "−")


@register.filter
def short(value: float | None) -> str:
    """Write a number with four significant digits, where room is small.

    >>> short(1001.4812), short(-0.00001234), short(65535.0), short(None)
    ('1001', '−1.23e−05', '65535', '–')
    """
    if value is None:
        return "–"
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"
    if "e" in text:
        text = f"{value:.2e}"
    return text.replace("-", "−")


@register.filter
def interval(limits: tuple[float | None, float | None]) -> str:
    lower, upper = limits
    if lower is None and upper is None:
        return "none"
    if lower is None:
        return f"≤ {quantity(upper)}"
    if upper is None:
        return f"≥ {quantity(lower)}"
    return f"{quantity(lower)}…{quantity(upper)}"


@register.filter
def ut(mjd: float) -> str:
    return mjd_to_datetime(mjd).strftime("%Y-%m-%d %H:%M:%S")


@register.filter
def ut_date(mjd: float) -> str:
    """Write the date of an MJD; before 1990 nothing was measured, so that it means "ever"."""
    return "ever" if mjd < 47892 else f"{mjd_to_datetime(mjd):%Y-%m-%d}"


@register.simple_tag
def valid(rule: Validity) -> str:
    """Write the time that something is for."""
    start, until = ut_date(rule.valid_from_mjd), rule.valid_until_mjd
    if until is not None:
        return f"until {ut_date(until)}" if start == "ever" else f"{start} to {ut_date(until)}"
    return "always" if start == "ever" else f"since {start}"


@register.filter
def ut_time(mjd: float) -> str:
    return mjd_to_datetime(mjd).strftime("%H:%M:%S")


@register.filter
def distance(days: float) -> str:
    """Write the distance of a calibration with its sign and unit.

    >>> distance(-1.0), distance(0.02), distance(-0.0001)
    ('−1.0 d', '+29 min', '−9 s')
    """
    sign = "−" if days < 0 else "+"
    seconds = abs(days) * 86400
    if seconds < 90:
        return f"{sign}{seconds:.0f} s"
    if seconds < 5400:
        return f"{sign}{seconds / 60:.0f} min"
    if seconds < 86400:
        return f"{sign}{seconds / 3600:.1f} h"
    return f"{sign}{abs(days):.1f} d"


@register.filter
def iso(instant: dt.datetime | None) -> str:
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant else ""


@register.filter
def clock(instant: dt.datetime | None) -> str:
    return instant.astimezone(dt.UTC).strftime("%H:%M:%S") if instant else "–"


@register.filter
def moment(instant: dt.datetime | None) -> str:
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UT") if instant else "–"


@register.filter
def paragraphs(text: str) -> list[str]:
    r"""Return the paragraphs of a text; a line end inside one is a blank.

    >>> paragraphs("A text\nof two lines.\n\nAnother.")
    ['A text of two lines.', 'Another.']
    """
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


@register.filter
def first_line(text: str) -> str:
    r"""Return the first line of a text.

    >>> first_line("A word.\n\nAnd more.")
    'A word.'
    """
    return text.partition("\n")[0]


@register.filter
def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@register.filter
def card_value(value: object) -> str:
    """Write a header's value as its card does.

    >>> card_value(True), card_value(1.5), card_value("BIAS")
    ('T', '1.5', 'BIAS')
    """
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value)


@register.filter
def of(found: dict[int, Any], key: int) -> Any:
    """Return what a mapping has under a key; nothing where it has none.

    >>> of({1: "a"}, 1), of({1: "a"}, 2)
    ('a', ())
    """
    return found.get(key, ())


@register.filter
def changes(line: AuditEntry) -> list[tuple[str, str, str]]:
    """Return what an act has changed: the name, how it was, how it is.

    >>> changes(AuditEntry(before={"is_held": False, "n": 2}, after={"is_held": True, "n": 2}))
    [('is held', 'no', 'yes')]
    """
    before, after = line.before or {}, line.after or {}
    return [
        (name.replace("_", " "), _plain(before.get(name)), _plain(after.get(name)))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


@register.filter
def compact(value: object) -> str:
    """Write data on one line, as JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "–" if value in (None, "") else str(value)
