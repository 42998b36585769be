"""Running blocks again, holding and cancelling them, and the results of their runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.domain.recipe_parameters import ParameterValue, RecipeParameter
from pipelines.models import Act, AssociationBlock, Attempt, Hold, HoldScope, Outcome
from pipelines.services import control
from pipelines.services.reprocess import (
    MOST_REPLACED,
    ParameterError,
    Requested,
    dependents,
    parameters_of,
    read_choices,
    replace_withdrawn,
    replacements,
    run_again,
    users_of,
    values_of,
)
from qcweb import looks
from qcweb.looks import Look
from qcweb.problems import Problem, ProblemError
from qcweb.verdicts import judged_in
from qcweb.web.views.blocks import find_block
from qcweb.web.views.nights import find_instrument, parse_night
from qcweb.web.views.people import person
from trending.models import QC1Value

# What is asked for at once, at most: a page that lists more is not read.
MOST_BLOCKS = 2000


@dataclass(frozen=True)
class Field:
    """One parameter in the form: what it is, what it has now, and what was wrong with it."""

    parameter: RecipeParameter
    value: str
    usual: str
    problem: str = ""

    @property
    def is_changed(self) -> bool:
        return self.value != self.usual

    @property
    def low(self) -> float | None:
        return _bound(self.parameter.low)

    @property
    def high(self) -> float | None:
        return _bound(self.parameter.high)


def _bound(value: float | None) -> float | None:
    """Return a bound as far as it is one: the largest whole number of a machine is none."""
    return value if value is not None and abs(value) < 2**31 - 1 else None


def _text(value: ParameterValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def run(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Show the form to run a block again; posted, queue it."""
    found = find_block(ab_name)
    users = dependents([found])
    problems: dict[str, str] = {}
    if request.method == "POST":
        try:
            done = _run(request, found, users)
        except ParameterError as error:
            problems = error.problems
        else:
            _say(request, done)
            return redirect("block", ab_name=ab_name)
    return render(
        request,
        "run.html",
        {
            "ab": found,
            "users": users,
            "fields": _fields(request, found, problems),
            "problems": problems,
            "reason": request.POST.get("reason", ""),
            "acts": _acts(found),
        },
        status=400 if problems else 200,
    )


def _run(
    request: HttpRequest, found: AssociationBlock, users: Sequence[AssociationBlock]
) -> Requested:
    at, by = timezone.now(), person(request)
    reason, is_anew = request.POST.get("reason", "")[:2000], "anew" in request.POST
    typed = {
        name.removeprefix("p:"): str(value)
        for name, value in request.POST.items()
        if name.startswith("p:")
    }
    chosen = read_choices(found, typed) if typed else None
    done = run_again([found], at, by, reason=reason, chosen=chosen, is_anew=is_anew)
    if "dependents" in request.POST and done.queued:
        more = run_again(users, at, by, reason=reason, is_anew=is_anew)
        done = Requested(done.queued + more.queued, done.left + more.left)
    return done


def _fields(request: HttpRequest, found: AssociationBlock, problems: dict[str, str]) -> list[Field]:
    now = values_of(found)
    fields = []
    for one in parameters_of(found):
        value = _text(now.get(one.name, one.default))
        typed = request.POST.get(f"p:{one.name}", value)
        fields.append(Field(one, str(typed), _text(one.default), problems.get(one.name, "")))
    return fields


def _say(request: HttpRequest, done: Requested) -> None:
    if done.queued:
        n = len(done.queued)
        messages.success(
            request,
            f"{n} block{'s are' if n > 1 else ' is'} queued. The former results stay until the new "
            "runs have ended.",
        )
    for block, why in done.left[:5]:
        messages.warning(request, f"{block.ab_name} is left: {why}.")


def _acts(found: AssociationBlock) -> list[Act]:
    return list(found.acts.select_related("done_by")[:50])


