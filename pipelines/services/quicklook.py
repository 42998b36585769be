"""A small picture of a frame's pixels, for the eye: needed most where no recipe looks at them."""

import io
import math
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.visualization import ZScaleInterval
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from pipelines.fits import COMPRESSED, FitsError, unpacked
from pipelines.models import RawFile

# Pixels of the longer side; more is not seen on a page.
LONGEST = 640
# Pixels read at once; no detector comes near.
LARGEST_STRIP = 1 << 26


class NoPictureError(Exception):
    """A frame that cannot be drawn; the message says why."""


@dataclass(frozen=True)
class Hdu:
    """One part of a file: its number, name, and what it holds."""

    number: int
    name: str
    shape: tuple[int, ...]

    @property
    def is_image(self) -> bool:
        return len(self.shape) >= 2 and min(self.shape) > 0

    @property
    def size_text(self) -> str:
        return "×".join(str(one) for one in reversed(self.shape)) or "no data"


def quicklook(frame: RawFile, number: int) -> bytes:
    """Return a PNG of one HDU; made once and kept below the data directory.

    Raises
    ------
    NoPictureError
        The file or the HDU is not there, or holds no image.
    """
    kept = Path(settings.HCM_DATA_DIR) / "looks" / f"{frame.pk}-{number}-{frame.modified_ns}.png"
    if kept.is_file():
        return kept.read_bytes()
    png = _draw(frame.full_path, number)
    kept.parent.mkdir(parents=True, exist_ok=True)
    for old in kept.parent.glob(f"{frame.pk}-{number}-*.png"):
        old.unlink(missing_ok=True)
    # Two who look at once: each writes a file of its own, and the last one stays.
    part = kept.with_suffix(f".{uuid.uuid4().hex}.part")
    part.write_bytes(png)
    part.replace(kept)
    return png


def _draw(path: Path, number: int) -> bytes:
    try:
        source: Any = io.BytesIO(unpacked(path)) if path.suffix in COMPRESSED else path
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # What it says of damaged files is said here, to whoever wants the picture.
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(source, do_not_scale_image_data=True, lazy_load_hdus=True) as hdus:
                pixels = shrunk(hdus[number])
    except FitsError as error:
        raise NoPictureError(error.reason) from error
    except IndexError as error:
        raise NoPictureError(f"It has no HDU {number}.") from error
    except (OSError, ValueError, TypeError, MemoryError) as error:
        why = error.strerror if isinstance(error, FileNotFoundError) else "it is cut off or damaged"
        raise NoPictureError(f"The pixels cannot be read: {why}.") from error
    return picture(pixels)


def shrunk(hdu: Any) -> NDArray[np.float32]:
    """Return an image's pixels averaged in squares, strip by strip: memory stays small."""
    if not getattr(hdu, "is_image", False) or hdu.header.get("NAXIS", 0) < 2:
        raise NoPictureError("This HDU holds no image.")
    *planes, height, width = hdu.shape
    if min(hdu.shape) < 1:
        raise NoPictureError("The image is empty.")
    factor = max(1, math.ceil(max(height, width) / LONGEST))
    if factor * width > LARGEST_STRIP:
        raise NoPictureError("The image is too large to be drawn.")
    middle = tuple(n // 2 for n in planes)
    rows = []
    for start in range(0, height, factor):
        strip = hdu.section[(*middle, slice(start, start + factor), slice(None))]
        mean = np.asarray(strip, dtype=np.float32).mean(axis=0, dtype=np.float64)
        rows.append(_binned(mean, factor))
    return np.stack(rows)


def _binned(row: NDArray[np.floating[Any]], factor: int) -> NDArray[np.float32]:
    # Pixels left over at the end of the row are less than one of the picture.
    whole = row.size // factor * factor or row.size
    squares = row[:whole].reshape(-1, min(factor, row.size))
    return np.asarray(squares.mean(axis=1), dtype=np.float32)


def levels(pixels: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Return black and white by zscale.

    Raises
    ------
    NoPictureError
        No pixel has a value.
    """
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        raise NoPictureError("No pixel has a value.")
    # zscale squares its sample: in float64, or bright pixels are endless.
    low, high = ZScaleInterval().get_limits(finite.astype(np.float64))
    return float(low), float(high)


def picture(pixels: NDArray[np.floating[Any]]) -> bytes:
    """Draw as PNG, the first row at the bottom as astronomers have it; see `levels` for errors."""
    low, high = levels(pixels)
    span = (high - low) or 1.0
    grey = np.nan_to_num(np.clip((pixels.astype(np.float64) - low) / span, 0, 1), nan=0.0)
    image = Image.fromarray((grey[::-1] * 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
