"""The rule files that ESO's pipelines install are read as they are; none is copied here."""

from pathlib import Path

import pytest

from pipelines.domain.oca import OcaSyntaxError, classify, organise, parse, print_rules
from pipelines.domain.oca.frames import Frame
from tests.conftest import cannot_run

SHIPPED = sorted(Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.oca"))
NONE_INSTALLED = "no ESO pipeline is installed: no /usr/share/cpl-plugins/*/gasgano/config/*.oca"


def rule_texts():
    return [pytest.param(path, id=path.name) for path in SHIPPED] or [None]


@pytest.fixture(params=rule_texts())
def text(request):
    path = request.param
    if isinstance(path, str):
        path = next((one for one in SHIPPED if one.name == path), None)
    if path is None:
        cannot_run(NONE_INSTALLED)
    return path.read_text(encoding="latin-1")


def test_it_parses_and_goes_round(text):
    rules = parse(text)
    printed = print_rules(rules)
    assert parse(printed) == rules
    assert print_rules(parse(printed)) == printed
    assert rules.classification
    assert rules.selects
    assert rules.actions


def test_every_statement_of_the_text_is_in_the_tree(text):
    rules = parse(text)
    plain = "\n".join(line.split("//")[0] for line in text.splitlines())
    assert len(rules.selects) == plain.count("execute")
    assert sum(len(action.files) for action in rules.actions.values()) == plain.count("file as")
    assert len(rules.action_rules) == sum(
        line.split()[:1] == ["action"] for line in plain.splitlines()
    )


@pytest.mark.parametrize("text", ["muse.oca", "uves.oca"], indirect=True)
def test_a_bias_is_classified_and_finds_its_recipe(text):
    rules = parse(text)
    header = {
        "DPR.CATG": "CALIB",
        "DPR.TYPE": "BIAS",
        "DPR.TECH": "IFU" if "muse" in text else "ECHELLE",
        "DET.CHIPS": 1,
        "INSTRUME": "MUSE" if "muse" in text else "UVES",
        "TPL.START": "2015-02-27T10:46:39",
        "TPL.NEXP": 5,
    }
    frames = []
    for n in range(5):
        seen = classify(rules, {**header, "TPL.EXPNO": n + 1, "MJD-OBS": 57080.4 + n / 1440})
        assert "BIAS" in (seen.tag or ""), seen
        frames.append(Frame(n, seen.keywords))
    [group] = [g for g in organise(rules, frames) if "BIAS" in g.action.upper()]
    assert (len(group.frames), group.label, group.awaited) == (5, "TPL_A", 0)
    assert rules.actions[group.action].recipes


def outcome(text):
    try:
        return parse(text)
    except OcaSyntaxError as error:
        return error


def test_a_file_cut_short_is_an_error_with_a_place_or_a_shorter_file(text):
    for cut in range(0, len(text), max(1, len(text) // 20)):
        result = outcome(text[:cut])
        if isinstance(result, OcaSyntaxError):
            assert 1 <= result.line <= text.count("\n") + 1
            assert result.column >= 1