@require_POST
def act(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Hold, release, cancel a block, or put it first."""
    found = find_block(ab_name)
    at, by = timezone.now(), person(request)
    reason = request.POST.get("reason", "")[:2000]
    wanted = request.POST.get("act", "")
    if wanted == "hold":
        done, said = control.hold(found, at, by, reason), "is held: no new run starts."
    elif wanted == "release":
        done, said = control.release(found, at, by, reason), "is released."
    elif wanted == "cancel":
        done, said = control.cancel(found, at, by, reason), "is cancelled."
    elif wanted == "first":
        done, said = bool(control.run_first([found], at, by)), "runs before all others."
    else:
        raise ProblemError(
            Problem(400, "Unknown act", f"act={wanted!r} is nothing that can be done.",
                    where="act", hint="Known are hold, release, cancel, first.")
        )  # fmt: skip
    if done:
        messages.success(request, f"{ab_name} {said}")
    else:
        messages.warning(request, f"{ab_name}: there was nothing to {wanted}.")
    return redirect("block", ab_name=ab_name)


def night_run(request: HttpRequest, instrument: str, night: str) -> HttpResponse:
    """Show what running a night, or some of its blocks, again would mean; posted, queue them."""
    found, day = find_instrument(instrument), parse_night(night)
    blocks = list(
        AssociationBlock.objects.of_night(instrument, day).select_related("instrument")
        .in_cascade_order()[:MOST_BLOCKS]
    )  # fmt: skip
    chosen = {*request.POST.getlist("ab"), *request.GET.getlist("ab")}
    if request.method == "POST":
        wanted = [one for one in blocks if one.ab_name in chosen]
        if "dependents" in request.POST:
            wanted += [one for one in dependents(wanted) if one not in wanted]
        if not wanted:
            messages.error(request, "Nothing is queued: choose blocks first.")
            return redirect("night-run", instrument=instrument, night=night)
        reason = request.POST.get("reason", "")[:2000]
        _say(request, run_again(wanted, timezone.now(), person(request), reason=reason,
                                is_anew="anew" in request.POST))  # fmt: skip
        return redirect("night", instrument=instrument, night=night)
    return render(
        request,
        "night_run.html",
        {"instrument": found, "night": day, "blocks": [(one, looks.process(one)) for one in blocks],
         "chosen": chosen},
    )  # fmt: skip


def replace(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Show which blocks used a block's products and what they would use now; posted, queue them."""
    found = find_block(ab_name)
    at = timezone.now()
    if request.method == "POST":
        chosen = set(request.POST.getlist("ab"))
        wanted = [one for one in users_of(found) if one.ab_name in chosen]
        if wanted:
            reason = request.POST.get("reason", "")[:2000]
            _say(request, replace_withdrawn(found, wanted, at, person(request), reason))
            return redirect("block", ab_name=ab_name)
        messages.error(request, "Nothing is queued: choose blocks first.")
    found_for = replacements(found, at) if found.is_withdrawn else []
    return render(request, "replace.html", {"ab": found, "replacements": found_for,
                                            "users": users_of(found), "most": MOST_REPLACED})  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """One value in two runs."""

    name: str
    category: str
    detector: str
    unit: str
    one: QC1Value | None
    other: QC1Value | None
    one_look: Look
    other_look: Look

    @property
    def change(self) -> float | None:
        if self.one is None or self.other is None:
            return None
        if self.one.value is None or self.other.value is None:
            return None
        return self.other.value - self.one.value


def compare(request: HttpRequest, ab_name: str) -> HttpResponse:
    """Show two runs of a block side by side: what they were given, made and measured."""
    found = find_block(ab_name)
    runs = {
        one.number: one
        for one in found.attempts.filter(outcome__in=[Outcome.SUCCESSFUL, Outcome.DEGRADED])
    }
    if not runs:
        raise ProblemError(
            Problem(404, "Nothing to compare", f"{ab_name} has no successful run.",
                    hint="Its page shows why.")
        )  # fmt: skip
    newest = sorted(runs, reverse=True)
    other = _choice(request, "b", runs) or runs[newest[0]]
    one = _choice(request, "a", runs) or runs[next((n for n in newest if n != other.number),
                                                   other.number)]  # fmt: skip
    return render(
        request,
        "compare.html",
        {
            "ab": found,
            "runs": [runs[number] for number in newest],
            "pair": (one, other),
            "products": _paired_products(one, other),
            "values": _compared(one, other),
            "holds": Hold.objects.filter(scope=HoldScope.BLOCK, subject=found.pk).exists(),
        },
    )


def _choice(request: HttpRequest, name: str, runs: dict[int, Attempt]) -> Attempt | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else -1
    if number not in runs:
        known = ", ".join(str(one) for one in sorted(runs))
        raise ProblemError(
            Problem(404, "Unknown run", f"{name}={text!r} is no successful run of it.",
                    where=name, hint=f"Known are {known}.")
        )  # fmt: skip
    return runs[number]


def _paired_products(one: Attempt, other: Attempt) -> list[tuple[str, list[object]]]:
    """Return the products of two runs under their names, first of the one, then of the other."""
    found: dict[str, list[object]] = {}
    for place, attempt in enumerate((one, other)):
        for product in attempt.products.prefetch_related("previews").order_by("name"):
            found.setdefault(f"{product.pro_catg} {product.name}", [None, None])[place] = product
    return sorted(found.items())


def _compared(one: Attempt, other: Attempt) -> list[Compared]:
    judged = judged_in((one, other))
    first, second = judged[one.pk], judged[other.pk]
    lines = []
    for key in dict.fromkeys([*first, *second]):
        a, b = first.get(key), second.get(key)
        some = a or b
        lines.append(
            Compared(
                name=key.parameter, category=key.category, detector=key.detector,
                unit=some.value.series.parameter.unit if some else "",
                one=a.value if a else None, other=b.value if b else None,
                one_look=looks.result(a.result if a else None),
                other_look=looks.result(b.result if b else None),
            )
        )  # fmt: skip
    return lines


@require_POST
def current(request: HttpRequest, ab_name: str, number: int) -> HttpResponse:
    """Make an earlier run the block's result."""
    found = find_block(ab_name)
    attempt = found.attempts.filter(number=number).first()
    if attempt is None:
        raise ProblemError(
            Problem(404, "Unknown attempt", f"{ab_name} has no attempt {number}.", where="number")
        )
    reason = request.POST.get("reason", "")[:2000]
    if control.make_current(attempt, timezone.now(), person(request), reason):
        messages.success(
            request,
            f"Attempt {number} is the current one: its values are read, scored and certified anew, "
            "by a person where the rules do not allow it by itself.",
        )
    else:
        messages.error(
            request,
            f"Attempt {number} cannot be made the current one: it is that already, made no "
            "products, the block is incomplete, or it is being worked on.",
        )
    return redirect("block", ab_name=ab_name)
