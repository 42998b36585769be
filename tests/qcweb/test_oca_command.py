"""`manage.py oca`: rules looked at, and what they make of frames."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.frames import BIAS, DARK, FLAT, taken

RULES = Path(__file__).resolve().parents[2] / "qcweb/instruments/ccdcam/rules.oca"
ESO = sorted(Path("/usr/share/cpl-plugins").glob("*/gasgano/config/*.oca"))


def oca(*words):
    """Run the command; return exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("oca", *map(str, words), stdout=out, stderr=err)
    except SystemExit as ended:
        return ended.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_it_counts_what_a_rule_file_holds():
    assert oca("check", RULES) == (0, f"{RULES}: 5 rules, 4 selects, 4 actions, 0 warnings\n", "")


def test_a_broken_file_is_refused_with_its_place_and_the_others_go_on(tmp_path):
    broken = tmp_path / "broken.oca"
    broken.write_text('if A=="B" and and C=="D" then { E="F"; }\n')
    status, out, _ = oca("check", broken, RULES)
    first, second = out.splitlines()
    assert status == 1
    assert first.startswith(f"{broken}:1:15: ")
    assert second.startswith(f"{RULES}: 5 rules")


def test_a_missing_file_is_an_error():
    status, out, _ = oca("check", "/nowhere.oca")
    assert (status, out) == (1, "/nowhere.oca: No such file or directory\n")


def test_json_gives_the_same(tmp_path):
    broken = tmp_path / "broken.oca"
    broken.write_text("select")
    status, out, _ = oca("check", "--json", RULES, broken)
    good, bad = json.loads(out)
    assert status == 1
    assert (good["rules"], good["selects"], good["actions"], good["warnings"]) == (5, 4, 4, [])
    assert bad["error"]["line"] == 1


def test_warnings_are_messages(tmp_path):
    odd = tmp_path / "odd.oca"
    odd.write_text('select execute(NOBODY) from inputFiles where A=="B";\n')
    status, out, err = oca("check", odd)
    assert (status, out.strip()) == (0, f"{odd}: 0 rules, 1 selects, 0 actions, 1 warnings")
    assert err.startswith(f"{odd}:1: ")


def test_it_says_what_fired_for_each_frame(tmp_path):
    taken(tmp_path, BIAS)
    status, out, _ = oca("classify", "--rules", RULES, tmp_path)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (status, len(lines)) == (0, 3)
    assert lines[0]["keywords"]["RAW.TYPE"] == "BIAS"
    assert len(lines[0]["fired"]) == 1


def test_a_file_that_is_no_frame_is_told_apart(tmp_path):
    taken(tmp_path, BIAS)
    (tmp_path / "bad.fits").write_text("no")
    status, out, err = oca("classify", "--rules", RULES, tmp_path)
    assert (status, len(out.splitlines())) == (1, 3)
    assert "bad.fits: This is not a FITS file." in err


def test_it_makes_blocks_with_their_cascade(tmp_path):
    taken(tmp_path, BIAS, DARK, FLAT)
    status, out, _ = oca("organise", "--rules", RULES, tmp_path)
    blocks = {block["recipe"]: block for block in json.loads(out)["blocks"]}
    assert status == 0
    assert {name: block["order"] == 0 for name, block in blocks.items()} == {
        "hcm_bias": True,
        "hcm_dark": False,
        "hcm_flat": False,
    }
    dark = blocks["hcm_dark"]
    assert dark["completeness"] == "COMPLETE"
    assert dark["associations"][0]["chosen"][0]["block"] == blocks["hcm_bias"]["index"]
    assert [raw["tag"] for raw in dark["raw"]] == ["DARK"] * 3
    assert dark["night"] == "2026-03-01"


def test_without_its_bias_a_dark_says_why_it_is_incomplete(tmp_path):
    taken(tmp_path, DARK)
    _, out, _ = oca("organise", "--rules", RULES, tmp_path)
    (block,) = json.loads(out)["blocks"]
    assert (block["completeness"], block["reasons"]) == ("INCOMPLETE", ["MASTER_BIAS 0 of 1"])


def test_rules_that_do_not_parse_are_said_with_their_place(tmp_path):
    broken = tmp_path / "broken.oca"
    broken.write_text("nonsense")
    with pytest.raises(CommandError, match=r"broken\.oca:1:1: "):
        oca("organise", "--rules", broken, tmp_path)


@pytest.mark.needs("esorex")
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("uves.oca", "394 rules, 49 selects, 38 actions"),
        ("muse.oca", "47 rules, 12 selects, 16 actions"),
    ],
)
def test_the_rules_that_eso_ships_are_read(name, counts):
    (path,) = [path for path in ESO if path.name == name]
    status, out, _ = oca("check", path)
    assert status == 0
    assert out.startswith(f"{path}: {counts}, ")
