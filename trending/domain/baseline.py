"""How the expected value is found that limits follow: ``rolling``, ``epoch(min_effect=0.02)``."""

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .limits import LimitsError, print_number

KNOWN = (
    "rolling or epoch, with min_effect, gap_days, points or drop_repeats: rolling(min_effect=0.1)"
)
# A level needs three points, so that one bad one cannot be it.
FEWEST = 3
MOST = 1000
_FORM = re.compile(r"(?P<kind>[a-z]+)(?:\((?P<settings>[^()]*)\))?")
_FLAGS = {"yes": True, "no": False}


class BaselineKind(StrEnum):
    """From which earlier values the expected one is taken."""

    ROLLING = "rolling"
    """The newest few: follows a drift."""
    EPOCH = "epoch"
    """All of the epoch: for what must stay where it is between two interventions."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How the expected value is found.

    Parameters
    ----------
    kind
        From which earlier values.
    min_effect
        Limits are never closer to the expected value than this, in the unit of the parameter: what
        is smaller matters to nobody, however quiet the series.
    gap_days
        An epoch ends at a pause longer than this; None is never. Take a few times the cadence.
    points
        Of how many values the rolling median is.
    drop_repeats
        Whether a value equal to the one before it, to the last digit, is that one carried over and
        no new measurement. Say no for counts and other coarse numbers, which repeat by themselves.
    """

    kind: BaselineKind = BaselineKind.ROLLING
    min_effect: float = 0.0
    gap_days: float | None = 30.0
    points: int = 9
    drop_repeats: bool = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.min_effect) and self.min_effect >= 0):
            raise LimitsError("min_effect must be a finite number, zero or above")
        if self.gap_days is not None and not self.gap_days > 0:
            raise LimitsError("gap_days must be above zero")
        if not FEWEST <= self.points <= MOST:
            raise LimitsError(f"points must be from {FEWEST} to {MOST}")

    def __str__(self) -> str:
        """Return the baseline as it is written, without the settings that are as usual.

        Examples
        --------
        >>> print(Baseline(min_effect=0.1, gap_days=None))
        rolling(min_effect=0.1,gap_days=none)
        """
        usual = Baseline()
        settings = [
            f"{name}={_print(getattr(self, name))}"
            for name in _SETTINGS
            if getattr(self, name) != getattr(usual, name)
        ]
        return f"{self.kind}({','.join(settings)})" if settings else str(self.kind)


def _print(setting: float | bool | None) -> str:
    if setting is None:
        return "none"
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    return print_number(setting)


def parse_baseline(text: str) -> Baseline:
    """Read a baseline as people write it.

    Parameters
    ----------
    text
        ``rolling`` or ``epoch``, with settings in brackets. Spaces and upper or lower case do not
        matter.

    Raises
    ------
    LimitsError
        Saying what is known.

    Examples
    --------
    >>> parse_baseline("Epoch (min_effect = 0.02)").min_effect
    0.02
    """
    match = _FORM.fullmatch(re.sub(r"\s+", "", text).lower())
    if match is None or match["kind"] not in set(BaselineKind):
        raise LimitsError(f"{text.strip()!r} is no baseline known: {KNOWN}")
    found: dict[str, float | bool | None] = {}
    for part in filter(None, (match["settings"] or "").split(",")):
        name, _, written = part.partition("=")
        if name not in _SETTINGS or name in found:
            raise LimitsError(f"{part!r} is no setting of a baseline: {KNOWN}")
        found[name] = _setting(name, written)
    return _baseline(BaselineKind(match["kind"]), found)


_SETTINGS = ("min_effect", "gap_days", "points", "drop_repeats")


def _setting(name: str, written: str) -> float | bool | None:
    if name == "drop_repeats":
        if written not in _FLAGS:
            raise LimitsError(f"drop_repeats is yes or no, not {written!r}")
        return _FLAGS[written]
    if name == "gap_days" and written == "none":
        return None
    try:
        return float(written)
    except ValueError:
        raise LimitsError(f"{name} = {written!r} is no number") from None


def _baseline(kind: BaselineKind, found: dict[str, float | bool | None]) -> Baseline:
    usual = Baseline()
    points = found.get("points", usual.points)
    if points is None or points != points // 1:
        raise LimitsError("points must be a whole number")
    gap_days = found.get("gap_days", usual.gap_days)
    return Baseline(
        kind=kind,
        min_effect=float(found.get("min_effect") or 0.0),
        gap_days=None if gap_days is None else float(gap_days),
        points=int(points),
        drop_repeats=bool(found.get("drop_repeats", usual.drop_repeats)),
    )
