"""Finds earlier runs on the very same inputs: a recipe would make the same products of them again."""

import hashlib
import json

from django.conf import settings

from pipelines.domain.recipe_call import RecipeCall
from pipelines.models import AssociationBlock, Attempt, Outcome, Product


def digest_of(block: AssociationBlock, call: RecipeCall, version: str) -> str:
    """Return what a run depends on, in 64 hexadecimal digits.

    Frames are told by what identifies them and the time of their last change, products by the sum
    of their data.
    """
    raws = block.block_frames.values_list(
        "raw_file__size", "raw_file__header_digest", "raw_file__modified_ns", "raw_file__do_catg"
    )
    calibrations = [
        (one.tag, *_identity(one.path.name, str(one.path))) for one in call.calibrations
    ]
    said = {
        "recipe": [call.runner, call.recipe, version],
        "parameters": sorted(call.parameters),
        "raws": sorted(list(one) for one in raws),
        "calibrations": sorted(calibrations),
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _identity(name: str, path: str) -> tuple[str, ...]:
    """Return what tells a calibration: its data where a block here made it, else the file."""
    below = path.removeprefix(f"{settings.HCM_DATA_DIR}/")
    product = Product.objects.filter(path=below).exclude(data_md5="").first()
    return ("data", product.data_md5) if product else ("file", path, name)


def find_same(attempt: Attempt) -> Attempt | None:
    """Return the newest successful run of the block on the same, if its products are all there."""
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
    return bool(products) and all(_is_there(one) for one in products)


def _is_there(product: Product) -> bool:
    try:
        return (settings.HCM_DATA_DIR / product.path).stat().st_size == product.size
    except OSError:
        return False


def forget_inputs(block: AssociationBlock) -> None:
    """Let the next run take nothing over from earlier ones."""
    block.attempts.exclude(input_digest="").update(input_digest="")
