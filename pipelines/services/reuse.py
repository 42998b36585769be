"""Finds earlier runs on the very same inputs: a recipe would make the same products of them again."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pipelines.domain.recipe_call import RecipeCall
from pipelines.models import AssociationBlock, Attempt, Outcome, RawFile

from .inputs import Calibration
from .products import why_unusable


def digest_of(
    call: RecipeCall,
    version: str,
    frames: Sequence[RawFile],
    calibrations: Sequence[Calibration] = (),
) -> str:
    """Return what a run depends on, in 64 hexadecimal digits.

    Files are told by what identifies them and the time of their last change, products of blocks by
    the sum of their data.
    """
    raws = {frame.full_path: frame for frame in frames}
    given = {one.path: one for one in calibrations}
    said = {
        "recipe": [call.runner, call.recipe, version],
        # In their order: of a parameter that is given twice the last one counts.
        "parameters": list(call.parameters),
        "raws": sorted([one.tag, *_of_file(one.path, raws.get(one.path))] for one in call.raws),
        "calibrations": sorted(
            [one.tag, *_of_calibration(given[one.path])] for one in call.calibrations
        ),
        "expected": sorted(call.expected_products),
        "min_frames": call.min_frames,
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _of_calibration(one: Calibration) -> list[str]:
    """Return what tells a calibration: its data where a block here made it, else the file."""
    if one.product is not None and one.product.data_md5:
        return ["data", one.product.data_md5]
    return _of_file(one.path, one.link.file)


def _of_file(path: Path, file: RawFile | None) -> list[str]:
    """Return what tells a file: as it was registered, and as it is on disk, which may be newer."""
    known = ["", "", ""]
    if file is not None:
        known = [file.header_digest, str(file.size), str(file.modified_ns)]
    try:
        stat = path.stat()
    except OSError:
        return ["file", path.name, *known, "gone"]
    return ["file", path.name, *known, str(stat.st_size), str(stat.st_mtime_ns)]


def find_same(attempt: Attempt) -> Attempt | None:
    """Return the newest successful run of the block on the same, if its products are all there."""
    # Somebody refused what came of it: only a run can show whether that is so again.
    is_withdrawn = AssociationBlock.objects.filter(pk=attempt.block_id, is_withdrawn=True).exists()
    if is_withdrawn or not attempt.input_digest:
        return None
    earlier = (
        Attempt.objects.filter(
            block=attempt.block_id,
            input_digest=attempt.input_digest,
            outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED],
        )
        .exclude(pk=attempt.pk)
        .prefetch_related("products")
    )
    return next((one for one in earlier.order_by("-number") if _is_whole(one)), None)


def _is_whole(attempt: Attempt) -> bool:
    products = list(attempt.products.all())
    return bool(products) and not any(why_unusable(one) for one in products)


def forget_inputs(block: AssociationBlock) -> None:
    """Let the next run take nothing over from earlier ones."""
    block.attempts.exclude(input_digest="").update(input_digest="")
