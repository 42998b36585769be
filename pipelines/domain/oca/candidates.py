"""A file that could become a calibration of a block."""

import math
from dataclasses import dataclass

from .frames import Frame, FrameId, id_key
from .tree import Keywords


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that could be associated, on disk or virtual.

    Parameters
    ----------
    id
        The caller's name for it.
    keywords
        Its header, class keywords included.
    mjd
        When it was taken; None for static tables, which rank behind everything with a date.
    order
        The place of a virtual product among the products of its block.
    producer
        The block that makes a virtual product; None for a file on disk. Among files of one time
        those of one block stay together, so that a block's three flats are taken as a set.
    is_certified
        Whether it has been found good; a static table is.
    batch
        The night it was made in: those of the asking block's own night count as certified.
    """

    id: FrameId
    keywords: Keywords
    mjd: float | None = None
    order: int = 0
    producer: FrameId | None = None
    is_certified: bool = True
    batch: str = ""

    @classmethod
    def of(cls, frame: Frame) -> "Candidate":
        """Make a candidate of a classified file."""
        return cls(frame.id, frame.keywords, frame.mjd)


_ON_DISK = (-(2**63), "")


def in_time(candidate: Candidate) -> tuple[float, tuple[int, str], int, tuple[int, str]]:
    """Order by time, then by block and name; files without a date last."""
    mjd = math.inf if candidate.mjd is None else candidate.mjd
    # Of a file on disk and one to come at the same instant, the one that exists.
    block = _ON_DISK if candidate.producer is None else id_key(candidate.producer)
    return (mjd, block, candidate.order, id_key(candidate.id))
