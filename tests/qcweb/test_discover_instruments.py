"""`manage.py discover_instruments`: folders proposed from the pipelines that are installed here."""

import io
import json
import shutil
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from astropy.io import fits
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, ProcessStatus, RawType
from pipelines.recipes import metadata
from pipelines.services.ingest import find_frames, ingest
from pipelines.simulator.templates import Template
from qcweb.instrument_folders import read_folder
from tests.conftest import cannot_run, run_to_rest
from tests.frames import taken
from trending.models import QC1Parameter, QC1Table, QC1Value

# All recipes are asked once: by one worker.
pytestmark = pytest.mark.xdist_group("discover")

PLUGINS = Path("/usr/share/cpl-plugins")
PIPELINES = ("amber", "giraf", "hawki", "muse", "naco", "uves", "vimos", "visir")
# Of each, as Debian 12 has it: rules, recipes, raw types, tables, QC parameters, left out.
COUNTS = {
    "AMBER": (35, 4, 14, 1, 349, 138),
    "GIRAFFE": (37, 6, 8, 1, 31, 0),
    "HAWKI": (77, 7, 11, 1, 119, 4),
    "MUSE_ESO": (47, 15, 12, 16, 102, 189),
    "NACO": (50, 12, 21, 1, 64, 8),
    "UVES_ESO": (394, 15, 44, 1, 107, 94),
    "VIMOS": (84, 9, 20, 1, 117, 32),
    "VISIR": (75, 12, 35, 1, 57, 1),
}
# Recipes that the rules name and that no package has.
MISSING = {
    "AMBER": 0,
    "GIRAFFE": 1,
    "HAWKI": 2,
    "MUSE_ESO": 1,
    "NACO": 1,
    "UVES_ESO": 2,
    "VIMOS": 11,
    "VISIR": 0,
}


# What every real frame of UVES says of its window, and the simulator does not.
WINDOW = {
    "HIERARCH ESO DET OUTPUTS": 1,
    "HIERARCH ESO DET WIN1 NX": 400,
    "HIERARCH ESO DET WIN1 NY": 400,
    "HIERARCH ESO DET WIN1 STRX": 1,
    "HIERARCH ESO DET WIN1 STRY": 1,
}


@pytest.fixture(scope="module", autouse=True)
def _installed():
    missing = [name for name in PIPELINES if not list(PLUGINS.glob(f"{name}-*"))]
    if missing or not shutil.which("esorex"):
        cannot_run(f"needs EsoRex and cpl-plugin-{{{','.join(missing)}}}: see packages.txt")


def discover(*words, **options):
    """Run the command; return what it wrote, what it complained of, and its last words."""
    out, err, last = io.StringIO(), io.StringIO(), ""
    try:
        call_command("discover_instruments", *words, stdout=out, stderr=err, **options)
    except CommandError as error:
        last = str(error)
    return out.getvalue(), err.getvalue(), last


def load(*words):
    out, err, last = io.StringIO(), io.StringIO(), ""
    try:
        call_command("load_instruments", *map(str, words), stdout=out, stderr=err)
    except CommandError as error:
        last = str(error)
    return out.getvalue(), err.getvalue(), last


@pytest.fixture(scope="module")
def proposed(tmp_path_factory):
    """All eight, proposed once: the directory, and what the command said."""
    directory = tmp_path_factory.mktemp("discovered") / "proposed"
    return directory, discover(out=directory)


@pytest.fixture
def copied(proposed, tmp_path):
    """The eight folders, to be edited."""
    return shutil.copytree(proposed[0], tmp_path / "copied")


@pytest.fixture
def plugins(tmp_path):
    """HAWKI and GIRAFFE as they are installed, in a place where they can be spoilt."""
    for name in ("hawki", "giraf"):
        (folder,) = PLUGINS.glob(f"{name}-*")
        shutil.copytree(folder, tmp_path / "plugins" / folder.name)
    return tmp_path / "plugins"


def dictionary(plugins, name="HAWKI"):
    (path,) = plugins.glob(f"*/dic/ESO-DFS-DIC.{name}_QC")
    return path


def test_all_eight_are_proposed_without_an_error(proposed):
    directory, (out, err, last) = proposed
    assert (err, last) == ("", "")
    lines = out.splitlines()
    assert len(lines) == 9
    for line, name in zip(lines, COUNTS, strict=False):
        assert line.startswith(f"{name} ")
    assert lines[-1] == f"Review {directory}, then: python manage.py load_instruments {directory}"


