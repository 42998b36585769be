"""Where a block's values come from, and what uses its products."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pipelines.models import Outcome
from qcweb import looks
from qcweb.looks import Look
from qcweb.provenance import MOST_LEVELS, MOST_NODES, find_attempt, provenance_of, users_of
from qcweb.provenance_nodes import Kind, Node, Provenance
from qcweb.web.provenance_graph import draw
from qcweb.web.views.blocks import find_block


@dataclass(frozen=True)
class Step:
    """One run with all that went into it and came out, as a list can be read."""

    node: Node
    look: Look
    products: list[Node]
    former: list[Node]
    frames: list[Node]
    # Each with its label, and with the run that made it where one here did.
    calibrations: list[tuple[str, Node, Node | None]]


def provenance(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Show where the values of a run come from, drawn and as a list; the current run by default."""
    block = find_block(ab_name)
    attempt = find_attempt(block, request.GET.get("attempt", ""))
    found = provenance_of(attempt)
    return render(
        request,
        "provenance.html",
        {
            "ab": block,
            "attempt": attempt,
            "attempts": block.attempts.only("number", "block"),
            "found": found,
            "steps": steps_of(found),
            "values": _values(found),
            "graph": draw(found, outcome_look),
            "users": users_of(block),
            "most": MOST_NODES,
            "most_levels": MOST_LEVELS,
        },
    )


def outcome_look(outcome: str) -> Look:
    """Return how a run ended; lost and cancelled ones have made nothing, as failed ones."""
    if outcome == Outcome.DEGRADED:
        return looks.DEGRADED
    if outcome in {Outcome.SUCCESSFUL, Outcome.RUNNING}:
        return looks.PROCESS[outcome]
    return looks.PROCESS["FAILED"]


def steps_of(found: Provenance) -> list[Step]:
    """Return the runs of a provenance one after the other, the one that was asked for first."""
    nodes = {node.id: node for node in found.nodes}
    makers = {edge.start: nodes[edge.end] for edge in found.edges if edge.role == "made by"}
    into: dict[str, list[tuple[str, Node]]] = {}
    products: dict[str, list[Node]] = {}
    for edge in found.edges:
        into.setdefault(edge.start, []).append((edge.role, nodes[edge.end]))
        if edge.role == "made by":
            products.setdefault(edge.end, []).append(nodes[edge.start])
    return [
        Step(
            run,
            outcome_look(run.run.outcome if run.run else ""),
            products.get(run.id, []),
            [node for _, node in into.get(run.id, []) if node.kind == Kind.RUN],
            [node for _, node in into.get(run.id, []) if node.kind == Kind.FRAME],
            [
                (role, node, makers.get(node.id))
                for role, node in into.get(run.id, [])
                if node.kind in {Kind.PRODUCT, Kind.FILE}
            ],
        )
        for run in found.of_kind(Kind.RUN)
    ]


def _values(found: Provenance) -> list[tuple[Node, Node | None]]:
    """Return the values, each with the product it was measured in."""
    nodes = {node.id: node for node in found.nodes}
    measured = {edge.start: nodes[edge.end] for edge in found.edges if edge.role == "measured in"}
    return [(value, measured.get(value.id)) for value in found.of_kind(Kind.VALUE)]
