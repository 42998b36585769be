"""One call of a recipe, from the command line to the exit code."""

import errno
import math
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import VERSION, arc, bias, dark, detmon, flat, linearity
from .errors import (
    DISK_FULL,
    OUT_OF_MEMORY,
    PERMISSION_DENIED,
    UNEXPECTED,
    InputOutputError,
    RecipeError,
)
from .inputs import read_set, select_usable
from .journal import Journal
from .products import Run, write_product_list, write_products
from .recipe import Parameter, Recipe, Reduced, Stack

RECIPES: Mapping[str, Recipe] = {
    module.RECIPE.name: module.RECIPE for module in (bias, dark, flat, detmon, linearity, arc)
}
_USAGE = (
    "python -m pipelines.recipes.native RECIPE SOF --output-dir=DIR "
    "[--products-sof=FILE] [--log-file=FILE] [--name=value ...]"
)


@dataclass(frozen=True)
class Call:
    """A call that has been understood; `log_file` None writes the log to standard error."""

    recipe: Recipe
    sof: Path
    output_dir: Path
    products_sof: Path | None
    log_file: Path | None
    parameters: Mapping[str, float]


def main(arguments: Sequence[str]) -> int:
    """Run a recipe as the command line says; give the exit code."""
    try:
        call = parse(arguments)
        journal = _open_journal(call)
    except RecipeError as error:
        sys.stderr.write(f"{error}\n{_USAGE}\n")
        return error.exit_code
    try:
        return _guarded(call, journal)
    finally:
        journal.close()


def parse(arguments: Sequence[str]) -> Call:
    names = [argument for argument in arguments if not argument.startswith("--")]
    options = dict(_option(argument) for argument in arguments if argument.startswith("--"))
    if len(names) != 2:
        raise RecipeError(f"expected a recipe and a set of frames, found {names}")
    recipe = RECIPES.get(names[0])
    if recipe is None:
        raise RecipeError(f"no recipe {names[0]!r}; there are {', '.join(RECIPES)}")
    paths = {name: options.pop(name, "") for name in ("output-dir", "products-sof", "log-file")}
    return Call(
        recipe,
        Path(names[1]),
        Path(paths["output-dir"] or "."),
        Path(paths["products-sof"]) if paths["products-sof"] else None,
        Path(paths["log-file"]) if paths["log-file"] else None,
        _parameters(recipe, options),
    )


def _option(argument: str) -> tuple[str, str]:
    name, equals, value = argument.removeprefix("--").partition("=")
    if not equals:
        raise RecipeError(f"{argument}: expected --name=value")
    return name, value


def _parameters(recipe: Recipe, options: Mapping[str, str]) -> dict[str, float]:
    known = {parameter.name: parameter for parameter in recipe.parameters}
    values = {parameter.name: parameter.default for parameter in recipe.parameters}
    for name, text in options.items():
        if name not in known:
            raise RecipeError(f"--{name}: {recipe.name} knows {', '.join(known)}")
        values[name] = _in_range(known[name], text)
    return values


def _in_range(parameter: Parameter, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not parameter.lowest <= value <= parameter.highest:
        raise RecipeError(
            f"--{parameter.name}={text}: expected a number from {parameter.lowest:g} to "
            f"{parameter.highest:g}, {parameter.description}"
        )
    return value


def _open_journal(call: Call) -> Journal:
    if not call.output_dir.is_dir():
        raise RecipeError(f"{call.output_dir}: no such directory; make it before the call")
    if call.log_file is None:
        return Journal(sys.stderr, call.recipe.name)
    try:
        return Journal.open(call.log_file, call.recipe.name)
    except OSError as error:
        raise RecipeError(f"{call.log_file}: {error.strerror}; the log must be writable") from error


def _guarded(call: Call, journal: Journal) -> int:
    """Run, and turn whatever goes wrong into a line of the log and an exit code."""
    try:
        run_recipe(call, journal)
    except RecipeError as error:
        journal.error(str(error))
        return error.exit_code
    except OSError as error:
        journal.error(f"{error.filename or call.output_dir}: {error.strerror}; nothing was kept")
        return _system_exit_code(error)
    except MemoryError:
        journal.error(
            f"out of memory with {call.sof.name}; raise the limit or combine fewer frames"
        )
        return OUT_OF_MEMORY
    except Exception:  # noqa: BLE001  the last door: nobody sees this process but through its log
        journal.error(f"unexpected, please report it:\n{traceback.format_exc()}")
        return UNEXPECTED
    return 0


def _system_exit_code(error: OSError) -> int:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DISK_FULL
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return PERMISSION_DENIED
    return InputOutputError.exit_code


def run_recipe(call: Call, journal: Journal) -> None:
    """Read, check, reduce detector by detector, write."""
    journal.info(f"hcm/{VERSION} {call.recipe.name} {call.sof}")
    frames, calibrations = read_set(call.recipe, call.sof)
    usable = select_usable(frames, call.parameters, journal)
    run = Run(
        call.recipe,
        [each.frame for each in usable],
        calibrations,
        call.parameters,
        len(frames) - len(usable),
    )
    reduced = [
        _reduce(run, index, sum(each.saturated[index] for each in usable), journal)
        for index in range(len(frames[0].detectors))
    ]
    names = write_products(run, reduced, call.output_dir)
    if call.products_sof is not None:
        write_product_list(call.recipe, call.output_dir, call.products_sof)
    journal.info(f"{len(usable)} frames combined; wrote {', '.join(names)}")


def _reduce(run: Run, index: int, saturated: int, journal: Journal) -> Reduced:
    first = run.frames[0]
    stack = Stack(
        tuple(frame.detectors[index] for frame in run.frames),
        first.fits.primary,
        first.exptime_s,
        saturated,
        run.calibrations,
        run.parameters,
        tuple(frame.exptime_s for frame in run.frames) if run.recipe.is_series else (),
    )
    reduced = run.recipe.reduce(stack)
    measured = ", ".join(f"{qc.keyword} {qc.value:.6g}" for qc in reduced.measurements)
    journal.info(f"{stack.name}: {measured}")
    return reduced
