"""A folder with a mistake is refused whole, with file and line; the others are loaded."""

import io
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from pipelines.models import Instrument, RawType, RuleSet
from qcweb.instrument_folders import FILES
from trending.models import QC1Parameter, QC1Table, Report, ScoreRule

pytestmark = pytest.mark.django_db

SHIPPED = settings.BASE_DIR / "qcweb" / "instruments"
OTHER = {"CCDCAM": "OTHER", "ccdcam_": "other_"}


@pytest.fixture
def folder(tmp_path):
    """A copy of a shipped folder, to be spoilt, beside another one that stays good."""
    copy = shutil.copytree(SHIPPED / "ccdcam", tmp_path / "folders" / "ccdcam")
    other = shutil.copytree(SHIPPED / "ccdcam", tmp_path / "folders" / "other")
    for path in other.iterdir():
        text = path.read_text()
        for old, new in OTHER.items():
            text = text.replace(old, new)
        path.write_text(text)
    return copy


def load(*words):
    """Run the command; return what it wrote, what it complained of, and its last words."""
    out, err = io.StringIO(), io.StringIO()
    last = ""
    try:
        call_command("load_instruments", *map(str, words), stdout=out, stderr=err)
    except CommandError as error:
        last = str(error) if error.returncode == 1 else f"ended with {error.returncode}"
    return out.getvalue(), err.getvalue(), last


def everything():
    """Return what a folder writes, to be compared before and after."""
    of_one = {"instrument__name": "CCDCAM"}
    return [
        list(Instrument.objects.filter(name="CCDCAM").order_by("pk").values()),
        list(RawType.objects.filter(**of_one).order_by("pk").values()),
        list(RuleSet.objects.filter(**of_one).order_by("pk").values()),
        list(QC1Table.objects.filter(**of_one).order_by("pk").values()),
        list(QC1Parameter.objects.filter(table__instrument__name="CCDCAM").order_by("pk").values()),
        list(
            ScoreRule.objects.filter(parameter__table__instrument__name="CCDCAM")
            .order_by("pk")
            .values()
        ),
        list(Report.objects.filter(**of_one).order_by("pk").values()),
    ]


def spoil(path, old, new):
    """Change the first place of a text; return its line."""
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


