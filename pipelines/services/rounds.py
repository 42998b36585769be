"""The hourly round: looks for new frames, organises, tries again what failed, misses what is gone.

Each subject, the incoming directories or an instrument, has one runner at a time. A later round
finds the older one busy and ends at once: there is much to do, not something wrong.
"""

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction

from pipelines.models import (
    AssociationBlock,
    Completeness,
    FailureKind,
    Instrument,
    NextStep,
    ProcessStatus,
    RawFile,
    Root,
    Round,
)

from .associate import associate_blocks
from .changes import has_new_files
from .ingest import Done, find_frames, ingest
from .nights import closed_nights
from .offers import AWAITS
from .organise import organise_new, organise_nights
from .process import worker_name
from .requests import request_again
from .roots import GONE, lack_of

logger = logging.getLogger(__name__)

INCOMING = "incoming"
# A round that says nothing for so long has lost its worker.
LEASE = dt.timedelta(minutes=15)
# Files younger than this may still be written.
QUIET_S = 10.0
# Files looked at between two signs of life.
FILES_A_BEAT = 500
# What passes when a file is another one, or comes back.
_OF_FILES = [FailureKind.INPUT, FailureKind.MISSING]
# What may pass at all. What a recipe refuses it refuses again.
_MAY_PASS = [*_OF_FILES, FailureKind.ENVIRONMENT]
# Nights so far back are looked after; older ones by `verify` and `reprocess`.
RECENT = dt.timedelta(days=14)


class LostRoundError(Exception):
    """Another worker has taken the round over: this one was silent for too long."""


@dataclass
class _Work:
    """What a round has done so far, and the blocks that have something to do now."""

    round_pk: int
    started_at: dt.datetime
    started_s: float = field(default_factory=time.monotonic)
    counts: Counter[str] = field(default_factory=Counter)
    to_advance: list[int] = field(default_factory=list)

    @property
    def now(self) -> dt.datetime:
        return self.started_at + dt.timedelta(seconds=time.monotonic() - self.started_s)

    def beat(self) -> None:
        """Say that the round is alive.

        Raises
        ------
        LostRoundError
            It is somebody else's by now.
        """
        mine = Round.objects.filter(pk=self.round_pk, finished_at=None)
        if not mine.update(lease_until=self.now + LEASE):
            raise LostRoundError("it was silent for too long, and another worker took it over")


@dataclass(frozen=True)
class RoundReport:
    """A round that ran, or the older one that it left alone."""

    round: Round
    is_older: bool
    to_advance: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        one = self.round
        if self.is_older:
            return (
                f"{one.subject}: a round by {one.worker} is at work since "
                f"{one.started_at:%H:%M:%S} UT; this one ends."
            )
        if one.error:
            return f"{one.subject}: failed: {one.error}"
        said = ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in one.found.items() if n)
        return f"{one.subject}: {said or 'nothing new'}"


def subjects() -> list[str]:
    """Return what there are rounds for: the incoming directories first."""
    return [INCOMING, *Instrument.objects.observing().values_list("name", flat=True)]


def run_round(subject: str, at: dt.datetime) -> RoundReport:
    """Do the round of one subject, unless one is at work already."""
    one, is_mine = _claim(subject, at)
    if not is_mine:
        return RoundReport(one, is_older=True)
    work, error = _Work(one.pk, at), ""
    try:
        if subject == INCOMING:
            _look_for_frames(work, at)
        else:
            _look_after(Instrument.objects.get(name=subject), work, at)
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}".replace("\x00", "")[:2000]
        raise
    finally:
        one.finished_at, one.found, one.error = work.now, dict(work.counts), error
        Round.objects.filter(pk=one.pk, finished_at=None).update(
            finished_at=one.finished_at, found=one.found, error=error
        )
    return RoundReport(one, is_older=False, to_advance=work.to_advance)


def _claim(subject: str, at: dt.datetime) -> tuple[Round, bool]:
    """Return a new round, or the unfinished one of somebody else."""
    with transaction.atomic():
        older = Round.objects.select_for_update().filter(subject=subject, finished_at=None).first()
        if older is not None and older.lease_until > at:
            return older, False
        if older is not None:
            said = "Its worker was lost."
            Round.objects.filter(pk=older.pk).update(finished_at=at, error=said)
            logger.warning("round of %s by %s: %s", subject, older.worker, said)
    try:
        with transaction.atomic():
            return (
                Round.objects.create(
                    subject=subject, worker=worker_name(), started_at=at, lease_until=at + LEASE
                ),
                True,
            )
    except IntegrityError:
        # Another one was faster between the two transactions; it may be over already.
        return Round.objects.filter(subject=subject).latest("pk"), False


