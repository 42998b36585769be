"""FITS headers and sizes, read fast: only the cards that are asked for are parsed.

Real ESO headers have hundreds of cards, and parsing all of them costs twenty times the time.
"""

import gzip
import hashlib
import io
import math
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 2880
CARD = 80
Value = str | int | float | bool

# Cards that describe the file and not the observation: they change when a file is compressed.
_STRUCTURAL = re.compile(
    rb"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|CHECKSUM|DATASUM"
    rb"|Z[A-Z]+\d*|TFIELDS|TTYPE\d+|TFORM\d+|THEAP|EXTNAME|FZ[A-Z]+|COMMENT|HISTORY|CONTINUE|)\s*$"
)
_STRING = re.compile(r"\s*'((?:[^']|'')*)'")
_INT = re.compile(r"[+-]?\d+$")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
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
    header = read_header(file)
    if not header[0].startswith(b"SIMPLE  ="):
        raise FitsError("This is not a FITS file.", "Move it out of the directory of raw frames.")
    needed = _needed_size(file, header)
    problem = f"truncated: {size} of {needed} bytes" if size < needed else ""
    return FitsFile(
        keywords=parse_keywords(header, wanted),
        size=size,
        header_digest=header_digest(header),
        problem=problem,
    )


def read_header(file: BinaryIO) -> list[bytes]:
    """Return the 80-byte cards of the header at the file's position, END left out."""
    cards: list[bytes] = []
    for _ in range(MAX_HEADER_BLOCKS):
        block = file.read(BLOCK)
        if not cards and not block.startswith((b"SIMPLE  =", b"XTENSION")):
            raise FitsError(
                "This is not a FITS file.", "Move it out of the directory of raw frames."
            )
        if len(block) < BLOCK:
            raise FitsError("The header is cut: it has no END card.", "Transfer the file again.")
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD]
            if card.startswith(b"END") and card.rstrip() == b"END":
                return cards
            cards.append(card)
    raise FitsError("The header has no end.", "Check how the file was written.")


def read_headers(path: Path) -> Iterator[list[bytes]]:
    """Yield the header of each HDU of a plain file."""
    with path.open("rb") as file:
        yield from read_headers_of(file)


def read_headers_of(file: BinaryIO) -> Iterator[list[bytes]]:
    """Yield the header of each HDU from the file's position on."""
    while file.read(1):
        file.seek(-1, io.SEEK_CUR)
        header = read_header(file)
        yield header
        file.seek(_padded(_data_size(header)), io.SEEK_CUR)


def _needed_size(file: BinaryIO, primary: list[bytes]) -> int:
    """Return the bytes all HDUs need: one seek a HDU, no pixels read.

    A file that ends inside an extension's header needs at least one block more than it has.
    """
    header = primary
    while True:
        end = file.tell() + _padded(_data_size(header))
        file.seek(end)
        ahead = file.read(8)
        if not ahead:
            return end
        file.seek(end)
        if ahead != b"XTENSION":  # bytes after the last HDU are allowed
            return end
        try:
            header = read_header(file)
        except FitsError:
            return max(end, file.tell()) + BLOCK


def _data_size(header: list[bytes]) -> int:
    """Return the bytes of a HDU's data.

    Raises
    ------
    FitsError
        The header asks for what no file has: reading on would not end, or end anywhere.
    """
    found = parse_keywords(header, _SizeKeys())
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
    found: dict[str, Value], key: str, default: int, high: int = 1 << 62, *, low: int = 0
) -> int:
    value = found.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _impossible(key, value)
    return value


def _impossible(key: str, value: object) -> FitsError:
    return FitsError(
        f"The header's {key} is not possible: {value!r}.", "Check how the file was written."
    )


class _SizeKeys(frozenset[str]):
    """The keywords that give the size of a HDU's data."""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (
            key in {"BITPIX", "NAXIS", "PCOUNT", "GCOUNT"} or bool(re.fullmatch(r"NAXIS\d+", key))
        )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def header_digest(header: list[bytes]) -> str:
    """Return the SHA-256 of the cards that describe the observation, in their order."""
    digest = hashlib.sha256()
    for card in header:
        if not _STRUCTURAL.match(card[:8]):
            digest.update(card.rstrip())
            digest.update(b"\n")
    return digest.hexdigest()


def parse_keywords(header: list[bytes], wanted: Collection[str]) -> dict[str, Value]:
    """Return the wanted keywords of a header; of a repeated keyword the last one."""
    found: dict[str, Value] = {}
    for card in header:
        key, text = _split(card)
        if key and key in wanted:
            value = parse_value(text)
            if value is not None:
                found[key] = value
    return found


def all_keywords(header: list[bytes]) -> Iterator[tuple[str, Value, str]]:
    """Yield keyword, value and comment of each card that has a value."""
    for card in header:
        key, text = _split(card)
        value = parse_value(text) if key else None
        if value is not None:
            yield key, value, _comment(text)


def _split(card: bytes) -> tuple[str, str]:
    """Return the OCA name of a card and the text after its equals sign."""
    if card[8:10] == b"= ":
        return card[:8].decode("ascii", "replace").rstrip(), card[10:].decode("ascii", "replace")
    if card.startswith(b"HIERARCH "):
        name, equals, text = card[9:].partition(b"=")
        if equals:
            words = name.decode("ascii", "replace").split()
            return ".".join(words[1:] if words[:1] == ["ESO"] else words), text.decode(
                "ascii", "replace"
            )
    return "", ""


def parse_value(text: str) -> Value | None:
    """Return the value of a card's text; None when it has none.

    >>> parse_value(" 'IT''S   '  / a comment"), parse_value("   3 / n"), parse_value(" T")
    ("IT'S", 3, True)
    """
    if match := _STRING.match(text):
        return _UNPRINTABLE.sub("?", match[1].replace("''", "'").rstrip())
    word = text.partition("/")[0].strip()
    if word in {"T", "F"}:
        return word == "T"
    if _INT.match(word) and len(word) < 20:
        return int(word)
    try:
        number = float(word.replace("D", "E"))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _comment(text: str) -> str:
    match = _STRING.match(text)
    rest = text[match.end() :] if match else text
    return _UNPRINTABLE.sub("?", rest.partition("/")[2].strip())


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
