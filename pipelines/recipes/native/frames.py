"""A frame as a recipe sees it: its detectors, their light-sensitive areas, and whether it is usable."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cards import Header
from .errors import IllegalInputError, IncompatibleInputError, KeywordMissingError
from .fitsfile import FitsFile, Hdu, open_fits

# More is slower: strips of all frames together should stay near the processor's cache.
STRIP_BYTES = 4 * 2**20
_MOST_OVERSCAN = 2**17
_SPREAD = 64


@dataclass(frozen=True)
class Area:
    """The light-sensitive rows and columns of a detector, [start, stop)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left


@dataclass(frozen=True)
class Detector:
    """One detector of one frame, read from disk in strips of rows."""

    path: Path
    hdu: Hdu
    name: str
    shape: tuple[int, int]
    area: Area

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows of the light-sensitive area, in the file's own type, without BZERO."""
        full = self._read(self.area.top + start, self.area.top + stop)
        return full[:, self._lit].astype(self.native)

    def pixels(self) -> NDArray[np.float32]:
        """Read the whole light-sensitive area in ADU."""
        pixels = self.rows(0, self.area.shape[0]).astype(np.float32)
        pixels += np.float32(self.hdu.zero)
        return pixels

    def overscan(self) -> NDArray[np.float64] | None:
        """Give pixels left and right of the light-sensitive area in ADU, None without any.

        Of a large detector these are some 130,000 from strips spread evenly over the rows: with a
        read noise of 3 ADU they fix the level to 0.01 ADU.
        """
        rows, columns = self.area.shape
        per_row = self.shape[1] - columns
        if not per_row:
            return None
        taken = [
            np.delete(self._read(self.area.top + start, self.area.top + stop), self._lit, axis=1)
            for start, stop in spread(rows, per_row, _MOST_OVERSCAN)
        ]
        return np.concatenate(taken).astype(np.float64) + self.hdu.zero

    @property
    def _lit(self) -> slice:
        return slice(self.area.left, self.area.right)

    @property
    def native(self) -> np.dtype[Any]:
        return self.hdu.dtype.newbyteorder("=")

    @property
    def saturated_level(self) -> float:
        """Give the largest value the stored type can hold, in ADU; infinite for real numbers."""
        kind = self.native
        return float(np.iinfo(kind).max) + self.hdu.zero if kind.kind in "iu" else np.inf

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        width = self.shape[1]
        kind = self.hdu.dtype
        offset = self.hdu.data_offset + start * width * kind.itemsize
        count = (stop - start) * width
        return np.fromfile(self.path, kind, count, offset=offset).reshape(-1, width)


@dataclass(frozen=True)
class Frame:
    fits: FitsFile
    detectors: tuple[Detector, ...]

    @property
    def name(self) -> str:
        return self.fits.path.name

    @cached_property
    def exptime_s(self) -> float:
        value = self.fits.primary.number("EXPTIME")
        if value is None:
            raise KeywordMissingError(f"{self.name}: EXPTIME is absent; the header must hold it")
        return value


@dataclass(frozen=True)
class Health:
    """What a look at the pixels of one detector found."""

    saturated: int
    fraction: float


def open_frame(path: Path) -> Frame:
    fits = open_fits(path)
    detectors = tuple(
        _detector(path, hdu, hdu.shape, fits.primary) for hdu in fits.hdus if hdu.shape is not None
    )
    if not detectors:
        raise IllegalInputError(f"{path.name}: no image in any HDU; a frame needs at least one")
    return Frame(fits, detectors)


def _detector(path: Path, hdu: Hdu, shape: tuple[int, int], primary: Header) -> Detector:
    name = hdu.header.text("EXTNAME", "PRIMARY")
    return Detector(path, hdu, name, shape, _area(primary, hdu, shape, f"{path.name}[{name}]"))


