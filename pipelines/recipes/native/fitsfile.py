"""FITS files of images: where each HDU lies in a file, and how a product is written with its sums."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .cards import BLOCK_LENGTH, CARD_LENGTH, Header, card
from .errors import DamagedFileError, FileMissingError, IncompatibleInputError, InputOutputError

_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
_BITPIX = {"uint8": 8, "uint16": 16, "int32": 32, "float32": -32}
_ZERO_SUM = "0" * 16
_BLANK_SUMS = (card("DATASUM", "0"), card("CHECKSUM", _ZERO_SUM))
_PIECE = 2**18  # pixels, whole words of any type
# FITS checksum characters that would not be letters or digits
_PUNCTUATION = frozenset(b":;<=>?@[\\]^_`")


@dataclass(frozen=True)
class Hdu:
    """One HDU of a file on disk; `shape` is (rows, columns), None when it holds no image."""

    header: Header
    data_offset: int
    data_bytes: int
    shape: tuple[int, int] | None

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_DTYPES[self.header.integer("BITPIX")])

    @property
    def zero(self) -> float:
        return self.header.number("BZERO") or 0.0


@dataclass(frozen=True)
class FitsFile:
    path: Path
    hdus: tuple[Hdu, ...]

    @property
    def primary(self) -> Header:
        return self.hdus[0].header


@dataclass(frozen=True)
class Image:
    """An HDU to write: its own cards (no structural ones) and its pixels, None for none."""

    cards: tuple[str, ...]
    pixels: NDArray[Any] | None = None
    name: str = ""


def open_fits(path: Path) -> FitsFile:
    """Read the headers of a file and check that the file is as long as they promise."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            hdus = tuple(_hdus(stream, path, size))
    except FileNotFoundError as error:
        raise FileMissingError(f"{path}: no such file; correct the set of frames") from error
    except OSError as error:
        raise InputOutputError(f"{path}: {error.strerror}; check the disk, then retry") from error
    if not hdus:
        raise DamagedFileError(f"{path.name}: no FITS header, the file is empty; fetch it again")
    return FitsFile(path, hdus)


def _hdus(stream: BinaryIO, path: Path, size: int) -> Iterator[Hdu]:
    start = 0
    while start < size:
        stream.seek(start)
        header = _read_header(stream, path)
        length = _data_length(header)
        offset = stream.tell()
        end = offset + length
        # The padding of the last block is often lost on the way and no loss: the pixels count.
        if end > size:
            raise DamagedFileError(
                f"{path.name}: cut short, {end} bytes expected, {size} found; fetch the file again"
            )
        yield Hdu(header, offset, length, _shape(header, path))
        start = offset + _padded(length)


def _read_header(stream: BinaryIO, path: Path) -> Header:
    first = stream.tell() == 0
    text = ""
    while True:
        block = stream.read(BLOCK_LENGTH)
        if len(block) < BLOCK_LENGTH:
            raise DamagedFileError(
                f"{path.name}: the header has no end within the file; fetch the file again"
            )
        text += block.decode("ascii", "replace")
        if first and not text.startswith("SIMPLE  ="):
            raise DamagedFileError(f"{path.name}: not a FITS file: it does not begin with SIMPLE")
        lines = [text[i : i + CARD_LENGTH] for i in range(0, len(text), CARD_LENGTH)]
        ends = [i for i, line in enumerate(lines) if line.rstrip() == "END"]
        if ends:
            return Header(lines[: ends[0]])


def _data_length(header: Header) -> int:
    axes = header.integer("NAXIS")
    if not axes:
        return 0
    pixels = 1
    for axis in range(1, axes + 1):
        pixels *= header.integer(f"NAXIS{axis}")
    groups = header.integer("GCOUNT", 1)
    return abs(header.integer("BITPIX")) // 8 * groups * (header.integer("PCOUNT") + pixels)


def _shape(header: Header, path: Path) -> tuple[int, int] | None:
    if header.integer("NAXIS") != 2 or header.text("XTENSION", "IMAGE") != "IMAGE":
        return None
    if header.integer("BITPIX") not in _DTYPES or (header.number("BSCALE") or 1.0) != 1.0:
        raise IncompatibleInputError(
            f"{path.name}: pixels with BITPIX={header.text('BITPIX')}, "
            f"BSCALE={header.text('BSCALE')} are not supported; write them with BSCALE=1.0"
        )
    return header.integer("NAXIS2"), header.integer("NAXIS1")


