"""The tables of docs/scoring.md, row by row."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trending.domain.aggregate import State, Tally, current, tally, total
from trending.domain.limits import LimitsError, parse_limits
from trending.domain.scoring import Average, GreyReason, Rule, ScoreResult, score

PAGE = Path(__file__).parents[3] / "docs" / "scoring.md"
BY_WORDS = {reason.words: reason for reason in GreyReason}
RESULTS = {"OK": ScoreResult.OK, "NOK": ScoreResult.NOK}
VERDICTS: dict[str, ScoreResult | GreyReason] = {**RESULTS, **BY_WORDS}


def table(name):
    """Return the rows of the table after a comment that names it, as dicts by column."""
    text = PAGE.read_text(encoding="utf-8").split(f"<!-- table: {name} -->")[1]
    lines = iter(text.splitlines())
    block = []
    for line in lines:
        if line.startswith("|"):
            block.append([cell.strip() for cell in line.strip("|").split("|")])
        elif block:
            break
    columns, _, *rows = block
    return [pytest.param(dict(zip(columns, row, strict=True)), id=row[0]) for row in rows]


def repeated(text):
    """Read ``a, b ×3`` as a list of texts."""
    if text == "–":
        return []
    items = []
    for part in text.split(","):
        item, _, times = part.partition("×")
        items += [item.strip()] * int(times or 1)
    return items


def number(text):
    return None if text in {"NULL", "–"} else float(text)


def options(text):
    found = dict(part.strip().split("=") for part in text.split(";") if part)
    readers: dict[str, Callable[[str], Any]] = {
        "average": Average,
        "min_n": int,
        "clip": float,
        "fallback": parse_limits,
        "warning": parse_limits,
    }
    return {name: readers[name](value) for name, value in found.items()}


def judged(judgement):
    """Write a judgement as the table does."""
    if judgement.result is None:
        return f"grey: {judgement.reason.words}"
    assert judgement.reason is None
    marks = [name for name in ("fallback", "warning") if getattr(judgement, MARKS[name])]
    return ", ".join([judgement.result.name, *marks])


MARKS = {"fallback": "used_fallback", "warning": "warning"}


@pytest.mark.parametrize("row", table("values"))
def test_a_value_is_judged_as_documented(row):
    rule = None
    if row["limits"]:
        rule = Rule(parse_limits(row["limits"]), **options(row["options"]))
    population = [number(text) for text in repeated(row["earlier"])]
    judgement = score(number(row["value"]), rule, population)
    assert judged(judgement) == row["result"]
    for name in ("lower", "upper"):
        expected = number(row[name])
        limit = getattr(judgement, name)
        if expected is None:
            assert limit is None
        else:
            assert math.isclose(limit, expected, rel_tol=1e-6, abs_tol=1e-12)


def tallies(text):
    for item in repeated(text):
        if match := re.fullmatch(r"(\d+)/(\d+)", item):
            yield Tally(int(match[1]), int(match[2]))
        else:
            yield tally([RESULTS.get(item)])


def state(text):
    return State(text.partition(":")[0].lower())


@pytest.mark.parametrize("row", table("tallies"))
def test_scores_are_taken_together_as_documented(row):
    together = total(tallies(row["taken together"]))
    assert together.text == row["written"]
    assert together.state is state(row["state"])


@pytest.mark.parametrize("row", table("current"))
def test_a_plot_stands_as_documented(row):
    verdicts = []
    for item in repeated(row["scores"]):
        days, verdict = item.split(": ")
        verdicts.append((100.0 - float(days), VERDICTS[verdict]))
    found = current(verdicts, 100.0)
    assert found.state is state(row["state"])
    words = row["state"].partition(": ")[2]
    assert found.reason is (BY_WORDS[words] if words else None)
    assert found.tally.text == row["written"]


@pytest.mark.parametrize("row", table("limits"))
def test_limits_are_read_as_documented(row):
    written, expected = row["written"].removeprefix("`").removesuffix("`"), row["read as"]
    if expected.startswith("error: "):
        with pytest.raises(LimitsError, match=re.escape(expected.removeprefix("error: "))):
            parse_limits(written)
    else:
        method = parse_limits(written)
        assert str(method) == expected
        assert parse_limits(str(method)) == method


def test_the_page_names_every_reason_for_grey():
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert [reason for reason in GreyReason if reason.words not in text] == []
