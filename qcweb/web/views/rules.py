"""Score rules: which there are, what each would have done, and a new version of one."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from qcweb.problems import Problem, ProblemError
from qcweb.web.rule_form import NewRuleForm, RuleForm, as_typed
from qcweb.web.views.people import keep_typed, person, reason_of, take_typed
from trending.domain.whatif import BUDGET, Alarms
from trending.models import (
    ColumnRole,
    ColumnType,
    QC1Parameter,
    QC1Table,
    Score,
    ScoreRule,
    Series,
)
from trending.services.rules import (
    RuleConflictError,
    RuleDateError,
    change_rule,
    check_start,
    key_of,
    new_rule,
)
from trending.services.what_if import Trial, try_rule

# Nights that turn are listed up to here; all are counted.
SHOWN = 30
# A rule without a date is for all time.
BEGIN = 1.0
NO_REASON = "A reason is needed: it stands beside the limits for years."


@dataclass(frozen=True)
class Turned:
    """A value that would have another state."""

    series: Series
    row: int
    mjd: float
    value: float
    was: str
    would_be: str
    lower: float | None
    upper: float | None

    @property
    def limits(self) -> tuple[float | None, float | None]:
        return self.lower, self.upper


@dataclass(frozen=True)
class TrialView:
    """What the new rule would have done, beside the one in force."""

    n: int
    """Values in the time the rule is for."""
    n_red: int
    n_green: int
    n_grey: int
    old: Alarms
    new: Alarms
    turned: list[Turned]

    @property
    def n_turned(self) -> int:
        return self.n_red + self.n_green + self.n_grey

    @property
    def is_within_budget(self) -> bool | None:
        return self.new.within(BUDGET)


def rules(request: HttpRequest) -> HttpResponse:
    """List the rules in force, table by table."""
    found = (
        ScoreRule.objects.open()
        .select_related("parameter__table__instrument")
        .order_by("parameter__table__name", "parameter__order", "key", "valid_from_mjd")
    )
    tables: dict[QC1Table, list[ScoreRule]] = {}
    for rule in found:
        tables.setdefault(rule.parameter.table, []).append(rule)
    return render(request, "rules.html", {"tables": tables})


def rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a rule with its versions; with values in the address, what they would have done."""
    found = _find(pk)
    if "limits" in request.GET and found.superseded_at is None:
        return _page(request, found, request.GET, take_typed(request, _key(found)))
    return _page(request, found)


def _key(found: ScoreRule) -> str:
    return f"rule {found.key}"


