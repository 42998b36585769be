"""Raw frames on disk: a template exposed, its defects put in, its files written once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.recipes.native.fitsfile import Image, fits_size, write_fits

from . import climate
from .cameras import Camera
from .ccdcam import CcdCam
from .detector import Chip, Light, Physics, expose
from .headers import arcfile
from .muse import Muse
from .templates import Exposure, Template, mjd_of
from .uves import Uves

CAMERAS: Mapping[str, Camera] = {camera.name: camera for camera in (CcdCam(), Uves(), Muse())}
_LIT = frozenset({"FLAT", "SCIENCE", "FOCUS", "ARC", "PTC", "LINEARITY"})
_SATURATING = 100.0
_TRUNCATED_PART = 0.6

Truth = Mapping[str, Physics]


@dataclass(frozen=True)
class RawFrame:
    """One frame to be written: its name, and how many bytes it will have."""

    template: Template
    exposure: Exposure
    truth: Truth

    @property
    def name(self) -> str:
        return arcfile(self.template, self.exposure)

    @property
    def is_truncated(self) -> bool:
        return self.exposure.number in self.template.truncated


PixelsOf = Callable[[RawFrame, Chip], NDArray[np.uint16]]


def simulate_frames(
    template: Template, directory: Path, *, truth: Truth | None = None
) -> list[Path]:
    """Write the frames of a template into a directory, whatever its detectors are to be like.

    Parameters
    ----------
    template
        what is taken
    directory
        where the files go; must exist
    truth
        the physics of each detector, by its name; None for `truth_of` the template

    Returns
    -------
    list of Path
        the files, in the order of the exposures
    """
    return [write_frame(frame, directory) for frame in frames_of(template, truth=truth)]


def frames_of(template: Template, *, truth: Truth | None = None) -> Iterator[RawFrame]:
    known = truth_of(template) if truth is None else truth
    camera = CAMERAS[template.instrument]
    for exposure in template.exposures(camera.readout_s(template)):
        yield RawFrame(template, exposure, known)


def truth_of(template: Template) -> dict[str, Physics]:
    """Give the physics of each detector in a template: average, drift of the night, defects."""
    camera = CAMERAS[template.instrument]
    mjd = mjd_of(template.start)
    truth = {}
    for chip in camera.chips(template):
        name = f"{template.instrument} {chip.name}"
        nominal = camera.nominal(template, chip.name)
        physics = climate.on_night(nominal, name, template.read_mode, mjd)
        for defect in template.defects:
            physics = defect.applied_to(physics, chip.name)
        truth[chip.name] = physics
    return truth


def write_frame(frame: RawFrame, directory: Path) -> Path:
    """Write one frame; a file of the right size is left alone, so that a stopped run goes on."""
    path = directory / frame.name
    blank = images_of(frame, _nothing)
    whole = fits_size(blank)
    size = int(whole * _TRUNCATED_PART) if frame.is_truncated else whole
    if path.exists() and path.stat().st_size == size:
        return path
    # A watcher must never see half a file: it gets its name when it is complete.
    part = path.with_name(f".{path.name}.part")
    write_fits(part, images_of(frame, _exposed))
    if frame.is_truncated:
        with part.open("r+b") as stream:
            stream.truncate(size)
    return part.replace(path)


def _nothing(frame: RawFrame, chip: Chip) -> NDArray[np.uint16]:
    return np.empty(chip.shape, np.uint16)


def _exposed(frame: RawFrame, chip: Chip) -> NDArray[np.uint16]:
    template = frame.template
    saturated = frame.exposure.number in template.saturated
    light = Light(
        template.exptime_of(frame.exposure.number),
        lamp_on=template.kind in _LIT,
        lamp_factor=_SATURATING if saturated else 1.0,
    )
    return expose(chip, frame.truth[chip.name], light, template.instrument, frame.name)


def images_of(frame: RawFrame, pixels_of: PixelsOf) -> list[Image]:
    camera = CAMERAS[frame.template.instrument]
    pixels = {chip.name: pixels_of(frame, chip) for chip in camera.chips(frame.template)}
    return camera.images(frame.template, frame.exposure, pixels)
