"""The worklist: what waits for a person, who works on it, and decisions on several blocks at once."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.models import AssociationBlock
from qcweb import worklist
from qcweb.access import rights_in
from qcweb.board import make_board
from qcweb.certification.models import Decision
from qcweb.certification.services import bulk, claims
from qcweb.certification.services.decisions import FollowUps, reasons_of
from qcweb.certification.services.record import CertificationError
from qcweb.problems import Problem, ProblemError
from qcweb.web.undo import forget, note_bulk, undoable
from qcweb.web.views.nights import find_instrument, parse_night
from qcweb.web.views.people import person

_REASONS = {Decision.ACCEPTED: "accept", Decision.REJECTED: "reject"}


def show(request: HttpRequest) -> HttpResponse:
    instrument, kind, night = (
        request.GET.get(name, "") for name in ("instrument", "kind", "night")
    )
    if instrument:
        find_instrument(instrument)
    if kind and kind not in worklist.KINDS:
        hint = f"Known are {', '.join(worklist.KINDS)}."
        raise ProblemError(
            Problem(400, "Unknown filter", f"kind={kind!r} is not known.", where="kind", hint=hint)
        )
    day = parse_night(night) if night else None
    found = worklist.waiting()
    fitting = [
        one for one in found
        if (not instrument or one.instrument == instrument) and (not kind or one.kind == kind)
        and (day is None or one.night == day)
    ]  # fmt: skip
    return render(
        request,
        "worklist.html",
        {
            "rows": worklist.rows_of(fitting[: worklist.MOST_ROWS], timezone.now()),
            "n": len(fitting),
            "n_all": len(found),
            "kinds": worklist.counts(found),
            "instruments": sorted({one.instrument for one in found}),
            "chosen": {"instrument": instrument, "kind": kind, "night": night},
            "nights": worklist.open_nights(),
            "most": bulk.MOST_BLOCKS,
            "undo": undoable(request),
        },
    )


@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """Say that one works on some blocks, or no longer."""
    by, at, refuses = person(request), timezone.now(), _refusals(request)
    blocks = [block for block in _chosen(request) if not refuses(block)]
    if request.POST.get("act") == "release":
        n = claims.release(blocks, by)
        messages.success(request, f"Released: {n}.")
        return _back(request)
    n = 0
    for block in blocks:
        try:
            claims.claim(block, by, at)
            n += 1
        except CertificationError as error:
            messages.warning(request, f"{block.ab_name}: {error.message}")
    if n:
        messages.success(request, f"{n} block{'s' if n > 1 else ''} claimed.")
    return _back(request)


@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Show what a decision on several blocks would change; confirmed, write it."""
    blocks, by = _chosen(request), person(request)
    if not blocks:
        messages.error(request, "Nothing is decided: choose blocks first.")
        return _back(request)
    decision = _decision(request)
    comment = request.POST.get("comment", "")[:5000].strip()
    if "confirmed" not in request.POST:
        return _preview(request, blocks, decision, comment)
    more = FollowUps(request.POST.get("reason", ""), hides="hide" in request.POST,
                     is_badqual="badqual" in request.POST)  # fmt: skip
    seen = []
    for block in blocks:
        try:
            seen.append((block, bulk.Seen.read(request.POST.get(f"seen-{block.pk}", ""))))
        except ValueError as error:
            raise ProblemError(
                Problem(400, "Not as it was shown", f"{block.ab_name} came without what was seen.",
                        where=f"seen-{block.pk}", hint="Open the preview again.")
            ) from error  # fmt: skip
    refuses = _refusals(request)
    done = bulk.decide_all(seen, decision, by, comment, more, refuses, timezone.now())
    if done.left and not done.entries:
        messages.error(request, f"Nothing is written. {_said(done.left)}")
        return _preview(request, blocks, decision, comment, status=409)
    note_bulk(request, done.bulk, len(done.entries))
    n = len(done.entries)
    messages.success(request, f"{n} block{'s' if n != 1 else ''}: {decision.label}.")
    if done.left:
        messages.warning(request, f"{len(done.left)} left as they are. {_said(done.left)}")
    return redirect("worklist")


def _preview(
    request: HttpRequest,
    blocks: Sequence[AssociationBlock],
    decision: Decision,
    comment: str,
    status: int = 200,
) -> HttpResponse:
    lines = bulk.preview(blocks, decision, comment or "…", _refusals(request))
    known = {word for block in blocks
             for word in reasons_of(block.instrument)[_REASONS[decision]]}  # fmt: skip
    return render(
        request,
        "decide.html",
        {
            "lines": list(
                zip(lines, make_board(blocks, timezone.now(), is_night=False).rows, strict=True)
            ),
            "n": sum(line.changes for line in lines),
            "decision": decision,
            "word": decision.label,
            "needs_comment": any(line.changes and line.needs_comment for line in lines),
            "comment": comment,
            "reasons": sorted(known),
        },
        status=status,
    )


@require_POST
def undo(request: HttpRequest, number: str) -> HttpResponse:
    """Take a decision on several blocks back, as one act."""
    done = bulk.take_all_back(number, person(request), _refusals(request), timezone.now())
    if done.entries:
        forget(request)
        n = len(done.entries)
        messages.success(
            request, f"Taken back: {n} block{'s are' if n != 1 else ' is'} open again."
        )
    else:
        messages.warning(request, "There is nothing to take back.")
    if done.left:
        messages.warning(request, f"{len(done.left)} left as they are. {_said(done.left)}")
    return redirect("worklist")


def _refusals(request: HttpRequest) -> bulk.Refusal:
    """Return what says of a block why whoever asks may not decide on it."""
    science = rights_in(request).science

    def refuses(block: AssociationBlock) -> str:
        return "" if block.instrument in science else f"You are no scientist of {block.instrument}."

    return refuses


def _said(left: Sequence[tuple[AssociationBlock, str]]) -> str:
    first = "; ".join(f"{block.ab_name}: {why}" for block, why in left[:3])
    return f"{first}{' …' if len(left) > 3 else ''}"


def _chosen(request: HttpRequest) -> list[AssociationBlock]:
    names = request.POST.getlist("ab")
    if len(names) > bulk.MOST_BLOCKS:
        raise ProblemError(
            Problem(400, "Too many blocks", f"{len(names)} blocks are chosen.", where="ab",
                    hint=f"At most {bulk.MOST_BLOCKS} at once; nothing was changed.")
        )  # fmt: skip
    blocks = AssociationBlock.objects.filter(ab_name__in=names).select_related(
        "instrument", "current_attempt"
    )
    return list(blocks.order_by("-night", "cascade_level", "mjd_obs", "pk"))


def _decision(request: HttpRequest) -> Decision:
    text = request.POST.get("decision", "")
    known = (Decision.ACCEPTED, Decision.REJECTED)
    if text not in known:
        raise ProblemError(
            Problem(400, "Unknown decision", f"decision={text!r}.", where="decision",
                    hint=f"Known are {', '.join(known)}.")
        )  # fmt: skip
    return Decision(text)


def _back(request: HttpRequest) -> HttpResponse:
    return redirect("worklist")
