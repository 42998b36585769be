"""What the observatory does in a night: templates, what goes wrong in them, what should come of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from .detector import Physics

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_PREPARATION_S = 4.217


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
    """One frame of a template: its number from 1, and when it begins (UTC)."""

    number: int
    start: datetime

    @property
    def mjd(self) -> float:
        return mjd_of(self.start)


@dataclass(frozen=True)
class Template:
    """A series of like frames, as the observatory takes them.

    `planned` is the number of frames announced (TPL NEXP), None for as many as are taken.
    `exptimes_s` are the exposure times of a series, one a frame; empty for `exptime_s` in all.
    `expectation` is None when no block comes of the frames: science, or unknown to the rules.
    """

    instrument: str
    kind: Literal["BIAS", "DARK", "FLAT", "SCIENCE", "FOCUS", "ARC", "PTC", "LINEARITY"]
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

    def exptime_of(self, number: int) -> float:
        """Give the exposure time of a frame (s), by its number from 1."""
        return self.exptimes_s[number - 1] if self.exptimes_s else self.exptime_s

    @property
    def raw_type(self) -> str:
        """Give what the rules should call it; "" for frames that no rule knows."""
        if self.kind == "FOCUS":
            return ""
        return f"{self.kind}_{self.arm}" if self.arm else self.kind

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
        start = self.start + timedelta(seconds=_PREPARATION_S)
        for number in range(1, self.n_frames + 1):
            yield Exposure(number, start)
            start += timedelta(seconds=self.exptime_of(number) + readout_s)

    def duration(self, readout_s: float) -> timedelta:
        exposed_s = sum(self.exptime_of(number) for number in range(1, self.n_frames + 1))
        return timedelta(seconds=_PREPARATION_S + exposed_s + self.n_frames * readout_s)


def iso_ms(when: datetime) -> str:
    """Write a time as DATE-OBS does, with milliseconds."""
    return when.replace(tzinfo=None).isoformat(timespec="milliseconds")


def mjd_of(when: datetime) -> float:
    """Give the Modified Julian Date of a UTC time, of the very milliseconds that are written."""
    since = when.replace(microsecond=when.microsecond // 1000 * 1000) - _MJD_EPOCH
    return since.days + (since.seconds + since.microseconds / 1e6) / 86400
