"""Ingest: every file gets an answer, nothing is registered twice, nothing is lost."""

import dataclasses
import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from astropy.io import fits
from django.utils import timezone

from pipelines.models import AssociationBlock, Completeness, RawFile, RefusedFile, RuleSet
from pipelines.services.ingest import Done, find_frames, ingest
from tests.frames import BIAS, DARK, FLAT, taken, with_defect

pytestmark = pytest.mark.django_db


def dones(report):
    return {line.path.name: line.done for line in report.files}


def test_it_groups_a_template_into_one_block(take, tmp_path):
    report = take(taken(tmp_path, BIAS))
    block = AssociationBlock.objects.get()
    assert report.new_blocks == 1
    assert set(dones(report).values()) == {Done.REGISTERED}
    assert (block.raw_type, block.recipe, block.block_frames.count()) == ("BIAS", "hcm_bias", 3)
    assert str(block.night) == "2026-03-01"
    assert block.ab_name.startswith("CCDCAM.2026-03-02T09:00:04.217")
    assert block.setup == "SLOW_1x1"


def test_it_registers_nothing_twice(take, tmp_path):
    take(taken(tmp_path, BIAS))
    again = take(tmp_path)
    assert set(dones(again).values()) == {Done.KNOWN}
    assert (RawFile.objects.count(), AssociationBlock.objects.count()) == (3, 1)


def test_the_same_frame_at_another_place_is_known(take, tmp_path):
    take(taken(tmp_path / "a", BIAS))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert set(dones(take(tmp_path / "b")).values()) == {Done.KNOWN}


def test_a_group_below_its_minimum_is_kept_and_never_queued(take, tmp_path):
    directory = taken(tmp_path / "all", BIAS)
    some = tmp_path / "some"
    some.mkdir()
    files = sorted(directory.iterdir())
    for path in files[:2]:
        shutil.copy(path, some)
    report = take(some)
    block = AssociationBlock.objects.get()
    assert block.completeness == Completeness.INCOMPLETE
    assert block.incomplete_reason == "too_small 2 of 3"
    assert block.next_step == "REST"
    assert report.to_advance == []


def test_a_late_frame_completes_its_block(take, tmp_path):
    directory = taken(tmp_path / "all", BIAS)
    some = tmp_path / "some"
    some.mkdir()
    for path in sorted(directory.iterdir())[:2]:
        shutil.copy(path, some)
    take(some)
    report = take(directory)
    block = AssociationBlock.objects.get()
    assert (block.completeness, block.next_step) == (Completeness.COMPLETE, "PROCESS")
    assert report.to_advance == [block.pk]


def test_a_dark_uses_the_bias_that_is_still_to_be_made(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    dark = AssociationBlock.objects.get(raw_type="DARK")
    link = dark.calibrations.get()
    assert (link.pro_catg, link.producer.raw_type) == ("MASTER_BIAS", "BIAS")
    assert link.delta_days is not None
    assert link.delta_days < 0
    assert (dark.cascade_level, dark.completeness) == (1, Completeness.COMPLETE)


def test_a_dark_without_a_bias_is_incomplete_until_one_comes(take, tmp_path):
    take(taken(tmp_path / "dark", DARK))
    dark = AssociationBlock.objects.get()
    assert (dark.completeness, dark.incomplete_reason) == ("INCOMPLETE", "MASTER_BIAS 0 of 1")
    take(taken(tmp_path / "bias", BIAS))
    dark.refresh_from_db()
    assert (dark.completeness, dark.incomplete_reason) == ("COMPLETE", "")


def test_a_too_small_bias_is_no_calibration(take, tmp_path):
    directory = taken(tmp_path / "all", BIAS, DARK)
    min(directory.glob("*T09:0*.fits")).unlink()
    take(directory)
    reasons = dict(AssociationBlock.objects.values_list("raw_type", "incomplete_reason"))
    assert reasons == {"BIAS": "too_small 2 of 3", "DARK": "MASTER_BIAS 0 of 1"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"no FITS at all, but text" * 200, "This is not a FITS file."),
        (b"SIMPLE  =                    T" + b" " * 50, "The header is cut"),
        (b"\x00\xff\x00" * 4000, "This is not a FITS file."),
    ],
    ids=["empty", "text", "cut header", "binary"],
)
def test_it_refuses_what_is_no_frame_and_goes_on(take, tmp_path, content, reason):
    taken(tmp_path, BIAS)
    bad = tmp_path / "AAA.fits"
    bad.write_bytes(content)
    report = take(tmp_path)
    assert dones(report)["AAA.fits"] == Done.REFUSED
    assert reason in RefusedFile.objects.get().reason
    assert RefusedFile.objects.get().advice
    assert RawFile.objects.count() == 3


