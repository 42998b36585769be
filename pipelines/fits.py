"""FITS headers and sizes, read fast: only the cards that are asked for are parsed.

Real ESO headers have hundreds of cards, and parsing all of them costs twenty times the time.
"""

import gzip
import io
import math
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .domain.headers import CARD, Value, all_keywords, layout_of, parse_keywords, parse_value

__all__ = [
    "BLOCK",
    "FitsError",
    "FitsFile",
    "TruncatedError",
    "Value",
    "all_keywords",
    "parse_keywords",
    "parse_value",
    "read_fits",
    "read_headers",
    "read_headers_of",
    "unpacked",
]

BLOCK = 2880
# Most headers of the observatory in one go: 1,200 cards.
_READ_AT_ONCE = 34 * BLOCK
_END = re.compile(rb"END\s{77}")
# Suffixes of compressed frames; `unpacked` gives their content.
COMPRESSED = frozenset({".gz", ".Z", ".fz"})
# A header of more cards than this is not a header: stop before memory does.
MAX_HEADER_BLOCKS = 4000
# More than any detector writes, and less than a file's position can be.
MAX_DATA_BYTES = 1 << 50
# Twice a raw frame of MUSE, the largest known here; a few bytes can unpack to terabytes.
LARGEST_UNPACKED = 2 << 30
_BITPIX = (8, 16, 32, 64, -32, -64)


class FitsError(Exception):
    """A file that cannot be read as FITS: what is wrong, and what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason} {advice}")
        self.reason = reason
        self.advice = advice


class TruncatedError(FitsError):
    """The headers promise more bytes than the file has."""


@dataclass(frozen=True)
class FitsFile:
    """What a fast look at a file gives.

    Attributes
    ----------
    keywords : dict
        The keywords asked for, in OCA spelling (``DPR.CATG``), of the primary header.
    size : int
        Bytes of the uncompressed file.
    header_digest : str
        SHA-256 of the cards that describe the observation.
    problem : str
        Empty, or e.g. ``truncated: 5760 of 20160 bytes``.
    """

    keywords: dict[str, Value]
    size: int
    header_digest: str
    problem: str = ""


def read_fits(path: Path, wanted: Collection[str]) -> FitsFile:
    """Read the wanted keywords and the identity of a frame, whatever its compression.

    Raises
    ------
    FitsError
        The file is empty, not FITS, or its header is cut.
    """
    if path.suffix == ".fz":
        content: BinaryIO = io.BytesIO(unpacked(path))
        size = content.seek(0, io.SEEK_END)
    elif path.suffix in {".gz", ".Z"}:
        content = io.BytesIO(unpacked(path))
        size = content.seek(0, io.SEEK_END)
    else:
        content = path.open("rb")
        size = path.stat().st_size
    with content:
        content.seek(0)
        return _look(content, size, wanted)


def _look(file: BinaryIO, size: int, wanted: Collection[str]) -> FitsFile:
    if size == 0:
        raise FitsError("The file is empty.", "Transfer it again.")
    header = header_bytes(file)
    if not header.startswith(b"SIMPLE  ="):
        raise FitsError("This is not a FITS file.", "Move it out of the directory of raw frames.")
    layout = layout_of(header)
    needed = _needed_size(file, size, layout.sizes(header))
    problem = f"truncated: {size} of {needed} bytes" if size < needed else ""
    return FitsFile(
        keywords=layout.keywords(header, wanted),
        size=size,
        header_digest=layout.digest(header),
        problem=problem,
    )


def header_bytes(file: BinaryIO) -> bytes:
    """Return the header at the file's position without END, and go to the end of its last block."""
    start, content, seen = file.tell(), b"", 0
    while len(content) < MAX_HEADER_BLOCKS * BLOCK:
        more = file.read(min(_READ_AT_ONCE, MAX_HEADER_BLOCKS * BLOCK - len(content)))
        content += more
        if not content.startswith((b"SIMPLE  =", b"XTENSION")):
            raise FitsError(
                "This is not a FITS file.", "Move it out of the directory of raw frames."
            )
        end = _find_end(content, seen)
        if end >= 0 and len(content) >= _padded(end + CARD):
            file.seek(start + _padded(end + CARD))
            return content[:end]
        if not more:
            raise FitsError("The header is cut: it has no END card.", "Transfer the file again.")
        seen = max(0, len(content) - len(content) % CARD) if end < 0 else end
    raise FitsError("The header has no end.", "Check how the file was written.")


def _find_end(content: bytes, start: int) -> int:
    """Return where the END card begins, -1 if there is none behind a start."""
    for match in _END.finditer(content, start):
        if match.start() % CARD == 0:
            return match.start()
    return -1


