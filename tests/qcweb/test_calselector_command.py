"""`manage.py calselector`: the real tree again from headers made to fit it, and registered frames."""

import datetime as dt
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from pipelines.domain.calselector import Mode, read_tree
from pipelines.domain.times import datetime_to_mjd
from pipelines.models import AssociationBlock, Flavour, RawFile
from pipelines.services.trees import tree_of
from tests.frames import BIAS, DARK, taken
from tests.pipelines.services.oca_site import MJD, Site

REAL = Path(__file__).parents[1] / "data" / "calselector" / "raw2raw.xml"
RULES = """
if DPR.TYPE=="SKY_FLAT_IMG" then { DO.CATG="SKY_FLAT_IMG"; }
if DPR.TYPE=="BIAS" then { DO.CATG="BIAS"; }
if DPR.TYPE=="STANDARD_IMG" then { DO.CATG="STANDARD_IMG"; }
if DPR.TYPE=="SCIENCE_IMG" then { DO.CATG="SCIENCE_IMG"; }
if PRO.CATG is string then { DO.CATG=PRO.CATG; }
select execute(SCI_IMG_2x2_low) from inputFiles where DO.CATG=="SCIENCE_IMG" group by ARCFILE;
select execute(STD_IMA) from inputFiles where DO.CATG=="STANDARD_IMG" group by ARCFILE;
select execute(FLAT_SKY) from inputFiles where DO.CATG=="SKY_FLAT_IMG" group by TPL.START as (TPL_A,tpl);
select execute(BIAS) from inputFiles where DO.CATG=="BIAS" group by TPL.START as (TPL_A,tpl);
action SCI_IMG_2x2_low {
    minRet=1; maxRet=1; select file as FLAT_SKY from calibFiles where PRO.CATG=="R_FLAT_SKY";
    minRet=1; maxRet=3; select file as STD_IMA from calibFiles where PRO.CATG=="R_STD_IMA";
    minRet=1; maxRet=1; select file as BIAS from calibFiles where PRO.CATG=="R_BIAS";
}
action STD_IMA {
    minRet=1; maxRet=1; select file as FLX_STD_IMG from calibFiles where PRO.CATG=="FLX_STD_IMG";
    minRet=1; maxRet=1; select file as PHOT_TABLE from calibFiles where PRO.CATG=="PHOT_TABLE";
    minRet=1; maxRet=1; select file as FLAT_SKY from calibFiles where PRO.CATG=="R_FLAT_SKY";
    minRet=1; maxRet=1; select file as BIAS from calibFiles where PRO.CATG=="R_BIAS";
    product STD { PRO.CATG="R_STD_IMA"; }
}
action FLAT_SKY {
    minRet=1; maxRet=1; select file as BIAS from calibFiles where PRO.CATG=="R_BIAS";
    product FLAT { PRO.CATG="R_FLAT_SKY"; }
}
action BIAS { product BIAS { PRO.CATG="R_BIAS"; } }
"""
LEVELS = "\n".join(
    f'[[associations]]\nlabel = "{label}"\nplan_days = [-{days}, {days}]'
    for label, days in (("FLAT_SKY", 14), ("STD_IMA", 1), ("BIAS", 7))
)


def run(*words):
    out, err = io.StringIO(), io.StringIO()
    call_command("calselector", *map(str, words), stdout=out, stderr=err)
    return out.getvalue()


def all_files(tree):
    yield from tree.files
    for one in tree.associated:
        yield from all_files(one)


def write_header(path, **cards):
    """Write a file that is a header alone."""
    lines = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]
    for key, value in cards.items():
        text = f"'{value}'" if isinstance(value, str) else repr(value)
        name = key.replace("_", " ")
        lines.append(f"{name} = {text}" if " " in name else f"{name:8}= {text}")
    header = "".join(f"{line:80}" for line in [*lines, "END"])
    path.write_text(f"{header:{-(-len(header) // 2880) * 2880}}")


@pytest.fixture
def synthetic(tmp_path):
    """Header-only files that have the classes and times of the real tree."""
    templates: dict[tuple[str, dt.date], str] = {}
    for file in sorted(set(all_files(read_tree(REAL.read_text()))), key=lambda one: one.name):
        start = dt.datetime.fromisoformat(file.name.rpartition("FORS2.")[2]).replace(tzinfo=dt.UTC)
        is_master = file.name.startswith("M.")
        template = templates.setdefault((file.category, start.date()), start.isoformat()[:19])
        kind = {"HIERARCH_ESO_PRO_CATG": file.category} if is_master else {
            "HIERARCH_ESO_DPR_TYPE": file.category, "HIERARCH_ESO_DPR_CATG": "CALIB",
            "HIERARCH_ESO_TPL_START": template,
        }  # fmt: skip
        write_header(
            tmp_path / f"{file.name.replace(':', '_')}.fits",
            INSTRUME="FORS2", ARCFILE=f"{file.name}.fits", **{"MJD-OBS": datetime_to_mjd(start)},
            **kind,
        )  # fmt: skip
    (tmp_path / "raw2raw.oca").write_text(RULES)
    (tmp_path / "levels.toml").write_text(LEVELS)
    return tmp_path


