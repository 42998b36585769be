"""What a TAP service says of itself: its tables, what it can do, that it is there (VOSI 1.1)."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from trending.exports import Column, Kind
from trending.exports.units import standard_unit
from trending.services.adql_tables import QC1, TAP_SCHEMA, Relation

MEDIA_TYPE = "text/xml; charset=utf-8"
_XML = '<?xml version="1.0" encoding="utf-8"?>'
_SPACES = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
)
_TYPES = {
    Kind.FLOAT: "double", Kind.INTEGER: "long", Kind.TEXT: "char", Kind.FLAG: "boolean",
    Kind.DATE: "char", Kind.INSTANT: "char",
}  # fmt: skip
_SCHEMAS = {QC1: "QC1 tables, one an instrument and data type", TAP_SCHEMA: "What there is"}


def tables(relations: Sequence[Relation]) -> str:
    """Return the tables by schema, with all columns."""
    parts = []
    for schema, words in _SCHEMAS.items():
        its = "".join(_table(one) for one in relations if one.schema == schema)
        parts.append(
            f"<schema><name>{schema}</name><description>{escape(words)}</description>{its}</schema>"
        )
    name = "vosi:tableset"
    space = 'xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"'
    return f"{_XML}\n<{name} {space} {_SPACES}>{''.join(parts)}</{name}>\n"


def table(relation: Relation) -> str:
    """Return one table with its columns."""
    space = 'xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"'
    inner = _table(relation).removeprefix("<table>").removesuffix("</table>")
    return f"{_XML}\n<vosi:table {space} {_SPACES}>{inner}</vosi:table>\n"


def _table(relation: Relation) -> str:
    columns = "".join(_column(one) for one in relation.columns.values())
    return (
        f"<table><name>{relation.full_name}</name>"
        f"<description>{escape(relation.title)}</description>{columns}</table>"
    )


def _column(column: Column) -> str:
    said = [
        f"<{tag}>{escape(text)}</{tag}>"
        for tag, text in (
            ("name", column.name),
            ("description", column.description),
            ("unit", standard_unit(column.unit)),
            ("ucd", column.ucd),
        )
        if text
    ]
    size = ' arraysize="*"' if _TYPES[column.kind] == "char" else ""
    kind = f'<dataType xsi:type="vs:VOTableType"{size}>{_TYPES[column.kind]}</dataType>'
    return f"<column>{''.join(said)}{kind}</column>"


def capabilities(base: str, max_rows: int) -> str:
    """Return what the service at `base` can do."""
    others = "".join(
        f'<capability standardID="ivo://ivoa.net/std/VOSI#{name}">'
        f'<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">'
        f'<accessURL use="full">{escape(base)}/{name}</accessURL></interface></capability>'
        for name in ("capabilities", "availability", "tables")
    )
    formats = "".join(
        f"<outputFormat><mime>{mime}</mime><alias>{alias}</alias></outputFormat>"
        for mime, alias in (
            ("application/x-votable+xml;serialization=BINARY2", "votable"),
            ("text/csv", "csv"),
            ("application/fits", "fits"),
            ("application/vnd.apache.parquet", "parquet"),
            ("text/plain", "ascii"),
        )
    )
    limit = f'<outputLimit><default unit="row">{max_rows}</default><hard unit="row">{max_rows}</hard></outputLimit>'
    space = (
        'xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
        'xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0"'
    )
    tap = (
        '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">'
        f'<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">'
        f"<accessURL use={quoteattr('base')}>{escape(base)}</accessURL></interface>"
        "<language><name>ADQL</name>"
        '<version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>'
        "<description>Without geometry, CASE, and queries as a side of a comparison</description></language>"
        f"{formats}{limit}</capability>"
    )
    name = "vosi:capabilities"
    return f"{_XML}\n<{name} {space} {_SPACES}>{tap}{others}</{name}>\n"


def availability() -> str:
    space = 'xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0"'
    name = "vosi:availability"
    return f"{_XML}\n<{name} {space}><vosi:available>true</vosi:available></{name}>\n"
