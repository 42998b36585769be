"""A night's cascade as a drawing: blocks in columns by depth, and lines from producer to user."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from pipelines.models import AssociationBlock, CalibrationLink, Completeness, RawFile
from qcweb import looks
from qcweb.looks import Look

WIDTH, HEIGHT = 190, 40
GAP_X, GAP_Y = 70, 12
MARGIN = 12


@dataclass(frozen=True)
class Node:
    """One box: a block of the night, or what it uses from elsewhere."""

    key: str
    x: int
    y: int
    title: str
    words: str
    look: Look | None
    address: str

    @property
    def is_outside(self) -> bool:
        return self.look is None


@dataclass(frozen=True)
class Edge:
    """A line from a producer to a user."""

    path: str
    is_beyond_plan: bool
    words: str


@dataclass(frozen=True)
class Graph:
    nodes: list[Node]
    edges: list[Edge]
    width: int
    height: int


def cascade_graph(blocks: Sequence[AssociationBlock]) -> Graph:
    """Lay out the blocks of a night, given with their calibrations; two queries at most."""
    links = list(
        CalibrationLink.objects.filter(block__in=[block.pk for block in blocks])
        .select_related("producer", "file")
        .order_by("pk")
    )
    inside = {block.pk for block in blocks}
    outside: dict[str, AssociationBlock | RawFile] = {}
    for link in links:
        other = link.producer or link.file
        if other is not None and (link.producer is None or link.producer_id not in inside):
            outside[_key(link)] = other
    shift = 1 if outside else 0
    columns: dict[int, list[Node]] = {}
    for key, other in sorted(outside.items(), key=lambda item: _title(item[1])):
        _put(columns, 0, key, other)
    for block in sorted(blocks, key=lambda one: (one.cascade_level, one.raw_type, one.mjd_obs)):
        _put(columns, block.cascade_level + shift, f"b{block.pk}", block, _look(block))
    nodes = {node.key: node for column in columns.values() for node in column}
    edges = [_edge(nodes[_key(link)], nodes[f"b{link.block_id}"], link) for link in links]
    return Graph(
        list(nodes.values()),
        edges,
        width=max((node.x + WIDTH + MARGIN for node in nodes.values()), default=0),
        height=max((node.y + HEIGHT + MARGIN for node in nodes.values()), default=0),
    )


def _look(block: AssociationBlock) -> Look:
    """Return how a block stands; one that is incomplete is not waiting for its turn."""
    if block.completeness == Completeness.INCOMPLETE:
        return looks.COMPLETENESS[block.completeness]
    return looks.process(block)


def _key(link: CalibrationLink) -> str:
    return f"b{link.producer_id}" if link.producer_id else f"f{link.file_id}"


def _title(other: AssociationBlock | RawFile) -> str:
    if isinstance(other, AssociationBlock):
        return other.raw_type
    return other.pro_catg or other.do_catg


def _put(
    columns: dict[int, list[Node]],
    column: int,
    key: str,
    other: AssociationBlock | RawFile,
    look: Look | None = None,
) -> None:
    nodes = columns.setdefault(column, [])
    x = MARGIN + column * (WIDTH + GAP_X)
    y = MARGIN + len(nodes) * (HEIGHT + GAP_Y)
    if isinstance(other, AssociationBlock):
        words = other.setup if look is not None else f"night {other.night}"
        address = reverse("block", args=[other.ab_name])
        nodes.append(Node(key, x, y, other.raw_type[:22], words[:26], look, address))
    else:
        address = reverse("frame", args=[other.pk])
        nodes.append(Node(key, x, y, _title(other)[:22], "file on disk", None, address))


def _edge(start: Node, end: Node, link: CalibrationLink) -> Edge:
    return Edge(line_between(start, end), link.level > 0, f"{link.pro_catg} for {end.title}")


def line_between(start: Node, end: Node) -> str:
    """Return the path from the right side of one box to the left side of another."""
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2
    x2, y2 = end.x, end.y + HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
