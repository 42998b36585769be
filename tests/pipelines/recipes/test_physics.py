"""ESO's recipes run to success on simulated frames, and their QC follows what was put in."""

import re
from pathlib import Path
from statistics import fmean

import pytest

from tests.pipelines.recipes.laboratory import CHANGES, STUDIES, Laboratory, truth_for
from tests.pipelines.recipes.physics_table import ROWS, Row, expected_of

pytestmark = pytest.mark.needs("esorex")

DOCS = Path(__file__).parents[3] / "docs" / "recipes.md"


def _param(row: Row):
    study = STUDIES[row.study]
    marks = [pytest.mark.xdist_group(study.pipeline)]
    if study.is_full:
        marks.append(pytest.mark.full)
    detector = "" if row.chip is None else f" of {row.chip}"
    name = f"{row.study}: {row.keyword}{detector} with {row.change} {row.kind}"
    return pytest.param(row, id=name, marks=marks)


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    return Laboratory(tmp_path_factory.mktemp("laboratory"))


@pytest.mark.parametrize("row", [_param(row) for row in ROWS])
def test_a_recipes_numbers_follow_the_physics_of_the_frames(laboratory, row):
    values = laboratory.measured(row.study, row.change)[row.keyword]
    before = laboratory.measured(row.study)[row.keyword]
    truths = truth_for(STUDIES[row.study], "nothing" if row.kind == "times" else row.change)
    wanted = expected_of(row, truths, len(values))
    if row.kind == "times":
        assert fmean(values) / fmean(before) == pytest.approx(wanted[0], rel=row.tolerance)
    elif row.kind == "plus":
        assert fmean(values) - fmean(before) == pytest.approx(wanted[0], abs=row.tolerance)
    elif row.is_relative:
        assert values == pytest.approx(wanted, rel=row.tolerance)
    else:
        assert values == pytest.approx(wanted, abs=row.tolerance)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[
                pytest.mark.xdist_group(study.pipeline),
                *([pytest.mark.full] if study.is_full else []),
            ],
        )
        for name, study in STUDIES.items()
    ],
)
def test_a_recipe_succeeds_without_a_doubt(laboratory, name):
    outcome = laboratory.run(name)
    assert (outcome.succeeded, outcome.reason) == (True, "")


def test_no_change_is_without_a_row():
    assert {row.change for row in ROWS} == set(CHANGES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.study} {row.keyword} {row.change}")
def test_the_docs_say_what_is_checked(row):
    text = DOCS.read_text(encoding="utf-8")
    section = text.partition("## What is checked")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith(f"| {row.study.split()[0]} ")]
    numbered = re.sub(r"(CHIP|MASTER|LEVEL|OUT|RON|SLICE)\d+", r"\1n", row.keyword)
    assert any(f"`{numbered}`" in line for line in lines), numbered