def _look_for_frames(work: _Work, at: dt.datetime) -> None:
    for root in Root.objects.filter(is_followed=True):
        directory = Path(root.path)
        if not directory.is_dir():
            logger.warning("root %s: %s is not there", root.name, directory)
            work.counts["directories_gone"] += 1
            continue
        report = ingest(_whole_files(directory, work), at, directory)
        for done, n in report.counts().items():
            if done != Done.KNOWN:
                work.counts[str(done)] += n
        work.counts["new blocks"] += report.new_blocks
        work.to_advance += report.to_advance


def _whole_files(directory: Path, work: _Work) -> Iterator[Path]:
    """Yield frames that nobody is writing any more; a long look stays alive."""
    latest = time.time() - QUIET_S
    for n, path in enumerate(find_frames(directory)):
        if n % FILES_A_BEAT == 0:
            work.beat()
        try:
            if path.stat().st_mtime <= latest:
                yield path
        except OSError:  # it went away between listing and looking
            continue


def _look_after(instrument: Instrument, work: _Work, at: dt.datetime) -> None:
    waiting = AssociationBlock.objects.filter(
        instrument=instrument, incomplete_reason__startswith=AWAITS
    )
    # Nobody says that a template was broken off: its night is looked at again until it is over.
    unfinished = waiting.values_list("instrument", "night").distinct()
    for organised in (organise_nights(unfinished, at), organise_new(at, instrument)):
        work.counts["new blocks"] += organised.n_new
        work.to_advance += organised.to_advance
    for step in (_complete, _try_again, _miss_frames):
        work.beat()
        step(instrument, work, at)


def _complete(instrument: Instrument, work: _Work, at: dt.datetime) -> None:
    """Look again whether incomplete blocks find what they lacked: rules and files may be new."""
    lacking = AssociationBlock.objects.filter(
        instrument=instrument,
        completeness=Completeness.INCOMPLETE,
        night__gte=(at - RECENT).date(),
    )
    nights = sorted(set(lacking.values_list("night", flat=True)))
    if nights:
        before = lacking.count()
        with transaction.atomic():
            work.to_advance += associate_blocks(instrument, nights, at)
        work.counts["blocks completed"] += max(0, before - lacking.count())


def _try_again(instrument: Instrument, work: _Work, at: dt.datetime) -> None:
    """Queue blocks that failed for a reason that may have passed, of nights that are open."""
    failed = list(
        AssociationBlock.objects.filter(
            instrument=instrument,
            process_status=ProcessStatus.FAILED,
            next_step=NextStep.REST,
            failure_kind__in=_MAY_PASS,
            is_withdrawn=False,
            night__gte=(at - RECENT).date(),
            changed_at__lte=at - dt.timedelta(seconds=settings.HCM_RETRY_S),
        )
    )
    closed = closed_nights((block.instrument_id, block.night) for block in failed)
    for block in failed:
        if (block.instrument_id, block.night) in closed:
            continue
        if block.failure_kind in _OF_FILES and not has_new_files(block):
            continue
        if request_again(block, at, n_failures=settings.HCM_MAX_ATTEMPTS - 1):
            work.counts["tried again"] += 1
            work.to_advance.append(block.pk)


def _miss_frames(instrument: Instrument, work: _Work, at: dt.datetime) -> None:
    """Mark recent frames that are gone from disk, and those that are back."""
    frames = RawFile.objects.filter(instrument=instrument, night__gte=(at - RECENT).date())
    gone, back = [], []
    for frame in frames.select_related("root").iterator(chunk_size=500):
        is_gone = lack_of(frame, frame.full_path) == GONE
        if is_gone and frame.gone_at is None:
            gone.append(frame.pk)
        elif not is_gone and frame.gone_at is not None:
            back.append(frame.pk)
    RawFile.objects.filter(pk__in=gone).update(gone_at=at)
    RawFile.objects.filter(pk__in=back).update(gone_at=None)
    work.counts["frames gone"] += len(gone)
    work.counts["frames back"] += len(back)
