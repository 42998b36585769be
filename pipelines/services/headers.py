"""A frame's whole header, read from its file when somebody looks."""

import io
from dataclasses import dataclass

from pipelines.fits import (
    COMPRESSED,
    FitsError,
    Value,
    all_keywords,
    parse_keywords,
    read_headers_of,
    unpacked,
)
from pipelines.models import RawFile

from .quicklook import Hdu

_MOST_AXES = 9
_SHAPE = frozenset(
    {"NAXIS", "EXTNAME", "XTENSION", *(f"NAXIS{n}" for n in range(1, _MOST_AXES + 1))}
)


@dataclass(frozen=True)
class HeaderView:
    """The parts of a file, and the cards of one of them.

    Attributes
    ----------
    problem : str
        Why the file could not be read to its end; the cards may be those that are stored.
    """

    hdus: list[Hdu]
    cards: list[tuple[str, Value, str]]
    problem: str = ""


def read_header_of(frame: RawFile, number: int) -> HeaderView:
    """Return a frame's header; of a file that is gone what is stored of it."""
    hdus: list[Hdu] = []
    cards: list[tuple[str, Value, str]] = []
    try:
        path = frame.full_path
        packed = path.suffix in COMPRESSED
        with io.BytesIO(unpacked(path)) if packed else path.open("rb") as file:
            for n, header in enumerate(read_headers_of(file)):
                found = parse_keywords(header, _SHAPE)
                hdus.append(Hdu(n, str(found.get("EXTNAME", "")), _shape(found)))
                if n == number:
                    cards = list(all_keywords(header))
    except (FitsError, OSError) as error:
        reason = error.reason if isinstance(error, FitsError) else f"{error.strerror}."
        return HeaderView(hdus, cards or _stored(frame), reason)
    return HeaderView(hdus, cards)


def _shape(found: dict[str, Value]) -> tuple[int, ...]:
    if found.get("XTENSION") in {"BINTABLE", "TABLE"}:
        return ()
    n_axes = found.get("NAXIS", 0)
    # The file may have changed since it was ingested: a count of axes can be anything.
    if not isinstance(n_axes, int) or not 0 <= n_axes <= _MOST_AXES:
        return ()
    axes = [found.get(f"NAXIS{n}", 0) for n in range(n_axes, 0, -1)]
    return tuple(int(one) for one in axes if isinstance(one, int))


def _stored(frame: RawFile) -> list[tuple[str, Value, str]]:
    return [(key, value, "") for key, value in sorted(frame.keywords.items())]
