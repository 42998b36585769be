"""The rule files that ESO's pipelines install are read as they are; none is copied here."""

from pathlib import Path

import pytest

from pipelines.domain.oca import OcaSyntaxError, classify, lint, organise, parse, print_rules
from pipelines.domain.oca.frames import Frame
from tests.conftest import cannot_run

SHIPPED = {
    path.name: path for path in Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.oca")
}
# Rules, selects, actions and slips of each file, as Debian 12 ships it.
COUNTS = {
    "amber.oca": (35, 14, 4, 0),
    "giraf.oca": (37, 7, 7, 0),
    "hawki.oca": (77, 11, 8, 2),
    "muse.oca": (47, 12, 16, 5),
    "naco.oca": (50, 21, 13, 0),
    "uves.oca": (394, 49, 38, 10),
    "vimos.oca": (84, 21, 20, 2),
    "visir.oca": (75, 39, 14, 0),
}
# DPR.TYPE and DPR.TECH of a calibration, the tag it gets, the recipe of its group.
CALIBRATIONS = {
    "amber.oca": ("2P2V", "INTERFEROMETRY", "AMBER_2P2V", "amber_p2vm"),
    "giraf.oca": ("BIAS", "IMAGE", "BIAS", "gimasterbias"),
    "hawki.oca": ("DARK", "IMAGE", "DARK", "hawki_dark_combine"),
    "muse.oca": ("BIAS", "IFU", "BIAS", "muse_bias"),
    "naco.oca": ("DARK", "IMAGE", "CAL_DARK", "naco_img_dark"),
    "uves.oca": ("BIAS", "ECHELLE", "BIAS_BLUE", "uves_cal_mkmaster"),
    "vimos.oca": ("BIAS", "IMAGE", "BIAS", "vmbias"),
    "visir.oca": ("DARK", "IMAGE", "IM_CAL_DARK", "visir_img_dark"),
}


@pytest.fixture(params=sorted(COUNTS))
def name(request):
    if request.param not in SHIPPED:
        cannot_run(f"{request.param} is not installed: see cpl-plugin-* in packages.txt")
    return request.param


@pytest.fixture
def text(name):
    return SHIPPED[name].read_text(encoding="latin-1")


def test_no_installed_rule_file_is_left_out():
    assert set(SHIPPED) <= set(COUNTS)


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


def test_it_holds_what_was_counted_and_is_linted(name, text):
    rules = parse(text)
    counts = (len(rules.classification), len(rules.selects), len(rules.action_rules))
    assert (*counts, len(lint(rules))) == COUNTS[name]


def test_a_calibration_is_classified_and_finds_its_recipe(name, text):
    rules = parse(text)
    dpr_type, dpr_tech, tag, recipe = CALIBRATIONS[name]
    header = {
        "DPR.CATG": "CALIB",
        "DPR.TYPE": dpr_type,
        "DPR.TECH": dpr_tech,
        "DET.CHIPS": 1,
        "INSTRUME": name.removesuffix(".oca").upper(),
        "TPL.START": "2015-02-27T10:46:39",
        "TPL.NEXP": 5,
    }
    frames = []
    for n in range(5):
        seen = classify(rules, {**header, "TPL.EXPNO": n + 1, "MJD-OBS": 57080.4 + n / 1440})
        assert seen.tag == tag, seen
        frames.append(Frame(n, seen.keywords))
    [group] = organise(rules, frames)
    assert (len(group.frames), group.label, group.awaited) == (5, "TPL_A", 0)
    assert [one.name for one in rules.actions[group.action].recipes] == [recipe]


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