MISTAKES = [
    # file, what stands there, what is put in its place, lines further down, message
    ("instrument.toml", 'name = "CCDCAM"', 'name = CCDCAM', 0, "Invalid value"),
    ("instrument.toml", 'name = "CCDCAM"', 'name = "ccdcam"', 0, "name = 'ccdcam': expected capital letters and digits"),
    ("instrument.toml", 'name = "CCDCAM"', f'name = "{"C" * 33}"', 0, "name is longer than 32 characters"),
    ("instrument.toml", 'title = "Generic CCD imager"', 'title = ""', 0, "title is empty"),
    ("instrument.toml", 'title = "Generic CCD imager"', 'title = "a\\u0000b"', 0, "title holds a control character"),
    ("instrument.toml", 'title = "Generic CCD imager"', f'title = "{"x" * 201}"', 0, "title is longer than 200 characters"),
    ("instrument.toml", 'runner = "native"', 'runner = "gasgano"', 0, "runner = 'gasgano': known are esorex, native"),
    ("instrument.toml", 'runner = "native"', 'runer = "native"', None, "runner is missing"),
    ("instrument.toml", "simulated = true", "simulated = 1", 0, "simulated = 1: expected true or false"),
    ("instrument.toml", "night_rollover_hour = 21", "night_rollover_hour = 24", 0, "night_rollover_hour = 24: expected 0 to 23"),
    ("instrument.toml", "night_rollover_hour = 21", "night_rollover_hour = nan", 0, "night_rollover_hour = nan: expected 0 to 23"),
    ("instrument.toml", "night_rollover_hour = 21", "night_rollover_hour = true", 0, "night_rollover_hour = True: expected a number"),
    ("instrument.toml", "night_rollover_hour = 21", "rollover = 21", 0, "rollover is not known here; known are "),
    ("instrument.toml", "timeout_s = 120", "timeout_s = 0", 0, "timeout_s = 0: expected 1 to 86400"),
    ("instrument.toml", "timeout_s = 120", f"timeout_s = {'9' * 400}", 0, "expected 1 to 86400"),
    ("instrument.toml", "timeout_s = 120", f"timeout_s = {'9' * 5000}", None, "Exceeds the limit"),
    ("instrument.toml", "memory_mb = 2000", 'memory_mb = "2 GB"', 0, "memory_mb = '2 GB': expected a number"),
    ("instrument.toml", 'products = ["MASTER_BIAS"]', "products = [1]", 0, "products: expected texts in quotes"),
    ("instrument.toml", "[recipes.hcm_bias]", "[recipes]\nhcm_bias = 1\n[recipes.x]", 0, "recipes: expected sections [recipes.NAME]"),
    ("instrument.toml", 'instrume = ["CCDCAM"]', "instrume = []", 0, "instrume is empty"),
    ("instrument.toml", 'certification = "NONZERO"', 'certification = "SOME"', 0, "certification = 'SOME': known are ALL, NONZERO, RANDOM"),
    ("instrument.toml", 'runner = "native"', 'runner = "native"\nrules = "gone.oca"', 1, "rules = 'gone.oca': there is no such file. Was the pipeline updated or removed?"),
    ("instrument.toml", 'runner = "native"', 'runner = "native"\nrules = "."', 1, "rules = '.': there is no such file."),
    ("instrument.toml", 'runner = "native"', 'runner = "native"\nrules = ["rules.oca"]', 1, "rules = ['rules.oca']: expected a text in quotes"),
    ("instrument.toml", 'products = ["MASTER_BIAS"]', 'products = ["MASTER_BIAS"]\ntags = "X"', 1, "tags = 'X': expected a table"),
    ("instrument.toml", 'products = ["MASTER_BIAS"]', 'products = ["MASTER_BIAS"]\n[[recipes.hcm_bias.parameters]]\nname = "n"\ntype = "int"\ndefault = "many"', 4, "default = 'many': expected a value of type int"),
    ("rules.oca", 'RAW.TYPE = "BIAS";', 'RAW.TYPE = "BIAS"', 1, ":5: expected ';', found 'DO.CATG'"),
    ("rules.oca", "minRet = 3;", "minRet = three;", 0, "expected"),
    ("rules.oca", 'RAW.TYPE = "BIAS";', 'RAW.TYPE = "BIAS;', 0, "expected"),
    ("rules.oca", 'RAW.TYPE = "BIAS";', 'RAW.TYPE = "BI\0AS";', 0, "it holds a NUL"),
    ("rules.oca", "action CCDCAM_BIAS\n", f"action {'A' * 65}\n", 0, "is longer than 64 characters"),
    ("rules.oca", "execute(CCDCAM_BIAS)", f"execute({'A' * 65})", 0, "is longer than 64 characters"),
    ("rules.oca", "recipe hcm_bias {", f"recipe {'r' * 65} {{", 0, "is longer than 64 characters"),
    ("rules.oca", "product MASTER_BIAS {", f"product {'P' * 65} {{", 0, "is longer than 64 characters"),
    ("rules.oca", "select file as MASTER_BIAS from", f"select file as {'M' * 65} from", 0, "is longer than 64 characters"),
    ("qc1.toml", 'type = "float"', 'type = "double"', 0, "type = 'double': known are flag, float, text"),
    ("qc1.toml", 'name = "bias_level"', 'name = "Bias Level"', 0, "name = 'Bias Level': expected lower-case letters, digits and _"),
    ("qc1.toml", 'name = "bias_level"', 'name = "mjd_obs"', 0, "name = 'mjd_obs': every table has this column already"),
    ("qc1.toml", 'name = "bias_level"', 'name = "x_score"', 0, "name = 'x_score': it may neither end in _score"),
    ("qc1.toml", 'name = "bias_level"', 'name = "x__gt"', 0, "name = 'x__gt': it may neither"),
    ("qc1.toml", 'name = "overscan_level"', 'name = "bias_level"', 0, "column bias_level is there twice"),
    ("qc1.toml", 'name = "ccdcam_dark"', 'name = "ccdcam_bias"', 0, "table ccdcam_bias is there twice"),
    ("qc1.toml", 'unit = "ADU"', "unit = 1", 0, "unit = 1: expected a text in quotes"),
    ("qc1.toml", 'unit = "ADU"', f'unit = "{"u" * 33}"', 0, "unit is longer than 32 characters"),
    ("qc1.toml", 'class = "HC"', 'class = "HC"\nmissing = [inf]', 1, "missing: expected numbers"),
    ("qc1.toml", 'extensions = "each"', 'extensions = "all"', 0, "extensions = 'all': known are each, primary"),
    ("qc1.toml", 'pro_catg = "MASTER_BIAS"', "", -1, "pro_catg is missing"),
    ("scores.toml", 'table = "ccdcam_bias"', 'table = "ccdcam_bais"', 0, "table = 'ccdcam_bais': known are ccdcam_arc, "),
    ("scores.toml", 'parameter = "bias_level"', 'parameter = "level"', 0, "parameter = 'level': known are bias_level, "),
    ("scores.toml", 'parameter = "bias_level"', 'parameter = "read_mode"', 0, "parameter = 'read_mode': known are "),
    ("scores.toml", 'setup = { read_mode = "SLOW" }', 'setup = { mode = "SLOW" }', 0, "mode is no filter of ccdcam_bias; its filters are binning, read_mode"),
    ("scores.toml", 'limits = "VAL 990,1012"', 'limits = "VAL 1012,990"', 0, "limits = 'VAL 1012,990': the lower limit 1012 is above the upper 990"),
    ("scores.toml", 'limits = "VAL 990,1012"', 'limits = "about 1000"', 0, "is none of the forms known"),
    ("scores.toml", "valid_from = 2020-01-01", 'valid_from = "2020-01-01"', 0, "expected a date such as 2024-01-31, no quotes"),
    ("scores.toml", "valid_from = 2020-01-01", "valid_from = 2020-01-01\nvalid_until = 2019-01-01", 1, "valid_until is not after valid_from"),
    ("scores.toml", "hc = true", 'hc = "yes"', 0, "hc = 'yes': expected true or false"),
    ("scores.toml", 'detector = "CHIP2"', 'detector = "CHIP1"', -3, "rule ccdcam_bias.bias_level[read_mode=SLOW]CHIP1 is there twice"),
    ("scores.toml", 'detector = "CHIP1"', f'detector = "{"D" * 33}"', 0, "detector is longer than 32 characters"),
    ("reports.toml", 'average = "MEDIAN"', 'average = "MODE"', 0, "average = 'MODE': known are MEAN, MEDIAN, none"),
    ("reports.toml", "cadence_days = 1", "cadence_days = 0", 0, "cadence_days = 0: expected 0.01 to 3660"),
    ("reports.toml", 'table = "ccdcam_bias"', 'table = "uves_bias"', 0, "table = 'uves_bias': known are ccdcam_arc, "),
    ("reports.toml", 'name = "read_noise"', 'name = "bias_level"', 0, "report bias_level is there twice"),
    ("reports.toml", "cadence_days = 1", "cadence = 1", 0, "cadence is not known here; known are cadence_days, "),
    ("reports.toml", "[[reports]]", "[colours]\n[[reports]]", 0, "colours is not known here; known are reports"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "old", "new", "further", "message"),
    MISTAKES,
    ids=[f"{name}: {message[:44]}" for name, *_, message in MISTAKES],
)
def test_a_mistake_is_named_with_file_and_line_and_changes_nothing(
    folder, name, old, new, further, message
):
    load(folder)
    before = everything()
    line = spoil(folder / name, old, new)
    _, err, last = load(folder.parent)
    assert everything() == before
    assert last == "1 of 2 folders refused; they are unchanged."
    assert message in err
    where = "" if further is None else f"{line + further}:"
    assert err.startswith(f"{folder / name}:{where}")
    assert err.count("\n") == 1
    assert Instrument.objects.filter(name="OTHER").exists()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    _, err, last = load(folder.parent)
    assert err == f"{folder / name}: the file is missing.\n"
    assert last.startswith("1 of 2")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_utf_8_is_named_with_the_byte(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes() + b"\xff")
    assert load(folder.parent)[1] == f"{path}: byte {path.stat().st_size - 1} is not UTF-8.\n"


