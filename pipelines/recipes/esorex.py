"""ESO's recipes through EsoRex: where they are, and the command line."""

import os
import shutil
from functools import cache
from pathlib import Path

from pipelines.domain.recipe_call import RecipeCall

_PLUGIN_DIRS = ("/usr/lib/x86_64-linux-gnu/cpl/plugins", "/usr/lib/aarch64-linux-gnu/cpl/plugins",
                "/usr/lib64/esopipes-plugins", "/usr/lib/cpl/plugins")  # fmt: skip


@cache
def find_esorex() -> str | None:
    return shutil.which("esorex")


@cache
def find_plugins(pipeline: str) -> Path | None:
    """Return the newest installed plug-in folder of a pipeline, e.g. ``…/uves-6.1.8``."""
    folders = os.environ.get("ESOREX_PLUGIN_DIR", ":".join(_PLUGIN_DIRS)).split(":")
    found = [path for folder in folders for path in Path(folder).glob(f"{pipeline}-[0-9]*")]
    return max(found, key=_version, default=None)


def _version(path: Path) -> tuple[int, ...]:
    words = path.name.rpartition("-")[2].split(".")
    return tuple(int(word) for word in words if word.isdigit())


def is_available(pipeline: str) -> bool:
    return find_esorex() is not None and find_plugins(pipeline) is not None


def command(call: RecipeCall) -> list[str]:
    """Return the command line, all paths relative to the job's directory: a SOF knows no blanks."""
    return [
        find_esorex() or "esorex",
        f"--recipe-dir={find_plugins(call.pipeline)}",
        "--output-dir=out",
        "--log-dir=out",
        "--log-file=run.log",
        "--products-sof=out/products.json",
        "--msg-level=off",
        "--log-level=info",
        call.recipe,
        *call.parameters,
        "in.sof",
    ]


def version(call: RecipeCall) -> str:
    plugins = find_plugins(call.pipeline)
    return plugins.name.replace("-", "/") if plugins else ""
