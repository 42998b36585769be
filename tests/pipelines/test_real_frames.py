"""Real frames of thirty years, and real headers: each is described, none stops the rest.

The frames are those of Debian's eso-midas-testdata; the headers are in ``tests/data``.
"""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from pipelines.domain import oca
from pipelines.fits import parse_keywords, read_fits
from tests.conftest import cannot_run

PLUGINS = Path("/usr/share/cpl-plugins")
MIDAS = Path("/usr/lib/eso-midas")
HEADERS = Path(__file__).resolve().parents[1] / "data" / "muse_headers"
SUFFIXES = {".fits", ".fit", ".tfits", ".mt", ".ffits"}
# The frames whose instrument has rules that are installed, and what these make of each.
CLASSES = {
    "VISIR.2004-09-30T03:17:49.095.fits": ("visir", {"DO.CATG": "ACQ_OBS_CHO_NOD_JIT"}),
    "VISIR.2004-09-30T03c17c49.095.fits": ("visir", {"DO.CATG": "ACQ_OBS_CHO_NOD_JIT"}),
    "order.fits": ("uves", {"DO.CATG": "SCIENCE_BLUE"}),
    "xspectr.fits": ("uves", {"DO.CATG": "RED_SCIENCE_BLUE"}),
    # A dome flat with the DPR.TYPE "DOME,LAMP", which no rule knows.
    "vimos.fits": ("vimos", {}),
}
# Where an instrument has no rules of its own here, NACO's describe what both call alike.
BY_NACO = {
    "ISAAC.2006-04-13T06:32:38.944.fits": {"DO.CATG": "IM_JITTER_OBJ"},
    "HeAr_gr2_extr.fits": {"DO.CATG": "CAL_ARC_SPEC"},
    "3Dtable.tfits": {"DO.CATG": "STANDARD_EXTRACTED_LSS"},
}
# How many of the 56 files the rules of each instrument give a class.
CLASSIFIED = {
    "amber": 4,
    "giraf": 2,
    "hawki": 4,
    "muse": 2,
    "naco": 6,
    "uves": 4,
    "vimos": 0,
    "visir": 6,
}


@pytest.fixture(scope="module")
def frames():
    found = sorted(path for path in MIDAS.glob("*/test/**/*") if path.suffix in SUFFIXES)
    if not found:
        cannot_run("needs eso-midas-testdata: see packages.txt")
    return found


def rules_of(pipeline):
    found = list(PLUGINS.glob(f"{pipeline}-*/gasgano/config/{pipeline}.oca"))
    if not found:
        cannot_run(f"needs cpl-plugin-{pipeline}: see packages.txt")
    return found[0]


def described(pipeline, paths):
    """Run `oca classify`; return what it says of each file."""
    out, err = io.StringIO(), io.StringIO()
    words = ["--rules", str(rules_of(pipeline)), *map(str, paths)]
    call_command("oca", "classify", *words, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return {
        Path(said["file"]).name: said["keywords"]
        for said in map(json.loads, out.getvalue().splitlines())
    }


@pytest.mark.parametrize("pipeline", sorted(CLASSIFIED))
def test_every_file_is_described_by_every_installed_rule_file(frames, pipeline):
    said = described(pipeline, frames)
    assert len(said) == len(frames) == 56
    assert sum(bool(one) for one in said.values()) == CLASSIFIED[pipeline]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_frame_is_classified_by_the_rules_of_its_instrument(frames, name):
    pipeline, classes = CLASSES[name]
    (path,) = (path for path in frames if path.name == name)
    assert read_fits(path, {"INSTRUME"}).keywords["INSTRUME"] == pipeline.upper()
    assert described(pipeline, [path]) == {name: classes}


def test_a_table_without_keywords_of_its_own_is_of_no_class(frames):
    # The order table of UVES has all its keywords in the extension.
    (path,) = (path for path in frames if path.name == "order.tfits")
    assert "INSTRUME" not in read_fits(path, {"INSTRUME"}).keywords
    assert described("uves", [path]) == {"order.tfits": {}}


def test_frames_of_other_instruments_are_described_by_rules_that_speak_alike(frames):
    said = described("naco", [path for path in frames if path.name in BY_NACO])
    assert said == BY_NACO


def test_a_file_that_is_none_is_refused_with_a_reason_and_the_rest_goes_on(frames, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(frames[0].read_bytes()[:1000])
    out, err = io.StringIO(), io.StringIO()
    words = ["--rules", str(rules_of("visir")), str(broken), str(frames[0])]
    with pytest.raises(SystemExit):
        call_command("oca", "classify", *words, stdout=out, stderr=err)
    assert err.getvalue().startswith(f"{broken}: ")
    assert len(out.getvalue().splitlines()) == 1


def header(name):
    """Return the keywords of a real header of MUSE, a card a line."""
    text = (HEADERS / name).read_text(encoding="latin-1")
    cards = [line[:80].ljust(80).encode("latin-1") for line in text.split("\n") if line.strip()]
    return parse_keywords(cards, muse().keywords | {"INSTRUME", "EXTNAME", "TPL.ID"}), len(cards)


def muse():
    return oca.parse(rules_of("muse").read_text(encoding="latin-1"))


@pytest.mark.parametrize(
    ("name", "n_cards", "label"),
    [
        ("MUSE_DATACUBE_FINAL_20141208_primary.hdr", 1310, "DATACUBE_FINAL"),
        ("MUSE_cal_bias_20130606_primary.hdr", 768, "MASK_IMAGE"),
        ("MUSE_cal_bias_20130606_ext1.hdr", 262, "UNCLASSIFIED"),
    ],
)
def test_a_real_header_of_muse_is_read_and_classified(name, n_cards, label):
    keywords, n = header(name)
    seen = oca.classify(muse(), keywords)
    assert (n, seen.label) == (n_cards, label)
    assert seen.fired == ()


def test_a_real_header_of_a_muse_bias_is_one_once_it_says_so():
    keywords, _ = header("MUSE_cal_bias_20130606_primary.hdr")
    assert keywords["TPL.ID"] == "MUSE_cal_bias"
    raw = {key: value for key, value in keywords.items() if not key.startswith("PRO.")}
    words = {"DPR.CATG": "CALIB", "DPR.TYPE": "BIAS", "DPR.TECH": "IFU"}
    seen = oca.classify(muse(), raw | words)
    assert (seen.label, seen.raw_type) == ("BIAS", "BIAS")
    (group,) = oca.organise(muse(), [oca.Frame("bias", seen.keywords)])
    assert (group.action, group.awaited) == ("muse_bias", 10)
