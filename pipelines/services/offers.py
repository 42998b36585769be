"""What blocks may choose from: products, made or to come, of other blocks, and files on disk.

Rejected, failed and hidden ones are left out here; windows in time and breakpoints are the rules'.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q

from pipelines.domain import oca
from pipelines.models import (
    AssociationBlock,
    Completeness,
    Instrument,
    NextStep,
    ProcessStatus,
    RawFile,
)

from .instruments import settings_of

# How far back and ahead a master is looked for: what a night costs does not grow with the archive.
HORIZON_DAYS = 180.0
TOO_SMALL = "too_small"
AWAITS = "awaits"
# Reasons to be incomplete that no calibration cures.
NOT_YET = (TOO_SMALL, AWAITS)
# Raw frames that rules ask for without naming their class are those of these nights around.
_RAW_NIGHTS = dt.timedelta(days=1)
_CLASSES = ("RAW.TYPE", "DO.CATG", "REFLEX.CATG", "CATG")


@dataclass(frozen=True)
class Offer:
    """A product another block makes, or a file on disk, as a candidate of the organiser.

    `nth` tells several products of one category of a block apart.
    """

    candidate: oca.Candidate
    pro_catg: str
    producer: AssociationBlock | None = None
    file: RawFile | None = None
    nth: int = 0

    @property
    def name(self) -> str:
        """What people call it."""
        if self.producer is not None:
            return f"{self.pro_catg} of {self.producer.ab_name}"
        return self.file.name if self.file is not None else ""


@dataclass(frozen=True)
class Offers:
    """All that some blocks may choose from, sorted once for all of them."""

    by_id: Mapping[oca.FrameId, Offer]
    pool: oca.Pool

    def incomplete(self) -> set[int]:
        """Return the blocks that offer something and lack something."""
        producers = (offer.producer for offer in self.by_id.values() if offer.producer)
        return {one.pk for one in producers if one.completeness == Completeness.INCOMPLETE}

    def levels(self) -> dict[int, int]:
        """Return the depth in the cascade of each block that offers something."""
        producers = (offer.producer for offer in self.by_id.values() if offer.producer)
        return {producer.pk: producer.cascade_level for producer in producers}


@dataclass(frozen=True)
class Span:
    """The times and nights around which something is looked for."""

    first_mjd: float
    last_mjd: float
    first_night: dt.date
    last_night: dt.date

    @classmethod
    def of(cls, blocks: Sequence[AssociationBlock]) -> "Span":
        times = [block.mjd_mid for block in blocks]
        nights = [block.night for block in blocks]
        return cls(min(times), max(times), min(nights), max(nights))


def find_offers(
    instrument: Instrument,
    actions: Iterable[oca.Action],
    span: Span,
    *,
    counts_rejected: bool = False,
) -> Offers:
    """Return what blocks of some actions around some time may choose from.

    The calibration plan counts rejected ones as well, unless they are BADQUAL: they were taken, and
    whoever rejected them did not ask for others.
    """
    settings = settings_of(instrument)
    virtual = _of_blocks(instrument, settings, span, counts_rejected=counts_rejected)
    files = _on_disk(instrument, list(actions), span)
    offers = {offer.candidate.id: offer for offer in (*virtual, *files)}
    pool = oca.Pool.sort(
        [offer.candidate for offer in files], [offer.candidate for offer in virtual], settings
    )
    return Offers(offers, pool)


def _of_blocks(
    instrument: Instrument, settings: oca.OcaSettings, span: Span, *, counts_rejected: bool
) -> list[Offer]:
    is_there = Q(is_withdrawn=False)
    if counts_rejected:
        is_there |= Q(is_badqual=False)
    producers = (
        AssociationBlock.objects.filter(
            is_there,
            instrument=instrument,
            mjd_mid__gte=span.first_mjd - HORIZON_DAYS,
            mjd_mid__lte=span.last_mjd + HORIZON_DAYS,
        )
        .exclude(virtual_products=[])
        .exclude(process_status=ProcessStatus.FAILED, next_step=NextStep.REST)
        .exclude(incomplete_reason__startswith=TOO_SMALL)
        # What was made of a hidden frame is hidden with it, until it is made anew without.
        .exclude(block_frames__raw_file__hidden_at__isnull=False)
        .order_by("mjd_mid")
    )
    is_mid = settings.reference is oca.Reference.MID_EXPOSURE
    offers = []
    for producer in producers:
        seen: dict[str, int] = {}
        for order, product in enumerate(producer.virtual_products):
            pro_catg = str(product["keywords"].get("PRO.CATG", ""))
            # A product made is found by its category on disk.
            made = oca.made_category(pro_catg)
            nth = seen.get(made, 0)
            seen[made] = nth + 1
            candidate = oca.Candidate(
                id=f"{producer.pk}:{order}",
                keywords=product["keywords"],
                mjd=producer.mjd_mid if is_mid else producer.mjd_obs,
                order=order,
                producer=producer.pk,
                is_certified=producer.is_certified,
                batch=producer.night.isoformat(),
            )
            offers.append(Offer(candidate, pro_catg, producer, None, nth))
    return offers


def _on_disk(instrument: Instrument, actions: list[oca.Action], span: Span) -> list[Offer]:
    """Return masters and static tables, and raw frames if rules ask for any as calibrations."""
    of_instrument = RawFile.objects.usable().filter(instrument=instrument)
    found = {file.pk: file for file in of_instrument.masters().order_by("mjd_obs")}
    wanted = _wanted_raws(actions, span)
    if wanted is not None:
        raws = of_instrument.filter(
            wanted,
            pro_catg="",
            mjd_obs__gte=span.first_mjd - HORIZON_DAYS,
            mjd_obs__lte=span.last_mjd + HORIZON_DAYS,
        )
        found.update({file.pk: file for file in raws.order_by("mjd_obs")})
    return [
        Offer(
            oca.Candidate(
                id=file.pk, keywords=file.keywords, mjd=None if file.is_undated else file.mjd_obs
            ),
            file.pro_catg or file.do_catg,
            None,
            file,
        )
        for file in found.values()
    ]


def _wanted_raws(actions: list[oca.Action], span: Span) -> Q | None:
    """Return which raw frames the selects of some actions can take; None for none."""
    classes: set[str] = set()
    asks_for_any = False
    for select in (one for action in actions for one in action.files):
        key = oca.index_key(select.condition)
        if key is not None and key[0] in _CLASSES:
            classes.update(key[1])
        elif select.pool is not oca.PoolName.CALIB:
            asks_for_any = True
    if not classes and not asks_for_any:
        return None
    # Two lists, not a condition for each select: ESO's rules for one night have hundreds.
    wanted = Q(do_catg__in=sorted(classes)) | Q(raw_type__in=sorted(classes))
    if asks_for_any:
        first, last = span.first_night - _RAW_NIGHTS, span.last_night + _RAW_NIGHTS
        wanted |= Q(night__gte=first, night__lte=last)
    return wanted
