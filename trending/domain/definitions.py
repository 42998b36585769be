"""What ``qc1.toml``, ``scores.toml`` and ``reports.toml`` of an instrument's folder say."""

import datetime as dt
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.domain.times import datetime_to_mjd
from pipelines.domain.toml_reader import Section, read_toml

from .baseline import Baseline, parse_baseline
from .limits import LimitsError, parse_limits
from .run_rules import parse_run_rule
from .setups import canonical

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# A page of prose: no column of the database bounds it.
PROSE = 100_000
TYPES = ("float", "text", "flag")
ROLES = ("filter", "")
CLASSES = ("KPI", "HC", "CAL", "ENG")
EXTENSIONS = ("primary", "each")
PLOT_AVERAGES = ("MEAN", "MEDIAN", "none")
AVERAGES = ("MEAN", "MEDIAN", "REFERENCE", "none")
# Columns every table has: no definition may use their names.
BUILT_IN = frozenset(
    {"mjd_obs", "detector", "pro_catg", "night", "date_obs", "product", "pipeline", "from", "to",
     "format", "origin", "simulated", "ab_name", "score", "id", "row", "state", "recorded_at",
     "block", "certification", "columns", "order", "with", "include", "limit", "cursor", "filters",
     "civil_date", "cdbfile"}
)  # fmt: skip
# What stands behind a column's name in the API: the column of its scores.
SCORE_SUFFIX = "_score"


@dataclass(frozen=True)
class ColumnDefinition:
    """A column of a QC1 table."""

    name: str
    keywords: list[str]
    unit: str
    type: str
    role: str
    parameter_class: str
    description: str
    ucd: str
    missing: list[float]
    is_default_x: bool
    is_default_y: bool


@dataclass(frozen=True)
class ProductDefinition:
    """Which product fills a table, and how its rows are told apart."""

    pro_catg: str
    extensions: str
    detector: str


@dataclass(frozen=True)
class TableDefinition:
    """A QC1 table."""

    name: str
    title: str
    description: str
    raw_types: list[str]
    products: list[ProductDefinition]
    columns: list[ColumnDefinition]

    def filters(self) -> set[str]:
        """Return the names of the filter columns."""
        return {column.name for column in self.columns if column.role == "filter"}

    def numbers(self) -> set[str]:
        """Return the names of the columns that can be scored and plotted."""
        return {
            column.name
            for column in self.columns
            if column.type == "float" and column.role != "filter"
        }