@pytest.mark.parametrize(
    ("card", "value", "words"),
    [
        ("INSTRUME", None, "INSTRUME is missing"),
        ("INSTRUME", 7, "INSTRUME is 7, not a text"),
        ("INSTRUME", "NEWCAM", "INSTRUME is 'NEWCAM', which no instrument here has."),
        ("MJD-OBS", None, "MJD-OBS is missing"),
        ("MJD-OBS", "yesterday", "MJD-OBS is 'yesterday', not a number"),
        ("MJD-OBS", True, "MJD-OBS is True, not a number"),
        ("MJD-OBS", -5.0, "MJD-OBS is -5"),
    ],
)
def test_it_says_what_is_wrong_in_a_header(take, tmp_path, card, value, words):
    path = min(taken(tmp_path, BIAS).iterdir())
    with fits.open(path, mode="update") as hdus:
        if value is None:
            del hdus[0].header[card]
        else:
            hdus[0].header[card] = value
    report = take(tmp_path)
    assert dones(report)[path.name] == Done.REFUSED
    assert words in RefusedFile.objects.get().reason
    assert RawFile.objects.count() == 2


def test_a_repaired_file_is_no_longer_refused(take, tmp_path):
    path = min(taken(tmp_path, BIAS).iterdir())
    whole = path.read_bytes()
    path.write_bytes(b"")
    take(tmp_path)
    path.write_bytes(whole)
    take(tmp_path)
    assert not RefusedFile.objects.exists()
    assert RawFile.objects.count() == 3


def test_a_truncated_frame_is_registered_as_damaged_and_replaced_by_the_whole_one(take, tmp_path):
    whole = taken(tmp_path / "whole", BIAS)
    cut = taken(tmp_path / "cut", with_defect(BIAS, truncated_frame=2))
    report = take(cut)
    assert list(dones(report).values()).count(Done.DAMAGED) == 1
    assert RawFile.objects.exclude(problem="").get().problem.startswith("truncated: ")
    again = take(whole)
    assert list(dones(again).values()).count(Done.REPLACED) == 1
    assert not RawFile.objects.exclude(problem="").exists()
    assert (RawFile.objects.count(), AssociationBlock.objects.count()) == (3, 1)


def test_a_frame_no_rule_classifies_is_registered_in_no_block(take, tmp_path):
    path = min(taken(tmp_path, BIAS).iterdir())
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["HIERARCH ESO DPR TYPE"] = "NOVELTY"
    report = take(tmp_path)
    assert dones(report)[path.name] == Done.UNCLASSIFIED
    assert RawFile.objects.get(raw_type="").block_frames.count() == 0


def test_header_text_is_cleaned_at_the_door(take, tmp_path):
    path = min(taken(tmp_path, BIAS).iterdir())
    raw = path.read_bytes()
    at = raw.index(b"HIERARCH ESO DPR TYPE")
    card = raw[at : at + 80]
    path.write_bytes(raw.replace(card, card.replace(b"BIAS", b"B\x1b\xffS")))
    take(tmp_path)
    assert RawFile.objects.get(raw_type="").dpr_type == "B??S"