def test_as_json_it_says_what_it_found(tmp_path):
    out, err, _ = discover(json=True, out=tmp_path)
    reports = json.loads(out)
    keys = ("n_rules", "n_recipes", "n_raw_types", "n_tables", "n_qc_parameters", "n_left_out")
    assert err == ""
    assert {one["instrument"]: tuple(one[key] for key in keys) for one in reports} == COUNTS
    assert {one["instrument"]: len(one["missing_recipes"]) for one in reports} == MISSING
    assert all(Path(one["rules"]).is_relative_to(PLUGINS) for one in reports)


def test_no_rule_is_copied(proposed):
    for folder in proposed[0].iterdir():
        assert {path.name for path in folder.iterdir()} == {
            "instrument.toml",
            "qc1.toml",
            "scores.toml",
            "reports.toml",
        }
    assert not list(proposed[0].rglob("*.oca"))


@pytest.mark.django_db
def test_every_proposal_loads_as_it_is(proposed):
    _, err, last = load(proposed[0])
    assert (err, last) == ("", "")
    assert set(Instrument.objects.values_list("name", flat=True)) == set(COUNTS)
    assert RawType.objects.count() == sum(one[2] for one in COUNTS.values())
    assert QC1Table.objects.count() == sum(one[3] for one in COUNTS.values())
    assert QC1Parameter.objects.exclude(role="filter").count() == sum(
        one[4] for one in COUNTS.values()
    )
    for instrument in Instrument.objects.all():
        (folder,) = PLUGINS.glob(f"{instrument.pipeline}-*")
        installed = folder / "gasgano" / "config" / f"{instrument.pipeline}.oca"
        assert instrument.rule_sets.get().text == installed.read_text()


@pytest.mark.django_db
def test_recipes_come_with_parameters_and_tags(proposed):
    load(proposed[0] / "hawki", proposed[0] / "vimos")
    hawki = Instrument.objects.get(name="HAWKI").recipes
    threshold = next(
        one for one in hawki["hawki_dark_combine"]["parameters"] if one["name"] == "thresh"
    )
    assert threshold == {
        "name": "thresh",
        "type": "double",
        "default": 5,
        "min": 1e-06,
        "max": 1e10,
        "description": "Rejection threshold in sigma above background",
    }
    assert hawki["hawki_linearity_analyse"]["tags"] == {
        "DETLIN_DARK": "DARK_DETCHECK",
        "DETLIN_LAMP": "FLAT_LAMP_DETCHECK",
    }
    vimos = Instrument.objects.get(name="VIMOS").recipes
    assert vimos["vimos_ima_det_noise"]["tags"] == {"IMG_SKY_FLAT": "FLAT_TWILIGHT"}
    assert vimos["vmbias"]["tags"] == {}


def test_units_and_descriptions_are_those_of_the_dictionary(proposed):
    tables = {
        table.name: table
        for name in ("hawki", "muse", "uves")
        for table in read_folder(proposed[0] / name).tables
    }
    ron = {one.name: one for one in tables["hawki_qc"].columns}["ron_mean"]
    assert (ron.keywords, ron.unit, ron.type) == (["QC.RON.MEAN"], "ADU", "float")
    assert ron.description == "Mean of the RON (QC RONi) from each input frame"
    master = tables["muse_eso_bias_master_bias"]
    assert [one.pro_catg for one in master.products] == ["MASTER_BIAS"]
    assert master.raw_types == ["BIAS"]
    noise = [one.keywords[0] for one in master.columns if one.name.endswith("_ron")]
    assert noise == [f"QC.BIAS.MASTER{n}.RON" for n in (1, 2, 3, 4)]
    outputs = [one.keywords[0] for one in tables["uves_eso_qc"].columns]
    assert {f"QC.OUT{n}.RON.MASTER" for n in (1, 2, 3, 4)} <= set(outputs)


def test_what_is_left_out_is_named_with_the_reason(proposed):
    text = " ".join((proposed[0] / "muse" / "qc1.toml").read_text().replace("\n# ", " ").split())
    said = text.partition("Left out, because nothing says how far their index counts: ")[2]
    assert "QC TRACE SLICEi MAXSLOPE" in said.partition(". ")[0]
    assert "Left out, because the rules lead from no raw type to muse_geometry: QC GEO" in text


