"""One run of one recipe, from its plan to its outcome. Every way it can end has its own words."""

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.domain.recipe_call import Kind, RecipeCall, RecipeOutcome, read_log

from . import esorex, forked, jobs, process, verify
from .process import KILLED_BY_TIMEOUT, ProcessId

LOG_TAIL = 60_000

# Exit codes that the machine may be to blame for: output cannot be written or moved, the memory
# limit, a signal. All others are the recipe's own and will come again.
_OF_THE_MACHINE = {
    8: "it could not create a file",
    66: "a product could not be moved: is the disk full?",
    67: "a product could not be moved: permission denied",
    134: "it was aborted, mostly by the memory limit",
    137: "it was killed",
    143: "it was told to stop",
}


def run_recipe(
    call: RecipeCall,
    job_dir: Path,
    *,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> RecipeOutcome:
    """Run a recipe in `job_dir` and judge the result; `FencedError` of `on_beat` passes through."""
    started = time.monotonic()
    try:
        outcome = _run(call, job_dir, on_start, on_beat)
    except verify.UnusableError as error:
        outcome = RecipeOutcome(False, error.kind, error.reason)
    except OSError as error:
        # The job's directory, not a frame: the disk is full, or somebody removed it.
        outcome = RecipeOutcome(False, Kind.RESOURCE, f"{call.recipe} could not be run: {error}")
    log = jobs.read_job_log(job_dir)[-LOG_TAIL:] if job_dir.exists() else ""
    return dataclasses.replace(
        outcome,
        log=outcome.log or log,
        pipeline_version=_version(call),
        argv=tuple(command_of(call)),
        duration_s=time.monotonic() - started,
    )


def _run(
    call: RecipeCall,
    job_dir: Path,
    on_start: Callable[[ProcessId], None],
    on_beat: Callable[[], None],
) -> RecipeOutcome:
    if call.runner == "esorex" and not esorex.is_available(call.pipeline):
        reason = f"EsoRex with the {call.pipeline} pipeline is not installed on this worker."
        raise verify.UnusableError(Kind.SETUP, reason)
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
    return _judge(call, job_dir, ended.code, inputs, on_beat)


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
        kind, reason = _failure(call, code, reading.errors)
        return RecipeOutcome(False, kind, reason, return_code=code)
    products = verify.check_products(call, job_dir, on_beat)
    doubts = [f"left out before the run: {text}" for text in inputs.dropped]
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


def _failure(call: RecipeCall, code: int, errors: list[str]) -> tuple[Kind, str]:
    if code == KILLED_BY_TIMEOUT:
        return Kind.TIMEOUT, f"{call.recipe} did not end within {call.timeout_s:g} s and was ended."
    first = f": {errors[0]}" if errors else ", and its log names no error"
    if code in _OF_THE_MACHINE:
        return (
            Kind.RESOURCE,
            f"{call.recipe} ended with {code}, {_OF_THE_MACHINE[code]} "
            f"(limit {call.memory_mb} MB){first}",
        )
    if code == 139:
        return Kind.RECIPE, f"{call.recipe} crashed (signal 11){first}"
    return Kind.RECIPE, f"{call.recipe} ended with {code}{first}"


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


def _version(call: RecipeCall) -> str:
    if call.runner == "esorex":
        return esorex.version(call)
    from .native import VERSION

    return f"{call.pipeline}/{VERSION}"


def discard(job_dir: Path) -> None:
    """Remove everything a run left: a late or failed run's files never become products."""
    shutil.rmtree(job_dir, ignore_errors=True)
