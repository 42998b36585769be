"""Files as the organiser sees them, one by one and in groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .settings import DEFAULT_SETTINGS, OcaSettings, Reference
from .tree import Keywords, Value
from .values import is_number, same

FrameId: TypeAlias = str | int
"""What the caller calls a file: a name or a database key."""

SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One classified file.

    Parameters
    ----------
    id
        The caller's name for it; ties in time are broken by it.
    keywords
        Its header, class keywords included.
    is_virtual
        Whether it is only a promise of some block's product.
    """

    id: FrameId
    keywords: Keywords
    is_virtual: bool = False

    @property
    def mjd(self) -> float | None:
        """Start of the exposure; None for files without a date, such as static tables."""
        return number_of(self.keywords, "MJD-OBS")

    @property
    def sort_key(self) -> tuple[float, tuple[int, str]]:
        """Order in time, then by name; files without a date last."""
        mjd = self.mjd
        return (float("inf") if mjd is None else mjd, id_key(self.id))


@dataclass(frozen=True, slots=True)
class Group:
    """Files to be processed together by one action.

    Attributes
    ----------
    action
        Name of the action.
    label, prefix
        Name of the event and tag for product names: ``("TPL_A", "tpl")``, or ``("SINGLE", "")``.
    key
        The keywords the files were grouped by, with the value they share; None is undefined.
    frames
        The files, by MJD-OBS and then by id.
    min_ret
        How many files the group needs, 0 if nothing is asked.
    select_line
        Line of the `select execute` that made the group.
    awaited
        How many exposures the template has announced that have not come, as long as no later
        template of the instrument has begun; 0 for groups that are not one template.
    batch
        The night the group is of; what its own night makes counts as certified.
    waits_for_template
        Whether its rule is about templates that are complete (SIG.TEMPLATE, LF.*): it is not to be
        processed while it awaits exposures. Groups of other rules may be, and again later.
    is_alone
        Whether its one file is a group because nothing it could share was asked for: only the file
        itself tells the group from others.
    nth_select
        Which of the selects that execute the action, from 0.
    """

    action: str
    label: str
    prefix: str
    key: tuple[tuple[str, Value | None], ...]
    frames: tuple[Frame, ...]
    min_ret: int
    select_line: int
    awaited: int = 0
    batch: str = ""
    waits_for_template: bool = False
    is_alone: bool = False
    nth_select: int = 0

    @property
    def reference(self) -> Frame:
        """The first file, which gives the group its name."""
        return self.frames[0]

    @property
    def is_too_small(self) -> bool:
        """Whether the group has fewer files than its rule asks for: kept, but never processed."""
        return len(self.frames) < self.min_ret


def mixed_keywords(frames: Sequence[Frame]) -> frozenset[str]:
    """Return the keywords on which files differ; a match on one of them is a matter of luck.

    Examples
    --------
    >>> first = Frame(1, {"DET.BINX": 1, "FILTER": "V"})
    >>> sorted(mixed_keywords([first, Frame(2, {"DET.BINX": 1.0, "FILTER": "R", "LAMP": "on"})]))
    ['FILTER', 'LAMP']
    """
    first = frames[0].keywords
    names = {name for frame in frames for name in frame.keywords}
    return frozenset(name for name in names if not _agree(name, first.get(name), frames))


def _agree(name: str, value: Value | None, frames: Sequence[Frame]) -> bool:
    others = [frame.keywords.get(name) for frame in frames]
    if value is None:
        return others.count(None) == len(others)
    return all(other is not None and same(other, value) for other in others)


def reference_keywords(
    frames: Sequence[Frame], settings: OcaSettings = DEFAULT_SETTINGS
) -> Keywords:
    """Return what `inputFile.` means for the files of a block, given in order.

    Examples
    --------
    >>> frames = [Frame(n, {"MJD-OBS": 57000.0 + n, "FILTER": n}) for n in range(3)]
    >>> reference_keywords(frames, OcaSettings(reference=Reference.MID_EXPOSURE))["MJD-OBS"]
    57001.0
    """
    keywords = frames[0].keywords
    if settings.reference is Reference.MID_EXPOSURE:
        middle = _mid_exposure(frames)
        return keywords if middle is None else {**keywords, "MJD-OBS": middle}
    if settings.reference is Reference.AGREED:
        # Without a date nothing could be near it, so the first file's date stays.
        mixed = mixed_keywords(frames) - {"MJD-OBS"}
        return {name: value for name, value in keywords.items() if name not in mixed}
    return keywords


def _mid_exposure(frames: Sequence[Frame]) -> float | None:
    """Return the middle between the first start and the last end, None without any date."""
    spans = [
        (frame.mjd, frame.mjd + (number_of(frame.keywords, "EXPTIME") or 0.0) / SECONDS_PER_DAY)
        for frame in frames
        if frame.mjd is not None
    ]
    if not spans:
        return None
    return (min(start for start, _ in spans) + max(end for _, end in spans)) / 2


def number_of(keywords: Keywords, name: str) -> float | None:
    """Return a keyword as a number, None if it is undefined, no number or not finite.

    Examples
    --------
    >>> number_of({"MJD-OBS": 57080}, "MJD-OBS"), number_of({"MJD-OBS": "?"}, "MJD-OBS")
    (57080.0, None)
    """
    value = keywords.get(name)
    if not isinstance(value, int | float) or not is_number(value):
        return None
    # NaN has no place in an order; a file with a broken date is a file without one.
    return float(value) if abs(value) < float("inf") else None


def id_key(frame_id: FrameId) -> tuple[int, str]:
    """Return a key that orders ids, numbers before names."""
    return (frame_id, "") if isinstance(frame_id, int) else (_AFTER_ALL_NUMBERS, frame_id)


_AFTER_ALL_NUMBERS = 2**63
