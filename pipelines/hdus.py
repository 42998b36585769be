"""The HDUs of a plain FITS file, one after the other: header, pixels, the sum of the data.

astropy reads every file, and takes ten times as long over a frame that has nothing unusual. What is
unusual is refused here, and whoever asked takes astropy for it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from .domain.headers import Value, layout_of
from .fits import BLOCK, COMPRESSED, FitsError, data_size, header_bytes

Pixels: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# Whole numbers that FITS stores shifted, as it has only signed ones of these sizes.
_UNSIGNED = {16: (1 << 15, "u2"), 32: (1 << 31, "u4")}
_TABLES = frozenset({"BINTABLE", "TABLE"})
_WANTED = frozenset(
    {"SIMPLE", "XTENSION", "EXTNAME", "BITPIX", "NAXIS", "GROUPS", "PCOUNT", "GCOUNT", "BSCALE",
     "BZERO", "BLANK", "ZIMAGE", "DATASUM"}
)  # fmt: skip
_MOST_AXES = 9
_AXES = frozenset({f"NAXIS{n + 1}" for n in range(_MOST_AXES)})


class UnusualError(Exception):
    """Only astropy can read this file."""


@dataclass(frozen=True, eq=False)
class Hdu:
    """One HDU: its header, END left out, and its data as bytes, filled up to whole blocks."""

    header: bytes
    data: Pixels

    @cached_property
    def _said(self) -> dict[str, Value]:
        return layout_of(self.header).keywords(self.header, _WANTED | _AXES)

    @property
    def kind(self) -> str:
        """``""`` for the primary HDU, else its XTENSION."""
        return str(self._said.get("XTENSION", ""))

    @property
    def is_image(self) -> bool:
        return self.kind in {"", "IMAGE"}

    @property
    def n_axes(self) -> int:
        return int(self._said.get("NAXIS", 0))

    @cached_property
    def names(self) -> frozenset[str]:
        """The keywords of its header, in OCA spelling, also those without a value."""
        return frozenset(place[0] for place in layout_of(self.header).places)

    def check(self) -> None:
        """Refuse what is unusual.

        Raises
        ------
        UnusualError
            It is neither a plain image nor a table.
        """
        said = self._said
        is_known = self.is_image or self.kind in _TABLES
        is_plain = said.get("SIMPLE", True) is True and not {"GROUPS", "ZIMAGE"} & said.keys()
        if not is_known or not is_plain or self.n_axes > _MOST_AXES:
            raise UnusualError

    def image(self) -> Pixels | None:
        """Return the pixels as numbers of the machine's own; None where the HDU has none.

        Raises
        ------
        UnusualError
            They are scaled, some of them stand for nothing, or they are of an odd shape.
        """
        if not self.is_image or not self.n_axes:
            return None
        said, bitpix = self._said, self._said.get("BITPIX")
        shape = [said.get(f"NAXIS{n}") for n in range(self.n_axes, 0, -1)]
        sizes = [one for one in shape if isinstance(one, int) and one > 0]
        is_one = said.get("BSCALE", 1) == 1 and said.get("GCOUNT", 1) == 1
        is_whole = said.get("PCOUNT", 0) == 0 and "BLANK" not in said and len(sizes) == len(shape)
        if not is_one or not is_whole or not isinstance(bitpix, int) or bitpix not in _TYPES:
            raise UnusualError
        stored = self.data[: math.prod(sizes) * abs(bitpix) // 8].view(_TYPES[bitpix])
        return self._unshifted(stored.astype(stored.dtype.newbyteorder("=")), bitpix).reshape(sizes)

    def _unshifted(self, stored: Pixels, bitpix: int) -> Pixels:
        zero = self._said.get("BZERO", 0)
        if zero == 0:
            return stored
        shift, unsigned = _UNSIGNED.get(bitpix, (None, ""))
        if zero != shift:
            raise UnusualError
        turned: Pixels = stored.view(unsigned) ^ np.array(shift, unsigned)
        return turned

    def fits_its_sum(self) -> bool:
        """Whether the data are those that the header gives a sum of; true where it gives none.

        Raises
        ------
        ValueError
            The sum is no number.
        """
        told = self._said.get("DATASUM")
        return told is None or int(told) == data_sum(self.data)


def data_sum(data: Pixels) -> int:
    """Return the sum of 32-bit words with the carry added at the end, as DATASUM gives it.

    >>> data_sum(np.frombuffer(bytes.fromhex("ffffffff 00000002"), np.uint8))
    2
    """
    total = int(data.view(">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def read_hdus(path: Path) -> Iterator[Hdu]:
    """Yield the HDUs of a file; each one's data is read when it is its turn.

    Raises
    ------
    UnusualError
        It is compressed, cut, holds something unusual, or goes on behind its last HDU.
    """
    if path.suffix in COMPRESSED:
        raise UnusualError
    with path.open("rb", buffering=0) as file:
        size = path.stat().st_size
        while file.tell() < size:
            yield _next_hdu(file)


def _next_hdu(file: BinaryIO) -> Hdu:
    start = file.tell()
    if start and file.read(8) != b"XTENSION":
        raise UnusualError
    file.seek(start)
    try:
        header = header_bytes(file)
        n_bytes = -(-data_size(layout_of(header).sizes(header)) // BLOCK) * BLOCK
    except FitsError as error:
        raise UnusualError from error
    data = np.empty(n_bytes, np.uint8)
    if _fill(file, data) < n_bytes:
        raise UnusualError
    hdu = Hdu(header, data)
    hdu.check()
    return hdu


def _fill(file: BinaryIO, data: Pixels) -> int:
    """Read as many bytes as there is room for; return how many there were."""
    # Read, not mapped: where the disk fails, this is an error and not the end of the process.
    room, done = data.data, 0
    while done < len(room) and (n := file.readinto(room[done:])):  # type: ignore[attr-defined]
        done += n
    return done
