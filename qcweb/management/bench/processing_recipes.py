"""A master bias by our own recipe, against ESO's recipes and ccdproc on the same frames.

Ours is the whole run in a warm worker: inputs checked, a job's directory, a fork of this process,
overscan, measurements, the file with its sums, products verified. Theirs is the recipe's program
alone (EsoRex), or the combination alone with everything imported (ccdproc). Peaks of memory are the
kernel's; that of ours holds what it shares with the worker.

The results are compared before anything is timed: gimasterbias takes the same median, so its pixels
must be ours, bit by bit; uves_cal_mbias brings the frames to one level first and turns the image.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from django.conf import settings

from pipelines.domain.recipe_call import RecipeCall, SofEntry
from pipelines.recipes import forked, jobs
from pipelines.recipes.native.cards import card
from pipelines.recipes.native.fitsfile import Image, write_fits
from pipelines.recipes.native.frames import open_frame, strips
from pipelines.recipes.process import Ended, run_limited
from pipelines.recipes.run import command_of, environment_of, run_recipe
from pipelines.simulator.detector import Chip, Light, Physics, expose
from pipelines.simulator.headers import Keywords, arcfile, common, pixel_axes
from pipelines.simulator.templates import Exposure, Template

from .frame import Side, benchmark

CHIP = Chip("BLUE", 2048, 4096, 50, 50)
_PHYSICS = Physics(170.0, 2.1, 1.818, gradient_y_adu=0.8, wander_adu=0.05)
_TEMPLATE = Template(
    "UVES", "BIAS", datetime(2026, 1, 2, 9, tzinfo=UTC), 20, "225kHz,1x1,low", arm="BLUE"
)
_FOR_ALL = {"timeout_s": 600.0, "memory_mb": 16_000}
_CCDPROC = """
import sys, time, warnings
import ccdproc
warnings.simplefilter("ignore")
started = time.perf_counter()
master = ccdproc.combine(sys.argv[2:], method="median", unit="adu")
master.write(sys.argv[1], overwrite=True)
print(time.perf_counter() - started)
"""


@dataclass(frozen=True)
class Method:
    """A way to make a master bias, and where it leaves it; `tag` is that of its frames."""

    recipe: str
    runner: str
    pipeline: str
    tag: str
    parameters: tuple[str, ...]
    product: str
    tolerance_adu: float = 0.0  # of theirs from the median of the very same pixels


OURS = Method("hcm_bias", "native", "hcm", "BIAS", (), "master_bias.fits")
UVES = Method("uves_cal_mbias", "esorex", "uves", "BIAS_BLUE", (), "masterbias_blue.fits", 0.1)
GIRAFFE = Method(
    "gimasterbias",
    "esorex",
    "giraf",
    "BIAS",
    ("--stack-method=median", "--mbias-oscremove=TRUE"),
    "master_bias.fits",
)


@benchmark("master bias of 5: ours / uves_cal_mbias", group="processing", goal=0.3)
def five(scratch: Path) -> tuple[Side, Side]:
    return _times(scratch, UVES, 5)


@benchmark("master bias of 20: ours / uves_cal_mbias", group="processing", goal=0.1)
def twenty(scratch: Path) -> tuple[Side, Side]:
    return _times(scratch, UVES, 20)


@benchmark(
    "master bias of 5: peak memory / uves_cal_mbias", group="processing", unit="MB", goal=0.3
)
def memory_of_five(scratch: Path) -> tuple[Side, Side]:
    return _peaks(scratch, UVES, 5)


@benchmark(
    "master bias of 20: peak memory / uves_cal_mbias", group="processing", unit="MB", goal=0.1
)
def memory_of_twenty(scratch: Path) -> tuple[Side, Side]:
    return _peaks(scratch, UVES, 20)


@benchmark("master bias of 5: ours / gimasterbias", group="processing")
def five_giraffe(scratch: Path) -> tuple[Side, Side]:
    return _times(scratch, GIRAFFE, 5)


@benchmark("master bias of 20: ours / gimasterbias", group="processing")
def twenty_giraffe(scratch: Path) -> tuple[Side, Side]:
    return _times(scratch, GIRAFFE, 20)


@benchmark("master bias of 20: peak memory / gimasterbias", group="processing", unit="MB")
def memory_of_twenty_giraffe(scratch: Path) -> tuple[Side, Side]:
    return _peaks(scratch, GIRAFFE, 20)


@benchmark("master bias of 5: ours / ccdproc.combine", group="processing")
def five_ccdproc(scratch: Path) -> tuple[Side, Side]:
    paths = frames(scratch / "frames", 5)
    return partial(run_ours, paths, scratch), lambda: combine_by_ccdproc(paths, scratch)[0]


@benchmark("master bias of 20: ours / ccdproc.combine", group="processing")
def twenty_ccdproc(scratch: Path) -> tuple[Side, Side]:
    paths = frames(scratch / "frames", 20)
    return partial(run_ours, paths, scratch), lambda: combine_by_ccdproc(paths, scratch)[0]


@benchmark("master bias of 20: peak memory / ccdproc.combine", group="processing", unit="MB")
def memory_of_twenty_ccdproc(scratch: Path) -> tuple[Side, Side]:
    paths = frames(scratch / "frames", 20)
    return partial(_our_peak, paths, scratch), lambda: combine_by_ccdproc(paths, scratch)[1]


def _times(scratch: Path, theirs: Method, n_frames: int) -> tuple[Side, Side]:
    paths = frames(scratch / "frames", n_frames)
    compare(paths, theirs, scratch)
    return (
        partial(run_ours, paths, scratch),
        lambda: run_program(theirs, paths, scratch, run_limited)[0],
    )


def _peaks(scratch: Path, theirs: Method, n_frames: int) -> tuple[Side, Side]:
    paths = frames(scratch / "frames", n_frames)
    return (
        partial(_our_peak, paths, scratch),
        lambda: run_program(theirs, paths, scratch, run_limited)[1],
    )


def _our_peak(paths: Sequence[Path], scratch: Path) -> float:
    """Return the peak memory of our recipe in a fork of a new process, as a worker's is.

    This one has simulated frames and run other benchmarks; a fork of it begins with all of that.
    """
    words = " ".join(["native-peak", str(scratch), *map(str, paths)])
    done = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench", "--part", words],
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return float(done.stdout.splitlines()[-1])


def _native_peak(scratch: str, *paths: str) -> float:
    return run_program(OURS, [Path(one) for one in paths], Path(scratch), forked.run_limited)[1]


PARTS: dict[str, Callable[..., object]] = {"native-peak": _native_peak}


def frames(directory: Path, n_frames: int) -> list[Path]:
    """Write bias frames of 2148 x 4096 pixels, unless they are there; give the first ones."""
    directory.mkdir(parents=True, exist_ok=True)
    exposures = list(_TEMPLATE.exposures(42.0))[:n_frames]
    return [_frame(directory, exposure) for exposure in exposures]


def _frame(directory: Path, exposure: Exposure) -> Path:
    path = directory / arcfile(_TEMPLATE, exposure)
    if not path.exists():
        pixels = expose(CHIP, _PHYSICS, Light(0.0), "bench", path.name)
        keywords = (*common(_TEMPLATE, exposure, "ESO-VLT-U2", "IMAGE"), *pixel_axes(), *_setup())
        part = path.with_suffix(".part")
        write_fits(part, [Image(tuple(card(key, value) for key, value in keywords), pixels)])
        part.replace(path)
    return path


def _setup() -> Keywords:
    return (
        ("ESO DET READ SPEED", _TEMPLATE.read_mode),
        ("ESO DET WIN1 BINX", 1),
        ("ESO DET WIN1 BINY", 1),
        ("ESO DET OUT1 NX", CHIP.nx),
        ("ESO DET OUT1 NY", CHIP.ny),
        ("ESO DET OUT1 PRSCX", CHIP.prescan),
        ("ESO DET OUT1 PRSCY", 0),
        ("ESO DET OUT1 OVSCX", CHIP.overscan),
        ("ESO DET OUT1 OVSCY", 0),
        ("ESO DET OUT1 CONAD", _PHYSICS.conad),
    )


# --- running


def plan(method: Method, paths: Sequence[Path]) -> RecipeCall:
    return RecipeCall(
        recipe=method.recipe,
        runner=method.runner,
        pipeline=method.pipeline,
        parameters=method.parameters,
        raws=tuple(SofEntry(path, method.tag) for path in paths),
        calibrations=(),
        expected_products=(),
        min_frames=3,
        **_FOR_ALL,  # type: ignore[arg-type]
    )


def run_ours(paths: Sequence[Path], scratch: Path) -> float:
    """Run our recipe as a worker does, all around it included; return the seconds."""
    if not forked.is_possible():
        raise RuntimeError("There are other threads here, or no fork: this is no warm worker.")
    call = plan(OURS, paths)
    started = time.perf_counter()
    outcome = run_recipe(call, scratch / "ours", on_start=lambda _: None, on_beat=lambda: None)
    seconds = time.perf_counter() - started
    if not outcome.succeeded:
        raise RuntimeError(f"{outcome.reason}\n{outcome.log}")
    return seconds


def run_program(
    method: Method, paths: Sequence[Path], scratch: Path, run: Callable[..., Ended]
) -> tuple[float, float]:
    """Run a recipe alone in a directory made beforehand; return seconds and peak memory (MB)."""
    call, job_dir = plan(method, paths), scratch / method.recipe
    jobs.make_job(job_dir, list(call.raws), ())
    return _run(command_of(call), job_dir, environment_of(call, job_dir), run)


def combine_by_ccdproc(paths: Sequence[Path], scratch: Path) -> tuple[float, float]:
    """Combine by ccdproc in a process of its own; return its seconds without imports, and peak."""
    job_dir = scratch / "ccdproc"
    job_dir.mkdir(exist_ok=True)
    argv = [sys.executable, "-c", _CCDPROC, str(job_dir / "master.fits"), *map(str, paths)]
    _, peak_mb = _run(argv, job_dir, jobs.environment(job_dir), run_limited)
    return float((job_dir / "terminal.log").read_text().splitlines()[-1]), peak_mb


def _run(
    argv: list[str], job_dir: Path, env: dict[str, str], run: Callable[..., Ended]
) -> tuple[float, float]:
    started = time.perf_counter()
    ended = run(
        argv, cwd=job_dir, env=env, on_start=lambda _: None, on_beat=lambda: None, **_FOR_ALL
    )
    seconds = time.perf_counter() - started
    if ended.code or ended.peak_mb is None:
        raise RuntimeError(f"{argv[:4]} ended with {ended}:\n{jobs.read_job_log(job_dir)}")
    return seconds, ended.peak_mb


# --- comparing


def compare(paths: Sequence[Path], theirs: Method, scratch: Path) -> None:
    """Make sure that both do the same work, in strips: what this process takes is seen as theirs.

    Raises
    ------
    RuntimeError
        The masters differ by more than the methods do.
    """
    run_ours(paths, scratch)
    run_program(theirs, paths, scratch, run_limited)
    ours = fits.getdata(scratch / "ours" / "out" / OURS.product)
    other = fits.getdata(scratch / theirs.recipe / "out" / theirs.product)
    is_uves = theirs.recipe == UVES.recipe
    if is_uves:
        other = np.rot90(other)
    detectors = [open_frame(path).detectors[0] for path in paths]
    zero = np.float32(detectors[0].hdu.zero)
    levels = [np.float32(frame.pixels().mean(dtype=np.float64)) - zero for frame in detectors]
    for rows, planes in strips(detectors):
        median = np.median(planes, axis=0) + zero
        _expect(bool(np.array_equal(ours[rows], median)), "ours is not the median")
        if is_uves:  # the frames are brought to the level of the first
            planes = [plane - level for plane, level in zip(planes, levels, strict=True)]
            median = np.median(planes, axis=0) + levels[0] + zero
        off = float(np.abs(other[rows] - median).max())
        _expect(off <= theirs.tolerance_adu, f"{theirs.recipe} has another median, by {off} ADU")


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise RuntimeError(f"{otherwise}: there is nothing to compare.")
