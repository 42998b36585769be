"""What a recipe is: the frames it takes, its parameters, and how it reduces one detector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cards import Header
from .errors import IllegalInputError, IncompatibleInputError, KeywordMissingError
from .frames import Detector, Frame
from .measure import overscan_level


@dataclass(frozen=True)
class Parameter:
    name: str
    default: float
    lowest: float
    highest: float
    description: str


@dataclass(frozen=True)
class QC:
    """One quality measurement; the comment opens with the unit in brackets."""

    keyword: str
    value: float
    comment: str


@dataclass(frozen=True)
class Reduced:
    """What became of one detector: pixels by product category, and what was measured."""

    images: Mapping[str, NDArray[Any]]
    measurements: tuple[QC, ...]


@dataclass(frozen=True)
class Stack:
    """The same detector in all frames that are combined, with all that its reduction needs."""

    detectors: tuple[Detector, ...]
    primary: Header
    exptime_s: float
    saturated: int
    calibrations: Mapping[str, Frame]
    parameters: Mapping[str, float]
    exptimes_s: tuple[float, ...] = ()  # of each frame, for a series

    @property
    def name(self) -> str:
        return self.detectors[0].name

    def calibration(self, tag: str) -> Detector:
        """Find this detector in a master calibration."""
        frame = self.calibrations[tag]
        for detector in frame.detectors:
            if detector.name == self.name:
                return self._fitting(detector, tag)
        raise IncompatibleInputError(
            f"{frame.name}: {tag} without detector {self.name}; associate one of the same set-up"
        )

    def _fitting(self, detector: Detector, tag: str) -> Detector:
        expected = self.detectors[0].area.shape
        if detector.area.shape != expected:
            raise IncompatibleInputError(
                f"{detector.path.name}[{self.name}]: {tag} of {detector.area.shape} pixels, "
                f"expected {expected}; associate one of the same set-up"
            )
        return detector

    def keyword(self, name: str) -> float:
        """Look a number up in the detector's header, then in the primary one."""
        for header in (self.detectors[0].hdu.header, self.primary):
            value = header.number(name)
            if value is not None:
                return value
        raise KeywordMissingError(
            f"{self.detectors[0].path.name}[{self.name}]: {name} is absent; the header must hold it"
        )

    def bias_shift(self) -> float:
        """Tell by how much the level outside the light has moved since the master bias (ADU)."""
        ours = overscan_level(self.detectors)
        theirs = self.calibration("MASTER_BIAS").hdu.header.number("ESO QC BIAS OVERSCAN")
        return 0.0 if ours is None or theirs is None else ours - theirs

    def bias(self) -> NDArray[np.float32]:
        """Give the master bias, moved to the level of these frames."""
        shifted: NDArray[np.float32] = self.calibration("MASTER_BIAS").pixels() + np.float32(
            self.bias_shift()
        )
        return shifted

    def exposed_s(self) -> float:
        if self.exptime_s <= 0:
            raise IllegalInputError(
                f"{self.detectors[0].path.name}: EXPTIME = {self.exptime_s}, expected more than 0; "
                "correct the header or take the frames as bias"
            )
        return self.exptime_s


@dataclass(frozen=True)
class Recipe:
    """A recipe; `kind` is the tag of its frames, `products` the file name of each category."""

    name: str
    kind: str
    products: Mapping[str, str]
    reduce: Callable[[Stack], Reduced]
    needs: tuple[str, ...] = ()
    may_use: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    libraries: tuple[str, ...] = ()  # modules it imports when it is called, and not before
    is_series: bool = False  # its frames have many exposure times


COMMON_PARAMETERS = (
    Parameter("min-frames", 3, 2, 1000, "frames needed for a master"),
    Parameter("saturation", 65535.0, 1.0, 4.3e9, "level from which a pixel is saturated [ADU]"),
    Parameter("max-saturated", 0.01, 0.0, 1.0, "part of saturated pixels that drops a frame"),
)
