"""Proposes QC1 tables from a dictionary of QC parameters.

A dictionary names no product. Where its comments name recipe and product, as MUSE's do, each pair
becomes a table; elsewhere one table an instrument reads all parameters from all products.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.domain import oca
from pipelines.domain.qc_dictionary import QCParameter
from trending.domain.definitions import (
    BUILT_IN,
    ColumnDefinition,
    ProductDefinition,
    TableDefinition,
)

from . import known

_LONGEST_NAME = 60
_FILTERS = 4


@dataclass(frozen=True)
class Maker:
    """A recipe, the products it is known to make, and the raw types it makes them of."""

    recipe: str
    products: tuple[str, ...]
    raw_types: tuple[oca.SurveyedType, ...]


@dataclass(frozen=True)
class Tables:
    """The tables proposed, and what is in none of them: by reason, the parameters."""

    tables: list[TableDefinition]
    left_out: dict[str, list[str]]

    @property
    def n_parameters(self) -> int:
        return sum(not one.role for table in self.tables for one in table.columns)


def propose_tables(
    prefix: str,
    parameters: Sequence[QCParameter],
    makers: Sequence[Maker],
    found: oca.Survey,
) -> Tables:
    """Propose the tables of an instrument; `prefix` begins their names."""
    if any(one.recipe for one in parameters):
        return _tables_by_recipe(prefix, parameters, makers)
    left_out: dict[str, list[str]] = {}
    expanded = list(_expanded(parameters, left_out))
    raw_types = [one for one in found.raw_types if not one.is_science]
    setup = [key for key in found.matched if key.startswith("DET.")]
    products = {
        name: known.writes_into_extensions(maker.recipe)
        for maker in makers
        for name in maker.products
    }
    for name in found.categories:
        products.setdefault(name, all(map(known.writes_into_extensions, _recipes(makers))))
    table = TableDefinition(
        name=f"{prefix}_qc",
        title=f"{prefix.upper().replace('_', ' ')} QC parameters",
        description="All QC parameters of the pipeline's dictionary, of each product's category.",
        raw_types=[one.name for one in raw_types],
        products=[_product(name, in_extensions=each) for name, each in products.items()],
        columns=_columns(expanded, setup),
    )
    return Tables([table] if products and expanded else [], left_out)


def _recipes(makers: Sequence[Maker]) -> list[str]:
    return [maker.recipe for maker in makers]


def _tables_by_recipe(
    prefix: str, parameters: Sequence[QCParameter], makers: Sequence[Maker]
) -> Tables:
    tables: list[TableDefinition] = []
    left_out: dict[str, list[str]] = {}
    by_recipe = {maker.recipe: maker for maker in makers}
    for (recipe, product), ones in _by_product(parameters).items():
        maker = by_recipe.get(recipe)
        if maker is None or not maker.raw_types or not product:
            reason = f"the rules lead from no raw type to {recipe or 'its recipe'}"
            left_out.setdefault(reason, []).extend(one.name for one in ones)
        elif expanded := list(_expanded(ones, left_out)):
            tables.append(_table_of(prefix, maker, product, expanded))
    return Tables(tables, left_out)


def _by_product(parameters: Sequence[QCParameter]) -> dict[tuple[str, str], list[QCParameter]]:
    found: dict[tuple[str, str], list[QCParameter]] = {}
    for one in parameters:
        found.setdefault((one.recipe, one.product), []).append(one)
    return found


def _table_of(
    prefix: str, maker: Maker, product: str, parameters: list[QCParameter]
) -> TableDefinition:
    calibrations = [one for one in maker.raw_types if not one.is_science] or list(maker.raw_types)
    verb = maker.recipe.partition("_")[2] or maker.recipe
    return TableDefinition(
        name=_identifier(f"{prefix}_{verb}_{product}"),
        title=f"{maker.recipe}: {product}",
        description=f"QC parameters that {maker.recipe} writes into {product}.",
        raw_types=[one.name for one in calibrations],
        products=[_product(product, in_extensions=known.writes_into_extensions(maker.recipe))],
        columns=_columns(parameters, [key for one in calibrations for key in one.setup]),
    )


def _product(category: str, *, in_extensions: bool) -> ProductDefinition:
    return ProductDefinition(category, "each" if in_extensions else "primary", "")


def _expanded(
    parameters: Iterable[QCParameter], left_out: dict[str, list[str]]
) -> Iterator[QCParameter]:
    """Yield parameters; those with an index are written out where it is known how far it counts."""
    for one in parameters:
        last = known.last_index(one.name, one.description)
        if not one.is_indexed:
            yield one
        elif last:
            yield from (_numbered(one, n) for n in range(1, last + 1))
        else:
            left_out.setdefault("nothing says how far their index counts", []).append(one.name)


def _numbered(one: QCParameter, n: int) -> QCParameter:
    return QCParameter(
        name=one.name.replace("i", str(n), 1), type=one.type, unit=one.unit,
        description=f"{one.description} ({n})", recipe=one.recipe, product=one.product,
        line=one.line,
    )  # fmt: skip


def _columns(parameters: Iterable[QCParameter], setup: Iterable[str]) -> list[ColumnDefinition]:
    taken = set(BUILT_IN)
    columns = list(_filters(setup, taken))
    for one in parameters:
        is_first = one.type == "float" and not any(column.is_default_y for column in columns)
        columns.append(
            _column(
                _free(_identifier(one.keyword.removeprefix("QC.")), taken),
                one.keyword, kind=one.type, unit=_cut(one.unit, 32),
                description=_cut(one.description, 255), is_default_y=is_first,
            )
        )  # fmt: skip
    return columns


def _filters(setup: Iterable[str], taken: set[str]) -> Iterator[ColumnDefinition]:
    # Without it values of a bias and of a flat, under one keyword, would be one series.
    yield _column(
        _free("category", taken), "PRO.CATG", kind="text", role="filter",
        description="Category of the product",
    )  # fmt: skip
    for keyword in list(dict.fromkeys(setup))[:_FILTERS]:
        yield _column(
            _free(_identifier(keyword), taken), keyword, kind="text", role="filter",
            description=f"{keyword} of the frames",
        )  # fmt: skip


def _column(
    name: str, keyword: str, *, kind: str, description: str, role: str = "", unit: str = "",
    is_default_y: bool = False,
) -> ColumnDefinition:  # fmt: skip
    return ColumnDefinition(
        name=name, keywords=[keyword], unit=unit, type=kind, role=role, parameter_class="ENG",
        description=description, ucd="", missing=[], is_default_x=False, is_default_y=is_default_y,
    )  # fmt: skip


def _identifier(words: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:_LONGEST_NAME]
    return name if name[:1].isalpha() else f"qc_{name}"[:_LONGEST_NAME]


def _free(name: str, taken: set[str]) -> str:
    """Return the name, or the name with a number where it is taken; it is taken from then on."""
    numbered = (f"{name[: _LONGEST_NAME - 4]}_{n}" for n in range(2, 1000))
    free = name if name not in taken else next(one for one in numbered if one not in taken)
    taken.add(free)
    return free


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
