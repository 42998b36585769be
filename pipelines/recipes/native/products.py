"""The files a recipe leaves: headers inherited from the first raw frame, provenance, measurements."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import VERSION
from .cards import Header, card
from .fitsfile import Image, write_fits
from .frames import Frame
from .recipe import QC, Recipe, Reduced

# What is true of a raw frame and not of a product: its own layout, sums, class and regions.
_RAW_ONLY = frozenset((
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "PCOUNT", "GCOUNT",
    "EXTNAME", "BSCALE", "BZERO", "CHECKSUM", "DATASUM", "DATAMD5", "ARCFILE", "ORIGFILE",
    "PIPEFILE", "DATE",
))  # fmt: skip
_RAW_ONLY_GROUPS = (
    "HIERARCH ESO DPR ", "HIERARCH ESO PRO ", "HIERARCH ESO QC ",
    "HIERARCH ESO DET OUT1 PRSC", "HIERARCH ESO DET OUT1 OVSC",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run of a recipe: what was combined, with what, and what was left out."""

    recipe: Recipe
    frames: Sequence[Frame]
    calibrations: Mapping[str, Frame]
    parameters: Mapping[str, float]
    n_dropped: int


def write_products(run: Run, reduced: Sequence[Reduced], directory: Path) -> list[str]:
    """Write every product of a run, all or none; give the file names."""
    names = list(run.recipe.products.values())
    try:
        for category, name in run.recipe.products.items():
            images = product_images(run, reduced, category)
            write_fits(directory / f".{name}.part", images, checksums=True)
    except BaseException:
        for name in names:
            (directory / f".{name}.part").unlink(missing_ok=True)
        raise
    for name in names:
        (directory / f".{name}.part").replace(directory / name)
    return names


def write_product_list(recipe: Recipe, directory: Path, path: Path) -> None:
    """Write EsoRex's list of products; its presence tells that all of them are there."""
    listed = [
        {"name": str(directory / name), "category": category}
        for category, name in recipe.products.items()
    ]
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(listed, indent=1), encoding="utf-8")
    part.replace(path)


def product_images(run: Run, reduced: Sequence[Reduced], category: str) -> list[Image]:
    """Lay a product out as its raw frames were: one image in the primary, or one an extension."""
    first = run.frames[0]
    is_master = category.startswith("MASTER_")
    primary = (*_inherited(first.fits.primary), *_provenance(run, category))
    if is_master:
        primary += tuple(_measured(_counts(run)))
    pixels = [result.images[category] for result in reduced]
    measured = [tuple(_measured(r.measurements)) if is_master else () for r in reduced]
    if first.fits.hdus[0].shape is not None and len(first.detectors) == 1:
        return [Image((*primary, *measured[0]), pixels[0])]
    return [
        Image(primary),
        *(
            Image((*_inherited(detector.hdu.header), *qc), image, detector.name)
            for detector, image, qc in zip(first.detectors, pixels, measured, strict=True)
        ),
    ]


def _inherited(header: Header) -> Iterator[str]:
    """Yield the cards that stay true, CONTINUE cards with the one they belong to."""
    keep = False
    for line in header.cards:
        if not line.startswith("CONTINUE"):
            keyword = line[:8].rstrip()
            keep = bool(keyword) and keyword not in _RAW_ONLY
            keep = keep and not line.startswith(_RAW_ONLY_GROUPS)
        if keep:
            yield line


def _provenance(run: Run, category: str) -> Iterator[str]:
    yield card("PIPEFILE", run.recipe.products[category], "name of the product")
    yield card("DATE", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()), "when it was made, UTC")
    yield card("ESO PRO CATG", category, "category of the product")
    yield card("ESO PRO TYPE", "REDUCED", "type of the product")
    yield card("ESO PRO REC1 ID", run.recipe.name, "recipe")
    yield card("ESO PRO REC1 PIPE ID", f"hcm/{VERSION}", "pipeline and version")
    for i, frame in enumerate(run.frames, 1):
        yield card(f"ESO PRO REC1 RAW{i} NAME", frame.name)
        yield card(f"ESO PRO REC1 RAW{i} CATG", run.recipe.kind)
    for i, (tag, frame) in enumerate(run.calibrations.items(), 1):
        yield card(f"ESO PRO REC1 CAL{i} NAME", frame.name)
        yield card(f"ESO PRO REC1 CAL{i} CATG", tag)
        yield card(f"ESO PRO REC1 CAL{i} DATAMD5", frame.fits.primary.text("DATAMD5"))
    for i, (name, value) in enumerate(run.parameters.items(), 1):
        yield card(f"ESO PRO REC1 PARAM{i} NAME", name)
        yield card(f"ESO PRO REC1 PARAM{i} VALUE", f"{value:g}")
    yield card("ESO PRO DATANCOM", len(run.frames), "frames combined")


def _counts(run: Run) -> tuple[QC, ...]:
    kind = run.recipe.kind
    return (
        QC(f"QC {kind} NFRAMES", len(run.frames), "[] frames combined"),
        QC(f"QC {kind} NDROPPED", run.n_dropped, "[] frames left out as saturated"),
    )


def _measured(measurements: Sequence[QC]) -> Iterator[str]:
    for qc in measurements:
        # Nine digits are more than any of it is worth, and leave room for the comment.
        value = qc.value if isinstance(qc.value, int) else float(f"{qc.value:.9g}")
        yield card(f"ESO {qc.keyword}", value, qc.comment)