def gzipped(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def lzw(path: Path) -> Path:
    target = path.with_name(path.name + ".Z")
    with target.open("wb") as out:
        subprocess.run(["compress", "-c", str(path)], stdout=out, check=True)
    return target


def fpacked(path: Path) -> Path:
    subprocess.run(["fpack", "-g1", str(path)], check=True, capture_output=True)
    return path.with_name(path.name + ".fz")


@pytest.mark.parametrize(
    "pack",
    [
        gzipped,
        pytest.param(lzw, marks=pytest.mark.needs("compress")),
        pytest.param(fpacked, marks=pytest.mark.needs("fpack")),
    ],
    ids=["gz", "Z", "fz"],
)
def test_a_compressed_frame_is_the_same_frame(take, tmp_path, pack):
    plain = taken(tmp_path / "plain", BIAS)
    packed = tmp_path / "packed"
    packed.mkdir()
    for path in sorted(plain.iterdir()):
        shutil.copy(path, packed)
    for path in sorted(packed.iterdir()):
        pack(path)
        path.unlink()
    take(packed)
    assert RawFile.objects.count() == 3
    assert set(dones(take(plain)).values()) == {Done.KNOWN}


def test_a_damaged_gz_is_refused(take, tmp_path):
    path = min(taken(tmp_path, BIAS).iterdir())
    packed = gzipped(path)
    packed.write_bytes(packed.read_bytes()[:2000])
    path.unlink()
    assert dones(take(tmp_path))[packed.name] == Done.REFUSED


def test_science_frames_are_registered_and_never_processed(take, tmp_path):
    science = dataclasses.replace(FLAT, kind="SCIENCE", n_frames=2)
    report = take(taken(tmp_path, science))
    assert set(dones(report).values()) == {Done.SCIENCE}
    assert not AssociationBlock.objects.exists()


def test_a_frame_that_vanishes_while_it_is_read_is_refused(instruments, tmp_path):
    gone = tmp_path / "gone.fits"
    report = ingest([gone], timezone.now())
    assert report.files[0].done == Done.REFUSED
    assert list(find_frames(tmp_path)) == []


def test_a_file_whose_content_changed_is_read_again(take, tmp_path):
    path = min(taken(tmp_path, BIAS).iterdir())
    take(tmp_path)
    size = path.stat().st_size
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["HIERARCH ESO DET READ MODE"] = "FAST"
    assert path.stat().st_size == size
    assert dones(take(tmp_path))[path.name] == Done.REGISTERED


def test_an_ingest_that_was_ended_before_its_night_was_organised_is_made_good(
    take, tmp_path, monkeypatch
):
    def ended(*_args):
        raise KeyboardInterrupt

    taken(tmp_path, BIAS)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.services.ingest.organise_new", ended)
        with pytest.raises(KeyboardInterrupt):
            take(tmp_path)
    assert (RawFile.objects.count(), AssociationBlock.objects.count()) == (3, 0)
    assert set(dones(take(tmp_path)).values()) == {Done.KNOWN}
    assert AssociationBlock.objects.get().block_frames.count() == 3


def test_a_frame_that_arrives_in_pieces_is_one_frame(take, tmp_path):
    whole = min(taken(tmp_path / "all", BIAS).iterdir())
    content = whole.read_bytes()
    path = tmp_path / "some" / whole.name
    path.parent.mkdir()
    for share in (0.6, 0.8, 1.0):
        path.write_bytes(content[: int(len(content) * share)])
        take(path.parent)
        assert RawFile.objects.count() == 1
    frame = RawFile.objects.get()
    assert (frame.problem, frame.size) == ("", len(content))


def test_a_frame_is_classified_when_its_rules_come(take, tmp_path):
    take(taken(tmp_path, BIAS))
    AssociationBlock.objects.all().delete()
    RawFile.objects.update(raw_type="", organised_at=timezone.now())
    assert set(dones(take(tmp_path)).values()) == {Done.REGISTERED}
    assert AssociationBlock.objects.get().block_frames.count() == 3


def test_a_file_that_unpacks_without_an_end_is_refused(take, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.fits.LARGEST_UNPACKED", 1 << 20)
    (tmp_path / "bomb.fits.gz").write_bytes(gzip.compress(bytes(3 << 20)))
    (line,) = take(tmp_path).files
    assert (line.done, "more than 1 MiB" in str(line)) == (Done.REFUSED, True)


def without_raw_types():
    """Make the rules those of the event dialect: they name the tag alone."""
    rules = RuleSet.objects.get(instrument__name="CCDCAM")
    rules.text = re.sub(r"RAW\.TYPE = .*;", "", rules.text).replace("RAW.TYPE==", "DO.CATG==")
    rules.save()


def test_where_rules_name_no_raw_type_the_tag_is_it(take, tmp_path):
    without_raw_types()
    take(taken(tmp_path, BIAS))
    assert set(RawFile.objects.values_list("raw_type", "do_catg")) == {("BIAS", "BIAS")}
    assert AssociationBlock.objects.get().recipe == "hcm_bias"


def test_a_product_among_the_frames_has_no_raw_type_whatever_its_tag(take, tmp_path):
    without_raw_types()
    path = min(taken(tmp_path, BIAS).iterdir())
    fits.setval(path, "HIERARCH ESO PRO CATG", value="MASTER_BIAS")
    take(tmp_path)
    assert RawFile.objects.get(name=path.name).raw_type == ""
    assert AssociationBlock.objects.get().block_frames.count() == 2


def test_a_compressed_frame_that_is_known_is_not_unpacked_again(take, tmp_path, monkeypatch):
    import gzip

    from pipelines.services import ingest as module

    directory = taken(tmp_path / "raw", BIAS)
    for path in list(directory.glob("*.fits")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert {one.done for one in take(directory).files} == {Done.REGISTERED}
    monkeypatch.setattr(module, "read_fits", lambda *_: pytest.fail("it was read again"))
    assert {one.done for one in take(directory).files} == {Done.KNOWN}
