"""Reads definition files in TOML; what is wrong is said with its file and line."""

import re
import tomllib
from collections.abc import Collection
from typing import Any

_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
Path = tuple[str | int, ...]


class DefinitionError(Exception):
    """A definition file is wrong: `FILE:LINE: what, and what was expected`."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file, self.line, self.message = file, line, message


class Section:
    r"""One table of a definition file; each getter checks type and range.

    Keys nobody asked for are refused by `done`, so that a misspelt one is not silently ignored.

    >>> section = read_toml("demo.toml", 'name = "CCD"\nlimit = 3')
    >>> section.text("name"), section.number("limit")
    ('CCD', 3.0)
    >>> section.text("title")
    Traceback (most recent call last):
    ...
    pipelines.domain.toml_reader.DefinitionError: demo.toml:1: title is missing
    """

    def __init__(self, file: str, source: str, data: dict[str, Any], path: Path = ()) -> None:
        self._file, self._source, self._data, self._path = file, source, data, path
        self._seen: set[str] = set()

    def error(self, key: str, message: str) -> DefinitionError:
        """Return an error that points at a key of this section."""
        line = find_line(self._source, (*self._path, key) if key else self._path)
        return DefinitionError(self._file, line, message)

    def error_at(self, key: str, item: str, message: str) -> DefinitionError:
        """Return an error that points at one text of the list that a key holds."""
        first = find_line(self._source, (*self._path, key))
        lines = self._source.splitlines()[first - 1 :]
        # A text written with escapes is not found again: the key's own line will do.
        ahead = next((n for n, line in enumerate(lines) if item in line), 0)
        return DefinitionError(self._file, first + ahead, message)

    def _get(self, key: str, kinds: tuple[type, ...], words: str, default: Any) -> Any:
        self._seen.add(key)
        if key not in self._data:
            if default is ...:
                raise self.error(key, f"{key} is missing")
            return default
        value = self._data[key]
        # In TOML as in Python true is no number.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.error(key, f"{key} = {value!r}: expected {words}")
        return value

    def text(self, key: str, default: Any = ..., *, longest: int = 255) -> str:
        """Return a text; it must not be empty unless the default is."""
        value: str = self._get(key, (str,), "a text in quotes", default)
        if not value.strip() and default is ...:
            raise self.error(key, f"{key} is empty")
        if len(value.strip()) > longest:
            raise self.error(key, f"{key} is longer than {longest} characters")
        self._check_characters(key, value)
        return value.strip()

    def _check_characters(self, key: str, value: str) -> None:
        # TOML lets them in as \u0000; PostgreSQL takes no NUL, and no page shows the others.
        if _CONTROL.search(value):
            raise self.error(key, f"{key} holds a control character")

    def one_of(self, key: str, known: Collection[str], default: Any = ...) -> str:
        """Return a text of a closed list."""
        value = self.text(key, default)
        if value not in known:
            raise self.error(key, f"{key} = {value!r}: known are {', '.join(sorted(known))}")
        return value

    def number(
        self, key: str, default: Any = ..., *, low: float = -1e300, high: float = 1e300
    ) -> float:
        """Return a number within the range."""
        number = self._get(key, (int, float), "a number", default)
        # TOML's whole numbers may be longer than any float.
        value = float(min(max(number, -1.7e308), 1.7e308))
        if not low <= value <= high:
            raise self.error(key, f"{key} = {value:g}: expected {low:g} to {high:g}")
        return value

    def optional_number(self, key: str, *, low: float, high: float) -> float | None:
        """Return a number within the range, or None where there is none."""
        return self.number(key, low=low, high=high) if key in self._data else None

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return true or false."""
        return bool(self._get(key, (bool,), "true or false", default))

    def texts(self, key: str, default: Any = ...) -> list[str]:
        """Return a list of texts; a single text is a list of one."""
        value = self._get(key, (str, list), "a text or a list of texts", default)
        words = [value] if isinstance(value, str) else value
        if not all(isinstance(word, str) for word in words):
            raise self.error(key, f"{key}: expected texts in quotes")
        for word in words:
            self._check_characters(key, word)
            if not word.strip():
                raise self.error(key, f"{key}: a text is empty")
        return [word.strip() for word in words]

    def numbers(self, key: str, default: Any = ...) -> list[float]:
        """Return a list of numbers."""
        value = self._get(key, (list,), "a list of numbers", default)
        if not all(_is_finite(item) for item in value):
            raise self.error(key, f"{key}: expected numbers")
        return [float(item) for item in value]

    def mapping(self, key: str) -> dict[str, str]:
        """Return a table of texts and numbers, the numbers as texts."""
        value = self._get(key, (dict,), "a table { key = value }", {})
        if any(isinstance(item, (dict, list)) for item in value.values()):
            raise self.error(key, f"{key}: expected plain values")
        for item in value.values():
            self._check_characters(key, str(item))
        return {name: str(item) for name, item in value.items()}

    def counts(self, key: str) -> dict[str, int]:
        """Return a table of whole numbers above zero."""
        value = self._get(key, (dict,), "a table { key = number }", {})
        for name, item in value.items():
            if not isinstance(item, int) or isinstance(item, bool) or item < 1:
                raise self.error(key, f"{key}: {name} = {item!r}: expected a number above zero")
        return dict(value)

    def raw(self, key: str, default: Any = None) -> Any:
        """Return a value as TOML gives it."""
        self._seen.add(key)
        return self._data.get(key, default)

    def sections(self, key: str, *, required: bool = False) -> list["Section"]:
        """Return the sections of ``[[key]]``."""
        value = self._get(key, (list,), f"sections [[{key}]]", ... if required else [])
        if not all(isinstance(item, dict) for item in value) or (required and not value):
            raise self.error(key, f"{key}: expected sections [[{key}]]")
        return [
            Section(self._file, self._source, item, (*self._path, key, n))
            for n, item in enumerate(value)
        ]

    def section(self, key: str) -> "Section":
        """Return the section ``[key]``; an empty one when it is not there."""
        value = self._get(key, (dict,), f"a section [{key}]", {})
        return Section(self._file, self._source, value, (*self._path, key))

    def named_sections(self, key: str) -> dict[str, "Section"]:
        """Return the sections of ``[key.NAME]`` by name."""
        value = self._get(key, (dict,), f"sections [{key}.NAME]", {})
        if not all(isinstance(item, dict) for item in value.values()):
            raise self.error(key, f"{key}: expected sections [{key}.NAME]")
        return {
            name: Section(self._file, self._source, item, (*self._path, key, name))
            for name, item in value.items()
        }

    def done(self) -> None:
        """Refuse keys that nothing has asked for."""
        for key in self._data:
            if key not in self._seen:
                known = ", ".join(sorted(self._seen))
                raise self.error(key, f"{key} is not known here; known are {known}")


