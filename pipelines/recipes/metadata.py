"""What installed recipes say of themselves: their parameters and their manual pages."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from pipelines.domain.recipe_parameters import RecipeParameter, parameter_from_esorex

from .esorex import find_esorex, find_plugins

# A recipe that only describes itself answers in a twentieth of a second.
TIMEOUT_S = 60.0


class MetadataError(Exception):
    """A recipe cannot be asked; the message says which and why."""


def find_recipes(pipeline: str) -> list[str]:
    """Return the names of a pipeline's installed recipes."""
    folder = find_plugins(pipeline)
    return sorted(path.stem for path in folder.glob("*.so")) if folder else []


def read_parameters(pipeline: str, recipe: str) -> list[RecipeParameter]:
    """Return the parameters of a recipe.

    Raises
    ------
    MetadataError
        EsoRex is not there, or does not answer as expected.
    """
    with tempfile.TemporaryDirectory(prefix="hcm-esorex-") as folder:
        config = Path(folder) / "parameters.json"
        _ask(pipeline, recipe, f"--create-config={config.name}", Path(folder))
        try:
            text = config.read_bytes().decode("utf-8", errors="replace")
            return [parameter_from_esorex(one) for one in json.loads(text)]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise MetadataError(f"{recipe}: its parameters cannot be read: {error}") from error


def native_parameters(recipe: str) -> list[RecipeParameter]:
    """Return the parameters of one of our own recipes; none for a name that is none."""
    from .native.command import RECIPES

    found = RECIPES.get(recipe)
    return [
        RecipeParameter(
            name=one.name, type="double", default=one.default,
            low=one.lowest, high=one.highest, description=one.description,
        )
        for one in (found.parameters if found else ())
    ]  # fmt: skip


def read_manual(pipeline: str, recipe: str) -> str:
    """Return the description in a recipe's manual page."""
    with tempfile.TemporaryDirectory(prefix="hcm-esorex-") as folder:
        page = _ask(pipeline, recipe, "--man-page", Path(folder))
    return page.partition("\nDESCRIPTION")[2].partition("\nOPTIONS")[0]


def _ask(pipeline: str, recipe: str, question: str, folder: Path) -> str:
    esorex = find_esorex()
    if esorex is None:
        raise MetadataError("EsoRex is not installed, or not on the path: recipes cannot be asked.")
    # HOME: no esorex.rc of whoever runs this changes what is written.
    command = [esorex, f"--recipe-dir={find_plugins(pipeline)}", question, recipe]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={"HOME": str(folder), "PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MetadataError(f"{recipe}: EsoRex does not answer: {error}") from error
    said = done.stdout.decode("utf-8", errors="replace")
    if done.returncode:
        last = (said.strip().splitlines() or ["it says nothing"])[-1]
        raise MetadataError(f"{recipe}: EsoRex ended with {done.returncode}: {last.strip()}")
    return said
