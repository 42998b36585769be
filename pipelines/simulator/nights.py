"""Three nights of an observatory, planned: what is taken, what goes wrong, what should come of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from .frames import CAMERAS, RawFrame, frames_of, write_frame
from .templates import DEGRADED, FAILED, GREY, RED, TOO_FEW, Defect, Template
from .truth import record_truth

_GAP = timedelta(seconds=95)
_SCIENCE_START = time(3, 10, tzinfo=UTC)
_FOCUS_START = time(2, 40, tzinfo=UTC)
_CALIBRATION_START = time(9, 0, tzinfo=UTC)
_FLAT_EXPTIMES_S = {"B": 10.0, "V": 4.0, "R": 2.5}
_BLUE, _BLUE_BINNED, _RED = "225kHz,1x1,low", "50kHz,2x2,high", "225kHz,1x1,low"

Progress = Callable[[int, int, Path], None]


@dataclass(frozen=True)
class Night:
    """A night by its label, the date of (UT - 21 h), with its templates in order of time."""

    label: date
    templates: tuple[Template, ...]


def demo_nights(first_night: date) -> list[Night]:
    """Plan three nights: a good one, and two in which things go wrong."""
    plans = (ordinary_night, _second_night, _third_night)
    return [plan(first_night + timedelta(days=i)) for i, plan in enumerate(plans)]


def ordinary_night(label: date) -> Night:
    """Plan a night without events: two science exposures, calibrations in the morning."""
    templates = [*_science(label), *_ccdcam(label), *_uves(label), *_muse(label)]
    return Night(label, tuple(sorted(templates, key=lambda template: template.start)))


def _second_night(label: date) -> Night:
    night = ordinary_night(label)
    noisy = Defect("CHIP2", ron_factor=1.35)
    night = _changed(night, _bias("FAST"), defects=(noisy,), expectation=RED)
    # Nothing is processed with the binned bias, so nothing else is touched by its failure.
    cut = Defect(truncated_frame=3)
    night = _changed(night, _bias("SLOW", binning=2), defects=(cut,), expectation=FAILED)
    overexposed = Defect(saturated_frame=4)
    night = _changed(night, _flat("V"), defects=(overexposed,), expectation=DEGRADED)
    return replace(night, templates=(_focus(label), *night.templates))


def _third_night(label: date) -> Night:
    night = ordinary_night(label)
    burst = Defect("CHIP1", more_hot_pixels=500)
    night = _changed(night, _dark("SLOW"), defects=(burst,), expectation=RED)
    noisy = Defect("REDL", ron_factor=1.25)
    night = _changed(night, _red_bias, defects=(noisy,), expectation=RED)
    return _changed(night, _flat("R"), n_frames=2, planned=5, expectation=TOO_FEW)


Choice = Callable[[Template], bool]


def _changed(night: Night, choice: Choice, **changes: Any) -> Night:
    chosen = [template for template in night.templates if choice(template)]
    if len(chosen) != 1:
        raise LookupError(f"{len(chosen)} templates of {night.label} fit, one expected")
    changed = replace(chosen[0], **changes)
    return replace(
        night, templates=tuple(changed if t is chosen[0] else t for t in night.templates)
    )


def _bias(read_mode: str, binning: int = 1) -> Choice:
    return lambda t: (
        (t.instrument, t.kind, t.read_mode, t.binning)
        == (
            "CCDCAM",
            "BIAS",
            read_mode,
            binning,
        )
    )


def _dark(read_mode: str) -> Choice:
    return lambda t: (t.instrument, t.kind, t.read_mode) == ("CCDCAM", "DARK", read_mode)


def _flat(filter_name: str) -> Choice:
    return lambda t: (t.kind, t.filter_name) == ("FLAT", filter_name)


def _red_bias(template: Template) -> bool:
    return template.raw_type == "BIAS_RED"


def _morning(label: date) -> datetime:
    return datetime.combine(label + timedelta(days=1), _CALIBRATION_START)


def _one_after_another(start: datetime, templates: Iterable[Template]) -> Iterator[Template]:
    """Give the templates their times: each begins when the one before is read out."""
    for template in templates:
        yield replace(template, start=start)
        readout_s = CAMERAS[template.instrument].readout_s(template)
        end = start + template.duration(readout_s) + _GAP
        start = end.replace(microsecond=0)


def _ccdcam(label: date) -> Iterator[Template]:
    start = _morning(label)
    bias = Template("CCDCAM", "BIAS", start, 5, "SLOW")
    flat = replace(bias, kind="FLAT")
    yield from _one_after_another(
        start,
        (
            bias,
            replace(bias, read_mode="FAST"),
            replace(bias, binning=2),
            replace(bias, kind="DARK", read_mode="FAST", exptime_s=60.0),
            *(
                replace(flat, exptime_s=exptime_s, filter_name=name)
                for name, exptime_s in _FLAT_EXPTIMES_S.items()
            ),
            replace(bias, kind="DARK", exptime_s=600.0),
        ),
    )


def _uves(label: date) -> Iterator[Template]:
    start = _morning(label) + timedelta(minutes=4)
    blue = Template("UVES", "BIAS", start, 5, _BLUE, arm="BLUE")
    red = replace(blue, read_mode=_RED, arm="RED")
    yield from _one_after_another(
        start,
        (
            blue,
            replace(blue, read_mode=_BLUE_BINNED, binning=2, expectation=GREY),
            red,
            replace(blue, kind="DARK", n_frames=3, exptime_s=1800.0),
            replace(red, kind="DARK", n_frames=3, exptime_s=1800.0),
        ),
    )


def _muse(label: date) -> Iterator[Template]:
    start = _morning(label) + timedelta(minutes=11)
    yield from _one_after_another(
        start,
        (
            Template("MUSE", "BIAS", start, 5, "SCI1.0"),
            Template("MUSE", "DARK", start, 3, "SCI1.0", exptime_s=1800.0),
        ),
    )


def _science(label: date) -> Iterator[Template]:
    start = datetime.combine(label + timedelta(days=1), _SCIENCE_START)
    first = Template(
        "CCDCAM", "SCIENCE", start, 1, "SLOW", 300.0, filter_name="V", expectation=None
    )
    yield first
    yield replace(first, start=start + timedelta(minutes=12), filter_name="R")


def _focus(label: date) -> Template:
    start = datetime.combine(label + timedelta(days=1), _FOCUS_START)
    return Template("CCDCAM", "FOCUS", start, 1, "FAST", 5.0, filter_name="V", expectation=None)


def write_night(night: Night, directory: Path, *, progress: Progress | None = None) -> list[Path]:
    """Write all frames of a night, and the truth about them beside them.

    Parameters
    ----------
    night
        the plan
    directory
        where the files go; made when it is not there
    progress
        called after each frame with (frames done, frames in all, path); None for silence

    Returns
    -------
    list of Path
        the frames in order of the plan; those that were there already are not written again
    """
    directory.mkdir(parents=True, exist_ok=True)
    frames = [frame for template in night.templates for frame in frames_of(template)]
    record_truth(directory, night.label, night.templates)
    return list(_written(frames, directory, progress))


def _written(
    frames: Sequence[RawFrame], directory: Path, progress: Progress | None
) -> Iterator[Path]:
    for done, frame in enumerate(frames, 1):
        path = write_frame(frame, directory)
        if progress is not None:
            progress(done, len(frames), path)
        yield path