@pytest.mark.parametrize("name", FILES)
def test_an_empty_file_is_a_mistake_or_says_nothing(folder, name):
    (folder / name).write_text("")
    _, err, _ = load(folder)
    expected = {
        "instrument.toml": "1: name is missing",
        "qc1.toml": "1: tables is missing",
        "scores.toml": "",
        "reports.toml": "",
        "rules.oca": "",
    }[name]
    if name == "rules.oca":
        # Its levels.toml speaks of what no rule asks for.
        assert "levels.toml:4: label = 'MASTER_BIAS': the rules ask for none" in err
        return
    assert (f"{folder / name}:{expected}" in err) if expected else err == ""


def test_a_table_of_another_instrument_is_not_taken_over(folder):
    load(folder)
    before = everything()
    other = folder.parent / "other"
    for name in ("qc1.toml", "scores.toml", "reports.toml"):
        (other / name).write_text((other / name).read_text().replace("other_", "ccdcam_"))
    _, err, _ = load(other)
    assert f"{other / 'qc1.toml'}:" in err
    assert "table ccdcam_arc belongs to CCDCAM." in err
    assert everything() == before
    assert not Instrument.objects.filter(name="OTHER").exists()


def test_a_header_name_belongs_to_one_instrument(folder):
    load(folder)
    other = folder.parent / "other"
    spoil(other / "instrument.toml", 'instrume = ["OTHER"]', 'instrume = ["OTHER", "CCDCAM"]')
    _, err, _ = load(other)
    assert "instrume CCDCAM belongs to CCDCAM." in err
    assert not Instrument.objects.filter(name="OTHER").exists()


