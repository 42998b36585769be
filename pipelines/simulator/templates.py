"""What the observatory does in a night: templates, what goes wrong in them, what should come of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from .detector import Physics

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_PREPARATION_S = 4.217
# One file for each quadrant, read out at once; the archive names files by their milliseconds.
_QUADRANT_S = 0.013

Kind = Literal[
    "BIAS", "DARK", "FLAT", "SCIENCE", "FOCUS",
    "TWILIGHT", "ORDER", "LINEARITY_LAMP", "LINEARITY_DARK", "ARC", "PTC", "LINEARITY",
]  # fmt: skip
# Where the rules call frames by other words than kind and arm.
_RAW_TYPES = {
    ("UVES", "ORDER"): "ORDER_FLAT",
    ("HAWKI", "TWILIGHT"): "FLAT_TWILIGHT",
    ("HAWKI", "LINEARITY_LAMP"): "DETLIN_LAMP",
    ("HAWKI", "LINEARITY_DARK"): "DETLIN_DARK",
    ("NACO", "DARK"): "CAL_DARK",
    ("NACO", "FLAT"): "CAL_FLAT_LAMP",
    ("VISIR", "DARK"): "IM_CAL_DARK",
    ("VISIR", "FLAT"): "IM_CAL_FLAT",
    ("VIMOS", "TWILIGHT"): "IMG_SKY_FLAT",
}


@dataclass(frozen=True)
class Expectation:
    """How a block should stand when all work on it is done; OPEN is "nobody has decided"."""

    process: Literal["SUCCESSFUL", "FAILED", "NONE"] = "SUCCESSFUL"
    completeness: Literal["COMPLETE", "INCOMPLETE"] = "COMPLETE"
    degraded: bool = False
    score: Literal["OK", "NOK", "GREY", "NONE"] = "OK"
    certification: Literal["AUTO", "OPEN"] = "AUTO"


GOOD = Expectation()
RED = Expectation(score="NOK", certification="OPEN")
GREY = Expectation(score="GREY", certification="OPEN")
DEGRADED = Expectation(degraded=True, certification="OPEN")
FAILED = Expectation(process="FAILED", score="NONE", certification="OPEN")
TOO_FEW = Expectation(process="NONE", completeness="INCOMPLETE", score="NONE", certification="OPEN")


@dataclass(frozen=True)
class Defect:
    """What is wrong in a template; `chip` "" means every detector. Frame numbers begin at 1."""

    chip: str = ""
    bias_offset_adu: float = 0.0
    ron_factor: float = 1.0
    dark_factor: float = 1.0
    more_hot_pixels: int = 0
    lamp_factor: float = 1.0
    saturated_frame: int = 0
    truncated_frame: int = 0

    def applied_to(self, physics: Physics, chip: str) -> Physics:
        if self.chip not in {"", chip}:
            return physics
        return replace(
            physics,
            bias_adu=physics.bias_adu + self.bias_offset_adu,
            ron_adu=physics.ron_adu * self.ron_factor,
            dark_e_h=physics.dark_e_h * self.dark_factor,
            hot_pixels=physics.hot_pixels + self.more_hot_pixels,
            lamp_adu_s=physics.lamp_adu_s * self.lamp_factor,
        )


@dataclass(frozen=True)
class Exposure:
    """One frame of a template: its number from 1, when it begins (UTC), for how long, how bright.

    `lamp_level` is a part of the lamp's full flux; 0 is a lamp that is off.
    """

    number: int
    start: datetime
    exptime_s: float = 0.0
    lamp_level: float = 1.0

    @property
    def mjd(self) -> float:
        return mjd_of(self.start)


@dataclass(frozen=True)
class Template:
    """A series of like frames, as the observatory takes them.

    `planned` is the number of frames announced (TPL NEXP), None for as many as are taken.
    `exptimes_s` and `lamp_levels` are of the frames in turn, from the beginning again when they
    are fewer; empty for `exptime_s`, and for the full lamp. `is_full_frame` asks for the whole
    detector, not for a window of it. `window` is that of UVES in pixels (x, y), empty for its
    usual one. `quadrant` (1 to 4) is of instruments with a file for each.
    `expectation` is None when no block comes of the frames: science, or unknown to the rules.
    """

    instrument: str
    kind: Kind
    start: datetime
    n_frames: int
    read_mode: str
    exptime_s: float = 0.0
    arm: Literal["", "BLUE", "RED"] = ""
    binning: int = 1
    filter_name: str = ""
    planned: int | None = None
    defects: tuple[Defect, ...] = ()
    expectation: Expectation | None = GOOD
    exptimes_s: tuple[float, ...] = ()
    lamp_levels: tuple[float, ...] = ()
    is_full_frame: bool = False
    window: tuple[int, int] | tuple[()] = ()
    quadrant: int = 0

    @property
    def raw_type(self) -> str:
        """Give what the rules should call it; "" for frames that no rule knows."""
        if self.kind == "FOCUS":
            return ""
        name = _RAW_TYPES.get((self.instrument, self.kind), self.kind)
        return f"{name}_{self.arm}" if self.arm else name

    @property
    def tpl_start(self) -> str:
        return self.start.strftime("%Y-%m-%dT%H:%M:%S")

    @property
    def key(self) -> tuple[str, str, str]:
        return self.instrument, self.raw_type, self.tpl_start

    @property
    def saturated(self) -> frozenset[int]:
        return frozenset(d.saturated_frame for d in self.defects if d.saturated_frame)

    @property
    def truncated(self) -> frozenset[int]:
        return frozenset(d.truncated_frame for d in self.defects if d.truncated_frame)

    def exposures(self, readout_s: float) -> Iterator[Exposure]:
        """Give the frames one after another, each with its own exposure time and lamp."""
        exptimes, levels = self.exptimes_s or (self.exptime_s,), self.lamp_levels or (1.0,)
        start = self.start + timedelta(seconds=_PREPARATION_S + _QUADRANT_S * self.quadrant)
        for n in range(self.n_frames):
            exptime_s = exptimes[n % len(exptimes)]
            yield Exposure(n + 1, start, exptime_s, levels[n % len(levels)])
            start += timedelta(seconds=exptime_s + readout_s)

    def duration(self, readout_s: float) -> timedelta:
        exptimes = self.exptimes_s or (self.exptime_s,)
        exposed_s = sum(exptimes[n % len(exptimes)] for n in range(self.n_frames))
        return timedelta(seconds=_PREPARATION_S + exposed_s + self.n_frames * readout_s)


def iso_ms(when: datetime) -> str:
    """Write a time as DATE-OBS does, with milliseconds."""
    return when.replace(tzinfo=None).isoformat(timespec="milliseconds")


def mjd_of(when: datetime) -> float:
    """Give the Modified Julian Date of a UTC time, of the very milliseconds that are written."""
    since = when.replace(microsecond=when.microsecond // 1000 * 1000) - _MJD_EPOCH
    return since.days + (since.seconds + since.microseconds / 1e6) / 86400