def test_science_is_marked(proposed):
    types = tomllib.loads((proposed[0] / "naco" / "instrument.toml").read_text())["raw_types"]
    science = {name for name, one in types.items() if one.get("science")}
    assert science == {
        "IM_JITTER_OBJ",
        "IM_JITTER_SKY",
        "POL_JITTER_OBJ",
        "POL_JITTER_SKY",
        "SPEC_NODDING",
    }
    assert {one["certification"] for one in types.values()} == {"ALL"}


def test_a_folder_that_is_there_stays_as_it_is(copied):
    edited = copied / "hawki" / "qc1.toml"
    edited.write_text(edited.read_text() + "\n# mine\n")
    before = {path: path.read_text() for path in copied.rglob("*.toml")}
    out, err, last = discover("hawki", "giraffe", out=copied)
    assert {path: path.read_text() for path in copied.rglob("*.toml")} == before
    assert (out, last) == ("", "")
    assert err.count("it is there, perhaps edited, and stays as it is. --force") == 2


def test_force_writes_anew_and_leaves_other_files(copied):
    edited = copied / "giraffe" / "qc1.toml"
    original = edited.read_text()
    edited.write_text("# mine\n")
    (copied / "giraffe" / "levels.toml").write_text("# mine\n")
    assert discover("GIRAFFE", out=copied, force=True)[1:] == ("", "")
    assert edited.read_text() == original
    assert (copied / "giraffe" / "levels.toml").exists()


@pytest.mark.django_db
def test_who_has_uves_is_told_whose_the_frames_are(instruments, proposed):
    err = load(proposed[0] / "uves")[1]
    assert err.endswith("instrume UVES belongs to UVES.\n")
    assert not QC1Table.objects.filter(name="uves_eso_qc").exists()


@pytest.mark.django_db(transaction=True)
def test_who_has_no_uves_gets_it_under_its_name_and_it_works(settings, tmp_path):
    settings.HCM_INSTRUMENTS_DIRS = []
    assert discover("uves", out=tmp_path / "proposed")[1:] == ("", "")
    assert load(tmp_path / "proposed") == (
        "UVES: 1 QC1 tables, 0 score rules, 0 reports, rules version 1\n",
        "",
        "",
    )
    start = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
    bias = Template("UVES", "BIAS", start, 4, "225kHz,1x1,low", arm="BLUE")
    dark = replace(bias, kind="DARK", exptime_s=600.0, start=start + timedelta(minutes=20))
    frames = list(find_frames(taken(tmp_path / "frames", bias, dark)))
    for path in frames:
        with fits.open(path, mode="update") as file:
            file[0].header.update(WINDOW)
    ingest(frames, timezone.now())
    before = AssociationBlock.objects.get(raw_type="DARK_BLUE")
    assert before.incomplete_reason == "MASTER_BIAS_BLUE 0 of 1"
    run_to_rest()
    done = AssociationBlock.objects.filter(process_status=ProcessStatus.SUCCESSFUL)
    assert dict(done.values_list("raw_type", "recipe")) == {
        "BIAS_BLUE": "uves_cal_mkmaster",
        "DARK_BLUE": "uves_cal_mdark",
    }
    noise = QC1Value.objects.get(
        series__parameter__name="out1_ron_master", row__pro_catg="MASTER_BIAS_BLUE"
    )
    assert noise.series.setup.text == "MASTER_BIAS_BLUE|1|1|1|1"
    assert noise.value is not None
    assert 0.1 < noise.value < 10


def test_a_broken_dictionary_is_said_and_the_others_go_on(plugins, tmp_path):
    dictionary(plugins).write_text("SIMPLE  =                    T\n")
    out, err, last = discover(plugins=plugins, out=tmp_path / "out")
    assert out.startswith("GIRAFFE 2.16.10: 37 rules, ")
    assert err.startswith(f"{dictionary(plugins)}:1: Dictionary Name is ''")
    assert last == "1 of 2 instruments could not be proposed."
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"giraffe"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder / "dic"), "dic: expected one dictionary"),
        (lambda folder: shutil.rmtree(folder / "gasgano"), "config: expected one OCA rule file"),
        (
            lambda folder: (folder / "gasgano/config/hawki.oca").write_text("select nothing;"),
            "hawki.oca:1:8: ",
        ),
        (lambda folder: folder.rename(folder.parent / "nobody-1.0"), "nobody-1.0: its recipes"),
    ],
    ids=["no dictionary", "no rules", "broken rules", "no recipes"],
)
def test_whatever_else_is_missing_is_said(plugins, tmp_path, spoil, said):
    (folder,) = plugins.glob("hawki-*")
    spoil(folder)
    out, err, last = discover(plugins=plugins, out=tmp_path / "out")
    assert said in err
    assert err.count("\n") == 1
    assert out.startswith("GIRAFFE")
    assert last == "1 of 2 instruments could not be proposed."