def test_check_reads_and_writes_nothing(folder):
    out, err, last = load("--check", folder.parent)
    assert (err, last) == ("", "")
    assert "CCDCAM: 6 QC1 tables, 26 score rules, 6 reports" in out
    assert not Instrument.objects.exists()
    spoil(folder / "qc1.toml", 'type = "float"', 'type = "double"')
    assert load("--check", folder.parent)[2].startswith("1 of 2")


def test_loading_twice_changes_nothing_but_the_time(folder):
    load(folder)
    before = everything()
    load(folder)
    after = everything()
    for state in (before, after):
        state[0][0].pop("loaded_at")
        for table in state[3]:
            table.pop("facts_at")
    assert after == before


def test_changed_rules_are_a_new_version_and_the_former_stays(folder):
    load(folder)
    spoil(folder / "rules.oca", "minRet = 3;", "minRet = 4;")
    load(folder)
    versions = RuleSet.objects.filter(instrument__name="CCDCAM").order_by("version")
    assert [one.version for one in versions] == [1, 2]
    assert "minRet = 4;" in versions[1].text
    assert "minRet = 4;" not in versions[0].text


def test_rules_may_stand_elsewhere(folder):
    elsewhere = folder.parent.parent / "installed" / "ccd.oca"
    elsewhere.parent.mkdir()
    (folder / "rules.oca").rename(elsewhere)
    line = 'runner = "native"\n'
    for place in (elsewhere, "../../installed/ccd.oca"):
        spoil(folder / "instrument.toml", line, f'{line}rules = "{place}"\n')
        assert load(folder)[1:] == ("", "")
        spoil(folder / "instrument.toml", f'rules = "{place}"\n', "")
    assert RuleSet.objects.get(instrument__name="CCDCAM").text == elsewhere.read_text()


def test_a_mistake_in_rules_that_stand_elsewhere_is_named_with_their_file(folder):
    elsewhere = folder.parent.parent / "ccd.oca"
    (folder / "rules.oca").rename(elsewhere)
    line = 'runner = "native"\n'
    spoil(folder / "instrument.toml", line, f'{line}rules = "{elsewhere}"\n')
    at = spoil(elsewhere, "minRet = 3;", "minRet = three;")
    assert load(folder)[1].startswith(f"{elsewhere}:{at}:")
    elsewhere.write_bytes(b"// \xff")
    assert load(folder)[1] == f"{elsewhere}: byte 3 is not UTF-8.\n"