def _area(primary: Header, hdu: Hdu, shape: tuple[int, int], where: str) -> Area:
    rows, columns = shape
    keys = hdu.header if "ESO DET OUT1 PRSCX" in hdu.header else primary
    left, right = keys.integer("ESO DET OUT1 PRSCX"), keys.integer("ESO DET OUT1 OVSCX")
    top, bottom = keys.integer("ESO DET OUT1 PRSCY"), keys.integer("ESO DET OUT1 OVSCY")
    area = Area(top, rows - bottom, left, columns - right)
    promised = (
        keys.integer("ESO DET OUT1 NY", area.shape[0]),
        keys.integer("ESO DET OUT1 NX", area.shape[1]),
    )
    if area.shape != promised or min(area.shape) < 1:
        raise IncompatibleInputError(
            f"{where}: {columns}x{rows} pixels, but ESO DET OUT1 speaks of "
            f"{promised[1]}x{promised[0]} with {left}+{right} columns and {top}+{bottom} rows out "
            "of the light; correct the header"
        )
    return area


def check_alike(frames: Sequence[Frame]) -> None:
    """Refuse frames whose detectors differ in name, size, type or light-sensitive area."""
    first = frames[0]
    for other in frames[1:]:
        names = [detector.name for detector in other.detectors]
        expected = [detector.name for detector in first.detectors]
        if names != expected:
            raise IncompatibleInputError(
                f"{other.name}: detectors {names}, expected {expected} as in {first.name}; "
                "do not mix set-ups"
            )
        for ours, theirs in zip(first.detectors, other.detectors, strict=True):
            _check_detector(ours, theirs, first.name, other.name)


def _check_detector(ours: Detector, theirs: Detector, first: str, other: str) -> None:
    def layout(each: Detector) -> tuple[object, ...]:
        return each.shape, each.area, each.hdu.dtype, each.hdu.zero

    if layout(ours) != layout(theirs):
        raise IncompatibleInputError(
            f"{other}[{theirs.name}]: {theirs.shape[1]}x{theirs.shape[0]} pixels of "
            f"{theirs.hdu.dtype}, expected {ours.shape[1]}x{ours.shape[0]} of {ours.hdu.dtype} "
            f"as in {first}; do not mix set-ups"
        )


def check_exposure_times(frames: Sequence[Frame]) -> None:
    first = frames[0]
    for other in frames[1:]:
        if abs(other.exptime_s - first.exptime_s) > 0.01 * first.exptime_s:
            raise IncompatibleInputError(
                f"{other.name}: {other.exptime_s} s exposed, expected {first.exptime_s} s "
                f"as in {first.name}; do not mix exposure times"
            )


def look_at(detector: Detector, saturation: float) -> Health:
    """Count saturated pixels; refuse a detector with NaN or with the same value everywhere."""
    level = min(saturation, detector.saturated_level) - detector.hdu.zero
    saturated, lowest, highest = 0, np.inf, -np.inf
    for _, (rows,) in strips([detector]):
        if rows.dtype.kind == "f" and not np.isfinite(rows).all():
            raise IllegalInputError(
                f"{detector.path.name}[{detector.name}]: NaN or infinite pixels; "
                "take the frame out or fetch it again"
            )
        lowest, highest = min(lowest, float(rows.min())), max(highest, float(rows.max()))
        if highest >= level:
            saturated += int(np.count_nonzero(rows >= level))
    if lowest == highest and highest < level:
        raise IllegalInputError(
            f"{detector.path.name}[{detector.name}]: every pixel is {lowest + detector.hdu.zero}; "
            "the detector was not read out, take the frame out"
        )
    return Health(saturated, saturated / (detector.area.shape[0] * detector.area.shape[1]))


def strips(
    detectors: Sequence[Detector], budget: int = STRIP_BYTES
) -> Iterator[tuple[slice, list[NDArray[Any]]]]:
    """Read the same rows of all frames together, so many that they fit into the budget."""
    first = detectors[0]
    height, width = first.area.shape
    # One strip more than frames: a median needs a spare one.
    row_bytes = width * first.native.itemsize * (len(detectors) + 1)
    step = max(1, budget // row_bytes)
    for start in range(0, height, step):
        stop = min(start + step, height)
        yield slice(start, stop), [detector.rows(start, stop) for detector in detectors]


def spread(rows: int, width: int, most: int) -> Iterator[tuple[int, int]]:
    """Choose rows [start, stop) that hold about `most` pixels: all, or strips spread evenly."""
    if rows * width <= most:
        yield 0, rows
        return
    height = max(1, most // (_SPREAD * width))
    starts = np.linspace(0, rows - height, min(_SPREAD, rows // height)).astype(int)
    yield from ((int(start), int(start) + height) for start in starts)
