"""Writes definition files in TOML: whatever a text holds, it stays the text it was."""

import textwrap
from collections.abc import Sequence
from typing import TypeAlias

TomlValue: TypeAlias = str | bool | int | float | Sequence[str | int | float]

WIDTH = 96
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class TomlWriter:
    r"""A definition file as it grows, line by line.

    >>> writer = TomlWriter()
    >>> writer.comment("Two lines\nof prose.")
    >>> writer.section("recipes", "a.b")
    >>> writer.pair("unit", 'a "quoted"\nname')
    >>> print(writer.text(), end="")
    # Two lines of prose.
    <BLANKLINE>
    [recipes."a.b"]
    unit = "a \"quoted\"\nname"
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def comment(self, words: str) -> None:
        """Write a paragraph of comment; no text can break out of it."""
        plain = printable(" ".join(words.split()))
        self._lines += [
            f"# {line}"
            for line in textwrap.wrap(plain, WIDTH, break_on_hyphens=False, break_long_words=False)
        ]

    def blank(self) -> None:
        """Write an empty line, unless there is one or the file begins here."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def section(self, *names: str) -> None:
        """Begin a section ``[a.b]``."""
        self.blank()
        self._lines.append(f"[{_dotted(names)}]")

    def item(self, *names: str) -> None:
        """Begin a section ``[[a.b]]``, one of several; only the outermost has room above."""
        if len(names) == 1:
            self.blank()
        self._lines.append(f"[[{_dotted(names)}]]")

    def pair(self, key: str, value: TomlValue) -> None:
        """Write ``key = value``; a long list has a line for each item."""
        line = f"{_key(key)} = {toml_value(value)}"
        if len(line) > WIDTH and not isinstance(value, str | bool | int | float):
            self._lines += [f"{_key(key)} = [", *(f"    {toml_value(one)}," for one in value), "]"]
        else:
            self._lines.append(line)

    def text(self) -> str:
        """Return the file."""
        return "\n".join(self._lines) + "\n"


def toml_value(value: TomlValue) -> str:
    r"""Return a value as TOML writes it.

    >>> toml_value('say "no"'), toml_value(True), toml_value([1, 2.5]), toml_value("\x00\x7f")
    ('"say \\"no\\""', 'true', '[1, 2.5]', '"\\u0000\\u007f"')
    """
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return f"[{', '.join(toml_value(one) for one in value)}]"


def printable(text: str) -> str:
    r"""Return a text with a blank for all that no page shows, so that it stays on its line.

    >>> printable("a\x85b\x00c é")
    'a b c é'
    """
    return "".join(one if one.isprintable() else " " for one in text)


def _escaped(one: str) -> str:
    if one in _SHORT:
        return _SHORT[one]
    if one.isprintable():
        return one
    # No file can hold half of a surrogate pair.
    number = 0xFFFD if 0xD800 <= ord(one) <= 0xDFFF else ord(one)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _dotted(names: Sequence[str]) -> str:
    return ".".join(map(_key, names))


def _key(name: str) -> str:
    bare = name.replace("_", "").replace("-", "")
    return name if bare.isascii() and bare.isalnum() else toml_value(name)
