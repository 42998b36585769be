"""ESO's dictionaries of QC parameters, ``ESO-DFS-DIC.*_QC``: names, units and meanings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .toml_writer import printable

_FIELD = re.compile(
    r"(Dictionary Name|Parameter Name|Class|Context|Type|Value Format|Unit|"
    r"Comment Field|Comment Format|Description|Scope|Source|Version Control|Revision|Date|Status)"
    r"\s*:(.*)",
    re.IGNORECASE,
)
_RECIPE = re.compile(r"#\s*Recipe:\s*(\w+)")
_PRODUCT = re.compile(r"#\s*Product frame:\s*(\w+)")
_TYPES = {
    "double": "float", "float": "float", "real": "float", "int": "float", "integer": "float",
    "string": "text", "char": "text", "logical": "flag", "boolean": "flag", "bool": "flag",
}  # fmt: skip


class DictionaryError(Exception):
    """A dictionary cannot be read: ``FILE:LINE: what``."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")


@dataclass(frozen=True)
class QCParameter:
    """A parameter as the dictionary describes it.

    Attributes
    ----------
    name
        As written: ``QC RON MEAN``; a small letter in it stands for a number.
    type
        ``float``, ``text`` or ``flag``, as in ``qc1.toml``.
    recipe, product
        Who makes it and in which product, where comments of the dictionary say so; else empty.
    """

    name: str
    type: str
    unit: str
    description: str
    recipe: str
    product: str
    line: int

    @property
    def keyword(self) -> str:
        """The header keyword, as OCA spells it.

        >>> QCParameter("QC RON MEAN", "float", "ADU", "", "", "", 1).keyword
        'QC.RON.MEAN'
        """
        return ".".join(self.name.split())

    @property
    def is_indexed(self) -> bool:
        """Whether the name stands for several keywords.

        >>> QCParameter("QC OUTi RON", "float", "ADU", "", "", "", 1).is_indexed
        True
        """
        return any(one.islower() for one in self.name)


@dataclass(frozen=True)
class QCDictionary:
    """What a dictionary holds.

    Attributes
    ----------
    instrument
        From its name: ``GIRAFFE`` of ``ESO-DFS-DIC.GIRAFFE_QC``.
    left_out
        What cannot be used: by reason, the parameters with their lines.
    """

    instrument: str
    parameters: tuple[QCParameter, ...]
    left_out: dict[str, list[str]]


@dataclass
class _Entry:
    """The fields of one parameter while they are read."""

    line: int
    recipe: str
    product: str
    fields: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return " ".join(printable(" ".join(self.fields.get(name, []))).split())


def parse_dictionary(file: str, source: str) -> QCDictionary:
    r"""Read a dictionary.

    Raises
    ------
    DictionaryError
        It is none: no name, or no parameter in it.

    Examples
    --------
    >>> text = '''Dictionary Name: ESO-DFS-DIC.HAWKI_QC
    ... Parameter Name: QC RON MEAN
    ... Type:           double
    ... Unit:           ADU
    ... Description:    Mean of the RON
    ...                 of all frames
    ... '''
    >>> [one] = parse_dictionary("HAWKI_QC", text).parameters
    >>> one.keyword, one.type, one.unit, one.description
    ('QC.RON.MEAN', 'float', 'ADU', 'Mean of the RON of all frames')
    """
    if "\0" in source:
        line = source[: source.index("\0")].count("\n") + 1
        raise DictionaryError(file, line, "it holds a NUL: this is no dictionary")
    head, *entries = _entries(source)
    name = head.get("dictionary name")
    match = re.fullmatch(r"ESO-\w+-DIC\.([A-Z0-9_]+)_QC", name)
    if match is None:
        raise DictionaryError(
            file, head.line, f"Dictionary Name is {name!r}: expected ESO-DFS-DIC.NAME_QC"
        )
    if not entries:
        raise DictionaryError(file, source.count("\n") + 1, "it has no Parameter Name")
    parameters, left_out = _sorted_out(entries)
    return QCDictionary(match[1], tuple(parameters), left_out)


def _entries(source: str) -> Iterator[_Entry]:
    """Yield the head of the dictionary, then its parameters."""
    entry = _Entry(1, "", "")
    recipe, product, last = "", "", ""
    # Not splitlines: it breaks lines at bytes that are letters of some other alphabet.
    for number, line in enumerate(source.replace("\r", "").split("\n"), start=1):
        if line.lstrip().startswith("#"):
            if found := _RECIPE.match(line.lstrip()):
                recipe, product = found[1], ""
            if found := _PRODUCT.match(line.lstrip()):
                product = found[1]
            continue
        match = _FIELD.match(line)
        if match is None:
            if last and line.strip():
                entry.fields[last].append(line)
            continue
        last = match[1].lower()
        if last == "parameter name":
            yield entry
            entry = _Entry(number, recipe, product)
        entry.fields[last] = [match[2]]
    yield entry


def _sorted_out(entries: list[_Entry]) -> tuple[list[QCParameter], dict[str, list[str]]]:
    parameters: list[QCParameter] = []
    left_out: dict[str, list[str]] = {}
    seen: set[tuple[str, str, str]] = set()
    for entry in entries:
        name, kind = entry.get("parameter name"), entry.get("type").lower()
        key = (name, entry.recipe, entry.product)
        if reason := _unusable(name, kind, key in seen):
            left_out.setdefault(reason, []).append(f"{name} (line {entry.line})".lstrip())
            continue
        seen.add(key)
        parameters.append(
            QCParameter(
                name=name,
                type=_TYPES[kind],
                unit=entry.get("unit"),
                description=_description(entry) or name,
                recipe=entry.recipe,
                product=entry.product,
                line=entry.line,
            )
        )
    return parameters, left_out


def _description(entry: _Entry) -> str:
    texts = ("description", "comment field", "comment format")
    return next((text for text in map(entry.get, texts) if text), "")


def _unusable(name: str, kind: str, is_there: bool) -> str:
    if not name:
        return "it has no name"
    if not name.startswith("QC "):
        return "no QC parameter"
    if not re.fullmatch(r"[A-Za-z0-9_ -]+", name):
        return "its name is no header keyword"
    if kind not in _TYPES:
        return f"its type is {kind!r}" if kind else "it has no type"
    return "it is there twice" if is_there else ""
