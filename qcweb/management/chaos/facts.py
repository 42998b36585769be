"""How the blocks of an installation stand: to be compared with how they should, and counted twice."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.db.models import Count

from pipelines.models import AssociationBlock, NextStep
from qcweb.certification.models import Certification
from qcweb.certification.services.record import standing
from trending.models import BlockScore, QC1Row, Score


def gather() -> dict[str, Any]:
    """Return what stands of each block by its name, and what is there too often."""
    blocks = AssociationBlock.objects.select_related("current_attempt", "instrument")
    return {
        "blocks": {block.ab_name: _of_block(block) for block in blocks.order_by("ab_name")},
        "doubled": _doubled(),
    }


def _of_block(block: AssociationBlock) -> dict[str, Any]:
    decision = standing(block)
    score = BlockScore.objects.standing().filter(block=block).first()
    return {
        "at rest": block.next_step == NextStep.REST,
        "status": block.process_status,
        "degraded": block.is_degraded,
        "failure": block.failure_kind,
        "completeness": block.completeness,
        "decision": decision.decision if decision else None,
        "score": [score.n_nok, score.n_scored] if score else None,
        "rows": sorted(
            [row.table.name, row.detector, row.pro_catg, row.content_digest]
            for row in QC1Row.objects.current().filter(attempt__block=block).select_related("table")
        ),
        "products": sorted(_products(block)),
    }


def _products(block: AssociationBlock) -> list[list[str]]:
    if block.current_attempt is None:
        return []
    found = block.current_attempt.products.all()
    return [
        [one.pro_catg, one.data_md5, "there" if _is_there(one.path, one.size) else "not there"]
        for one in found
    ]


def _is_there(path: str, size: int) -> bool:
    full = settings.HCM_DATA_DIR / path
    return full.exists() and full.stat().st_size == size


def _doubled() -> dict[str, int]:
    """Count rows, scores and decisions that are there more than once, or of a run that is not it."""
    current = QC1Row.objects.current()
    same_key = current.values("table", "setup", "detector", "mjd_obs", "pro_catg")
    scores = Score.objects.filter(is_current=True)
    decisions = Certification.objects.filter(decision="AUTO")
    counts = {
        "rows": _beyond_one(same_key),
        "scores": _beyond_one(scores.values("row", "series")),
        "decisions": _beyond_one(decisions.values("block", "attempt")),
        "block scores": _beyond_one(BlockScore.objects.filter(is_current=True).values("block")),
    }
    strange = Counter(
        row.attempt_id
        for row in current.exclude(attempt=None).select_related("attempt__block")
        if row.attempt and row.attempt.block.current_attempt_id != row.attempt_id
    )
    return counts | {"rows of another run": sum(strange.values())}


def _beyond_one(groups: Any) -> int:
    return sum(
        found["n"] - 1 for found in groups.annotate(n=Count("pk")).filter(n__gt=1).order_by()
    )


def compare(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return, a line each, the blocks that do not stand as they should."""
    wrong = []
    for name, should in expected["blocks"].items():
        stands = found["blocks"].get(name)
        if stands is None:
            wrong.append(f"{name}: it is not there")
        elif differing := [key for key in should if should[key] != stands[key]]:
            said = "; ".join(f"{key}: {stands[key]}, not {should[key]}" for key in differing)
            wrong.append(f"{name}: {said}"[:600])
    return wrong
