"""How the subjects of acts stand: what the audit log says of them before and after."""

import datetime as dt
from typing import Any

from pipelines.models import (
    AssociationBlock,
    Hold,
    HoldScope,
    Instrument,
    NextStep,
    NightEvent,
    NightEventKind,
    RawFile,
    Waiver,
)
from pipelines.services.control import waiting_of
from qcweb.certification.models import Certification, Claim
from qcweb.certification.services.record import latest
from qcweb.people.models import ApiToken
from trending.models import (
    BlockScore,
    Mark,
    QC1Table,
    QC1Value,
    QualityEvent,
    ReferenceValue,
    Score,
    ScoreAct,
    ScoreRule,
)

State = dict[str, Any]


def state_of_block(pk: int) -> State:
    block = AssociationBlock.objects.select_related("current_attempt").get(pk=pk)
    last = latest(block)
    score = BlockScore.objects.standing().filter(block=block).first()
    users = block.used_by.exclude(block__next_step=NextStep.REST)
    return {
        "decision": last and last.decision,
        "decided_by": last and last.decided_by and last.decided_by.get_username(),
        "comment": last and last.comment,
        "process_status": block.process_status,
        "next_step": block.next_step,
        "needs_person": block.needs_person,
        "waivers": Waiver.objects.open().filter(instrument=block.instrument_id).count(),
        "priority": block.priority,
        "current_attempt": block.current_attempt and block.current_attempt.number,
        "is_held": Hold.objects.filter(scope=HoldScope.BLOCK, subject=pk).exists(),
        "n_nok": score and score.n_nok,
        "n_scored": score and score.n_scored,
        "users_to_do": users.values("block").distinct().count(),
        "corrections": ScoreAct.objects.open().filter(attempt=block.current_attempt_id).count(),
    }


def state_of_night(instrument: str, night: dt.date) -> State:
    events = NightEvent.objects.filter(instrument__name=instrument, night=night)
    last = events.about_closing().last()
    waiting = AssociationBlock.objects.filter(instrument__name=instrument, night=night)
    return {
        "is_closed": last is not None and last.kind == NightEventKind.CLOSED,
        "left": last.left if last else {},
        "is_calibrated": events.filter(kind=NightEventKind.CALIBRATED).exists(),
        "blocks_to_do": waiting.exclude(next_step=NextStep.REST).count(),
    }


def state_of_work(instrument: Instrument | None) -> State:
    scope = HoldScope.INSTRUMENT if instrument else HoldScope.POOL
    held = Hold.objects.filter(scope=scope, subject=instrument.pk if instrument else 0)
    return {"is_held": held.exists(), "n_waiting": waiting_of(instrument).count()}


def state_of_frame(pk: int) -> State:
    return {"is_hidden": RawFile.objects.filter(pk=pk, hidden_at__isnull=False).exists()}


def state_of_value(table: QC1Table, name: str, row: int) -> State:
    of = {"series__parameter__table": table, "series__parameter__name": name, "row": row}
    value = QC1Value.objects.filter(**of).first()
    score = Score.objects.filter(**of, is_current=True).first()
    marks = Mark.objects.filter(row=row, superseded_at=None).order_by("pk")
    return {
        "state": value and value.state,
        "result": score and score.result,
        "by_a_person": bool(score and score.act_id),
        "marks": [str(one) for one in marks.values_list("kind", flat=True)],
    }


def state_of_rules(table: QC1Table, parameter: str) -> State:
    rules = ScoreRule.objects.open().filter(parameter__table=table, parameter__name=parameter)
    return {"rules": [f"{one.key} version {one.version}" for one in rules.order_by("key", "pk")]}


def state_of_rule(key: str) -> State:
    newest = ScoreRule.objects.filter(key=key).order_by("-version").first()
    if newest is None:
        return {}
    fields = ("version", "valid_from_mjd", "author", "reason", "min_n")
    return {name: getattr(newest, name) for name in fields} | {"limits": str(newest.limits)}


def state_of_event(pk: int) -> State:
    references = ReferenceValue.objects.filter(event=pk, superseded_at=None)
    return {
        "is_open": QualityEvent.objects.filter(pk=pk, superseded_at=None).exists(),
        "references": references.count(),
    }


def state_of_token(pk: int) -> State:
    return {"is_revoked": ApiToken.objects.filter(pk=pk, revoked_at__isnull=False).exists()}


def state_of_blocks(names: list[str]) -> State:
    entries = Certification.objects.filter(block__ab_name__in=names).order_by("number")
    claims = Claim.objects.filter(block__ab_name__in=names)
    decided = dict(entries.values_list("block__ab_name", "decision"))
    return {"decisions": decided,
            "claims": dict(claims.values_list("block__ab_name", "claimed_by__username"))}  # fmt: skip
