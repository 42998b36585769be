"""A provenance as a drawing: raw frames and files at the left, then run after run, products last."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from qcweb.looks import Look
from qcweb.provenance_nodes import Kind, Node as Thing, Provenance
from qcweb.web.graph import GAP_X, GAP_Y, HEIGHT, MARGIN, WIDTH, Edge, Graph, Node, line_between


@dataclass
class _Drawing:
    """Boxes by their keys, put from the top of each column downwards."""

    nodes: dict[str, Node] = field(default_factory=dict)
    filled: Counter[int] = field(default_factory=Counter)
    edges: list[Edge] = field(default_factory=list)

    def put(self, column: int, key: str, texts: tuple[str, str], look: Look | None,
            address: str | None) -> None:  # fmt: skip
        x = MARGIN + column * (WIDTH + GAP_X)
        y = MARGIN + self.filled[column] * (HEIGHT + GAP_Y)
        self.filled[column] += 1
        title, words = texts
        self.nodes[key] = Node(key, x, y, title[:22], words[:26], look, address or "")

    def join(self, start: str, end: str, words: str) -> None:
        if start in self.nodes and end in self.nodes:
            path = line_between(self.nodes[start], self.nodes[end])
            self.edges.append(Edge(path, is_beyond_plan=False, words=words))


def draw(found: Provenance, look_of: Callable[[str], Look]) -> Graph:
    """Lay out a provenance in columns by level; a run's raw frames are one box.

    Products are boxes only of the run that was asked for; those between runs are lines.
    """
    nodes = {node.id: node for node in found.nodes}
    top = max((node.level for node in found.of_kind(Kind.RUN)), default=0)
    frames = Counter(edge.start for edge in found.edges if edge.role == "raw")
    drawing = _Drawing()
    for run in found.of_kind(Kind.RUN):
        column = top - run.level
        if n := frames[run.id]:
            texts = (f"{n} raw frame{'s' if n > 1 else ''}", run.category)
            drawing.put(column, f"raw {run.id}", texts, None, f"{run.page}#inputs")
        _put_run(drawing, column + 1, run, look_of)
        drawing.join(f"raw {run.id}", run.id, f"raw frames of {run.name}")
    _put_sources(drawing, found, top)
    _put_products(drawing, found, top + 2)
    _join_runs(drawing, found, nodes)
    boxes = list(drawing.nodes.values())
    return Graph(
        boxes,
        drawing.edges,
        width=max((box.x + WIDTH + MARGIN for box in boxes), default=0),
        height=max((box.y + HEIGHT + MARGIN for box in boxes), default=0),
    )


def _put_run(drawing: _Drawing, column: int, node: Thing, look_of: Callable[[str], Look]) -> None:
    words = f"{node.name.removeprefix(node.category).strip()}, attempt {node.attempt}"
    look = look_of(node.run.outcome if node.run else "")
    drawing.put(column, node.id, (node.category, words), look, node.page)


def _put_sources(drawing: _Drawing, found: Provenance, top: int) -> None:
    """Put what no run of the graph made: files on disk, and products that are gone."""
    made = {edge.start for edge in found.edges if edge.role == "made by"}
    for node in found.nodes:
        if node.kind == Kind.FILE or (node.kind == Kind.PRODUCT and node.id not in made):
            words = node.state or "file on disk"
            drawing.put(top - node.level, node.id, (node.category or node.name, words), None,
                        node.page)  # fmt: skip


def _put_products(drawing: _Drawing, found: Provenance, column: int) -> None:
    values = Counter(edge.end for edge in found.edges if edge.role == "measured in")
    for node in found.of_kind(Kind.PRODUCT):
        if node.level == 0 and node.id not in drawing.nodes:
            n = values[node.id]
            words = f"{n} value{'' if n == 1 else 's'}" if n else "no values"
            drawing.put(column, node.id, (node.category, words), None, node.page)


def _join_runs(drawing: _Drawing, found: Provenance, nodes: dict[str, Thing]) -> None:
    makers = {edge.start: edge.end for edge in found.edges if edge.role == "made by"}
    for edge in found.edges:
        user = nodes[edge.start]
        if edge.role == "made by" and user.level == 0:
            drawing.join(edge.end, edge.start, f"{user.category} made by {nodes[edge.end].name}")
        elif user.kind == Kind.RUN and edge.role != "raw":
            words = f"{edge.role} for {user.name}"
            drawing.join(makers.get(edge.end, edge.end), edge.start, words)
