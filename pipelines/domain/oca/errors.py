"""What can be wrong with a rule file, and what is merely odd about it.

OcaError
├── OcaSyntaxError       the text is not OCA: says line, column and what was expected
└── OcaUnsupportedError  the text is OCA, but the settings refuse what it asks for

An `OcaWarning` is no exception: the file runs, its author should look at the line.
"""

from dataclasses import dataclass


class OcaError(Exception):
    """A rule file that cannot be used."""


class OcaSyntaxError(OcaError):
    """Text that is not OCA.

    Parameters
    ----------
    line, column
        Where, both counted from 1.
    expected
        What could have stood there, in words for the author of the rules.
    found
        What stood there instead; empty when `expected` says it all.

    Examples
    --------
    >>> str(OcaSyntaxError(12, 5, "';'", "'select'"))
    "12:5: expected ';', found 'select'"
    """

    def __init__(self, line: int, column: int, expected: str, found: str = "") -> None:
        self.line = line
        self.column = column
        self.expected = expected
        self.found = found
        super().__init__(line, column, expected, found)

    def __str__(self) -> str:
        found = f", found {self.found}" if self.found else ""
        return f"{self.line}:{self.column}: expected {self.expected}{found}"


class OcaUnsupportedError(OcaError):
    """A rule that the settings in force refuse to run.

    Parameters
    ----------
    line
        Line of the rule.
    reason
        Why it is refused, and what would allow it.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(line, reason)

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class OcaWarning:
    """A line that runs, though perhaps not as its author meant.

    Examples
    --------
    >>> print(OcaWarning(7, "minRet and maxRet stand before no select and are ignored"))
    7: minRet and maxRet stand before no select and are ignored
    """

    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.line}: {self.message}"
