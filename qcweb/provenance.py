"""Where values come from: product, run, its frames and calibrations, and the runs that made those.

It follows what each run noted when it began, so an old result keeps the calibrations it was made
with, whatever the block uses today. Calibrations are followed level by level up the cascade.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.models import (
    AssociationBlock,
    Attempt,
    BlockFrame,
    CalibrationLink,
    Product,
    RawFile,
)
from qcweb.problems import Problem, ProblemError
from qcweb.provenance_nodes import (
    Edge,
    Kind,
    Node,
    Provenance,
    file_node,
    frame_node,
    lost_node,
    product_node,
    run_id,
    run_node,
    value_node,
)
from trending.models import QC1Value

# A cascade has three or four levels. More is a cut, which the answer says.
MOST_LEVELS = 12
MOST_NODES = 1000
MOST_VALUES = 300

_LONG = ("log", "argv", "process")
_FRAME = ("keywords", "trace")


@dataclass
class _Growing:
    """A graph while it is followed; what does not fit any more is left out and noted."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    runs: dict[int, Attempt] = field(default_factory=dict)
    is_cut: bool = False

    def add(self, node: Node) -> None:
        if node.id in self.nodes:
            return
        if len(self.nodes) >= MOST_NODES:
            self.is_cut = True
            return
        self.nodes[node.id] = node

    def join(self, start: str, end: str, role: str) -> None:
        if start in self.nodes and end in self.nodes:
            self.edges[Edge(start, end, role)] = None

    def add_run(self, run: Attempt) -> None:
        self.add(run_node(run))
        if run_id(run) in self.nodes:
            self.runs.setdefault(run.pk, run)

    def add_product(self, product: Product) -> None:
        self.add_run(product.attempt)
        self.add(product_node(product))
        self.join(f"product:{product.pk}", run_id(product.attempt), "made by")


def find_attempt(block: AssociationBlock, text: str) -> Attempt | None:
    """Return the run with a number, or the current one; None: it has none."""
    if not text:
        if block.current_attempt is not None:
            block.current_attempt.block = block
        return block.current_attempt
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else -1
    found = block.attempts.filter(number=number).first()
    if found is None:
        known = ", ".join(
            map(str, block.attempts.order_by("number").values_list("number", flat=True))
        )
        raise ProblemError(
            Problem(404, "Unknown attempt", f"{block.ab_name} has no attempt {text[:20]!r}.",
                    where="attempt", hint=f"Known are {known}." if known else "It has not run yet.")
        )  # fmt: skip
    return found


def provenance_of(attempt: Attempt | None) -> Provenance:
    """Follow a run's values and products to the raw frames; two queries a level at most, and five."""
    if attempt is None:
        return Provenance([], [], is_cut=False)
    grown = _Growing()
    grown.add_run(attempt)
    for product in attempt.products.order_by("name"):
        grown.add_product(product)
    _climb(grown, attempt)
    _add_files(grown)
    _add_frames(grown)
    _add_values(grown, attempt)
    return _ordered(grown)


def _climb(grown: _Growing, first: Attempt) -> None:
    """Add what each run was given, and the runs that made that, until nothing is new."""
    newest, seen = [first], {first.pk}
    for _ in range(MOST_LEVELS):
        given = _given_to(newest)
        former = _taken_over_by(newest)
        for run in newest:
            _add_given(grown, run, given)
            if run.reused_id in former:
                grown.add_run(former[run.reused_id])
                grown.join(run_id(run), run_id(former[run.reused_id]), "taken over from")
        newest = [run for pk, run in grown.runs.items() if pk not in seen]
        seen |= {run.pk for run in newest}
        if not newest:
            return
    grown.is_cut = True


def _given_to(runs: Sequence[Attempt]) -> dict[int, Product]:
    keys = {one["product"] for run in runs for one in run.inputs if one.get("product")}
    found = Product.objects.filter(pk__in=keys).select_related("attempt__block")
    return {one.pk: one for one in found.defer(*(f"attempt__{name}" for name in _LONG))}


def _taken_over_by(runs: Sequence[Attempt]) -> Mapping[int | None, Attempt]:
    keys = {run.reused_id for run in runs if run.reused_id}
    if not keys:
        return {}
    found = Attempt.objects.filter(pk__in=keys).select_related("block").defer(*_LONG)
    return {one.pk: one for one in found}


def _add_given(grown: _Growing, run: Attempt, given: Mapping[int, Product]) -> None:
    for one in run.inputs:
        key = one.get("product")
        if not key:
            continue
        if key in given:
            grown.add_product(given[key])
        else:
            grown.add(lost_node(key, one))
        grown.join(run_id(run), f"product:{key}", one.get("label", ""))


def _add_files(grown: _Growing) -> None:
    """Add the calibrations on disk: a run noted their names, and the block's links know the files."""
    wanted = [
        (run, one) for run in grown.runs.values() for one in run.inputs
        if one.get("file") and not one.get("product")
    ]  # fmt: skip
    if not wanted:
        return
    blocks = {run.block_id for run, _ in wanted}
    links = CalibrationLink.objects.filter(block__in=blocks, file__isnull=False)
    linked = {
        (link.block_id, link.file.name): link.file
        for link in links.select_related("file").defer(*(f"file__{name}" for name in _FRAME))
        if link.file
    }
    named = _files_by_name(wanted, linked)
    for run, one in wanted:
        file = linked.get((run.block_id, one["file"])) or named.get(
            (run.block.instrument_id, one["file"])
        )
        node = file_node(file) if file else Node(f"file:{one['file']}", Kind.FILE, one["file"])
        grown.add(node)
        grown.join(run_id(run), node.id, one.get("label", ""))


