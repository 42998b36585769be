"""What can stop a recipe, and the exit code each of it gives.

::

    RecipeError                 255  the call itself is wrong: recipe, parameter, options
    ├── InputOutputError          5  a file cannot be read
    ├── DamagedFileError          6  cut short, or no FITS
    ├── FileMissingError          9  the SOF names a file that is not there
    ├── KeywordMissingError      10  a header lacks what the recipe needs
    ├── IncompatibleInputError   13  sizes, detectors or exposure times differ
    └── IllegalInputError        14  no frames, too few, NaN, a dead frame

The numbers are CPL's, so that EsoRex and these recipes share one retry table.
"""


class RecipeError(Exception):
    """A failure that is understood; its text says what, where, and what to do."""

    exit_code = 255


class InputOutputError(RecipeError):
    exit_code = 5


class DamagedFileError(RecipeError):
    exit_code = 6


class FileMissingError(RecipeError):
    exit_code = 9


class KeywordMissingError(RecipeError):
    exit_code = 10


class IncompatibleInputError(RecipeError):
    exit_code = 13


class IllegalInputError(RecipeError):
    exit_code = 14


DISK_FULL = 66
PERMISSION_DENIED = 67
UNEXPECTED = 70
OUT_OF_MEMORY = 134  # what the shell reports when a memory limit aborts EsoRex
