"""Lets registered frames go through the rules anew: the rules, not the frames, are new."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction

from pipelines.fits import FitsError
from pipelines.models import Instrument, RawFile

from .organise import organise_nights
from .reading import read_again

# What the rules make of a frame; what else is known of it stays.
_OF_RULES = ("raw_type", "do_catg", "pro_catg", "setup", "is_science", "keywords")


@dataclass
class Reclassified:
    """What became of some nights' frames; `unread` are those whose file cannot be read."""

    n_frames: int = 0
    n_changed: int = 0
    n_new_blocks: int = 0
    to_advance: list[int] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)


def reclassify(instrument: Instrument, nights: Sequence[dt.date], at: dt.datetime) -> Reclassified:
    """Read the headers of nights again, classify them by the rules in force, and organise.

    Blocks whose frames the rules see as before keep their result.
    """
    done = Reclassified()
    frames = list(
        RawFile.objects.filter(instrument=instrument, night__in=nights)
        .select_related("root")
        .order_by("pk")
    )
    for frame, seen in read_again(frames, at):
        done.n_frames += 1
        if isinstance(seen, FitsError):
            done.unread.append((frame.name, str(seen)))
        else:
            done.n_changed += _take_over(frame, seen)
    with transaction.atomic():
        organised = organise_nights([(instrument.pk, night) for night in nights], at)
    done.n_new_blocks, done.to_advance = organised.n_new, organised.to_advance
    return done


def _take_over(frame: RawFile, seen: RawFile) -> bool:
    """Keep what the rules say now; only a frame they see otherwise makes its blocks run again."""
    changed = any(getattr(frame, name) != getattr(seen, name) for name in _OF_RULES)
    now = {name: getattr(seen, name) for name in (*_OF_RULES, "trace", "rule_set_id")}
    if changed:
        now["organised_at"] = None
    RawFile.objects.filter(pk=frame.pk).update(**now)
    return changed