def _padded(length: int) -> int:
    return -(-length // BLOCK_LENGTH) * BLOCK_LENGTH


def fits_size(images: Sequence[Image]) -> int:
    """Tell the length in bytes that `write_fits` without checksums gives these HDUs."""
    return sum(
        len(_header_bytes(_structure(image, first=i == 0) + image.cards))
        + _padded(0 if image.pixels is None else image.pixels.nbytes)
        for i, image in enumerate(images)
    )


def write_fits(path: Path, images: Sequence[Image], *, checksums: bool = False) -> None:
    """Write the HDUs; with `checksums` also CHECKSUM, DATASUM and, in the primary, DATAMD5."""
    sums = DataSums()
    written: list[tuple[int, tuple[str, ...], int]] = []
    with path.open("wb") as stream:
        for i, image in enumerate(images):
            cards = _structure(image, first=i == 0) + image.cards
            blank = (*_md5_card("0" * 32, first=i == 0), *_BLANK_SUMS) if checksums else ()
            start = stream.tell()
            stream.write(_header_bytes(cards + blank))
            for data in _data_bytes(image.pixels):
                stream.write(data)
                if checksums:
                    sums.add(data)
            written.append((start, cards, sums.next_hdu()))
        # The sums are known now, and a header with them is as long as one without.
        for i, (start, cards, data_sum) in enumerate(written if checksums else ()):
            stream.seek(start)
            stream.write(_summed(cards + _md5_card(sums.md5, first=i == 0), data_sum))


class DataSums:
    """The sums over the data of a file, which passes by in pieces of whole 32-bit words."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(b"", usedforsecurity=False)
        self._sum = 0

    def add(self, data: bytes) -> None:
        self._md5.update(data)
        self._sum = _sum32(data, self._sum)

    def next_hdu(self) -> int:
        """Give the 32-bit sum of one HDU, and begin the next."""
        done, self._sum = self._sum, 0
        return done

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()


def _md5_card(digest: str, *, first: bool) -> tuple[str, ...]:
    return (card("DATAMD5", digest, "MD5 checksum of all data"),) if first else ()


def _structure(image: Image, *, first: bool) -> tuple[str, ...]:
    pixels = image.pixels
    kind = "uint8" if pixels is None else str(pixels.dtype)
    cards = [card("SIMPLE", True, "Standard FITS") if first else card("XTENSION", "IMAGE")]
    cards += [card("BITPIX", _BITPIX[kind]), card("NAXIS", 0 if pixels is None else 2)]
    if pixels is not None:
        cards += [card("NAXIS1", pixels.shape[1]), card("NAXIS2", pixels.shape[0])]
    cards += [card("EXTEND", True)] if first else [card("PCOUNT", 0), card("GCOUNT", 1)]
    if image.name:
        cards.append(card("EXTNAME", image.name))
    if kind == "uint16":
        cards += [card("BSCALE", 1.0), card("BZERO", 32768.0)]
    return tuple(cards)


def _header_bytes(cards: Sequence[str]) -> bytes:
    text = "".join(cards) + "END".ljust(CARD_LENGTH)
    return text.ljust(_padded(len(text))).encode("ascii")


def _data_bytes(pixels: NDArray[Any] | None) -> Iterator[bytes]:
    """Yield the data as they lie in the file, in pieces of whole words, the last one padded."""
    if pixels is None:
        return
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        if pixels.dtype == np.uint16:
            # Unsigned 16 bit is stored as signed with BZERO=32768: the top bit turns over.
            piece = piece ^ np.uint16(0x8000)
        data = piece.astype(piece.dtype.newbyteorder(">"), copy=False).tobytes()
        is_last = start + _PIECE >= flat.size
        yield (
            data.ljust(_padded(pixels.nbytes) - start * pixels.itemsize, b"\0") if is_last else data
        )


def _summed(cards: tuple[str, ...], data_sum: int) -> bytes:
    cards += (card("DATASUM", str(data_sum), "data unit checksum"),)
    blank = _header_bytes((*cards, card("CHECKSUM", _ZERO_SUM, "HDU checksum")))
    total = _sum32(blank, data_sum)
    return _header_bytes((*cards, card("CHECKSUM", _encode(~total & 0xFFFFFFFF), "HDU checksum")))


def _sum32(data: bytes, start: int = 0) -> int:
    """Add 32-bit words with the carry brought round, as the FITS standard sums an HDU."""
    total = start + int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _encode(value: int) -> str:
    """Write a 32-bit sum as 16 letters and digits whose own sum is that value."""
    columns = []
    for byte in value.to_bytes(4, "big"):
        quotient, remainder = divmod(byte, 4)
        four = [quotient + 48 + (remainder if i == 0 else 0) for i in range(4)]
        while _PUNCTUATION.intersection(four):
            for i in (0, 2):
                if four[i] in _PUNCTUATION or four[i + 1] in _PUNCTUATION:
                    four[i] += 1
                    four[i + 1] -= 1
        columns.append(four)
    text = "".join(chr(columns[column][row]) for row in range(4) for column in range(4))
    # The value begins one byte off the word boundary, so the text is turned by one.
    return text[-1] + text[:-1]