def _files_by_name(
    wanted: Sequence[tuple[Attempt, dict[str, Any]]], linked: Mapping[tuple[int, str], RawFile]
) -> dict[tuple[int, str], RawFile]:
    """Return files no link leads to any more; a name that several have tells nothing."""
    names = {one["file"] for run, one in wanted if (run.block_id, one["file"]) not in linked}
    if not names:
        return {}
    instruments = {run.block.instrument_id for run, _ in wanted}
    found: dict[tuple[int, str], list[RawFile]] = {}
    for file in RawFile.objects.filter(instrument__in=instruments, name__in=names).defer(*_FRAME):
        found.setdefault((file.instrument_id, file.name), []).append(file)
    return {key: files[0] for key, files in found.items() if len(files) == 1}


def _add_frames(grown: _Growing) -> None:
    """Add the raw frames, of the runs near the end first: those are the last to be left out."""
    runs_of: dict[int, list[Attempt]] = {}
    for run in grown.runs.values():
        runs_of.setdefault(run.block_id, []).append(run)
    place = {block: n for n, block in enumerate(runs_of)}
    links = (
        BlockFrame.objects.filter(block__in=runs_of)
        .select_related("raw_file").defer(*(f"raw_file__{name}" for name in _FRAME))
        .order_by("raw_file__mjd_obs", "pk")[: 10 * MOST_NODES]
    )  # fmt: skip
    for link in sorted(links, key=lambda one: place[one.block_id]):
        for run in runs_of[link.block_id]:
            # A frame that came later was not in that run, though it is in the block now.
            if link.raw_file.recorded_at <= run.started_at:
                grown.add(frame_node(link.raw_file))
                grown.join(run_id(run), f"frame:{link.raw_file_id}", "raw")


def _add_values(grown: _Growing, attempt: Attempt) -> None:
    values = (
        QC1Value.objects.filter(row__attempt=attempt)
        .select_related("series__parameter__table", "row")
        .order_by("row__table__name", "row__detector", "series__parameter__order", "row_id")
    )[: MOST_VALUES + 1]
    # Read anew, a product has newer rows of the same: the last one is what counts.
    latest = {
        (one.series_id, one.row.pro_catg, one.row.product_id): one for one in values[:MOST_VALUES]
    }
    grown.is_cut = grown.is_cut or len(values) > MOST_VALUES
    for one in latest.values():
        node = value_node(one)
        grown.add(node)
        product = f"product:{one.row.product_id}"
        is_known = product in grown.nodes
        grown.join(node.id, product if is_known else run_id(attempt), "measured in")


def _ordered(grown: _Growing) -> Provenance:
    levels = _levels(grown)
    order = list(Kind)
    nodes = [replace(node, level=levels[node.id]) for node in grown.nodes.values()]
    return Provenance(
        sorted(nodes, key=lambda one: (one.level, order.index(one.kind))),
        list(grown.edges),
        grown.is_cut,
    )


def _levels(grown: _Growing) -> dict[str, int]:
    """Return how far up each node stands by the longest way, so that no line runs sideways.

    A run stands one above what used its products; its own products, frames and values with it.
    """
    made_by = {edge.start: edge.end for edge in grown.edges if edge.role == "made by"}
    steps = [
        (edge.start, made_by.get(edge.end, edge.end))
        for edge in grown.edges
        if edge.start.startswith("run:") and made_by.get(edge.end, edge.end).startswith("run:")
    ]
    level = dict.fromkeys(grown.nodes, 0)
    # As many rounds as there can be levels: were there a circle, it would end all the same.
    for _ in range(MOST_LEVELS + 1):
        for user, maker in steps:
            level[maker] = max(level[maker], min(level[user] + 1, MOST_LEVELS + 1))
    above = {edge.end: level[edge.start] for edge in grown.edges if edge.start.startswith("run:")}
    for key in grown.nodes:
        if key.startswith("product:") and key in made_by:
            level[key] = level[made_by[key]]
        elif not key.startswith("run:"):
            level[key] = above.get(key, 0)
    return level


@dataclass(frozen=True)
class User:
    """A block that was given something of another one, directly (1) or through others."""

    block: AssociationBlock
    steps: int
    labels: str


def users_of(block: AssociationBlock) -> list[User]:
    """Return what uses a block's products, and what uses theirs; one query a level."""
    found: dict[int, User] = {}
    newest: Iterable[int] = [block.pk]
    for steps in range(1, MOST_LEVELS + 1):
        links = CalibrationLink.objects.filter(producer__in=newest).select_related("block")
        labels: dict[int, list[CalibrationLink]] = {}
        for link in links.order_by("block__mjd_obs", "block", "pk")[: MOST_NODES + 1]:
            if link.block_id not in found and link.block_id != block.pk:
                labels.setdefault(link.block_id, []).append(link)
        for key, own in labels.items():
            words = ", ".join(dict.fromkeys(link.label for link in own))
            found[key] = User(own[0].block, steps, words)
        newest = list(labels)
        if not newest or len(found) > MOST_NODES:
            break
    return list(found.values())
