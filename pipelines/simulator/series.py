"""Which QC1 series a template feeds, and how its detectors' drift shows in each parameter."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .climate import Quantity, drift
from .templates import Template

_FOLLOWS: dict[str, Quantity] = {
    "bias_level": "bias",
    "overscan_level": "bias",
    "median_master": "bias",
    "level_median": "bias",
    "ron": "ron",
    "ron_raw": "ron",
    "ron_master": "ron",
    "stdev": "ron",
    "dark_current": "dark",
    "dark_median": "dark",
    "dark_level": "dark",
    "lamp_flux": "lamp",
    "lamp_level": "lamp",
}


@dataclass(frozen=True)
class Series:
    """One set-up of one detector in one QC1 table; `chips` are the simulated parts of it."""

    table: str
    detector: str
    pro_catg: str
    filters: tuple[tuple[str, str], ...]
    chips: tuple[str, ...]
    read_mode: str

    @property
    def setup(self) -> str:
        return "|".join(value for _, value in self.filters)

    def with_drift(self, column: str, mean: float, mjd: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give a parameter at each date as the drift makes it, without errors of measurement."""
        added, factor = self.drift(column, mjd)
        return mean * factor + added

    def drift(
        self, column: str, mjd: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give what is added to a parameter, and by what it is multiplied, at each date."""
        none, same = np.zeros(mjd.shape), np.ones(mjd.shape)
        quantity = _FOLLOWS.get(re.sub(r"\d", "", column))
        if quantity is None:
            return none, same
        departure = self._departure(quantity, column, mjd)
        return (departure, same) if quantity == "bias" else (none, 1 + departure)

    def _departure(
        self, quantity: Quantity, column: str, mjd: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # MUSE: a number in the name is the quadrant; what has none is an average of the four.
        quadrant = re.search(r"\d", column)
        chips = (f"MUSE OUT{quadrant[0]}",) if quadrant else self.chips
        parts = [drift(quantity, chip, self.read_mode, mjd) for chip in chips]
        mean: NDArray[np.float64] = np.mean(parts, axis=0)
        return mean


def series_of(template: Template) -> Iterator[Series]:
    """Name the series that the products of a template feed; none for science and the unknown."""
    if template.kind in {"SCIENCE", "FOCUS"}:
        return
    yield from {"CCDCAM": _ccdcam, "UVES": _uves, "MUSE": _muse}[template.instrument](template)


def _ccdcam(template: Template) -> Iterator[Series]:
    filters = [
        ("read_mode", template.read_mode),
        ("binning", f"{template.binning}x{template.binning}"),
    ]
    if template.kind == "FLAT":
        filters.append(("filter_name", template.filter_name))
    for chip in ("CHIP1", "CHIP2"):
        yield Series(
            f"ccdcam_{template.kind.lower()}",
            chip,
            f"MASTER_{template.kind}",
            tuple(filters),
            (f"CCDCAM {chip}",),
            template.read_mode,
        )


def _uves(template: Template) -> Iterator[Series]:
    for detector in ("BLUE",) if template.arm == "BLUE" else ("REDL", "REDU"):
        yield Series(
            f"uves_{template.kind.lower()}",
            detector,
            f"MASTER_{template.kind}_{detector}",
            (("read_speed", template.read_mode),),
            (f"UVES {detector}",),
            template.read_mode,
        )


def _muse(template: Template) -> Iterator[Series]:
    yield Series(
        f"muse_{template.kind.lower()}",
        "CHAN01",
        f"MASTER_{template.kind}",
        (("read_mode", template.read_mode),),
        tuple(f"MUSE OUT{i}" for i in (1, 2, 3, 4)),
        template.read_mode,
    )
