"""Rule files of other times and of the other flavour, and what OCA leaves open, in a folder."""

import datetime as dt
import io
import json
import shutil

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.domain import oca
from pipelines.models import AssociationBlock, Flavour, Instrument, RawFile
from pipelines.services.ingest import Done, find_frames, ingest
from pipelines.services.instruments import NoRulesError, rules_of, settings_of
from tests.frames import BIAS, DARK, later, taken

pytestmark = pytest.mark.django_db

SHIPPED = settings.BASE_DIR / "qcweb" / "instruments" / "ccdcam"
NIGHT = dt.date(2026, 3, 1)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(SHIPPED, tmp_path / "folders" / "ccdcam")


def load(folder):
    err = io.StringIO()
    try:
        call_command("load_instruments", str(folder), stdout=io.StringIO(), stderr=err)
    except CommandError:
        return err.getvalue()
    return ""


def camera():
    return Instrument.objects.get(name="CCDCAM")


def test_each_night_has_the_rules_of_its_time(folder, tmp_path):
    text = (folder / "rules.oca").read_text()
    (folder / "rules.2026-03-02.oca").write_text(text.replace('"BIAS"', '"ZERO"', 1))
    (folder / "rules.2026-03-02.oca").write_text(
        text.replace('RAW.TYPE = "BIAS"', 'RAW.TYPE = "ZERO"').replace(
            'RAW.TYPE=="BIAS"', 'RAW.TYPE=="ZERO"'
        )
    )
    assert load(folder) == ""
    assert rules_of(camera(), NIGHT).valid_from is None
    assert rules_of(camera(), NIGHT + dt.timedelta(days=1)).valid_from == dt.date(2026, 3, 2)
    ingest(find_frames(taken(tmp_path / "raw", BIAS, later(BIAS, 1))), timezone.now())
    types = dict(AssociationBlock.objects.values_list("night", "raw_type"))
    assert types == {NIGHT: "BIAS", dt.date(2026, 3, 2): "ZERO"}
    versions = AssociationBlock.objects.values_list("rule_set__version", flat=True)
    assert set(versions) == {1, 2}
    assert {one.rule_set_id for one in RawFile.objects.all()} == {
        rules_of(camera(), NIGHT).pk, rules_of(camera(), dt.date(2026, 3, 2)).pk,
    }  # fmt: skip


def test_a_changed_file_supersedes_its_own_date_alone_and_one_that_left_is_retired(folder):
    text = (folder / "rules.oca").read_text()
    (folder / "rules.2026-03-02.oca").write_text(text)
    load(folder)
    (folder / "rules.oca").write_text(text + "// a remark\n")
    load(folder)
    states = camera().rule_sets.order_by("version").values_list("version", "superseded_at")
    assert [(version, at is None) for version, at in states] == [(1, False), (2, True), (3, True)]
    (folder / "rules.2026-03-02.oca").unlink()
    load(folder)
    assert rules_of(camera(), dt.date(2030, 1, 1)).version == 3
    assert load(folder) == ""
    assert camera().rule_sets.count() == 3


def test_raw_to_raw_rules_stand_beside_and_serve_trees(folder, tmp_path):
    load(folder)
    with pytest.raises(NoRulesError, match="has no raw2raw rules"):
        rules_of(camera(), NIGHT, Flavour.RAW2RAW)
    (folder / "raw2raw.oca").write_text(
        'if DPR.TYPE=="BIAS" then { DO.CATG="RAW_BIAS"; }\n'
        'if DPR.TYPE=="DARK" then { DO.CATG="RAW_DARK"; }\n'
        'select execute(DARKS) from inputFiles where DO.CATG=="RAW_DARK" group by TPL.START;\n'
        "action DARKS { minRet=3; maxRet=20;"
        ' select file as BIASES from rawFiles where DO.CATG=="RAW_BIAS"; }\n'
    )
    assert load(folder) == ""
    ingest(find_frames(taken(tmp_path / "raw", BIAS, DARK)), timezone.now())
    frame = RawFile.objects.filter(raw_type="DARK").first()
    out = io.StringIO()
    call_command("calselector", frame.name, stdout=out)
    tree = json.loads(out.getvalue())
    assert tree["category"] == "DARKS"
    assert [one["main_files"][0]["category"] for one in tree["associated"]] == ["RAW_BIAS"] * 3


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rules.2026-13-01.oca", "", "the date in its name"),
        ("rules.old.oca", "", "expected rules.oca, raw2raw.oca"),
        ("rules.2026-03-02.oca", "if A==1 then { B=2 }", "rules.2026-03-02.oca:1:20: expected"),
    ],
)
def test_a_wrong_rule_file_refuses_the_folder(folder, name, text, said):
    (folder / name).write_text(text)
    assert said in load(folder)
    assert not Instrument.objects.exists()


