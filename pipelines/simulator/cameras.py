"""What an instrument must be able to say so that its frames can be made."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from pipelines.recipes.native.fitsfile import Image

from .detector import Chip, Physics
from .templates import Exposure, Template

Pixels = Mapping[str, NDArray[Any]]


class Camera(Protocol):
    """An instrument: its detectors, how they are on a night, and how it writes its files."""

    @property
    def name(self) -> str: ...

    def readout_s(self, template: Template) -> float: ...

    def chips(self, template: Template) -> tuple[Chip, ...]: ...

    def nominal(self, template: Template, chip: str) -> Physics:
        """Give the detector as it is on an average night, the defects of the template not in."""
        ...

    def images(self, template: Template, exposure: Exposure, pixels: Pixels) -> list[Image]:
        """Lay the pixels out as the instrument writes them, with complete headers."""
        ...
