"""What people can do, by URL name: the word for it, and what it is done to.

The subject says whose right is needed (its instrument) and how it stands, so that neither rights nor
the audit log are left to a view. An acting address without a line here fails a test.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

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
from qcweb.notes.models import Comment, News
from qcweb.people.models import ApiToken
from qcweb.people.services import accounts
from qcweb.people.services.audit import About
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

# Of an act on several: what is said of it is bounded.
MOST_NAMED = 200
State = dict[str, Any]
Given = Mapping[str, Any]
# The subject of the work page that is every instrument at once.
POOL = "pool"


def _nothing_known() -> None:
    return None


@dataclass(frozen=True)
class Subject:
    """What is acted on; `state` tells how it stands, asked before and after.

    `needs_all`: it concerns every instrument, so a right for all of them is needed.
    """

    about: About
    state: Callable[[], State | None] = _nothing_known
    needs_all: bool = False


# None: there is nothing of that name, which the view will say.
Finder = Callable[[HttpRequest, Given], Subject | None]


@dataclass(frozen=True)
class Act:
    verb: str
    find: Finder


def _address(name: str, *args: object) -> str:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:  # a name that was typed, and is no address
        return ""


def _block(_request: HttpRequest, given: Given) -> Subject | None:
    found = (
        AssociationBlock.objects.select_related("instrument")
        .filter(ab_name=given["ab_name"])
        .first()
    )
    if found is None:
        return None
    about = About("block", found.ab_name, _address("block", found.ab_name), found.instrument.name)
    return Subject(about, lambda: _state_of_block(found.pk))


def _state_of_block(pk: int) -> State:
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


def _night(_request: HttpRequest, given: Given) -> Subject | None:
    instrument = str(given["instrument"])[:32]
    try:
        night = dt.date.fromisoformat(str(given["night"]))
    except ValueError:
        return None
    address = _address("night", instrument, night.isoformat())
    about = About("night", f"{instrument} {night}", address, instrument)
    return Subject(about, lambda: _state_of_night(instrument, night))


def _state_of_night(instrument: str, night: dt.date) -> State:
    events = NightEvent.objects.filter(instrument__name=instrument, night=night)
    last = events.about_closing().last()
    waiting = AssociationBlock.objects.filter(instrument__name=instrument, night=night)
    return {
        "is_closed": last is not None and last.kind == NightEventKind.CLOSED,
        "left": last.left if last else {},
        "is_calibrated": events.filter(kind=NightEventKind.CALIBRATED).exists(),
        "blocks_to_do": waiting.exclude(next_step=NextStep.REST).count(),
    }


def _instrument(_request: HttpRequest, given: Given) -> Subject:
    name = str(given["instrument"])[:32]
    return Subject(About("instrument", name, _address("monitor"), name))


def _handover(_request: HttpRequest, given: Given) -> Subject:
    name = str(given["instrument"])[:32]
    return Subject(About("masters", name, _address("handover", name), name))


def _of_work(request: HttpRequest, _given: Given) -> Subject | None:
    name = request.POST.get("subject", "")
    if name == POOL:
        about = About("work", "everything", _address("monitor"))
        return Subject(about, lambda: _state_of_work(None), needs_all=True)
    found = Instrument.objects.filter(name=name).first()
    if found is None:
        return None
    about = About("work", found.name, _address("monitor"), found.name)
    return Subject(about, lambda: _state_of_work(found))


def _state_of_work(instrument: Instrument | None) -> State:
    scope = HoldScope.INSTRUMENT if instrument else HoldScope.POOL
    held = Hold.objects.filter(scope=scope, subject=instrument.pk if instrument else 0)
    return {"is_held": held.exists(), "n_waiting": waiting_of(instrument).count()}


def _frame(_request: HttpRequest, given: Given) -> Subject | None:
    found = RawFile.objects.select_related("instrument").filter(pk=given["pk"]).first()
    if found is None:
        return None
    about = About("frame", found.name, _address("frame", found.pk), found.instrument.name)
    return Subject(about, lambda: _state_of_frame(found.pk))


def _state_of_frame(pk: int) -> State:
    return {"is_hidden": RawFile.objects.filter(pk=pk, hidden_at__isnull=False).exists()}


def _value(_request: HttpRequest, given: Given) -> Subject | None:
    table = QC1Table.objects.select_related("instrument").filter(name=given["table"]).first()
    if table is None:
        return None
    name, row = str(given["parameter"]), int(given["row"])
    about = About(
        "value", f"{table.name}.{name} row {row}", _address("value", table.name, name, row),
        table.instrument.name,
    )  # fmt: skip
    return Subject(about, lambda: _state_of_value(table, name, row))


def _state_of_value(table: QC1Table, name: str, row: int) -> State:
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


def _table(_request: HttpRequest, given: Given) -> Subject | None:
    found = QC1Table.objects.select_related("instrument").filter(name=given["table"]).first()
    if found is None:
        return None
    address = _address("table", found.name)
    return Subject(About("table", found.name, address, found.instrument.name))


def _new_rule(_request: HttpRequest, given: Given) -> Subject | None:
    found = QC1Table.objects.select_related("instrument").filter(name=given["table"]).first()
    if found is None:
        return None
    name = f"{found.name}.{given['parameter']}"
    about = About("rule", name, _address("table", found.name), found.instrument.name)
    return Subject(about, lambda: _state_of_rules(found, str(given["parameter"])))


def _state_of_rules(table: QC1Table, parameter: str) -> State:
    rules = ScoreRule.objects.open().filter(parameter__table=table, parameter__name=parameter)
    return {"rules": [f"{one.key} version {one.version}" for one in rules.order_by("key", "pk")]}


def _rule(_request: HttpRequest, given: Given) -> Subject | None:
    rules = ScoreRule.objects.select_related("parameter__table__instrument")
    found = rules.filter(pk=given["pk"]).first()
    if found is None:
        return None
    instrument = found.parameter.table.instrument.name
    about = About("rule", found.key, _address("rule", found.pk), instrument)
    return Subject(about, lambda: _state_of_rule(found.key))


def _state_of_rule(key: str) -> State:
    newest = ScoreRule.objects.filter(key=key).order_by("-version").first()
    if newest is None:
        return {}
    fields = ("version", "valid_from_mjd", "author", "reason", "min_n")
    return {name: getattr(newest, name) for name in fields} | {"limits": str(newest.limits)}


def _event(_request: HttpRequest, given: Given) -> Subject | None:
    found = QualityEvent.objects.select_related("instrument").filter(pk=given["pk"]).first()
    if found is None:
        return None
    about = About("event", found.title, _address("event", found.pk), found.instrument.name)
    return Subject(about, lambda: _state_of_event(found.pk))


def _state_of_event(pk: int) -> State:
    references = ReferenceValue.objects.filter(event=pk, superseded_at=None)
    return {
        "is_open": QualityEvent.objects.filter(pk=pk, superseded_at=None).exists(),
        "references": references.count(),
    }


def _new_event(request: HttpRequest, _given: Given) -> Subject | None:
    name = request.POST.get("instrument", "")[:32]
    if not Instrument.objects.filter(name=name).exists():
        return None
    title = request.POST.get("title", "")
    return Subject(About("event", title, _address("events"), name))


def _own_account(request: HttpRequest, _given: Given) -> Subject:
    return Subject(About("account", request.user.get_username()))


def _token(_request: HttpRequest, given: Given) -> Subject | None:
    found = ApiToken.objects.filter(pk=given["pk"]).first()
    if found is None:
        return None
    about = About("token", str(found), _address("tokens"))
    return Subject(about, lambda: _state_of_token(found.pk))


def _state_of_token(pk: int) -> State:
    return {"is_revoked": ApiToken.objects.filter(pk=pk, revoked_at__isnull=False).exists()}


def _account(_request: HttpRequest, given: Given) -> Subject | None:
    found = User.objects.filter(username=given["username"]).first()
    if found is None:
        return None
    about = About("account", found.username, _address("person", found.username))
    return Subject(about, lambda: accounts.state_of(User.objects.get(pk=found.pk)))


def _new_account(request: HttpRequest, _given: Given) -> Subject:
    return Subject(About("account", request.POST.get("username", ""), _address("people")))


def _blocks(request: HttpRequest, _given: Given) -> Subject:
    """Blocks of any instruments: the view decides on each only where its person has the right."""
    names = request.POST.getlist("ab")[:MOST_NAMED]
    words = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else "".join(names)
    return Subject(About("blocks", words, _address("worklist")), lambda: _state_of_blocks(names))


def _state_of_blocks(names: list[str]) -> State:
    entries = Certification.objects.filter(block__ab_name__in=names).order_by("number")
    claims = Claim.objects.filter(block__ab_name__in=names)
    decided = dict(entries.values_list("block__ab_name", "decision"))
    return {"decisions": decided,
            "claims": dict(claims.values_list("block__ab_name", "claimed_by__username"))}  # fmt: skip


def _bulk(_request: HttpRequest, given: Given) -> Subject | None:
    entries = Certification.objects.filter(bulk=given["number"])
    names = list(entries.values_list("block__ab_name", flat=True).distinct()[:MOST_NAMED])
    about = About("blocks", str(given["number"]), _address("worklist"))
    return Subject(about, lambda: _state_of_blocks(names)) if names else None


def _commented(_request: HttpRequest, given: Given) -> Subject:
    name = str(given["instrument"])[:32]
    return Subject(About("comment", name, "", name))


def _comment(_request: HttpRequest, given: Given) -> Subject | None:
    return _note(Comment.objects.select_related("instrument").filter(pk=given["pk"]).first())


def _news(_request: HttpRequest, given: Given) -> Subject | None:
    return _note(News.objects.select_related("instrument").filter(pk=given["pk"]).first())


def _note(found: Comment | News | None) -> Subject | None:
    if found is None:
        return None
    instrument = found.instrument.name if found.instrument else ""
    about = About(found._meta.model_name or "note", str(found), _address("news"), instrument)
    state = {"author": found.author.get_username(), "text": found.text}
    return Subject(about, lambda: state)


def _new_news(request: HttpRequest, _given: Given) -> Subject:
    kind, _, name = request.POST.get("scope", "").partition(":")
    instrument = name.partition("/")[0][:32]
    about = About("news", name or kind, _address("news"), instrument)
    return Subject(about, needs_all=kind == "general")


def _waiver(_request: HttpRequest, given: Given) -> Subject | None:
    found = Waiver.objects.select_related("instrument").filter(pk=given["pk"]).first()
    if found is None:
        return None
    about = About("waiver", str(found), _address("waivers"), found.instrument.name)
    return Subject(about, lambda: {"is_open": Waiver.objects.open().filter(pk=found.pk).exists()})


ACTS: dict[str, Act] = {
    "block-waive": Act("block waived", _block),
    "waiver-withdraw": Act("waiver taken back", _waiver),
    "worklist-claim": Act("blocks claimed or released", _blocks),
    "worklist-decide": Act("blocks certified", _blocks),
    "worklist-undo": Act("decisions taken back", _bulk),
    "comment": Act("comment written", _commented),
    "comment-withdraw": Act("comment withdrawn", _comment),
    "news": Act("news written", _new_news),
    "news-withdraw": Act("news withdrawn", _news),
    "night-close": Act("night closed", _night),
    "night-reopen": Act("night reopened", _night),
    "night-calibrated": Act("calibrations finished", _night),
    "night-run": Act("blocks run again", _night),
    "handover-archive": Act("masters handed over", _handover),
    "frame-hide": Act("frame hidden or shown", _frame),
    "monitor-act": Act("work controlled", _of_work),
    "refresh": Act("refresh forced", _instrument),
    "block-certify": Act("block certified", _block),
    "block-undo": Act("decision taken back", _block),
    "block-scores": Act("scores corrected", _block),
    "block-run": Act("block run again", _block),
    "block-act": Act("block controlled", _block),
    "block-replace": Act("calibration replaced", _block),
    "block-current": Act("run made current", _block),
    "value-act": Act("value corrected", _value),
    "value-undo": Act("correction taken back", _value),
    "events": Act("event declared", _new_event),
    "event-adopt": Act("references adopted", _event),
    "event-withdraw": Act("event taken back", _event),
    "reference-withdraw": Act("reference taken back", _event),
    "rule-change": Act("rule changed", _rule),
    "rule-new": Act("rule made", _new_rule),
    "tokens": Act("token made", _own_account),
    "token-revoke": Act("token revoked", _token),
    "password": Act("password changed", _own_account),
    "people": Act("account made", _new_account),
    "person-act": Act("account changed", _account),
    "right-give": Act("right given", _account),
    "right-take": Act("right taken", _account),
    "api:block-certifications": Act("block certified", _block),
    "api:rows": Act("rows sent", _table),
}
