"""Looks at products: a picture, a histogram, cuts, and the difference to the last certified one.

Made once for each image of a run, kept small: two pictures of some 100 kB, and numbers that the
pages draw.
"""

import errno
import logging
import math
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from pipelines.models import AssociationBlock, Attempt, Outcome, Preview, Product

from .quicklook import NoPictureError, levels, picture, shrunk

logger = logging.getLogger(__name__)

BINS = 64
CUT_POINTS = 256
# Pixels that the histogram looks at, evenly over the image.
SAMPLE = 1 << 20
# Images of one product, at most: a cube's worth of pictures helps nobody.
MOST_IMAGES = 32


def make_due_previews(budget_s: float) -> int:
    """Make the previews of the newest runs that lack them, for so many seconds; return how many."""
    started, n = time.monotonic(), 0
    while time.monotonic() - started < budget_s:
        due = (
            Attempt.objects.filter(
                previewed_at=None, outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED]
            )
            .select_related("block__instrument")
            .order_by("-pk")
            .first()
        )
        if due is None:
            break
        make_previews(due)
        n += 1
    return n


def make_previews(attempt: Attempt) -> list[Preview]:
    """Make the previews of a run's products; what cannot be drawn is left out and logged."""
    made: list[Preview] = []
    for product in attempt.products.order_by("pk"):
        try:
            with transaction.atomic():
                made += _of_product(attempt, product)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise  # later, when there is room
            # Whatever it is: a run that stays due would keep all older ones from their turn.
            is_usual = isinstance(error, (OSError, NoPictureError, ValueError, TypeError))
            logger.warning("%s: no preview: %s", product.name, error, exc_info=not is_usual)
    Attempt.objects.filter(pk=attempt.pk).update(previewed_at=timezone.now())
    return made


def _of_product(attempt: Attempt, product: Product) -> list[Preview]:
    before = previous_certified(attempt.block, product)
    made = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", AstropyWarning)
        with open_product(product) as hdus:
            images = [n for n, hdu in enumerate(hdus) if is_image(hdu)][:MOST_IMAGES]
            former = open_product(before) if before and images else None
            try:
                for number in images:
                    same = former[number] if former and number < len(former) else None
                    made.append(_of_image(attempt, product, number, hdus[number], before, same))
            finally:
                if former:
                    former.close()
    return made


def open_product(product: Product) -> Any:
    """Open a product's file; whatever its path says, nothing outside the products is read."""
    root = Path(settings.HCM_DATA_DIR).resolve()
    path = (root / product.path).resolve()
    if not path.is_relative_to(root / "products"):
        raise NoPictureError(f"{product.name} is not among the products.")
    return fits.open(path, lazy_load_hdus=True)


def is_image(hdu: Any) -> bool:
    return bool(getattr(hdu, "is_image", False)) and len(hdu.shape) >= 2 and min(hdu.shape) > 0


def previous_certified(block: AssociationBlock, product: Product) -> Product | None:
    """Return the same product of the latest certified block before this one, of the same set-up."""
    return last_certified(block, [product]).get(product.pk)


def last_certified(block: AssociationBlock, products: Iterable[Product]) -> dict[int, Product]:
    """Return for each product the same one of the last certified block of its set-up before it.

    By the product's key; two queries for all of them.
    """
    earlier = (
        AssociationBlock.objects.filter(
            instrument=block.instrument_id,
            raw_type=block.raw_type,
            setup=block.setup,
            is_certified=True,
            mjd_obs__lt=block.mjd_obs,
        )
        .order_by("-mjd_obs", "-pk")
        .first()
    )
    if earlier is None:
        return {}
    same = Product.objects.filter(attempt=earlier.current_attempt_id)
    former = list(same.select_related("attempt__block").order_by("pk"))
    found = {product.pk: _like(product, former) for product in products}
    return {key: one for key, one in found.items() if one is not None}


