"""Every way in which ESO's recipes were seen to fail has its own outcome, and says what it was."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from pipelines.domain.recipe_call import Kind, RecipeCall, RecipeOutcome, SofEntry
from pipelines.recipes.run import run_recipe
from pipelines.simulator import patterns
from tests.conftest import cannot_run
from tests.pipelines.recipes import spoiling as spoil
from tests.pipelines.recipes.laboratory import (
    GIRAFFE,
    HAWKI,
    NACO,
    STUDIES,
    VIMOS,
    Laboratory,
    Study,
    call_of,
    dark,
    quadrants,
)

pytestmark = pytest.mark.needs("esorex")

SMALL_GIRAFFE = replace(GIRAFFE, n_frames=3, is_full_frame=False)
SMALL_VIMOS = replace(VIMOS, n_frames=3, is_full_frame=False)
BLUE, MUSE_BIAS = STUDIES["uves_cal_mbias blue"], STUDIES["muse_bias"]
DARKS, NOISE = STUDIES["hawki_dark_combine"], STUDIES["hawki_detector_noise"]
NACO_DARK = STUDIES["naco_img_dark"]
TWO_SETTINGS = replace(
    NACO_DARK,
    templates=(NACO, replace(NACO, start=HAWKI.start.replace(hour=11), n_frames=1, exptime_s=5.0)),
)
MIXED_DITS = replace(DARKS, templates=(replace(HAWKI, exptimes_s=(10.0, 20.0)),))
GIRAFFE_BIAS = Study("gimasterbias", "giraf", (SMALL_GIRAFFE,))
GIRAFFE_DARK = Study("gimasterdark", "giraf", (dark(SMALL_GIRAFFE, 3, 3600.0),))
VIMOS_BIAS = Study("vmbias", "vimos", (SMALL_VIMOS,))
FOUR = Study("vimos_ima_bias", "vimos", quadrants(SMALL_VIMOS))
THREE = Study("vimos_ima_bias", "vimos", quadrants(VIMOS)[:3])
MIXED_QUADRANTS = Study("vmbias", "vimos", quadrants(VIMOS)[:2])

Said = Literal["good", "degraded"] | Kind


@dataclass(frozen=True)
class Case:
    """What is spoiled, and what should be said of it.

    `code` is the recipe's exit code, None when it is not to be started. Words must be in the
    reason, or in the log of a run that is good.
    """

    study: Study
    name: str
    spoil: spoil.Spoil
    said: Said
    code: int | None
    words: str = ""
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def is_run_on_whole_frames(self) -> bool:
        return self.study.is_full and self.code is not None


def nothing(paths: list[Path]) -> None:
    """Leave the frames as they are."""


def of_frames(study: Study, n_frames: int) -> Study:
    return replace(study, templates=tuple(replace(t, n_frames=n_frames) for t in study.templates))


each, first = spoil.some, lambda how: spoil.some(how, 0)

CASES = [
    # ---- inputs, with uves_cal_mbias
    Case(BLUE, "one saturated", first(spoil.saturated), "degraded", 0, "left out before the run"),
    Case(BLUE, "all saturated", each(spoil.saturated), Kind.INPUT, None, "0 of 5 frames"),
    Case(BLUE, "all zero", each(spoil.zero), Kind.INPUT, None, "all its pixels are 0"),
    Case(BLUE, "bits turned", first(spoil.damaged), "good", 0),
    Case(BLUE, "no frames", nothing, Kind.INPUT, None, "0 of 0 frames", {"raws": ()}),
    Case(BLUE, "file gone", first(spoil.gone), Kind.INPUT, None, "is not there any more"),
    Case(BLUE, "cut to half", first(spoil.cut_to(0.5)), Kind.INPUT, None, "is truncated"),
    Case(BLUE, "cut at 97 %", first(spoil.cut_to(0.97)), Kind.INPUT, None, "is truncated"),
    Case(BLUE, "cut header", first(spoil.cut_header), Kind.INPUT, None, "header is cut"),
    Case(BLUE, "empty file", first(spoil.emptied), Kind.INPUT, None, "The file is empty"),
    Case(BLUE, "garbage", first(spoil.garbage), Kind.INPUT, None, "not a FITS file"),
    Case(BLUE, "text", first(spoil.text), Kind.INPUT, None, "not a FITS file"),
    Case(BLUE, "mixed sizes", first(spoil.cropped), Kind.INPUT, None, "unequal shapes"),
    Case(BLUE, "NaN in one", first(spoil.with_nan), "degraded", 0, "NaN"),
    Case(BLUE, "too small", each(spoil.tiny), Kind.RECIPE, 11, "Access beyond boundaries"),
    Case(BLUE, "no such recipe", nothing, Kind.RECIPE, 13, "", {"recipe": "uves_cal_nothing"}),
    Case(BLUE, "no such parameter", nothing, Kind.RECIPE, 255, "", {"parameters": ("--no=1",)}),
    Case(BLUE, "value out of range", nothing, Kind.RECIPE, 255, "",
         {"parameters": ("--stack_method=best",)}),
    Case(BLUE, "keyword missing", each(spoil.without("ESO DET WIN1 BINX")), Kind.RECIPE, 10, "BINX"),
    Case(BLUE, "keyword of a wrong type", each(spoil.with_value("EXPTIME", "0")), Kind.RECIPE, 19,
         "EXPTIME"),
    # ---- muse_bias
    Case(MUSE_BIAS, "one truncated", first(spoil.cut_to(0.97)), Kind.INPUT, None, "is truncated"),
    Case(MUSE_BIAS, "one all saturated", first(spoil.saturated), "degraded", 0, "65535"),
    Case(MUSE_BIAS, "all zero", each(spoil.zero), Kind.INPUT, None, "all its pixels are 0"),
    Case(MUSE_BIAS, "mixed sizes", first(spoil.cropped), Kind.INPUT, None, "unequal shapes"),
    Case(MUSE_BIAS, "absent spectrograph", nothing, Kind.RECIPE, 255, "",
         {"parameters": ("--nifu=2",)}),
    Case(MUSE_BIAS, "one higher by 50 ADU", first(spoil.higher_by_50), "good", 0),
    Case(MUSE_BIAS, "no gain", each(spoil.without("ESO DET OUT1 GAIN")), Kind.INPUT, None,
         "DET.OUT1.GAIN"),
    Case(MUSE_BIAS, "a detector said to be dead", each(spoil.with_value("ESO DET CHIP LIVE", "F")),
         "good", 0),
    Case(of_frames(MUSE_BIAS, 2), "two frames", nothing, Kind.INPUT, None, "3 are needed"),
    Case(of_frames(MUSE_BIAS, 2), "two frames, not looked at", nothing, Kind.RECIPE, 255, "",
         {"min_frames": 1}),
    # ---- hawki
    Case(of_frames(DARKS, 1), "one frame", nothing, "good", 0),
    Case(DARKS, "NaN in one", first(spoil.with_nan), "degraded", 0, "NaN"),
    Case(DARKS, "one truncated", first(spoil.cut_to(0.9)), Kind.INPUT, None, "is truncated"),
    Case(DARKS, "NaN in all", each(spoil.with_nan), Kind.INPUT, None, "NaN"),
    Case(DARKS, "mixed sizes", first(spoil.cropped), Kind.INPUT, None, "unequal shapes"),
    Case(DARKS, "half of the extensions in one", first(spoil.without_half_of_the_extensions),
         Kind.INPUT, None, "unequal shapes"),
    Case(DARKS, "half of the extensions", each(spoil.without_half_of_the_extensions), Kind.RECIPE,
         139, "crashed"),
    Case(MIXED_DITS, "mixed exposure times", nothing, "good", 0),
    Case(NOISE, "no EXTNAME", each(spoil.without("EXTNAME")), Kind.RECIPE, 61,
         "Cannot save product table"),
    # ---- naco, visir
    Case(TWO_SETTINGS, "a setting with one frame", nothing, "degraded", 0, "Setting"),
    Case(of_frames(NACO_DARK, 1), "one frame", nothing, Kind.INPUT, None, "2 are needed"),
    Case(of_frames(NACO_DARK, 1), "one frame, not looked at", nothing, Kind.RECIPE, 1, "",
         {"min_frames": 1}),
    Case(STUDIES["visir_img_dark"], "mixed sizes", first(spoil.cropped), Kind.INPUT, None,
         "unequal shapes"),
    # ---- giraffe, vimos
    Case(of_frames(GIRAFFE_BIAS, 1), "one frame", nothing, Kind.INPUT, None, "2 are needed"),
    Case(of_frames(GIRAFFE_BIAS, 1), "one frame, not looked at", nothing, Kind.RECIPE, 1, "",
         {"min_frames": 1}),
    Case(GIRAFFE_BIAS, "mixed sizes", first(spoil.cropped), Kind.INPUT, None, "unequal shapes"),
    Case(GIRAFFE_BIAS, "a window", nothing, Kind.RECIPE, 139, "crashed"),
    Case(GIRAFFE_DARK, "no exposure time", each(spoil.without("EXPTIME")), Kind.INPUT, None,
         "EXPTIME"),
    Case(VIMOS_BIAS, "a window", nothing, Kind.RECIPE, 139, "crashed"),
    Case(VIMOS_BIAS, "mixed sizes", first(spoil.cropped), Kind.INPUT, None, "unequal shapes"),
    Case(VIMOS_BIAS, "no name of the detector", each(spoil.without("ESO DET CHIP1 ID")),
         Kind.INPUT, None, "DET.CHIP1.ID"),
    Case(VIMOS_BIAS, "no name, not looked at", each(spoil.without("ESO DET CHIP1 ID")),
         Kind.RECIPE, 134, "crashed (signal 6)", {"needs": ()}),
    Case(FOUR, "windows", nothing, Kind.RECIPE, 139, "crashed"),
    Case(THREE, "a detector missing", nothing, Kind.RECIPE, 139, "crashed", {"min_frames": 9}),
    Case(STUDIES["gimasterbias"], "one saturated", first(spoil.saturated), "degraded", 0, "65535"),
    Case(STUDIES["vmbias"], "one higher by 50 ADU", first(spoil.higher_by_50), "good", 0),
    Case(MIXED_QUADRANTS, "mixed quadrants", nothing, "good", 0),
]  # fmt: skip


def _param(case: Case):
    marks = [pytest.mark.full] if case.is_run_on_whole_frames else []
    return pytest.param(case, id=f"{case.study.recipe}: {case.name}", marks=marks)


def run(call: RecipeCall, job: Path, on_start=lambda _: None) -> RecipeOutcome:
    return run_recipe(call, job, on_start=on_start, on_beat=lambda: None)


def said(outcome: RecipeOutcome) -> Said:
    if not outcome.succeeded:
        return outcome.kind
    return "degraded" if outcome.is_degraded else "good"


@pytest.mark.parametrize("case", [_param(case) for case in CASES])
def test_what_went_wrong_is_told_apart(tmp_path, case):
    call = call_of(case.study, tmp_path / "raw")
    case.spoil([entry.path for entry in call.raws])
    outcome = run(replace(call, **case.call), tmp_path / "job")
    shutil.rmtree(tmp_path / "raw")
    assert (said(outcome), outcome.return_code) == (case.said, case.code), outcome.reason
    assert case.words in outcome.reason
    assert bool(outcome.products) == outcome.succeeded
    assert bool(outcome.reason) == (case.said != "good")


def test_a_detector_of_hawki_that_is_off_is_never_good(tmp_path):
    # For such a detector the recipe reads a pointer that nothing has set (valgrind: "depends on
    # uninitialised value(s)" in casu_merge_propertylists): what lay on the stack before decides
    # whether it crashes or leaves products without QC. Both were seen, each on its machine always.
    call = call_of(DARKS, tmp_path / "raw")
    each(spoil.with_value("ESO DET CHIP LIVE", "F"))([entry.path for entry in call.raws])
    outcome = run(call, tmp_path / "job")
    words: dict[tuple[Said, int | None], str] = {
        ("degraded", 0): "the products lack QC",
        (Kind.RECIPE, 139): "crashed (signal 11)",
    }
    assert words[said(outcome), outcome.return_code] in outcome.reason


def test_a_frame_that_is_given_twice_counts_once(tmp_path):
    call = call_of(BLUE, tmp_path / "raw")
    outcome = run(replace(call, raws=(call.raws[0], *call.raws)), tmp_path / "job")
    assert said(outcome) == "degraded"
    assert f"{call.raws[0].path.name}: it is there already" in outcome.reason


def test_a_calibration_that_a_recipe_cannot_do_without_is_asked_for(tmp_path):
    outcome = run(call_of(STUDIES["muse_dark"], tmp_path / "raw"), tmp_path / "job")
    assert (said(outcome), outcome.reason) == (Kind.MISSING, "muse_dark is given no MASTER_BIAS.")


def test_a_tag_that_the_recipe_does_not_know_is_named_or_else_its_own_failure(tmp_path):
    for study, code in ((BLUE, 14), (MUSE_BIAS, 255), (NACO_DARK, 10), (GIRAFFE_BIAS, 1)):
        call = call_of(study, tmp_path / study.recipe)
        raws = tuple(SofEntry(entry.path, "NOTHING") for entry in call.raws)
        wrong = replace(call, raws=raws)
        outcome = run(wrong, tmp_path / f"{study.recipe}.job")
        assert (said(outcome), outcome.return_code) == (Kind.INPUT, None), study.recipe
        assert outcome.reason.endswith("not NOTHING.")
        outcome = run(replace(wrong, raw_tags=()), tmp_path / f"{study.recipe}.job")
        assert (said(outcome), outcome.return_code) == (Kind.RECIPE, code), study.recipe


# ---- the machine


def test_an_abort_for_want_of_memory_may_pass(tmp_path):
    call = replace(call_of(BLUE, tmp_path / "raw"), memory_mb=100)
    outcome = run(call, tmp_path / "job")
    assert (said(outcome), outcome.return_code) == (Kind.MEMORY, 134), outcome.log


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_recipe_that_is_killed_in_its_work_may_pass(tmp_path, how):
    job = tmp_path / "job"

    def kill(process):
        deadline = time.monotonic() + 20
        while not (job / ".logfile").exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        os.killpg(process.pid, how)

    outcome = run(call_of(STUDIES["hawki_linearity_analyse"], tmp_path / "raw"), job, kill)
    assert (said(outcome), outcome.return_code) == (Kind.ENVIRONMENT, 128 + how)
    assert outcome.products == ()


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of its own, of three megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        cannot_run(f"needs the right to mount a disk: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_may_pass(tmp_path, tiny_disk):
    whole = replace(NACO_DARK, templates=(replace(NACO, is_full_frame=True),))
    outcome = run(call_of(whole, tmp_path / "raw"), tiny_disk / "job")
    assert (said(outcome), outcome.return_code) == (Kind.ENVIRONMENT, 5), outcome.reason
    assert "was full while it ran" in outcome.reason
    assert outcome.products == ()


# ---- slices that are not found


@pytest.mark.full
def test_slices_that_are_not_traced_are_missed_by_their_keywords(tmp_path, monkeypatch):
    laboratory = Laboratory(tmp_path)
    masters = laboratory.masters(STUDIES["muse_flat"])
    monkeypatch.setattr(patterns, "_FIRST_SLICE_PX", 8.0)
    monkeypatch.setattr(patterns, "SLICE_STEP_PX", 85.1)
    patterns.pattern.cache_clear()
    try:
        call = call_of(STUDIES["muse_flat"], tmp_path / "raw", calibrations=masters)
    finally:
        patterns.pattern.cache_clear()
    outcome = run(call, tmp_path / "job")
    shutil.rmtree(tmp_path / "raw")
    assert (said(outcome), outcome.return_code) == ("degraded", 0)
    assert "no QC TRACE SLICE_L XPOS" in outcome.reason
