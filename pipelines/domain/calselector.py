"""The association tree of a frame: which files it needs, and what those need in their turn.

As XML it has the form in which ESO's calSelector service hands out such trees.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

# calSelector's own printer: four blanks a level, tags broken at this column.
_WIDTH = 72
_INDENT = 4


class Mode(StrEnum):
    """What a tree lists for a calibration: the master, or the raw frames it is made of."""

    RAW2MASTER = "Raw2Master"
    RAW2RAW = "Raw2Raw"


class MatchQuality(StrEnum):
    """How well a calibration keeps the plan."""

    CALIB_PLAN = "calib_plan"
    EXTENDED = "extended"
    ANY = "N/A"
    """No window in time is asked of it, as of a static table."""


@dataclass(frozen=True)
class TreeFile:
    """A file by its archive name, and its class."""

    category: str
    name: str


@dataclass(frozen=True)
class Association:
    """Files that belong together, with what they need.

    Attributes
    ----------
    category : str
        Of the root: the action; of others: the label under which they are asked for.
    certified : bool
        Whether the files, or the master made of them, are certified.
    complete : bool
        Whether nothing that is needed is missing, here and below.
    match : MatchQuality or None
        None for the root, which has a `mode` instead.
    messages : tuple of str
        What is missing, in words.
    """

    category: str
    certified: bool
    complete: bool
    files: tuple[TreeFile, ...]
    associated: tuple["Association", ...] = ()
    messages: tuple[str, ...] = ()
    mode: Mode | None = None
    match: MatchQuality | None = None
    type: str = "main"

    def as_dict(self) -> dict[str, Any]:
        """Return the tree as plain data."""
        return {
            "category": self.category,
            **({"mode": str(self.mode)} if self.mode else {}),
            **({"match": str(self.match)} if self.match else {}),
            "certified": self.certified,
            "complete": self.complete,
            "type": self.type,
            "main_files": [{"category": one.category, "name": one.name} for one in self.files],
            "messages": list(self.messages),
            "associated": [one.as_dict() for one in self.associated],
        }


class TreeError(Exception):
    """A text that is no association tree."""


def read_tree(text: str) -> Association:
    """Read a tree from XML.

    Raises
    ------
    TreeError
        It is not XML, or not such a tree.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise TreeError("A document type or entities have no place in an association tree.")
    try:
        # Entities, the one danger of XML, were refused above.
        return _read(ElementTree.fromstring(text.encode()))  # noqa: S314
    except ElementTree.ParseError as error:
        raise TreeError(f"This is not XML: {error}.") from error
    except RecursionError as error:
        raise TreeError("It is nested deeper than any tree of calibrations.") from error


def _read(node: ElementTree.Element) -> Association:
    if node.tag != "association":
        raise TreeError(f"Expected <association>, found <{node.tag}>.")
    try:
        return Association(
            category=node.attrib["category"],
            certified=node.attrib["certified"] == "true",
            complete=node.attrib["complete"] == "true",
            files=tuple(
                TreeFile(one.attrib["category"], one.attrib["name"])
                for one in node.findall("mainFiles/file")
            ),
            associated=tuple(_read(one) for one in node.findall("associatedFiles/association")),
            messages=tuple((one.text or "").strip() for one in node.findall("messages/message")),
            mode=Mode(node.attrib["mode"]) if "mode" in node.attrib else None,
            match=MatchQuality(node.attrib["match"]) if "match" in node.attrib else None,
            type=node.attrib.get("type", "main"),
        )
    except KeyError as error:
        raise TreeError(f"<{node.tag}> has no attribute {error}.") from error
    except ValueError as error:
        raise TreeError(f"{error} in <{node.tag}>.") from error


def write_tree(tree: Association) -> str:
    r"""Write a tree as XML, laid out as calSelector does.

    >>> tree = Association("BIAS", True, True, (TreeFile("BIAS", "CAM.1"),), mode=Mode.RAW2RAW)
    >>> print(write_tree(tree), end="")
    <?xml version="1.0" encoding="UTF-8"?>
    <association category="BIAS" certified="true" complete="true"
        mode="Raw2Raw" type="main">
        <mainFiles>
            <file category="BIAS" name="CAM.1"/>
        </mainFiles>
        <messages/>
        <associatedFiles/>
    </association>
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', *_write(tree, 0)]
    return "\n".join(lines) + "\n"


def _write(tree: Association, level: int) -> Iterator[str]:
    attributes = {
        "category": tree.category,
        "certified": str(tree.certified).lower(),
        "complete": str(tree.complete).lower(),
        **({"match": str(tree.match)} if tree.match else {}),
        **({"mode": str(tree.mode)} if tree.mode else {}),
        "type": tree.type,
    }
    pad = " " * _INDENT * level
    inner = pad + " " * _INDENT
    yield from _tag("association", attributes, level, ">")
    files = [line for one in tree.files for line in _file(one, level + 2)]
    yield from _element("mainFiles", files, inner)
    messages = [f"{inner}    <message>{escape(one)}</message>" for one in tree.messages]
    yield from _element("messages", messages, inner)
    below = [line for one in tree.associated for line in _write(one, level + 2)]
    yield from _element("associatedFiles", below, inner)
    yield f"{pad}</association>"


def _element(name: str, content: list[str], pad: str) -> Iterator[str]:
    if not content:
        yield f"{pad}<{name}/>"
        return
    yield f"{pad}<{name}>"
    yield from content
    yield f"{pad}</{name}>"


def _file(file: TreeFile, level: int) -> Iterator[str]:
    yield from _tag("file", {"category": file.category, "name": file.name}, level, "/>")


def _tag(name: str, attributes: dict[str, str], level: int, end: str) -> Iterator[str]:
    """Yield the lines of a start tag, broken between attributes; the last one stays where it is."""
    words = [f"<{name}", *(f"{key}={quoteattr(value)}" for key, value in attributes.items())]
    line, pad = words[0], " " * _INDENT * level
    for word in words[1:-1]:
        if len(pad) + len(line) + 1 + len(word) > _WIDTH:
            yield pad + line
            line, pad = word, " " * _INDENT * (level + 1)
        else:
            line = f"{line} {word}"
    yield f"{pad}{line} {words[-1]}{end}"
