"""Whether the recipes of each instrument are installed, and its folder is the one that was loaded."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

from pipelines.models import Instrument, Runner
from pipelines.recipes.esorex import find_esorex, find_plugins
from pipelines.recipes.native.command import RECIPES
from qcweb.instrument_folders import FolderError, find_folders, read_folder

from .finding import Finding, fail, ok, warn

LISTING_S = 60


def recipes() -> Iterator[Finding]:
    for program, without in (("setpriv", "a recipe would outlive a worker that is killed"),
                             ("prlimit", "recipes would have no limit of memory")):  # fmt: skip
        if shutil.which(program) is None:
            yield warn("recipes", f"{program} is missing: {without}.",
                       "apt-get install util-linux")  # fmt: skip
    for instrument in Instrument.objects.observing():
        yield _recipes_of(instrument)


def _recipes_of(instrument: Instrument) -> Finding:
    name = f"{instrument.name}"
    if instrument.runner == Runner.ESOREX:
        plugins = find_plugins(instrument.pipeline)
        install = f"apt-get install esorex cpl-plugin-{instrument.pipeline}"
        if find_esorex() is None:
            return fail("recipes", f"{name}: EsoRex is not installed.", install)
        if plugins is None:
            return fail("recipes", f"{name}: no plug-in {instrument.pipeline} is there.", install)
        there, source = installed(plugins), str(plugins)
    else:
        install = "The folder names recipes that this version does not have."
        there, source = frozenset(RECIPES), "our own"
    missing = sorted(set(instrument.recipes) - there)
    if missing:
        return fail("recipes", f"{name}: {', '.join(missing)} not in {source}.", install)
    return ok("recipes", f"{name}: {len(instrument.recipes)} recipes, {source}")


@cache
def installed(plugins: Path) -> frozenset[str]:
    """Return the recipes that EsoRex finds in a plug-in folder."""
    listing = subprocess.run(
        [find_esorex() or "esorex", f"--recipe-dir={plugins}", "--recipes"],
        capture_output=True, text=True, timeout=LISTING_S, check=False,
    )  # fmt: skip
    return frozenset(line.split()[0] for line in listing.stdout.splitlines() if line.split())


def rules() -> Iterator[Finding]:
    """Read each loaded folder again: it may have been edited, broken or removed since."""
    for instrument in Instrument.objects.all():
        yield _rules_of(instrument)
    loaded = set(Instrument.objects.values_list("folder", flat=True))
    names = set(Instrument.objects.values_list("name", flat=True))
    for path in find_folders(settings.HCM_INSTRUMENTS_DIRS):
        if str(path.resolve()) not in loaded and path.name.upper() not in names:
            yield warn("rules", f"{path} is not loaded.", "python manage.py load_instruments")
    if not loaded:
        yield fail("rules", "no instrument is known.", "python manage.py load_instruments")


def _rules_of(instrument: Instrument) -> Finding:
    name, path = instrument.name, Path(instrument.folder)
    if not (path / "instrument.toml").exists():
        return warn("rules", f"{name}: its folder {path} is gone.",
                    "Put it back, or load another: python manage.py load_instruments DIR")  # fmt: skip
    try:
        folder = read_folder(path)
    except FolderError as error:
        return fail("rules", str(error), "Mend it; what was loaded before is in force meanwhile.")
    if folder.digest != instrument.digest:
        return warn("rules", f"{name}: {path} has changed since it was loaded.",
                    f"python manage.py load_instruments {path}")  # fmt: skip
    return ok("rules", f"{name}: as loaded {instrument.loaded_at:%Y-%m-%d %H:%M} UT")
