"""One run of one recipe, from its plan to its outcome. Every way it can end has its own words."""

import contextlib
import dataclasses
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.domain.recipe_call import Kind, RecipeCall, RecipeOutcome, read_log

from . import esorex, forked, jobs, process, quality, verify
from .process import KILLED_BY_TIMEOUT, ProcessId

LOG_TAIL = 60_000

# Exit codes that the machine may be to blame for: output cannot be written or moved, a signal.
# All others are the recipe's own and will come again.
_OF_THE_MACHINE = {
    5: "a file could not be read or written, and the frames had been looked at before",
    8: "it could not create a file",
    66: "a product could not be moved: is the disk full?",
    67: "a product could not be moved: permission denied",
    120: "its last words could not be written",
    137: "it was killed",
    143: "it was told to stop",
}
_ABORTED, _CRASHED = 134, 139
_NO_MEMORY = re.compile(
    r"failed to allocate|out of memory|cannot allocate|bad_alloc", re.IGNORECASE
)
# A disk with less room is full for a recipe.
_ROOM = 1 << 20


def run_recipe(
    call: RecipeCall,
    job_dir: Path,
    *,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> RecipeOutcome:
    """Run a recipe in `job_dir` and judge the result; `FencedError` of `on_beat` passes through."""
    started = time.monotonic()
    room = _Room(job_dir)

    def beat() -> None:
        room.look()
        on_beat()

    try:
        outcome = _run(call, job_dir, on_start, beat)
    except verify.UnusableError as error:
        outcome = RecipeOutcome(False, error.kind, error.reason)
    except OSError as error:
        # The job's directory, not a frame: the disk is full, or somebody removed it.
        outcome = RecipeOutcome(False, Kind.ENVIRONMENT, f"{call.recipe} could not be run: {error}")
    log = jobs.read_job_log(job_dir)[-LOG_TAIL:] if job_dir.exists() else ""
    return dataclasses.replace(
        room.blamed(outcome),
        log=outcome.log or log,
        pipeline_version=pipeline_version(call),
        argv=tuple(command_of(call)),
        duration_s=time.monotonic() - started,
    )


class _Room:
    """Sees whether the disk was full at some time of a run.

    A recipe says a hundred things when it cannot write, and leaves files cut at any place: none of
    that is its own fault.
    """

    def __init__(self, job_dir: Path) -> None:
        self.folder = job_dir.parent
        self.was_full = False
        self.look()

    def look(self) -> None:
        with contextlib.suppress(OSError):
            self.was_full |= shutil.disk_usage(self.folder).free < _ROOM

    def blamed(self, outcome: RecipeOutcome) -> RecipeOutcome:
        """Return a failure as the disk's where it was full; any other outcome as it is."""
        self.look()
        is_suspect = outcome.kind in {Kind.RECIPE, Kind.PRODUCT, Kind.MEMORY, Kind.ENVIRONMENT}
        if outcome.succeeded or not self.was_full or not is_suspect:
            return outcome
        return dataclasses.replace(
            outcome,
            kind=Kind.ENVIRONMENT,
            reason=f"The disk of {self.folder} was full while it ran. {outcome.reason}",
        )


def _run(
    call: RecipeCall,
    job_dir: Path,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> RecipeOutcome:
    if call.runner == "esorex" and not esorex.is_available(call.pipeline):
        reason = f"EsoRex with the {call.pipeline} pipeline is not installed on this worker."
        raise verify.UnusableError(Kind.ENVIRONMENT, reason)
    inputs = verify.check_inputs(call, on_beat)
    jobs.make_job(job_dir, inputs.raws, call.calibrations, on_beat)
    start = forked if call.runner != "esorex" and forked.is_possible() else process
    ended = start.run_limited(
        command_of(call),
        cwd=job_dir,
        env=environment_of(call, job_dir),
        timeout_s=call.timeout_s,
        memory_mb=call.memory_mb,
        on_start=on_start,
        on_beat=on_beat,
    )
    outcome = _judge(call, job_dir, ended.code, inputs, on_beat)
    return dataclasses.replace(outcome, peak_mb=ended.peak_mb)


def _judge(
    call: RecipeCall,
    job_dir: Path,
    code: int,
    inputs: verify.CheckedInputs,
    on_beat: Callable[[], None],
) -> RecipeOutcome:
    log = jobs.read_job_log(job_dir)
    reading = read_log(log)
    if code != 0:
        kind, reason = _failure(call, code, reading.errors, job_dir)
        return RecipeOutcome(False, kind, reason, return_code=code)
    products = verify.check_products(call, job_dir, on_beat)
    doubts = [f"left out before the run: {text}" for text in inputs.dropped]
    doubts += quality.doubts_about(call, products, verify.reading_product)
    doubts += [f"the log says: {text}" for text in (reading.errors + reading.dropped)[:3]]
    used = verify.combined_count(products)
    if used is not None and used < len(inputs.raws):
        doubts.append(f"the recipe used {used} of {len(inputs.raws)} frames")
    return RecipeOutcome(
        True,
        reason="; ".join(doubts),
        is_degraded=bool(doubts),
        return_code=0,
        products=tuple(products),
    )


def _failure(call: RecipeCall, code: int, errors: list[str], job_dir: Path) -> tuple[Kind, str]:
    first = f": {errors[0]}" if errors else ", and its log names no error"
    if code == KILLED_BY_TIMEOUT:
        return Kind.TIMEOUT, f"{call.recipe} did not end within {call.timeout_s:g} s and was ended."
    if code in _OF_THE_MACHINE:
        return Kind.ENVIRONMENT, f"{call.recipe} ended with {code}, {_OF_THE_MACHINE[code]}{first}"
    if _ran_out_of_memory(code, job_dir):
        return (
            Kind.MEMORY,
            f"{call.recipe} ended with {code}: it asked for more memory than its limit of "
            f"{call.memory_mb} MB{first}",
        )
    if code in {_ABORTED, _CRASHED}:
        return Kind.RECIPE, f"{call.recipe} crashed (signal {code - 128}){first}"
    return Kind.RECIPE, f"{call.recipe} ended with {code}{first}"


def _ran_out_of_memory(code: int, job_dir: Path) -> bool:
    """Whether the recipe says so itself: only its terminal shows what the allocator said."""
    if code not in {_ABORTED, _CRASHED}:
        return False
    said = (job_dir / "terminal.log").read_text(errors="replace") + jobs.read_job_log(job_dir)
    return bool(_NO_MEMORY.search(said))


def command_of(call: RecipeCall) -> list[str]:
    if call.runner == "esorex":
        return esorex.command(call)
    return [
        sys.executable,
        "-m",
        "pipelines.recipes.native",
        call.recipe,
        "in.sof",
        "--output-dir=out",
        "--products-sof=out/products.json",
        "--log-file=out/run.log",
        *call.parameters,
    ]


def environment_of(call: RecipeCall, job_dir: Path) -> dict[str, str]:
    env = jobs.environment(job_dir)
    if call.runner != "esorex":
        # The project is run from its tree, not installed.
        env["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


def pipeline_version(call: RecipeCall) -> str:
    """Return name and version of what would run, e.g. ``uves/6.1.8``."""
    if call.runner == "esorex":
        return esorex.version(call)
    from .native import VERSION

    return f"{call.pipeline}/{VERSION}"


def discard(job_dir: Path) -> None:
    """Remove everything a run left: a late or failed run's files never become products."""
    shutil.rmtree(job_dir, ignore_errors=True)
