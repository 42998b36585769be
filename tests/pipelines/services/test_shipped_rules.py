"""Nights organised in the database by the rules that ESO's pipelines install."""

import itertools
from pathlib import Path

import pytest
from django.utils import timezone

from pipelines.domain import oca
from pipelines.domain.oca.tree import And, Compare, Expression, Is, Keyword, Like, Literal, Or
from pipelines.models import RawFile
from pipelines.services.organise import organise_nights
from tests.conftest import cannot_run
from tests.frames import write_header
from tests.pipelines.services.oca_site import MJD, Site, blocks, names

SHIPPED = {
    path.name: path for path in Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.oca")
}


def keywords_for(node: Expression) -> dict[str, str | float]:
    """Return a header that fulfils a simple condition, and most of the others."""
    match node:
        case And(operands):
            return {k: v for one in reversed(operands) for k, v in keywords_for(one).items()}
        case Or(operands):
            return keywords_for(operands[0])
        case Compare("==", Keyword(name), Literal(str(value) | float(value) | int(value))):
            return {name: "T" if value is True else "F" if value is False else value}
        case Compare(">" | ">=", Keyword(name), Literal(float(value) | int(value))):
            return {name: value + 1}
        case Like(Keyword(name), Literal(str(value))):
            return {name: value.replace("%", "")}
        case Is(Keyword(name), "string"):
            return {name: "TEXT"}
    return {}


def write_frames(rules: oca.RuleFile, directory: Path) -> None:
    for n, rule in enumerate(rules.classification):
        found = keywords_for(rule.condition)
        for place in range(1 if "PRO.CATG" in found else 3):
            start: dict[str, str | float] = {
                "TPL.START": f"2026-03-02T{n // 60:02}:{n % 60:02}:00",
                "TPL.NEXP": 3,
            }
            times: dict[str, str | float] = {
                "INSTRUME": "CAM",
                "MJD-OBS": MJD + n / 600 + place / 10_000,
                "EXPTIME": 1.0,
            }
            cards = {**times, **start, "TPL.EXPNO": place + 1, **found}
            write_header(directory / f"{n:03}.{place}.fits", cards)


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(SHIPPED) or ["uves.oca"])
def test_a_night_by_shipped_rules_is_organised_and_stays_as_it_is(name, tmp_path):
    if name not in SHIPPED:
        cannot_run(f"{name} is not installed: see cpl-plugin-* in packages.txt")
    text = SHIPPED[name].read_text(encoding="latin-1")
    rules = oca.parse(text)
    write_frames(rules, tmp_path)
    site = Site(tmp_path, "")
    site.instrument.rule_sets.update(text=text)
    site.instrument.header_names = list(names_of(rules))
    site.instrument.save()
    site.take()
    frames = RawFile.objects.exclude(raw_type="")
    groups = oca.organise(rules, [oca.Frame(one.pk, one.keywords) for one in frames])
    expected = sorted(sorted(int(frame.id) for frame in group.frames) for group in groups)
    found = {
        one.pk: sorted(one.block_frames.values_list("raw_file", flat=True)) for one in blocks()
    }
    assert len(expected) > 3
    assert sorted(found.values()) == expected
    before = {one.pk: names(one) for one in blocks()}
    organise_nights(frames.values_list("instrument", "night").distinct(), timezone.now())
    assert {one.pk: names(one) for one in blocks()} == before


def names_of(rules: oca.RuleFile) -> set[str]:
    """Return all values of INSTRUME that the rules ask for, and our own."""
    found = (keywords_for(rule.condition).get("INSTRUME", "CAM") for rule in rules.classification)
    return {str(one) for one in itertools.chain(["CAM"], found)}
