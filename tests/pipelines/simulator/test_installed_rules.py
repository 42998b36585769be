"""The planned nights organise to the same blocks under the rules that ESO installs as under ours."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.domain import oca
from pipelines.simulator.frames import frames_of
from pipelines.simulator.nights import demo_nights
from tests.conftest import cannot_run
from tests.pipelines.simulator.observatory import INSTRUMENTS
from tests.pipelines.simulator.test_rules import keywords

# Our action -> recipe of ours, recipe of ESO's rules. For the bias of UVES theirs name the recipe
# that makes any master; ours the one that makes a bias and nothing else.
RECIPES = {
    "UVES": {
        "UVES_BIAS_BLUE": ("uves_cal_mbias", "uves_cal_mkmaster"),
        "UVES_BIAS_RED": ("uves_cal_mbias", "uves_cal_mkmaster"),
        "UVES_DARK_BLUE": ("uves_cal_mdark", "uves_cal_mdark"),
        "UVES_DARK_RED": ("uves_cal_mdark", "uves_cal_mdark"),
    },
    "MUSE": {
        "MUSE_BIAS": ("muse_bias", "muse_bias"),
        "MUSE_DARK": ("muse_dark", "muse_dark"),
    },
}
# Frames and blocks of the three nights.
NIGHTS = {"UVES": (63, 15), "MUSE": (24, 6)}


@pytest.fixture(scope="module")
def templates():
    return [t for night in demo_nights(date(2026, 1, 1)) for t in night.templates]


def installed(instrument):
    name = instrument.lower()
    found = list(Path("/usr/share/cpl-plugins").glob(f"{name}-*/gasgano/config/{name}.oca"))
    if not found:
        cannot_run(f"cpl-plugin-{name} is not installed: see packages.txt")
    return found[0]


def blocks(rules_file, headers):
    """Return the raw files of each block, with its action and its recipes."""
    rules = oca.parse(rules_file.read_text(encoding="latin-1"))
    frames = [oca.Frame(n, oca.classify(rules, header).keywords) for n, header in headers.items()]
    groups = oca.organise(rules, frames)
    assert not any(group.is_too_small or group.awaited for group in groups)
    found = {
        tuple(sorted(str(frame.id) for frame in group.frames)): (
            group.action,
            [one.name for one in rules.actions[group.action].recipes],
        )
        for group in groups
    }
    assert len(found) == len(groups)
    return found


@pytest.mark.parametrize("instrument", sorted(NIGHTS))
def test_the_blocks_are_the_same(instrument, templates):
    headers = {
        frame.name: keywords(frame)
        for template in templates
        if template.instrument == instrument
        for frame in frames_of(template)
    }
    ours = blocks(INSTRUMENTS / instrument.lower() / "rules.oca", headers)
    theirs = blocks(installed(instrument), headers)
    assert (len(headers), len(ours)) == NIGHTS[instrument]
    assert set(theirs) == set(ours)
    for files, (action, recipes) in ours.items():
        assert (recipes, theirs[files][1]) == tuple([one] for one in RECIPES[instrument][action])