def test_what_a_folder_declares_of_a_recipe_is_kept(folder):
    spoil(
        folder / "instrument.toml",
        'products = ["MASTER_BIAS"]',
        'products = ["MASTER_BIAS"]\ntags = { BIAS = "OFFSET" }\nmin_frames = 4\nneeds = ["EXPTIME"]',
    )
    assert load(folder)[1:] == ("", "")
    bias = Instrument.objects.get(name="CCDCAM").recipes["hcm_bias"]
    assert bias["tags"] == {"BIAS": "OFFSET"}
    assert (bias["min_frames"], bias["needs"]) == (4, ["EXPTIME"])
    assert bias["extensions"] == {"MASTER_BIAS": 2}
    assert bias["qc"][0] == "QC BIAS LEVEL"
    assert bias["parameters"][0] == {
        "name": "min-frames", "type": "int", "default": 3, "min": 2.0, "max": 1000.0,
        "description": "frames needed for a master",
    }  # fmt: skip


def test_a_raw_type_that_left_the_folder_leaves_the_instrument(folder):
    load(folder)
    spoil(
        folder / "instrument.toml",
        '[raw_types.SCIENCE]\ntitle = "Science exposure"\n'
        'setup = ["DET.READ.MODE", "DET.BINNING", "INS.FILT1.NAME"]\nscience = true',
        "",
    )
    load(folder)
    names = RawType.objects.filter(instrument__name="CCDCAM").values_list("name", flat=True)
    assert set(names) == {"ARC", "BIAS", "DARK", "FLAT", "LINEARITY", "PTC"}


def test_a_site_keeps_its_own_folders_beside_the_shipped_ones(folder, settings):
    shutil.rmtree(folder)
    settings.HCM_INSTRUMENTS_DIRS = [SHIPPED, folder.parent]
    assert load()[1:] == ("", "")
    names = set(Instrument.objects.values_list("name", flat=True))
    assert names == {"CCDCAM", "HCM", "UVES", "MUSE", "OTHER"}


def test_a_directory_that_is_not_there_is_said_and_nothing_is_loaded(settings, tmp_path):
    settings.HCM_INSTRUMENTS_DIRS = [SHIPPED, tmp_path / "gone"]
    assert load()[2] == f"{tmp_path / 'gone'}: there is no such directory."
    assert not Instrument.objects.exists()


def test_a_directory_without_folders_is_said(tmp_path):
    (tmp_path / "notes").mkdir()
    assert load(tmp_path) == ("", "", f"{tmp_path}: no folder with an instrument.toml in it.")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("instrument.toml", "[recipes.hcm_bais]"), ("rules.oca", "recipe hcm_bais")],
)
def test_a_recipe_we_do_not_have_is_a_mistake(folder, name, wrong):
    path = folder / name
    path.write_text(path.read_text().replace(wrong.replace("bais", "bias"), wrong))
    err = load("--check", folder)[1]
    assert err.startswith(f"{path}:")
    assert "recipe 'hcm_bais': known are hcm_bias, hcm_dark, hcm_flat" in err


def test_rules_that_the_settings_refuse_are_a_mistake(folder):
    rules, settings = folder / "rules.oca", folder / "instrument.toml"
    text = rules.read_text()
    event = 'select execute(CCDCAM_BIAS) from inputFiles where SIG.FRAME==1 and RAW.TYPE=="NONE";'
    rules.write_text(f"{text}{event}\n")
    assert load("--check", folder)[1] == ""
    settings.write_text(settings.read_text().replace("[oca]", '[oca]\nevents = "refuse"'))
    line = text.count("\n") + 1
    assert load("--check", folder)[1].startswith(
        f"{rules}:{line}: CCDCAM_BIAS is started by events"
    )


def test_the_shipped_folders_are_all_right():
    assert {path.name for path in SHIPPED.iterdir()} == {"ccdcam", "hcm", "uves", "muse"}
    assert load("--check") == (load("--check")[0], "", "")
    assert all((Path(SHIPPED) / "uves" / name).exists() for name in FILES)
