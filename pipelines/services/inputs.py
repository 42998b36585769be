"""What a run is given: raw frames, and the file that each calibration link leads to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from pipelines.domain.oca import made_category
from pipelines.domain.recipe_call import RecipeCall, SofEntry
from pipelines.domain.recipe_parameters import with_chosen
from pipelines.models import (
    AssociationBlock,
    CalibrationLink,
    NextStep,
    ProcessStatus,
    Product,
    RawFile,
)

DEFAULT_TIMEOUT_S = 3600.0
DEFAULT_MEMORY_MB = 6000


@dataclass(frozen=True)
class Calibration:
    """A calibration a run is given: a product of a block, or a file on disk."""

    link: CalibrationLink
    product: Product | None

    @property
    def path(self) -> Path:
        if self.product is not None:
            return Path(settings.HCM_DATA_DIR) / self.product.path
        if self.link.file is None:
            raise ValueError(f"calibration link {self.link.pk} leads to nothing")
        return self.link.file.full_path

    @property
    def tag(self) -> str:
        """What the recipe calls it: the category; of a raw frame its own tag."""
        file = self.link.file
        return (
            file.do_catg
            if file is not None and not file.pro_catg
            else made_category(self.link.pro_catg)
        )


def links_of(block: AssociationBlock) -> list[CalibrationLink]:
    return list(block.calibrations.select_related("producer", "file__root").order_by("pk"))


def is_useless(link: CalibrationLink) -> bool:
    if link.file is not None:
        return link.file.is_hidden or link.file.gone_at is not None
    return link.producer is not None and is_gone(link.producer)


def why_useless(link: CalibrationLink) -> str:
    """Say why a file on disk cannot be given to a run; empty when it can."""
    if link.file is None or not is_useless(link):
        return ""
    return f"{link.file.name} is {'hidden' if link.file.is_hidden else 'gone from disk'}"


def is_gone(producer: AssociationBlock) -> bool:
    failed = producer.process_status == ProcessStatus.FAILED
    has_ended = failed and producer.next_step == NextStep.REST
    return producer.is_withdrawn or producer.is_cancelled or has_ended


def product_of(link: CalibrationLink) -> Product | None:
    producer = link.producer
    if (
        producer is None
        or producer.process_status != ProcessStatus.SUCCESSFUL
        or producer.is_withdrawn
    ):
        return None
    products = Product.objects.filter(
        attempt=producer.current_attempt_id, pro_catg=made_category(link.pro_catg)
    ).order_by("pk")
    # Several of one category come in the order of the rules, as the recipe wrote them.
    return products[link.nth : link.nth + 1].first() or products.first()


def frames_of(block: AssociationBlock) -> list[RawFile]:
    """Return a block's raw frames in time, with their roots."""
    links = block.block_frames.select_related("raw_file__root")
    return [one.raw_file for one in links.order_by("raw_file__mjd_obs", "raw_file__name", "pk")]


def plan_call(
    block: AssociationBlock,
    calibrations: Sequence[Calibration],
    frames: Sequence[RawFile] | None = None,
) -> RecipeCall:
    """Plan a run; `frames` are the block's own, where they have been read already."""
    limits = block.instrument.recipes.get(block.recipe, {})
    if frames is None:
        frames = frames_of(block)
    # A recipe may call its input by other names than the rules do.
    tags: dict[str, str] = limits.get("tags", {})
    named = [(frame, frame.do_catg or frame.raw_type) for frame in frames]
    raws = tuple(SofEntry(frame.full_path, tags.get(tag, tag)) for frame, tag in named)
    # Some rules check a group by selecting its own frames: a file is given once.
    given = {entry.path for entry in raws}
    return RecipeCall(
        recipe=block.recipe,
        runner=block.instrument.runner,
        pipeline=block.instrument.pipeline,
        parameters=with_chosen(block.parameters, block.chosen_parameters),
        raws=raws,
        calibrations=tuple(
            SofEntry(one.path, tags.get(one.tag, one.tag))
            for one in calibrations
            if one.path not in given
        ),
        expected_products=_expected(block, limits.get("products", ())),
        min_frames=max(1, block.min_frames, int(limits.get("min_frames", 1))),
        timeout_s=float(limits.get("timeout_s", DEFAULT_TIMEOUT_S)),
        memory_mb=int(limits.get("memory_mb", DEFAULT_MEMORY_MB)),
        raw_tags=tuple(limits.get("raws", ())),
        calibration_tags=tuple(limits.get("calibrations", ())),
        needs=tuple(limits.get("needs", ())),
        qc=tuple(limits.get("qc", ())),
        qc_in=tuple(limits.get("qc_in", ())),
        extensions=dict(limits.get("extensions", {})),
    )


def _expected(block: AssociationBlock, of_recipe: Sequence[str]) -> tuple[str, ...]:
    """Return the categories a run must make: those of the rules and those of the recipe."""
    promised = [one for one in block.virtual_products if one.get("is_promised", True)]
    of_rules = [made_category(str(one["keywords"].get("PRO.CATG", ""))) for one in promised]
    return tuple(sorted({*of_recipe, *filter(None, of_rules)}))
