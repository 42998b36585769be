"""Tells whether what a failed run was given is still the same: then it would fail again."""

from pathlib import Path

from pipelines.models import AssociationBlock, Attempt, RawFile
from pipelines.recipes.verify import NOT_THERE

from .inputs import Calibration, is_useless, links_of, product_of


def has_new_files(block: AssociationBlock) -> bool:
    """Whether a frame or a calibration of a block is another one than at its latest run."""
    last = block.attempts.filter(number=block.attempt).first()
    if last is None:
        return True
    links = block.block_frames.select_related("raw_file__root").order_by("pk")
    frames = [link.raw_file for link in links]
    calibrations = _calibrations(block)
    files = [one.link.file for one in calibrations if one.link.file is not None]
    return (
        _given(calibrations) != _given_then(last)
        or any(_has_changed(one, last) for one in [*frames, *files])
        or _is_back(last, [one.full_path for one in frames] + [one.path for one in calibrations])
    )


def _calibrations(block: AssociationBlock) -> list[Calibration]:
    found = [Calibration(link, product_of(link)) for link in links_of(block)]
    return [
        one
        for one in found
        if one.product is not None or (one.link.file is not None and not is_useless(one.link))
    ]


def _given(calibrations: list[Calibration]) -> set[tuple[object, ...]]:
    return {
        (
            one.link.label,
            one.product.pk if one.product else None,
            one.link.file.name if one.link.file else None,
        )
        for one in calibrations
    }


def _given_then(attempt: Attempt) -> set[tuple[object, ...]]:
    return {(one["label"], one["product"], one["file"]) for one in attempt.inputs}


def _has_changed(frame: RawFile, attempt: Attempt) -> bool:
    """Whether a frame was registered anew, or hidden, or its file written, since a run began."""
    since = attempt.started_at
    if frame.recorded_at > since or (frame.hidden_at is not None and frame.hidden_at > since):
        return True
    if frame.modified_ns > since.timestamp() * 1e9:
        return True
    try:
        # Not the time of the content: whoever transfers a file again may bring the old one along.
        return frame.full_path.stat().st_ctime > since.timestamp()
    except OSError:
        return False


def _is_back(attempt: Attempt, paths: list[Path]) -> bool:
    """Whether a run failed for want of a file, and all are there now."""
    return NOT_THERE in attempt.reason and all(path.is_file() for path in paths)
