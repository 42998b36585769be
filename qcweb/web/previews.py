"""How previews are drawn: pictures by address, histograms and cuts as lines of the page itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.models import Preview, Product

# The box that small plots are drawn in; the page stretches it.
WIDTH, HEIGHT = 240.0, 56.0


@dataclass(frozen=True)
class Plot:
    """A small plot: an SVG path in a box of 240 × 56, and the range it spans."""

    path: str
    low: float
    high: float


@dataclass(frozen=True)
class PreviewView:
    """A preview as a page shows it."""

    preview: Preview
    size_text: str
    histogram: Plot | None
    row: Plot | None
    column: Plot | None
    # The same image of the last certified product, where the page sets them side by side.
    reference: Preview | None = None

    @property
    def facts(self) -> dict[str, Any]:
        return dict(self.preview.facts)

    @property
    def has_difference(self) -> bool:
        return "difference" in self.preview.files

    @property
    def is_comparable(self) -> bool:
        """Whether both are images of one shape, so that one can be subtracted from the other."""
        shape = self.preview.facts.get("shape")
        return bool(shape and self.reference and self.reference.facts.get("shape") == shape)

    @property
    def is_measured(self) -> bool:
        """Whether the numbers of the difference are those to the reference that is shown."""
        compared = self.preview.compared_with_id
        return bool(
            self.has_difference and self.reference and self.reference.product_id == compared
        )


def views_beside(
    products: Sequence[Product], references: Mapping[int, Product]
) -> dict[int, list[PreviewView]]:
    """Return the previews of products, each with the same image of its reference."""
    pictured = Preview.objects.filter(product__in=[one.pk for one in references.values()])
    found = {
        (one.product_id, one.hdu): one
        for one in pictured.select_related("product__attempt__block")
        if "image" in one.files
    }
    return {
        key: [replace(view, reference=_reference(view, references, found)) for view in views]
        for key, views in views_of(products).items()
    }


def _reference(
    view: PreviewView,
    references: Mapping[int, Product],
    found: Mapping[tuple[int, int], Preview],
) -> Preview | None:
    reference = references.get(view.preview.product_id)
    return found.get((reference.pk, view.preview.hdu)) if reference else None


def views_of(products: Iterable[Product]) -> dict[int, list[PreviewView]]:
    """Return the previews of products by the product's key."""
    found: dict[int, list[PreviewView]] = {}
    previews = Preview.objects.filter(product__in=list(products)).select_related(
        "compared_with__attempt__block"
    )
    for preview in previews.order_by("product_id", "hdu"):
        found.setdefault(preview.product_id, []).append(view_of(preview))
    return found


def view_of(preview: Preview) -> PreviewView:
    facts = preview.facts
    return PreviewView(
        preview,
        "×".join(str(n) for n in reversed(facts.get("shape", []))),
        bars(facts.get("histogram")),
        line(facts.get("row")),
        line(facts.get("column")),
    )


def bars(histogram: dict[str, Any] | None) -> Plot | None:
    """Return a histogram as a closed path; the heights are roots, so that wings are seen."""
    if not histogram or not (counts := histogram.get("counts")):
        return None
    top = max(counts) or 1
    width = WIDTH / len(counts)
    words = [f"M0 {HEIGHT:g}"]
    for n, count in enumerate(counts):
        y = HEIGHT * (1 - (count / top) ** 0.5)
        words.append(f"L{n * width:.1f} {y:.1f}L{(n + 1) * width:.1f} {y:.1f}")
    words.append(f"L{WIDTH:g} {HEIGHT:g}Z")
    return Plot("".join(words), histogram["low"], histogram["high"])


def line(values: Sequence[float | None] | None) -> Plot | None:
    """Return a cut as a path with gaps where it has no values."""
    known = [one for one in values or () if one is not None]
    if not values or len(known) < 2:
        return None
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = WIDTH / max(1, len(values) - 1)
    words, is_drawing = [], False
    for n, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        y = 2 + (HEIGHT - 4) * (1 - (value - low) / span)
        words.append(f"{'L' if is_drawing else 'M'}{n * step:.1f} {y:.1f}")
        is_drawing = True
    return Plot("".join(words), low, high)
