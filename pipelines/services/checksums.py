"""The full checksum of each raw file, made in the background: identity needs only the header."""

import hashlib
import logging
import time
from pathlib import Path

from django.db.models import F
from django.utils import timezone

from pipelines.fits import FitsError, read_fits
from pipelines.models import RawFile

logger = logging.getLogger(__name__)

# How long one call may read, so that recipes do not wait for it.
BUDGET_S = 2.0
CHUNK = 20


def add_checksums(budget_s: float = BUDGET_S) -> int:
    """Give frames their SHA-256 for so many seconds; return how many got one.

    Only a file that is still the one that was registered gets one: a sum over a damaged file would
    call the damage right and the frame wrong, once it is whole again.
    """
    deadline = time.monotonic() + budget_s
    done = 0
    while time.monotonic() <= deadline:
        # A few at a time, read whole: SQLite refuses to write under a reader that is not done.
        frames = RawFile.objects.filter(checksum="", gone_at=None).select_related("root")
        some = list(frames.order_by(F("checksum_tried_at").asc(nulls_first=True), "pk")[:CHUNK])
        added = 0
        for frame in some:
            added += _add(frame)
            if time.monotonic() > deadline:
                break
        done += added
        if not added:
            break  # what is left cannot have one now
    return done


def _add(frame: RawFile) -> bool:
    """Give one frame its sum; one that cannot have it now goes to the end of the queue."""
    now = RawFile.objects.filter(pk=frame.pk, path=frame.path, size=frame.size)
    try:
        if _is_as_registered(frame):
            now.update(checksum=sha256(frame.full_path))
            return True
        logger.warning("%s: no checksum, it is not what was registered", frame.full_path)
    except (OSError, FitsError) as error:
        logger.warning("%s: no checksum, %s", frame.full_path, error)
    now.update(checksum_tried_at=timezone.now())
    return False


def _is_as_registered(frame: RawFile) -> bool:
    found = read_fits(frame.full_path, ())
    return (found.size, found.header_digest) == (frame.size, frame.header_digest)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
