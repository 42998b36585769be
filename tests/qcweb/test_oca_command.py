"""`manage.py oca`: rules looked at, and what they make of frames."""

import io
import json
import os
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
    assert oca("check", RULES) == (0, f"{RULES}: 8 rules, 7 selects, 7 actions, 0 warnings\n", "")


def test_a_broken_file_is_refused_with_its_place_and_the_others_go_on(tmp_path):
    broken = tmp_path / "broken.oca"
    broken.write_text('if A=="B" and and C=="D" then { E="F"; }\n')
    status, out, _ = oca("check", broken, RULES)
    first, second = out.splitlines()
    assert status == 1
    assert first.startswith(f"{broken}:1:15: ")
    assert second.startswith(f"{RULES}: 8 rules")


def test_a_missing_file_is_an_error():
    status, out, _ = oca("check", "/nowhere.oca")
    assert (status, out) == (1, "/nowhere.oca: No such file or directory\n")


def test_json_gives_the_same(tmp_path):
    broken = tmp_path / "broken.oca"
    broken.write_text("select")
    status, out, _ = oca("check", "--json", RULES, broken)
    good, bad = json.loads(out)
    assert status == 1
    assert (good["rules"], good["selects"], good["actions"], good["warnings"]) == (8, 7, 7, [])
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


TAGGED = 'if INSTRUME=="CCDCAM" then { RAW.TYPE="ANY"; }\n'
EACH = (
    TAGGED + 'select execute(a) from inputFiles where RAW.TYPE=="ANY" %s;\naction a { recipe r; }\n'
)


@pytest.fixture
def rules_file(tmp_path):
    path = tmp_path / "rules.oca"
    path.write_text(EACH % "")
    return path


@pytest.fixture
def frames_at(tmp_path):
    """Write empty frames, each with a date as it stands in its header."""

    def write(*dates):
        directory = tmp_path / "frames"
        directory.mkdir()
        for n, mjd in enumerate(dates):
            cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "INSTRUME= 'CCDCAM'"]
            cards += [f"MJD-OBS = {mjd}", "END"]
            text = "".join(f"{card:<80}" for card in cards)
            (directory / f"{n}.fits").write_text(f"{text:<2880}")
        return directory

    return write


def test_a_date_beyond_the_calendar_is_no_reason_to_stop(rules_file, frames_at):
    directory = frames_at("1E10", "-1E7", "1E999", "57080.5")
    status, out, _ = oca("organise", "--rules", rules_file, directory)
    blocks = json.loads(out)["blocks"]
    nights = {Path(block["raw"][0]["file"]).name: block["night"] for block in blocks}
    assert status == 0
    assert nights == {"0.fits": None, "1.fits": None, "2.fits": None, "3.fits": "2015-02-26"}


def test_a_frame_with_a_raw_type_alone_is_classified_and_tagged_by_it(rules_file, frames_at):
    _, out, _ = oca("organise", "--rules", rules_file, frames_at("57080.5"))
    report = json.loads(out)
    assert report["unclassified"] == []
    assert [raw["tag"] for raw in report["blocks"][0]["raw"]] == ["ANY"]


def test_classify_heeds_its_settings(tmp_path, frames_at):
    rules = tmp_path / "unequal.oca"
    rules.write_text('if INS.MODE!="WIDE" then { RAW.TYPE="NARROW"; }')
    directory = frames_at("57080.5")
    fired = []
    for choice in ("true", "false"):
        words = ("--set", f"undefined_is_unequal={choice}", directory)
        _, out, _ = oca("classify", "--rules", rules, *words)
        fired.append(json.loads(out)["fired"])
    assert fired == [[1], []]


def test_rules_that_the_settings_refuse_are_said_with_their_line(tmp_path, frames_at):
    rules = tmp_path / "events.oca"
    rules.write_text(EACH % "and SIG.FRAME==1")
    with pytest.raises(CommandError, match=r"events\.oca:2: a is started by events"):
        oca("organise", "--rules", rules, "--set", "events=refuse", frames_at("57080.5"))


def test_levels_that_are_no_text_are_said(rules_file, frames_at, tmp_path):
    levels = tmp_path / "levels.toml"
    levels.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match=r"levels\.toml: byte 0 is not UTF-8"):
        oca("organise", "--rules", rules_file, "--levels", levels, frames_at("57080.5"))


def test_an_unfinished_template_says_how_many_frames_it_awaits(tmp_path):
    taken(tmp_path, BIAS)
    max(tmp_path.glob("*.fits")).unlink()
    _, out, _ = oca("organise", "--rules", RULES, tmp_path)
    assert [block["awaited"] for block in json.loads(out)["blocks"]] == [1]


def test_what_is_no_rule_file_is_said_and_the_others_go_on(tmp_path):
    files = {
        "bytes.oca": bytes(range(256)),
        "nul.oca": b'if A=="X" then { B=\0; }',
        "nested.oca": b"if " + b"(" * 100_000 + b"A" + b")" * 100_000 + b" then {}",
        "slow.oca": b'if A regexp "(a+)+$" then { B=1; }',
        "empty.oca": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    names = [tmp_path / name for name in files]
    status, out, _ = oca("check", tmp_path, *names)
    assert status == 1
    assert [line.removeprefix(str(tmp_path))[:18] for line in out.splitlines()] == [
        ": Is a directory",
        "/bytes.oca:1:1: ex",
        "/nul.oca:1:20: exp",
        "/nested.oca:1:44: ",
        "/slow.oca:1:13: ex",
        "/empty.oca: 0 rule",
    ]


def test_a_name_that_no_terminal_takes_is_escaped_and_keeps_to_its_line(tmp_path):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    for name in (b"\xff.oca", b"two\nlines.oca"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_text("")
        call_command("oca", "check", str(path), stdout=out)
    out.seek(0)
    lines = [line.removeprefix(f"{tmp_path}/") for line in out.read().splitlines()]
    assert lines == [
        r"\udcff.oca: 0 rules, 0 selects, 0 actions, 0 warnings",
        r"two\nlines.oca: 0 rules, 0 selects, 0 actions, 0 warnings",
    ]