def test_the_real_tree_comes_again_from_headers_made_to_fit_it(synthetic):
    frame = synthetic / "FORS2.2021-01-02T00_59_12.533.fits"
    options = ("--rules", synthetic / "raw2raw.oca", "--levels", synthetic / "levels.toml")
    assert run(frame, "--xml", *options) == REAL.read_text()
    found = json.loads(run(frame, *options))
    assert (found["mode"], found["complete"]) == ("Raw2Raw", True)
    assert found["associated"][0]["match"] == "calib_plan"
    masters = json.loads(run(frame, "--mode", "raw2master", *options))
    assert [one["associated"] for one in masters["associated"]] == [[]] * 5
    assert masters["associated"][0]["main_files"][0]["category"] == "R_FLAT_SKY"


def test_a_tree_as_xml_is_read(tmp_path):
    assert run(REAL, "--xml") == REAL.read_text()
    assert json.loads(run(REAL))["category"] == "SCI_IMG_2x2_low"


def test_a_registered_frame_has_the_tree_of_its_block(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    frame = dark.block_frames.first().raw_file
    by_path, by_name = json.loads(run(frame.full_path)), json.loads(run(frame.name))
    assert by_path == by_name
    [bias] = by_path["associated"]
    assert (bias["category"], bias["match"], len(bias["main_files"])) == (
        "MASTER_BIAS", "calib_plan", 3,
    )  # fmt: skip
    assert not bias["certified"]
    master = json.loads(run(frame.name, "--mode", "raw2master"))["associated"][0]
    assert [one["category"] for one in master["main_files"]] == ["MASTER_BIAS"]


def test_an_incomplete_block_says_what_is_missing(take, tmp_path):
    take(taken(tmp_path, DARK))
    tree = json.loads(run(RawFile.objects.first().name))
    assert (tree["complete"], tree["messages"]) == (False, ["MASTER_BIAS 0 of 1"])


RAW2RAW = """
select execute(flat) from inputFiles where RAW.TYPE=="FLAT" group by MJD-OBS;
action flat { minRet=1; maxRet=1; select file as BIAS from rawFiles
  where RAW.TYPE=="BIAS" and inputFile.CHIP==CHIP; }
"""


def test_two_frames_of_one_name_have_trees_of_their_own(db, tmp_path):
    site = Site(tmp_path, "")
    site.put_rules(RAW2RAW, flavour=Flavour.RAW2RAW)
    for n, chip in enumerate(["RED", "BLUE"]):
        site.put("BIAS", MJD + n / 10, CHIP=chip)
        site.put("FLAT", MJD + 0.01 + n / 10, CHIP=chip)
    site.take()
    RawFile.objects.filter(raw_type="FLAT").update(name="TWICE.fits")
    biases = RawFile.objects.filter(raw_type="BIAS").order_by("mjd_obs")
    flats = RawFile.objects.filter(raw_type="FLAT").order_by("mjd_obs")
    for frame, bias in zip(flats, biases, strict=True):
        assert frame.keywords["CHIP"] == bias.keywords["CHIP"]
        [found] = tree_of(frame, Mode.RAW2RAW).associated
        assert [one.name for one in found.files] == [bias.name.removesuffix(".fits")]


@pytest.mark.parametrize("file", ["nowhere.fits", "/nowhere/else.xml"])
def test_what_is_not_there_is_said(db, file):
    with pytest.raises(CommandError, match=r"(?i)no such"):
        run(file)


SERIES = """
select execute(dark) from inputFiles where TYPE=="DARK";
action dark { minRet=0; maxRet=1;
  select file as D from calibFiles where PRO.CATG=="DARK" and MJD-OBS<inputFile.MJD-OBS;
  product D { PRO.CATG="DARK"; } }
"""


@pytest.mark.parametrize("mode", ["raw2raw", "raw2master"])
def test_a_series_without_end_is_no_tree_and_no_crash(tmp_path, mode):
    for n in range(1100):
        write_header(tmp_path / f"{n:04}.fits", TYPE="DARK", **{"MJD-OBS": 57000.0 + n})
    (tmp_path / "series.oca").write_text(SERIES)
    words = ("--rules", tmp_path / "series.oca", "--mode", mode, tmp_path / "1099.fits")
    with pytest.raises(CommandError, match="goes on for more than 60 steps"):
        run(*words)


def test_rules_that_the_settings_refuse_are_said(tmp_path):
    write_header(tmp_path / "1.fits", TYPE="DARK", **{"MJD-OBS": 57000.0})
    rules = tmp_path / "events.oca"
    rules.write_text("select execute(a) from inputFiles where SIG.FRAME==1; action a { }")
    with pytest.raises(CommandError, match=r"events\.oca:1: a is started by events"):
        run("--rules", rules, "--set", "events=refuse", tmp_path / "1.fits")