def test_without_esorex_it_says_so(plugins, tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "find_esorex", lambda: None)
    out, err, last = discover("hawki", plugins=plugins, out=tmp_path / "out")
    assert out == ""
    assert "hawki-2.4.11: EsoRex is not installed, or not on the path" in err
    assert last == "1 of 1 instruments could not be proposed."
    assert list((tmp_path / "out").glob("*")) == []


def test_the_newest_of_two_versions_counts(plugins, tmp_path):
    (folder,) = plugins.glob("giraf-*")
    shutil.copytree(folder, plugins / "giraf-2.9.0")
    out = discover("giraf", plugins=plugins, out=tmp_path / "out")[0]
    assert out.startswith("GIRAFFE 2.16.10: ")


def test_who_is_not_installed_is_said(tmp_path):
    assert discover("FORS")[2] == (
        f"FORS: not installed in {PLUGINS}; there are {', '.join(PIPELINES)}."
    )
    assert discover(plugins=tmp_path)[2].startswith(f"{tmp_path}: no pipeline is installed there")
    assert discover(plugins=tmp_path / "gone")[2].startswith(f"{tmp_path / 'gone'}: there is no")


HOSTILE = {
    "Unit": 'ADU"\x0b]]\x1b[31m\x85[[tables]]',
    "Description": "a\\\"\n\"\"\" \\u0000\n'''\u2028[[tables.columns]] # é\xa0\nname = 'x'",
}


def test_hostile_text_in_a_dictionary_stays_text(plugins, tmp_path):
    path = dictionary(plugins)
    text = path.read_text(encoding="latin-1").replace(
        "Unit:               ADU\n", f"Unit: {HOSTILE['Unit']}\n", 1
    )
    text += (
        '\n# Recipe: "]\n[evil]\nParameter Name: QC EVIL\n[[tables]]\nType: double\n'
        f"Description: {HOSTILE['Description']}\n"
    )
    path.write_bytes(text.encode("utf-8", errors="replace"))
    _, err, last = discover("hawki", plugins=plugins, out=tmp_path / "out")
    assert (err, last) == ("", "")
    folder = read_folder(tmp_path / "out" / "hawki")
    (table,) = folder.tables
    columns = {one.name: one for one in table.columns}
    assert columns["ron_mean"].unit == 'ADU" ]] [31m [[tables]]'
    # Two lines that are no field belong to the name before them: such a name is no keyword.
    assert "QC EVIL" in " ".join((folder.path / "qc1.toml").read_text().split())
    said = tomllib.loads((folder.path / "qc1.toml").read_text())
    assert set(said) == {"tables"}
    assert len(said["tables"]) == 1


def test_a_latin_1_dictionary_is_read(plugins, tmp_path):
    path = dictionary(plugins, "GIRAFFE")
    path.write_bytes(path.read_bytes().replace(b"Median value", b"M\xe9dian value", 1))
    assert discover("giraf", plugins=plugins, out=tmp_path / "out")[1:] == ("", "")
    assert "Médian value" in (tmp_path / "out" / "giraffe" / "qc1.toml").read_text()


@pytest.mark.django_db
def test_rules_that_are_gone_are_said_with_file_and_line(plugins, tmp_path):
    discover("giraf", plugins=plugins, out=tmp_path / "out")
    (rules,) = plugins.glob("giraf-*/gasgano/config/giraf.oca")
    rules.unlink()
    folder = tmp_path / "out" / "giraffe"
    line = (folder / "instrument.toml").read_text().split("rules = ")[0].count("\n") + 1
    _, err, last = load(folder)
    assert err.startswith(f"{folder / 'instrument.toml'}:{line}: rules = '{rules}': there is no")
    assert last == "1 of 1 folders refused; they are unchanged."
    assert not Instrument.objects.exists()
