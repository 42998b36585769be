"""What a recipe is given: the set of frames, opened, checked, and sorted into usable and not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import FileMissingError, IllegalInputError
from .frames import Frame, check_alike, check_exposure_times, look_at, open_frame
from .journal import Journal
from .recipe import Recipe

_GROUPS = {"RAW", "CALIB", "PRODUCT"}  # EsoRex allows a third column


@dataclass(frozen=True)
class Usable:
    """A frame that is combined, and its saturated pixels, detector by detector."""

    frame: Frame
    saturated: tuple[int, ...]


def read_set(recipe: Recipe, sof: Path) -> tuple[list[Frame], dict[str, Frame]]:
    """Open all that the set of frames names and the recipe can use."""
    entries = read_sof(sof)
    frames = [open_frame(path) for path, tag in entries if tag == recipe.kind]
    if not frames:
        raise IllegalInputError(f"{sof.name}: no frame with the tag {recipe.kind}")
    check_alike(frames)
    if not recipe.is_series:
        check_exposure_times(frames)
    return frames, _calibrations(recipe, entries, sof)


def _calibrations(
    recipe: Recipe, entries: Sequence[tuple[Path, str]], sof: Path
) -> dict[str, Frame]:
    found: dict[str, Frame] = {}
    for tag in (*recipe.needs, *recipe.may_use):
        paths = [path for path, each in entries if each == tag]
        if len(paths) > 1 or (tag in recipe.needs and not paths):
            raise IllegalInputError(
                f"{sof.name}: {len(paths)} files with the tag {tag}; {recipe.name} needs one"
            )
        if paths:
            found[tag] = open_frame(paths[0])
    return found


def read_sof(path: Path) -> list[tuple[Path, str]]:
    """Read ``path TAG`` lines; relative paths count from the working directory, as for EsoRex."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FileMissingError(f"{path}: {error.strerror}; give a set of frames") from error
    return [_entry(line, path) for line in lines if line.strip() and not line.startswith("#")]


def _entry(line: str, sof: Path) -> tuple[Path, str]:
    words = line.split()
    if len(words) > 2 and words[-1] in _GROUPS:
        line = line.rstrip().removesuffix(words[-1])
    parts = line.rsplit(maxsplit=1)
    if len(parts) != 2:
        raise IllegalInputError(f"{sof.name}: {line.strip()!r} has no tag; write 'path TAG'")
    return Path(parts[0].strip()), parts[1]


def select_usable(
    frames: Sequence[Frame], parameters: Mapping[str, float], journal: Journal
) -> list[Usable]:
    """Look at every frame; leave saturated ones out, and stop when too few remain."""
    usable = []
    for frame in frames:
        looks = [look_at(detector, parameters["saturation"]) for detector in frame.detectors]
        worst = max(look.fraction for look in looks)
        if worst > parameters["max-saturated"]:
            journal.warning(
                f"{frame.name}: {100 * worst:.1f} % of the pixels are saturated, dropped"
            )
        else:
            usable.append(Usable(frame, tuple(look.saturated for look in looks)))
    needed = int(parameters["min-frames"])
    if len(usable) < needed:
        raise IllegalInputError(
            f"{frames[0].name} and following: {len(usable)} usable frames of {len(frames)}, "
            f"{needed} expected; take more"
        )
    return usable
