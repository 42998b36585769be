"""What the benchmarks of the pages do inside a database of their own: nights of many blocks."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    Chore,
    Completeness,
    Instrument,
    NextStep,
    Outcome,
    ProcessStatus,
    RuleSet,
)
from qcweb.certification.models import Certification, Decision
from trending.models import BlockScore

# The first night of so many blocks; more of the same follow on the next days.
NIGHTS = {200: dt.date(2026, 1, 1), 1000: dt.date(2026, 1, 2)}
# One block in so many is red, or has failed.
_RED_EACH, _FAILED_EACH = 20, 50


def _fill() -> str:
    """Write both nights: blocks with a run, a score and a decision, some red, some failed."""
    if AssociationBlock.objects.exists():
        return "filled"
    instrument = Instrument.objects.get(name="CCDCAM")
    rules = RuleSet.objects.filter(instrument=instrument).order_by("pk").first()
    Chore.objects.create(name="sweep", started_at=timezone.now() + dt.timedelta(hours=6))
    for n_blocks, night in NIGHTS.items():
        _fill_night(instrument, rules, night, n_blocks)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return "filled"


def _fill_night(
    instrument: Instrument, rules: RuleSet | None, night: dt.date, n_blocks: int
) -> None:
    at = timezone.now()
    common: dict[str, Any] = {
        "instrument": instrument, "rule_set": rules, "night": night, "action": "BENCH",
        "recipe": "hcm_bias", "mjd_mid": 61000.0, "completeness": Completeness.COMPLETE,
        "next_step": NextStep.REST, "attempt": 1, "created_at": at, "changed_at": at,
        "status_at": at,
    }  # fmt: skip
    blocks = AssociationBlock.objects.bulk_create(
        AssociationBlock(
            ab_name=f"CCDCAM.{night}T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}.217_tpl.ab",
            group_key=f"{night} {n}", raw_type=("BIAS", "DARK", "FLAT")[n % 3],
            setup=f"1_1_1pt/225kHz/lg_DICHR#{n % 2}_346.0_0.40", mjd_obs=61000 + n / 86400,
            process_status=ProcessStatus.FAILED if _has_failed(n) else ProcessStatus.SUCCESSFUL,
            reason="the flat lamp was off" if _has_failed(n) else "",
            needs_person=_has_failed(n) or _is_red(n), **common,
        )
        for n in range(n_blocks)
    )  # fmt: skip
    runs = Attempt.objects.bulk_create(
        Attempt(
            block=block, number=1, recipe="hcm_bias", worker="bench:1", started_at=at,
            finished_at=at, duration_s=3.3, qc_duration_s=0.1,
            outcome=Outcome.FAILED if _has_failed(n) else Outcome.SUCCESSFUL,
        )
        for n, block in enumerate(blocks)
    )  # fmt: skip
    for block, run in zip(blocks, runs, strict=True):
        block.current_attempt = run
    AssociationBlock.objects.bulk_update(blocks, ["current_attempt"], batch_size=500)
    good = [(n, block) for n, block in enumerate(blocks) if not _has_failed(n)]
    BlockScore.objects.bulk_create(
        BlockScore(
            block=block, attempt=runs[n], n_nok=int(_is_red(n)), n_scored=10, n_grey=0,
            summary="ron_raw CHIP2 7.15 > 6" if _is_red(n) else "", recorded_at=at,
        )
        for n, block in good
    )  # fmt: skip
    Certification.objects.bulk_create(
        Certification(
            block=block, attempt=runs[n], number=1, decision=Decision.AUTO, decided_at=at,
            n_nok=0, n_scored=10,
        )
        for n, block in good if not _is_red(n)
    )  # fmt: skip


def _is_red(n: int) -> bool:
    return n % _RED_EACH == 1


def _has_failed(n: int) -> bool:
    return n % _FAILED_EACH == 2


PARTS: dict[str, Callable[..., object]] = {"web-fill": _fill}
