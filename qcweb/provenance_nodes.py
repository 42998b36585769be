"""What stands in a provenance: values, products, runs, frames and calibrations on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.urls import reverse

from pipelines.models import Attempt, Product, RawFile
from trending.models import QC1Value


class Kind(StrEnum):
    """What a node is. A file is a calibration on disk that no run here made."""

    VALUE = "value"
    PRODUCT = "product"
    RUN = "run"
    FRAME = "frame"
    FILE = "file"


@dataclass(frozen=True)
class Node:
    """One thing in the provenance of a block; what does not belong to its kind is empty."""

    id: str
    kind: Kind
    name: str
    # Steps up the cascade from the run that was asked for, the longest way.
    level: int = 0
    category: str = ""
    # What is odd about it today: hidden, no longer current.
    state: str = ""
    block: str | None = None
    attempt: int | None = None
    run: Attempt | None = None
    value: float | None = None
    unit: str = ""
    detector: str = ""
    mjd_obs: float | None = None
    address: str | None = None
    page: str | None = None


@dataclass(frozen=True)
class Edge:
    """From what was made to what it was made of."""

    start: str
    end: str
    role: str


@dataclass(frozen=True)
class Provenance:
    """The whole graph of one run; `is_cut` says that there is more than was followed."""

    nodes: list[Node]
    edges: list[Edge]
    is_cut: bool

    def of_kind(self, kind: Kind) -> list[Node]:
        return [node for node in self.nodes if node.kind == kind]


def run_id(run: Attempt) -> str:
    return f"run:{run.pk}"


def run_node(run: Attempt) -> Node:
    block = run.block
    is_current = block.current_attempt_id == run.pk
    words = [
        "" if is_current else "not the current run",
        "the block is withdrawn" if block.is_withdrawn else "",
    ]
    return Node(
        run_id(run), Kind.RUN, f"{block.raw_type} {block.night}", category=block.raw_type,
        state=", ".join(word for word in words if word), block=block.ab_name, attempt=run.number,
        run=run, mjd_obs=block.mjd_obs, address=reverse("api:block", args=[block.ab_name]),
        page=reverse("block", args=[block.ab_name]),
    )  # fmt: skip


def product_node(product: Product) -> Node:
    run = product.attempt
    return Node(
        f"product:{product.pk}", Kind.PRODUCT, product.name, category=product.pro_catg,
        block=run.block.ab_name, attempt=run.number,
        address=reverse("api:product", args=[product.pk]),
        page=reverse("block", args=[run.block.ab_name]) + "#products",
    )  # fmt: skip


def lost_node(key: int, noted: Mapping[str, Any]) -> Node:
    """Return a product of which only the run's note is left."""
    producer = noted.get("producer")
    return Node(
        f"product:{key}", Kind.PRODUCT, f"product {key}", state="no longer recorded",
        block=producer, address=reverse("api:block", args=[producer]) if producer else None,
        page=reverse("block", args=[producer]) if producer else None,
    )  # fmt: skip


def frame_node(file: RawFile) -> Node:
    return _of_file(file, f"frame:{file.pk}", Kind.FRAME, file.do_catg or file.raw_type)


def file_node(file: RawFile) -> Node:
    return _of_file(file, f"file:{file.pk}", Kind.FILE, file.pro_catg or file.do_catg)


def _of_file(file: RawFile, key: str, kind: Kind, category: str) -> Node:
    state = "hidden meanwhile" if file.is_hidden else "gone from disk" if file.gone_at else ""
    return Node(
        key, kind, file.name, category=category, state=state, mjd_obs=file.mjd_obs,
        address=reverse("api:frame", args=[file.pk]), page=reverse("frame", args=[file.pk]),
    )  # fmt: skip


def value_node(one: QC1Value) -> Node:
    parameter = one.series.parameter
    arguments = [parameter.table.name, parameter.name, one.row_id]
    return Node(
        f"value:{one.row_id}:{one.series_id}", Kind.VALUE, parameter.name, value=one.value,
        category=parameter.table.name, unit=parameter.unit, detector=one.row.detector,
        mjd_obs=one.row.mjd_obs, page=reverse("value", args=arguments),
    )  # fmt: skip
