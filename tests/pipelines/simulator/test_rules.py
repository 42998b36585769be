"""The rules of each instrument make of the planned nights the blocks that the plan expects."""

from datetime import date

import numpy as np
import pytest

from pipelines.domain import oca
from pipelines.recipes.native.cards import Header
from pipelines.simulator.frames import frames_of, images_of
from pipelines.simulator.nights import demo_nights
from tests.pipelines.simulator.observatory import INSTRUMENTS, RECIPES

NAMES = ("CCDCAM", "UVES", "MUSE")


def keywords(frame):
    """Give a frame's primary header as rules see it, without making its pixels."""
    primary = images_of(frame, lambda _, chip: np.empty(chip.shape, np.uint16))[0]
    return {
        k.removeprefix("ESO ").replace(" ", "."): v for k, v in Header(primary.cards).values.items()
    }


@pytest.fixture(scope="module")
def templates():
    return [t for night in demo_nights(date(2026, 1, 1)) for t in night.templates]


@pytest.fixture(scope="module", params=NAMES)
def night(request, templates):
    """One instrument: its rules, its templates by start, its classified frames, its cascade."""
    rules = oca.parse((INSTRUMENTS / request.param.lower() / "rules.oca").read_text())
    mine = [t for t in templates if t.instrument == request.param]
    frames = [
        oca.Frame(frame.name, oca.classify(rules, keywords(frame)).keywords)
        for template in mine
        for frame in frames_of(template)
    ]
    # As the house does: science is not processed, so it makes no block.
    calibrations = [f for f in frames if f.keywords.get("RAW.TYPE") != "SCIENCE"]
    groups = oca.organise(rules, calibrations)
    cascade = oca.cascade(rules, groups, [oca.Candidate.of(f) for f in frames])
    return rules, {t.tpl_start: t for t in mine}, frames, cascade


def template_of(block, templates):
    return templates[block.group.reference.keywords["TPL.START"]]


def test_every_frame_is_classified_as_what_it_is(night):
    _, templates, frames, _ = night

    for frame in frames:
        expected = templates[frame.keywords["TPL.START"]].raw_type
        assert frame.keywords.get("RAW.TYPE", "") == expected
        assert frame.keywords.get("DO.CATG", "") == expected


def test_every_template_that_should_is_one_block(night):
    _, templates, _, cascade = night
    blocks = sorted(template_of(block, templates).tpl_start for block in cascade.blocks)

    assert blocks == sorted(start for start, t in templates.items() if t.expectation)
    for block in cascade.blocks:
        assert len(block.group.frames) == template_of(block, templates).n_frames


def test_a_block_is_complete_when_it_should_be(night):
    _, templates, _, cascade = night

    for block in cascade.blocks:
        is_complete = block.is_complete and not block.group.is_too_small
        expected = template_of(block, templates).expectation.completeness == "COMPLETE"
        assert is_complete == expected, block.reasons


def test_a_dark_and_a_flat_take_the_bias_of_their_own_night_and_set_up(night):
    _, templates, _, cascade = night
    used = 0
    for block in cascade.blocks:
        template = template_of(block, templates)
        sources = [template_of(cascade.blocks[i], templates) for i in block.producers]
        if template.kind == "BIAS" or template.expectation.completeness == "INCOMPLETE":
            continue
        (bias,) = sources
        used += 1
        assert (bias.kind, bias.arm, bias.read_mode, bias.binning, bias.start.date()) == (
            "BIAS",
            template.arm,
            template.read_mode,
            template.binning,
            template.start.date(),
        )
    assert used >= 3


def test_a_block_runs_the_recipe_of_its_kind(night):
    rules, templates, _, cascade = night

    for block in cascade.blocks:
        template = template_of(block, templates)
        (recipe,) = rules.actions[block.group.action].recipes
        assert recipe.name == RECIPES[template.instrument, template.kind]


def test_the_rules_are_clean(night):
    rules, _, _, _ = night

    assert [str(warning) for warning in oca.lint(rules)] == []