def read_headers(path: Path) -> Iterator[list[bytes]]:
    """Yield the cards of the header of each HDU of a plain file."""
    with path.open("rb") as file:
        yield from read_headers_of(file)


def read_headers_of(file: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the cards of the header of each HDU from the file's position on."""
    while file.read(1):
        file.seek(-1, io.SEEK_CUR)
        header = header_bytes(file)
        yield [header[start : start + CARD] for start in range(0, len(header), CARD)]
        file.seek(_padded(data_size(layout_of(header).sizes(header))), io.SEEK_CUR)


def _needed_size(file: BinaryIO, size: int, sizes: Mapping[str, Value]) -> int:
    """Return the bytes all HDUs need: one seek a HDU, no pixels read.

    A file that ends inside an extension's header needs at least one block more than it has.
    """
    while True:
        end = file.tell() + _padded(data_size(sizes))
        if end >= size:
            return end
        file.seek(end)
        ahead = file.read(8)
        file.seek(end)
        if ahead != b"XTENSION":  # bytes after the last HDU are allowed
            return end
        try:
            header = header_bytes(file)
        except FitsError:
            return max(end, file.tell()) + BLOCK
        sizes = layout_of(header).sizes(header)


def data_size(found: Mapping[str, Value]) -> int:
    """Return the bytes of a HDU's data.

    Raises
    ------
    FitsError
        The header asks for what no file has: reading on would not end, or end anywhere.
    """
    n_axes = _whole(found, "NAXIS", 0, 999)
    axes = [_whole(found, f"NAXIS{n + 1}", 0) for n in range(n_axes)]
    if not axes:
        return 0
    if found.get("BITPIX") not in _BITPIX:
        raise _impossible("BITPIX", found.get("BITPIX"))
    elements = math.prod(axes)
    size = (
        abs(_whole(found, "BITPIX", 8, low=-64))
        // 8
        * _whole(found, "GCOUNT", 1)
        * (_whole(found, "PCOUNT", 0) + elements)
    )
    if size > MAX_DATA_BYTES:
        raise _impossible("size", size)
    return size


def _whole(
    found: Mapping[str, Value], key: str, default: int, high: int = 1 << 62, *, low: int = 0
) -> int:
    value = found.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _impossible(key, value)
    return value


def _impossible(key: str, value: object) -> FitsError:
    return FitsError(
        f"The header's {key} is not possible: {value!r}.", "Check how the file was written."
    )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def unpacked(path: Path) -> bytes:
    """Return the uncompressed content of a ``.gz``, ``.Z`` or ``.fz`` file.

    Raises
    ------
    FitsError
        The compressed file is damaged, or holds more than `LARGEST_UNPACKED` bytes.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return _bounded(file)
        if path.suffix == ".Z":
            import uncompresspy

            with uncompresspy.open(path, "rb") as file:
                return _bounded(file)
        return _funpacked(path)
    except MemoryError as error:
        raise FitsError(
            "There is no memory to uncompress the file.", "Uncompress it, then ingest it again."
        ) from error
    except (OSError, EOFError, ValueError, LookupError, TypeError, zlib.error) as error:
        raise FitsError(
            f"The file cannot be uncompressed: {error}.", "Transfer it again."
        ) from error


def _bounded(file: BinaryIO | gzip.GzipFile) -> bytes:
    """Read a whole file, but no more than a frame can have: some files unpack without an end."""
    content = bytes(file.read(LARGEST_UNPACKED + 1))
    if len(content) > LARGEST_UNPACKED:
        raise FitsError(
            f"The file uncompresses to more than {LARGEST_UNPACKED >> 20} MiB.",
            "Uncompress it, then ingest it again.",
        )
    return content


def _funpacked(path: Path) -> bytes:
    """Return a tile-compressed file as it was: images back in their place, values unscaled."""
    from astropy.io import fits

    with fits.open(path, do_not_scale_image_data=True, checksum=False) as packed:
        hdus = list(packed)
        was_primary = len(hdus) > 1 and "ZSIMPLE" in getattr(hdus[1], "_bintable", hdus[1]).header
        images = hdus[1:] if was_primary else hdus
        plain = fits.HDUList()
        for n, hdu in enumerate(images):
            kind = fits.PrimaryHDU if n == 0 else fits.ImageHDU
            if isinstance(hdu, (fits.CompImageHDU, fits.PrimaryHDU, fits.ImageHDU)):
                plain.append(kind(hdu.data, hdu.header, do_not_scale_image_data=True))
            else:
                plain.append(hdu)
        target = io.BytesIO()
        try:
            plain.writeto(target, output_verify="silentfix")
        except fits.VerifyError as error:
            raise ValueError(str(error).strip().splitlines()[-1].strip()) from error
        return target.getvalue()