def _is_finite(item: object) -> bool:
    return (
        isinstance(item, (int, float)) and not isinstance(item, bool) and abs(item) < float("inf")
    )


def read_toml(file: str, source: str) -> Section:
    """Parse a definition file.

    Raises
    ------
    DefinitionError
        The text is not TOML.
    """
    try:
        return Section(file, source, tomllib.loads(source))
    except (ValueError, RecursionError) as error:
        # A whole number of thousands of digits is a plain ValueError.
        match = _LINE.search(str(error))
        line = int(match[1]) if match else source.count("\n") + 1
        raise DefinitionError(file, line, _LINE.sub("", str(error)).strip()) from error


def find_line(source: str, path: Path) -> int:
    r"""Return the line of a key, or of the nearest section that holds it.

    >>> find_line('[[tables]]\na = 1\n[[tables]]\nb = 2', ("tables", 1, "b"))
    4
    """
    lines = source.splitlines()
    at, name = 0, ""
    for n, part in enumerate(path):
        if isinstance(part, int):
            at = _nth(lines, f"[[{name}]]", part, at)
            continue
        name = f"{name}.{part}" if name else part
        is_last = n == len(path) - 1
        at = _key_line(lines, part, name, at) if is_last else _section_line(lines, name, at)
    return at + 1


def _nth(lines: list[str], header: str, count: int, start: int) -> int:
    found = [n for n in range(start, len(lines)) if lines[n].strip().startswith(header)]
    return found[count] if count < len(found) else start


def _section_line(lines: list[str], name: str, start: int) -> int:
    for n in range(start, len(lines)):
        if lines[n].strip().startswith(f"[{name}]"):
            return n
    return start


def _key_line(lines: list[str], key: str, name: str, start: int) -> int:
    pattern = re.compile(rf'\s*"?{re.escape(key)}"?\s*=')
    for n in range(start, len(lines)):
        if n > start and lines[n].lstrip().startswith("["):
            break
        if pattern.match(lines[n]):
            return n
    headers = (f"[{name}]", f"[[{name}]]", f"[{name}.")
    below = (n for n in range(start, len(lines)) if lines[n].lstrip().startswith(headers))
    return next(below, start)