def test_frames_before_the_first_rules_are_refused_with_what_to_do(folder, tmp_path):
    load(folder)
    camera().rule_sets.update(valid_from=dt.date(2027, 1, 1))
    report = ingest(find_frames(taken(tmp_path / "raw", BIAS)), timezone.now())
    assert {one.done for one in report.files} == {Done.REFUSED}
    assert "No rules are in force for its night, 2026-03-01" in report.files[0].note


def test_what_oca_leaves_open_is_a_setting_of_the_instrument(folder):
    path = folder / "instrument.toml"
    plain = path.read_text()
    load(folder)
    assert settings_of(camera()).reference is oca.Reference.MID_EXPOSURE
    path.write_text(
        plain.replace(
            'reference = "mid_exposure"',
            'reference = "agreed"\ndefault_max_ret = "unlimited"\nsticky_min_ret = true\n'
            'certified = "require"\ndefault_min_ret = 0',
        )
    )
    assert load(folder) == ""
    assert settings_of(camera()) == oca.OcaSettings(
        reference=oca.Reference.AGREED,
        default_max_ret=None,
        default_min_ret=0,
        sticky_min_ret=True,
        certified=oca.Certified.REQUIRE,
    )
    path.write_text(plain.replace("[oca]\n", "").replace('reference = "mid_exposure"\n', ""))
    load(folder)
    assert settings_of(camera()) == oca.OcaSettings()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('reference = "last"', "known are agreed, first, mid_exposure"),
        ("sticky_min_ret = 1", "expected true or false"),
        ('default_min_ret = "many"', "expected a number"),
        ("stick_min_ret = true", "stick_min_ret is not known here"),
    ],
)
def test_a_wrong_setting_is_said_with_its_line(folder, line, said):
    path = folder / "instrument.toml"
    text = path.read_text()
    number = text[: text.index('reference = "mid')].count("\n") + 1
    path.write_text(text.replace('reference = "mid_exposure"', line))
    error = load(folder)
    assert f"instrument.toml:{number}: " in error
    assert said in error


def test_distances_are_between_starts_where_the_setting_says_so(folder, tmp_path):
    path = folder / "instrument.toml"
    path.write_text(path.read_text().replace('"mid_exposure"', '"first"'))
    load(folder)
    ingest(find_frames(taken(tmp_path / "raw", BIAS, DARK)), timezone.now())
    dark, bias = (AssociationBlock.objects.get(raw_type=one) for one in ("DARK", "BIAS"))
    link = dark.calibrations.get()
    assert link.delta_days == pytest.approx(bias.mjd_obs - dark.mjd_obs)


def test_only_certified_masters_are_taken_where_the_setting_says_so(folder, tmp_path):
    path = folder / "instrument.toml"
    path.write_text(
        path.read_text().replace('"mid_exposure"', '"mid_exposure"\ncertified = "require"')
    )
    load(folder)
    ingest(find_frames(taken(tmp_path / "raw", later(BIAS, -1), DARK)), timezone.now())
    dark = AssociationBlock.objects.get(raw_type="DARK")
    assert (dark.completeness, dark.incomplete_reason) == ("INCOMPLETE", "MASTER_BIAS 0 of 1")
    AssociationBlock.objects.filter(raw_type="BIAS").update(is_certified=True)
    call_command("round", "CCDCAM", stdout=io.StringIO())
    dark.refresh_from_db()
    # The round looks at recent nights; these are of long ago.
    assert dark.completeness == "INCOMPLETE"
    ingest(find_frames(taken(tmp_path / "more", later(DARK, 2))), timezone.now())
    dark.refresh_from_db()
    assert dark.completeness == "COMPLETE"
