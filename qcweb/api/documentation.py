"""What the schema says of each operation, in the form that pages show."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drf_spectacular.generators import SchemaGenerator

# What the schema says of a parameter that may be repeated; a page says it once for all.
ANY_OF = " Repeated, it means any of its values."
_CONVERTER = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


@dataclass(frozen=True)
class Asked:
    """A parameter of an operation."""

    name: str
    description: str
    known: tuple[str, ...]
    default: str
    kind: str
    repeats: bool
    is_in_path: bool


@dataclass(frozen=True)
class Told:
    """A field of an answer, or of a body; those of its parts have a dot in the name."""

    name: str
    kind: str
    description: str


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    description: str
    asked: tuple[Asked, ...]
    told: tuple[Told, ...]
    body: tuple[Told, ...]

    @property
    def group(self) -> str:
        """Return the collection it belongs to: the first word after the API's own address."""
        return self.path.removeprefix("/api/v1/").partition("/")[0]

    @property
    def address(self) -> str:
        """Return the address, if it has no parts to be filled in."""
        return "" if "{" in self.path else self.path

    @property
    def filters(self) -> list[Asked]:
        """Return what a form may ask: a page is a page, and begins at the beginning."""
        # And filters of any name are asked by their names, which the view knows.
        left_out = {"format", "cursor", "filters"}
        return [one for one in self.asked if not one.is_in_path and one.name not in left_out]


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Return every operation of the schema; made once in a process, as it is of code alone."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return tuple(
        _operation(schema, path, method, found)
        for path, methods in schema["paths"].items()
        for method, found in methods.items()
    )


def operation(route: str, method: str) -> Operation | None:
    """Return the operation at a route of Django: ``api/v1/blocks/<str:ab_name>/``."""
    path = "/" + _CONVERTER.sub(r"{\1}", route)
    return next((one for one in operations() if (one.path, one.method) == (path, method)), None)


def _operation(schema: dict[str, Any], path: str, method: str, found: dict[str, Any]) -> Operation:
    asked = tuple(_asked(one) for one in found.get("parameters", []))
    answers = [
        found["responses"][status] for status in ("200", "201") if status in found["responses"]
    ]
    shapes = [one["content"]["application/json"]["schema"] for one in answers[:1]]
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        method=method.upper(),
        path=path,
        description=found.get("description", ""),
        asked=asked,
        told=tuple(told for shape in shapes for told in _fields(schema, shape)),
        body=tuple(_fields(schema, body.get("schema", {}))),
    )


def _asked(one: dict[str, Any]) -> Asked:
    shape = one["schema"]
    repeats = shape["type"] == "array"
    item = shape["items"] if repeats else shape
    return Asked(
        name=one["name"],
        description=one.get("description", "").removesuffix(ANY_OF),
        known=tuple(map(str, item.get("enum", ()))),
        default=str(shape.get("default", "")),
        kind=item.get("format", item["type"]),
        repeats=repeats,
        is_in_path=one["in"] == "path",
    )


def _fields(schema: dict[str, Any], shape: dict[str, Any], within: str = "") -> Iterator[Told]:
    """Yield the fields of a shape, and after each that has fields of its own, these."""
    for name, field in _properties(schema, shape).items():
        plain, repeats = _resolved(schema, field)
        kind = f"list of {_kind(plain)}" if repeats else _kind(plain)
        yield Told(f"{within}{name}", kind, field.get("description", ""))
        yield from _fields(schema, plain, f"{within}{name}.")


def _properties(schema: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    plain, _ = _resolved(schema, shape)
    found: dict[str, Any] = plain.get("properties", {})
    return found


def _resolved(schema: dict[str, Any], shape: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a shape itself where another is named, and whether it is a list of it."""
    if shape.get("type") == "array":
        return _resolved(schema, shape["items"])[0], True
    for part in (shape, *shape.get("allOf", ()), *shape.get("oneOf", ())):
        if name := part.get("$ref", "").rpartition("/")[2]:
            return _resolved(schema, schema["components"]["schemas"][name])
    return shape, False


def _kind(shape: dict[str, Any]) -> str:
    words = "object" if "properties" in shape else str(shape.get("type", "any"))
    return f"{words}, {shape['format']}" if "format" in shape else words
