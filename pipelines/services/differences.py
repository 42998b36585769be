"""What differs between a product and the last certified one of its kind, as a picture."""

import uuid
import warnings
from pathlib import Path

import numpy as np
from astropy.utils.exceptions import AstropyWarning
from django.conf import settings
from numpy.typing import NDArray

from pipelines.models import Preview, Product

from .previews import is_image, open_product
from .quicklook import NoPictureError, picture, shrunk


def difference(preview: Preview, reference: Product) -> bytes:
    """Return a PNG of an image of a product minus the same image of another; made once and kept.

    Raises
    ------
    NoPictureError
        One of the files is not there, or they do not hold images of one shape.
    """
    kept = _place(preview, reference)
    if kept.is_file():
        return kept.read_bytes()
    png = picture(_subtracted(preview.product, reference, preview.hdu))
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Two who look at once: each writes a file of its own, and the last one stays.
    part = kept.with_suffix(f".{uuid.uuid4().hex}.part")
    part.write_bytes(png)
    part.replace(kept)
    return png


def _place(preview: Preview, reference: Product) -> Path:
    """Return where a difference is kept: with the previews of its run, so that it goes with them."""
    attempt = preview.product.attempt
    folder = settings.HCM_DATA_DIR / "previews" / attempt.block.instrument.name / str(attempt.pk)
    return Path(folder) / f"{preview.product_id}-{preview.hdu}-minus-{reference.pk}.png"


def _subtracted(product: Product, reference: Product, number: int) -> NDArray[np.float64]:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", AstropyWarning)
            with open_product(product) as hdus, open_product(reference) as former:
                mine, other = hdus[number], former[number]
                if not (is_image(mine) and is_image(other) and mine.shape == other.shape):
                    raise NoPictureError("They are not images of one shape.")
                return shrunk(mine).astype(np.float64) - shrunk(other)
    except IndexError as error:
        raise NoPictureError(f"One of them has no HDU {number}.") from error
    except (OSError, ValueError, TypeError, MemoryError) as error:
        raise NoPictureError("The pixels of one of them cannot be read.") from error