def _page(
    request: HttpRequest,
    found: ScoreRule,
    asked: QueryDict | None = None,
    reason: str = "",
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    """Return the page of a rule, with what `asked` would have done."""
    form = RuleForm.of(found) if asked is None else RuleForm(asked)
    trial = None
    if asked is not None and _is_possible(form, found):
        trial = _trial(try_rule(_unsaved(found, form), found), _unsaved(found, form))
    versions = list(ScoreRule.objects.filter(key=found.key).order_by("-version"))
    scores = Score.objects.filter(rule=found, is_current=True)
    return render(
        request,
        "rule.html",
        {
            "rule": found,
            "form": form,
            # What is saved is what was tried, whatever has been typed since.
            "tried": RuleForm(asked, auto_id=False) if trial else None,
            "trial": trial,
            "is_trial": asked is not None,
            "reason": reason,
            "reason_error": error,
            "budget": 100 * BUDGET,
            "versions": versions,
            "in_force": [one for one in versions if one.superseded_at is None],
            "is_in_force": found.superseded_at is None,
            "counts": scores.aggregate(n=Count("pk"), n_nok=Count("pk", filter=Q(result=1))),
            "changes": _changes(versions),
        },
        status=status,
    )


def _is_possible(form: RuleForm, found: ScoreRule) -> bool:
    if not form.is_valid():
        return False
    try:
        check_start(found, form.valid_from_mjd)
    except RuleDateError as error:
        form.add_error("valid_from", str(error))
        return False
    return True


def _find(pk: int) -> ScoreRule:
    rules_known = ScoreRule.objects.select_related("parameter__table__instrument")
    found: ScoreRule | None = rules_known.filter(pk=pk).first()
    if found is None:
        raise ProblemError(
            Problem(404, "Unknown rule", f"There is no rule {pk}.", where="pk",
                    hint="See the list of rules.")
        )  # fmt: skip
    return found


def _changes(versions: Sequence[ScoreRule]) -> dict[int, list[str]]:
    """Return, by key of the version, in what it differs from the one before it."""
    changes = {}
    for one, before in itertools.pairwise(versions):
        now, then = as_typed(one), as_typed(before)
        changes[one.pk] = [
            f"{_label(name)}: {_word(then[name])} → {_word(now[name])}"
            for name in now
            if now[name] != then[name]
        ]
    return changes


def _label(name: str) -> str:
    return str(RuleForm.base_fields[name].label or name.capitalize())


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value == "" else str(value)


def _unsaved(found: ScoreRule, form: RuleForm) -> ScoreRule:
    """Return the version that the form would make; it is not saved."""
    mjd = form.valid_from_mjd
    return ScoreRule(
        parameter=found.parameter, key=found.key, setup=found.setup, detector=found.detector,
        valid_from_mjd=found.valid_from_mjd if mjd is None else mjd,
        valid_until_mjd=found.valid_until_mjd,
        **form.fields_of_rule,
    )  # fmt: skip


def _trial(trials: Sequence[Trial], rule: ScoreRule) -> TrialView:
    turned: list[Turned] = []
    old, new, counts = Alarms(), Alarms(), np.zeros(3, dtype=int)
    n_its = 0
    for one in trials:
        said = one.compared
        old, new = old + said.old, new + said.new
        counts += [said.turned_red.size, said.turned_green.size, said.turned_grey.size]
        for places in (said.turned_red, said.turned_green, said.turned_grey):
            turned += [_turned(one, int(place)) for place in places]
        until = np.inf if rule.valid_until_mjd is None else rule.valid_until_mjd
        n_its += int(((one.mjd >= rule.valid_from_mjd) & (one.mjd < until)).sum())
    turned.sort(key=lambda one: one.mjd, reverse=True)
    red, green, grey = (int(count) for count in counts)
    return TrialView(n_its, red, green, grey, old, new, turned[:SHOWN])


_WORDS = {-1: "not scored", 0: "OK", 1: "NOK"}


def _turned(one: Trial, place: int) -> Turned:
    would_be = one.then[place]
    return Turned(
        one.series, int(one.row[place]), float(one.mjd[place]), float(one.value[place]),
        _WORDS[int(one.now.result[place])], _WORDS[int(one.then.result[place])],
        would_be.lower, would_be.upper,
    )  # fmt: skip


@require_POST
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Save a new version of a rule."""
    found = _find(pk)
    form = RuleForm(request.POST)
    reason = reason_of(request)
    if not _is_possible(form, found):
        return _page(request, found, request.POST, reason, status=400)
    if not reason:
        return _page(request, found, request.POST, error=NO_REASON, status=400)
    try:
        made = change_rule(
            found, form.fields_of_rule, author=person(request).get_username(), reason=reason,
            valid_from_mjd=form.valid_from_mjd, at=timezone.now(),
        )  # fmt: skip
    except RuleConflictError as error:
        return _conflict(request, found, str(error), reason)
    messages.success(
        request,
        f"Version {made.version} judges what comes from now on. What is scored keeps its score; "
        f"“manage.py rescore --table {found.parameter.table.name}” judges it anew.",
    )
    return redirect("rule", pk=made.pk)


def _conflict(request: HttpRequest, found: ScoreRule, said: str, reason: str) -> HttpResponse:
    """Lead to the version in force, with what was typed tried on that."""
    standing = ScoreRule.objects.open().filter(key=found.key).order_by("-version").first()
    if standing is None:
        messages.error(request, f"Not saved: {said}")
        return redirect("rule", pk=found.pk)
    messages.error(
        request,
        f"Not saved: {said} Version {standing.version} by {standing.author} is; this is what you "
        "typed, tried on that.",
    )
    keep_typed(request, _key(found), reason)
    typed = request.POST.copy()
    for name in ("csrfmiddlewaretoken", "reason"):
        typed.pop(name, None)
    return redirect(f"{reverse('rule', args=[standing.pk])}?{typed.urlencode()}")


def new(request: HttpRequest, table: str, parameter: str) -> HttpResponse:
    """Show the form of a first rule for a parameter; posted, save it."""
    found = _find_parameter(table, parameter)
    typed = request.POST if request.method == "POST" else request.GET
    is_trial = request.method == "POST" or "limits" in typed
    series = list(Series.objects.filter(parameter=found).select_related("setup"))
    form = NewRuleForm(typed if is_trial else _FIRST, found, series)
    trial, error = None, ""
    if is_trial and form.is_valid():
        if request.method == "POST" and reason_of(request):
            return _save_new(request, found, form)
        error = NO_REASON if request.method == "POST" else ""
        trial = _trial(try_rule(_first(found, form)), _first(found, form))
    return render(
        request,
        "rule_new.html",
        {
            "parameter": found, "form": form, "trial": trial, "budget": 100 * BUDGET,
            "tried": NewRuleForm(typed, found, series, auto_id=False) if trial else None,
            "reason": reason_of(request), "reason_error": error,
            "others": ScoreRule.objects.open().filter(parameter=found).order_by("key"),
        },
        status=400 if request.method == "POST" else 200,
    )  # fmt: skip


def _find_parameter(table: str, name: str) -> QC1Parameter:
    numbers = QC1Parameter.objects.filter(type=ColumnType.FLOAT, role=ColumnRole.VALUE)
    found: QC1Parameter | None = (
        numbers.select_related("table__instrument").filter(table__name=table, name=name).first()
    )
    if found is None:
        raise ProblemError(
            Problem(404, "Unknown parameter", f"{table} has no number {name!r} to judge.",
                    where="parameter", hint="See the table's columns.")
        )  # fmt: skip
    return found


_FIRST = {
    "limits": "3MAD", "average": "MEDIAN", "min_n": "5", "baseline_points": "9",
    "drop_repeats": "on",
}  # fmt: skip


def _first(parameter: QC1Parameter, form: NewRuleForm) -> ScoreRule:
    """Return the version that the form would make; it is not saved."""
    setup, detector = form.cleaned_data["series"]
    return ScoreRule(
        parameter=parameter, key=key_of(parameter, setup, detector), setup=setup,
        detector=detector, valid_from_mjd=_start(form), **form.fields_of_rule,
    )  # fmt: skip


def _start(form: NewRuleForm) -> float:
    return BEGIN if form.valid_from_mjd is None else form.valid_from_mjd


def _save_new(request: HttpRequest, parameter: QC1Parameter, form: NewRuleForm) -> HttpResponse:
    setup, detector = form.cleaned_data["series"]
    try:
        made = new_rule(
            parameter, form.fields_of_rule, setup=setup, detector=detector,
            author=person(request).get_username(), reason=reason_of(request),
            valid_from_mjd=_start(form), at=timezone.now(),
        )  # fmt: skip
    except RuleConflictError as error:
        # Somebody was faster, between the form's look and this.
        messages.error(request, f"Not saved: {error}")
        return redirect("rules")
    messages.success(
        request,
        f"The rule judges what comes from now on; “manage.py rescore --table "
        f"{parameter.table.name}” lets it judge what is there.",
    )
    return redirect("rule", pk=made.pk)