def _like(product: Product, others: list[Product]) -> Product | None:
    """Return the product of the same category, of the same name if there are several."""
    of_category = [one for one in others if one.pro_catg == product.pro_catg]
    named = (one for one in of_category if one.name == product.name)
    return next(named, of_category[0] if of_category else None)


def _of_image(
    attempt: Attempt,
    product: Product,
    number: int,
    hdu: Any,
    before: Product | None,
    former: Any,
) -> Preview:
    small = shrunk(hdu)
    low, high = levels(small)
    folder = Path("previews") / attempt.block.instrument.name / str(attempt.pk)
    files = {"image": _keep(folder / f"{product.pk}-{number}.png", picture(small))}
    facts: dict[str, Any] = {
        "shape": [int(n) for n in hdu.shape], "low": low, "high": high, **_numbers(hdu)
    }  # fmt: skip
    is_comparable = former is not None and is_image(former) and former.shape == hdu.shape
    if is_comparable:
        difference = small.astype(np.float64) - shrunk(former)
        if np.isfinite(difference).any():
            files["difference"] = _keep(
                folder / f"{product.pk}-{number}-difference.png", picture(difference)
            )
            facts["difference"] = _spread(difference)
    preview, _ = Preview.objects.update_or_create(
        product=product,
        hdu=number,
        defaults={
            "extname": str(hdu.name)[:68],
            "files": files,
            "facts": _finite(facts),
            "compared_with": before if is_comparable else None,
            "made_at": timezone.now(),
        },
    )
    return preview


def _keep(below: Path, png: bytes) -> str:
    path = settings.HCM_DATA_DIR / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
    return str(below)


def _numbers(hdu: Any) -> dict[str, Any]:
    """Return histogram and middle cuts of an image; a cube gives its middle plane."""
    planes = tuple(n // 2 for n in hdu.shape[:-2])
    height, width = hdu.shape[-2:]
    step = max(1, int(np.ceil(np.sqrt(height * width / SAMPLE))))
    sample = np.concatenate(
        [
            np.asarray(hdu.section[(*planes, y, slice(None))], np.float32)[::step]
            for y in range(0, height, step)
        ]
    )
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        raise NoPictureError("No pixel has a value.")
    row = np.asarray(hdu.section[(*planes, height // 2, slice(None))], np.float32)
    column = np.asarray(hdu.section[(*planes, slice(None), width // 2)], np.float32)
    return {
        # Between the ends of float32 there is more than a float32.
        "histogram": _histogram(finite.astype(np.float64)),
        "row": _thinned(row),
        "column": _thinned(column),
        **_spread(finite),
    }


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not finite: JSON has no word for it, and some databases refuse it."""
    kept: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            kept[name] = _finite(value)
        elif isinstance(value, list):
            kept[name] = [None if _is_endless(one) else one for one in value]
        elif not _is_endless(value):
            kept[name] = value
    return kept


def _is_endless(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _histogram(values: NDArray[np.float64]) -> dict[str, Any]:
    """Count values between the percentiles that leave one in a thousand out on either side."""
    low, high = (float(one) for one in np.percentile(values, [0.1, 99.9]))
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(values, bins=BINS, range=(low, high))
    return {"low": low, "high": high, "counts": [int(n) for n in counts]}


def _thinned(cut: NDArray[np.float32]) -> list[float | None]:
    """Return the medians of as many parts of a cut as can be drawn; None where all is blank."""
    # The middle of two float32 near their largest is beyond it.
    parts = np.array_split(cut.astype(np.float64), min(CUT_POINTS, cut.size))
    medians = [np.median(part[np.isfinite(part)]) if np.isfinite(part).any() else None
               for part in parts]  # fmt: skip
    return [None if one is None else float(one) for one in medians]


def _spread(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    median = float(np.median(finite))
    return {
        "median": median,
        "mad": float(np.median(np.abs(finite - median))),
        "min": float(finite.min()),
        "max": float(finite.max()),
    }
