"""Finds what is installed of ESO's pipelines: rules, dictionary, recipes."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain import oca
from pipelines.domain.qc_dictionary import DictionaryError, QCDictionary, parse_dictionary
from pipelines.recipes.metadata import find_recipes

PLUGINS = Path("/usr/share/cpl-plugins")


class DiscoveryError(Exception):
    """An instrument cannot be proposed; the message says why."""


@dataclass(frozen=True)
class Installed:
    """A pipeline as its package has installed it, e.g. ``/usr/share/cpl-plugins/uves-6.1.8``."""

    folder: Path

    @property
    def pipeline(self) -> str:
        return self.folder.name.rpartition("-")[0]

    @property
    def version(self) -> str:
        return self.folder.name.rpartition("-")[2]

    @property
    def instrument(self) -> str:
        """The instrument's name: the dictionary's, which need not be the pipeline's."""
        found = sorted(self.folder.glob("dic/ESO-DFS-DIC.*_QC"))
        return found[0].name.rpartition(".")[2].removesuffix("_QC") if found else ""

    def is_called(self, name: str) -> bool:
        return name.lower() in {self.pipeline.lower(), self.folder.name.lower(),
                                self.instrument.lower()}  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """What a pipeline's files say."""

    rules_file: Path
    rules: oca.RuleFile
    dictionary_file: Path
    dictionary: QCDictionary
    recipes: tuple[str, ...]


def find_installed(plugins: Path) -> list[Installed]:
    """Return the pipelines below a directory, of each the newest version."""
    newest: dict[str, Installed] = {}
    for folder in sorted(plugins.glob("*-[0-9]*"), key=_version):
        if folder.is_dir():
            one = Installed(folder)
            newest[one.pipeline] = one
    return [newest[name] for name in sorted(newest)]


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", folder.name.rpartition("-")[2]))


def read_installed(one: Installed) -> Contents:
    """Read a pipeline's rules and dictionary.

    Raises
    ------
    DiscoveryError
        A file is missing or broken, or there are no recipes.
    """
    rules_file = _rules_file(one)
    dictionary_file = _only(one.folder / "dic", "ESO-DFS-DIC.*_QC", "dictionary of QC parameters")
    try:
        rules = oca.parse(_read(rules_file))
        dictionary = parse_dictionary(str(dictionary_file), _read(dictionary_file))
    except oca.OcaSyntaxError as error:
        raise DiscoveryError(f"{rules_file}:{error}") from error
    except DictionaryError as error:
        raise DiscoveryError(str(error)) from error
    recipes = find_recipes(one.pipeline)
    if not recipes:
        raise DiscoveryError(
            f"{one.folder.name}: its recipes are not installed where EsoRex looks for them."
        )
    return Contents(rules_file, rules, dictionary_file, dictionary, tuple(recipes))


def _rules_file(one: Installed) -> Path:
    """Return the rules named after the pipeline, else the only ones there are."""
    folder = one.folder / "gasgano" / "config"
    named = folder / f"{one.pipeline}.oca"
    return named if named.is_file() else _only(folder, "*.oca", "OCA rule file")


def _only(folder: Path, pattern: str, what: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        said = ", ".join(path.name for path in found) or "none"
        raise DiscoveryError(f"{folder}: expected one {what} ({pattern}), found {said}.")
    return found[0]


def _read(path: Path) -> str:
    """Return a file's text; ESO's older files are not in UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DiscoveryError(f"{path}: {error.strerror}.") from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
