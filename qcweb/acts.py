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
    Instrument,
    RawFile,
    Waiver,
)
from qcweb.act_states import (
    State,
    state_of_block,
    state_of_blocks,
    state_of_event,
    state_of_frame,
    state_of_night,
    state_of_rule,
    state_of_rules,
    state_of_token,
    state_of_value,
    state_of_work,
)
from qcweb.certification.models import Certification
from qcweb.notes.models import Comment, News
from qcweb.people.models import ApiToken
from qcweb.people.services import accounts
from qcweb.people.services.audit import About
from trending.models import (
    QC1Table,
    QualityEvent,
    ScoreRule,
)

# Of an act on several: what is said of it is bounded.
MOST_NAMED = 200
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
    return Subject(about, lambda: state_of_block(found.pk))


def _night(_request: HttpRequest, given: Given) -> Subject | None:
    instrument = str(given["instrument"])[:32]
    try:
        night = dt.date.fromisoformat(str(given["night"]))
    except ValueError:
        return None
    address = _address("night", instrument, night.isoformat())
    about = About("night", f"{instrument} {night}", address, instrument)
    return Subject(about, lambda: state_of_night(instrument, night))


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
        return Subject(about, lambda: state_of_work(None), needs_all=True)
    found = Instrument.objects.filter(name=name).first()
    if found is None:
        return None
    about = About("work", found.name, _address("monitor"), found.name)
    return Subject(about, lambda: state_of_work(found))


def _frame(_request: HttpRequest, given: Given) -> Subject | None:
    found = RawFile.objects.select_related("instrument").filter(pk=given["pk"]).first()
    if found is None:
        return None
    about = About("frame", found.name, _address("frame", found.pk), found.instrument.name)
    return Subject(about, lambda: state_of_frame(found.pk))


def _value(_request: HttpRequest, given: Given) -> Subject | None:
    table = QC1Table.objects.select_related("instrument").filter(name=given["table"]).first()
    if table is None:
        return None
    name, row = str(given["parameter"]), int(given["row"])
    about = About(
        "value", f"{table.name}.{name} row {row}", _address("value", table.name, name, row),
        table.instrument.name,
    )  # fmt: skip
    return Subject(about, lambda: state_of_value(table, name, row))


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
    return Subject(about, lambda: state_of_rules(found, str(given["parameter"])))


def _rule(_request: HttpRequest, given: Given) -> Subject | None:
    rules = ScoreRule.objects.select_related("parameter__table__instrument")
    found = rules.filter(pk=given["pk"]).first()
    if found is None:
        return None
    instrument = found.parameter.table.instrument.name
    about = About("rule", found.key, _address("rule", found.pk), instrument)
    return Subject(about, lambda: state_of_rule(found.key))


def _event(_request: HttpRequest, given: Given) -> Subject | None:
    found = QualityEvent.objects.select_related("instrument").filter(pk=given["pk"]).first()
    if found is None:
        return None
    about = About("event", found.title, _address("event", found.pk), found.instrument.name)
    return Subject(about, lambda: state_of_event(found.pk))


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
    return Subject(about, lambda: state_of_token(found.pk))


def _account(_request: HttpRequest, given: Given) -> Subject | None:
    found = User.objects.filter(username=given["username"]).first()
    if found is None:
        return None
    about = About("account", found.username, _address("person", found.username))
    return Subject(about, lambda: accounts.state_of(User.objects.get(pk=found.pk)))


def _new_account(request: HttpRequest, _given: Given) -> Subject:
    return Subject(About("account", request.POST.get("username", ""), _address("people")))


def _blocks(request: HttpRequest, _given: Given) -> Subject:
    """Blocks of one instrument, or of several: then the view decides on each by its person's rights."""
    names = request.POST.getlist("ab")[:MOST_NAMED]
    words = f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else "".join(names)
    return Subject(_about_blocks(words, names), lambda: state_of_blocks(names))


def _about_blocks(words: str, names: list[str]) -> About:
    blocks = AssociationBlock.objects.filter(ab_name__in=names)
    instruments = list(blocks.values_list("instrument__name", flat=True).distinct()[:2])
    of_one = instruments[0] if len(instruments) == 1 else ""
    return About("blocks", words, _address("worklist"), of_one)


def _bulk(_request: HttpRequest, given: Given) -> Subject | None:
    entries = Certification.objects.filter(bulk=given["number"])
    names = list(entries.values_list("block__ab_name", flat=True).distinct()[:MOST_NAMED])
    about = _about_blocks(str(given["number"]), names)
    return Subject(about, lambda: state_of_blocks(names)) if names else None


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
