"""The full checksum of each raw file, made in the background: identity needs only the header."""

import hashlib
import logging
import time

from pipelines.models import RawFile

logger = logging.getLogger(__name__)

# How long one call may read, so that recipes do not wait for it.
BUDGET_S = 2.0
MISSING = "missing"


def add_checksums(budget_s: float = BUDGET_S) -> int:
    """Give frames their SHA-256 for so many seconds; return how many got one."""
    deadline = time.monotonic() + budget_s
    done = 0
    for frame in (
        RawFile.objects.filter(checksum="")
        .select_related("root")
        .order_by("pk")
        .iterator(chunk_size=100)
    ):
        RawFile.objects.filter(pk=frame.pk, path=frame.path).update(checksum=_sum(frame))
        done += 1
        if time.monotonic() > deadline:
            break
    return done


def _sum(frame: RawFile) -> str:
    try:
        with frame.full_path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        logger.warning("%s: no checksum, %s", frame.full_path, error.strerror)
        return MISSING