@dataclass(frozen=True)
class RuleDefinition:
    """A score rule: for which series, by which limits, from when on."""

    table: str
    parameter: str
    setup: dict[str, str]
    detector: str
    limits: str
    average: str
    window_days: float | None
    window_points: int | None
    min_n: int
    fallback: str
    clip_sigma: float | None
    warning: str
    is_hc: bool
    valid_from_mjd: float
    valid_until_mjd: float | None
    author: str
    reason: str
    baseline: Baseline | None = None
    run_rules: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Return what the rule is for, as text: the identity its versions share."""
        setup = ",".join(f"{name}={value}" for name, value in sorted(self.setup.items()))
        return f"{self.table}.{self.parameter}[{setup}]{self.detector}"


@dataclass(frozen=True)
class DatasetDefinition:
    """One set of points of a panel."""

    table: str
    parameter: str
    setup: dict[str, str]
    detector: str
    average: str
    remark: str


@dataclass(frozen=True)
class PanelDefinition:
    """One plot of a report."""

    title: str
    datasets: list[DatasetDefinition]


@dataclass(frozen=True)
class ReportDefinition:
    """A page of the Health Check monitor."""

    name: str
    title: str
    group: str
    cadence_days: float
    description: str
    tutorial: str
    panels: list[PanelDefinition] = field(default_factory=list)


def parse_tables(file: str, source: str) -> list[TableDefinition]:
    """Read ``qc1.toml``; raises `DefinitionError` with file and line of what is wrong."""
    top = read_toml(file, source)
    parts = top.sections("tables", required=True)
    tables = [_table(part) for part in parts]
    _refuse_doubles("table", "name", parts, [table.name for table in tables])
    top.done()
    return tables


def _refuse_doubles(what: str, key: str, parts: list[Section], names: list[str]) -> None:
    for n, name in enumerate(names):
        if name in names[:n]:
            raise parts[n].error(key, f"{what} {name} is there twice")


def _table(part: Section) -> TableDefinition:
    table = TableDefinition(
        name=_name(part, "name"),
        title=part.text("title", longest=200),
        description=part.text("description", "", longest=PROSE),
        raw_types=part.texts("raw_types"),
        products=[_product(product) for product in part.sections("products", required=True)],
        columns=[_column(column) for column in part.sections("columns", required=True)],
    )
    names = [column.name for column in table.columns]
    _refuse_doubles("column", "name", part.sections("columns"), names)
    part.done()
    return table


def _name(part: Section, key: str) -> str:
    name = part.text(key)
    if not _NAME.fullmatch(name):
        raise part.error(key, f"{key} = {name!r}: expected lower-case letters, digits and _")
    return name


def _product(part: Section) -> ProductDefinition:
    product = ProductDefinition(
        pro_catg=part.text("pro_catg", longest=64),
        extensions=part.one_of("extensions", EXTENSIONS, "primary"),
        detector=part.text("detector", "", longest=32),
    )
    part.done()
    return product


def _column(part: Section) -> ColumnDefinition:
    column = ColumnDefinition(
        name=_name(part, "name"),
        keywords=part.texts("keyword"),
        unit=part.text("unit", "", longest=32),
        type=part.one_of("type", TYPES),
        role=part.one_of("role", ROLES, ""),
        parameter_class=part.one_of("class", CLASSES, "ENG"),
        description=part.text("description"),
        ucd=part.text("ucd", "", longest=64),
        missing=part.numbers("missing", []),
        is_default_x=part.flag("default_x"),
        is_default_y=part.flag("default_y"),
    )
    if column.name in BUILT_IN:
        raise part.error("name", f"name = {column.name!r}: every table has this column already")
    if column.name.endswith(SCORE_SUFFIX) or "__" in column.name:
        raise part.error(
            "name", f"name = {column.name!r}: it may neither end in {SCORE_SUFFIX} nor have a double "
            "underscore; the API writes scores and comparisons so",
        )  # fmt: skip
    part.done()
    return column


def parse_rules(file: str, source: str, tables: dict[str, TableDefinition]) -> list[RuleDefinition]:
    """Read ``scores.toml``; raises `DefinitionError`, also for a table or column nobody defines."""
    top = read_toml(file, source)
    parts = top.sections("rules")
    rules = [_rule(part, tables) for part in parts]
    _refuse_overlaps(parts, rules)
    top.done()
    return rules


def _rule(part: Section, tables: dict[str, TableDefinition]) -> RuleDefinition:
    table, parameter, setup = _target(part, tables)
    valid_until = part.raw("valid_until")
    points = part.optional_number("window_points", low=2, high=100_000)
    rule = RuleDefinition(
        table=table,
        parameter=parameter,
        setup=setup,
        detector=part.text("detector", "", longest=32),
        limits=_limits(part, "limits", ...),
        average=part.one_of("average", AVERAGES, "MEDIAN"),
        window_days=part.optional_number("window_days", low=0.01, high=36525),
        window_points=int(points) if points is not None else None,
        min_n=int(part.number("min_n", 5, low=1, high=100_000)),
        fallback=_limits(part, "fallback", ""),
        clip_sigma=part.optional_number("clip_sigma", low=0.5, high=100),
        warning=_limits(part, "warning", ""),
        is_hc=part.flag("hc"),
        valid_from_mjd=_mjd(part, "valid_from", part.raw("valid_from", dt.date(1990, 1, 1))),
        valid_until_mjd=_mjd(part, "valid_until", valid_until) if valid_until else None,
        author=part.text("author", "instrument folder", longest=150),
        reason=part.text("reason", longest=PROSE),
        baseline=_baseline(part),
        run_rules=_run_rules(part),
    )
    if rule.valid_until_mjd is not None and rule.valid_until_mjd <= rule.valid_from_mjd:
        raise part.error("valid_until", "valid_until is not after valid_from")
    if len(rule.key) > 255:
        raise part.error("setup", "table, parameter, setup and detector are too long together")
    part.done()
    return rule


def _refuse_overlaps(parts: list[Section], rules: list[RuleDefinition]) -> None:
    """Refuse two rules for the same values at the same time; one after the other are epochs."""
    ends: dict[str, list[tuple[float, float]]] = {}
    for part, rule in zip(parts, rules, strict=True):
        start, end = rule.valid_from_mjd, rule.valid_until_mjd or math.inf
        if any(start < other_end and other < end for other, other_end in ends.get(rule.key, [])):
            raise part.error("table", f"rule {rule.key} is there twice for the same time")
        ends.setdefault(rule.key, []).append((start, end))


def _target(part: Section, tables: dict[str, TableDefinition]) -> tuple[str, str, dict[str, str]]:
    """Return table, parameter and setup of a rule or data set; all three must exist."""
    name = part.one_of("table", tables)
    table = tables[name]
    parameter = part.one_of("parameter", table.numbers())
    setup = part.mapping("setup")
    for key in setup:
        if key not in table.filters():
            known = ", ".join(sorted(table.filters())) or "none"
            raise part.error("setup", f"{key} is no filter of {name}; its filters are {known}")
    return name, parameter, {key: canonical(value) for key, value in setup.items()}


def _limits(part: Section, key: str, default: object) -> str:
    return _read(part, key, parse_limits, default)


def _read(part: Section, key: str, parse: Callable[[str], object], default: object = "") -> str:
    """Return a text in the spelling of what it is read as, empty if there is none."""
    text = part.text(key, default)
    if not text:
        return ""
    try:
        return str(parse(text))
    except LimitsError as error:
        raise part.error(key, f"{key} = {text!r}: {error}") from error


def _baseline(part: Section) -> Baseline | None:
    text = _read(part, "baseline", parse_baseline)
    return parse_baseline(text) if text else None


def _run_rules(part: Section) -> list[str]:
    found = []
    for text in part.texts("run_rules", []):
        try:
            found.append(str(parse_run_rule(text)))
        except LimitsError as error:
            raise part.error_at("run_rules", text, f"run_rules: {error}") from error
    return found


def _mjd(part: Section, key: str, value: object) -> float:
    if isinstance(value, dt.datetime):
        return datetime_to_mjd(value if value.tzinfo else value.replace(tzinfo=dt.UTC))
    if isinstance(value, dt.date):
        return datetime_to_mjd(dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC))
    raise part.error(key, f"{key} = {value!r}: expected a date such as 2024-01-31, no quotes")


def parse_reports(
    file: str, source: str, tables: dict[str, TableDefinition]
) -> list[ReportDefinition]:
    """Read ``reports.toml``; raises `DefinitionError`."""
    top = read_toml(file, source)
    parts = top.sections("reports")
    reports = [_report(part, tables) for part in parts]
    _refuse_doubles("report", "name", parts, [report.name for report in reports])
    top.done()
    return reports


def _report(part: Section, tables: dict[str, TableDefinition]) -> ReportDefinition:
    report = ReportDefinition(
        name=_name(part, "name"),
        title=part.text("title", longest=200),
        group=_name(part, "group"),
        cadence_days=part.number("cadence_days", 1, low=0.01, high=3660),
        description=part.text("description", "", longest=PROSE),
        tutorial=part.text("tutorial", "", longest=PROSE),
        panels=[_panel(panel, tables) for panel in part.sections("panels", required=True)],
    )
    part.done()
    return report


def _panel(part: Section, tables: dict[str, TableDefinition]) -> PanelDefinition:
    panel = PanelDefinition(
        title=part.text("title", longest=200),
        datasets=[_dataset(one, tables) for one in part.sections("datasets", required=True)],
    )
    part.done()
    return panel


def _dataset(part: Section, tables: dict[str, TableDefinition]) -> DatasetDefinition:
    table, parameter, setup = _target(part, tables)
    dataset = DatasetDefinition(
        table=table,
        parameter=parameter,
        setup=setup,
        detector=part.text("detector", "", longest=32),
        average=part.one_of("average", PLOT_AVERAGES, "MEDIAN"),
        remark=part.text("remark", ""),
    )
    part.done()
    return dataset
