"""Score rules: which there are, what each would have done, and a new version of one."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from pipelines.domain.times import datetime_to_mjd
from qcweb.problems import Problem, ProblemError
from qcweb.web.rule_form import RuleForm, as_typed
from qcweb.web.views.people import person
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
from trending.services.rules import RuleConflictError, change_rule, new_rule
from trending.services.what_if import Trial, try_rule

# Nights that turn are listed up to here; all are counted.
SHOWN = 30
BEGIN = 1.0


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
    is_trial = "limits" in request.GET
    form = RuleForm(request.GET) if is_trial else RuleForm.of(found)
    trial = None
    if is_trial and form.is_valid():
        trial = _trial(try_rule(_unsaved(found, form), found))
    return _page(request, found, form, trial, is_trial=is_trial)


def _page(
    request: HttpRequest,
    found: ScoreRule,
    form: RuleForm,
    trial: TrialView | None,
    *,
    is_trial: bool,
    status: int = 200,
) -> HttpResponse:
    versions = ScoreRule.objects.filter(key=found.key).order_by("-version")
    return render(
        request,
        "rule.html",
        {
            "rule": found,
            "form": form,
            "trial": trial,
            "is_trial": is_trial,
            "budget": 100 * BUDGET,
            "versions": versions,
            "is_in_force": found.superseded_at is None,
            "n_scores": Score.objects.filter(rule=found, is_current=True).count(),
            "n_nok": Score.objects.filter(rule=found, is_current=True, result=1).count(),
            "changes": _changes(list(versions)),
        },
        status=status,
    )


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
            f"{name.replace('_', ' ')} {then[name] or 'none'} → {now[name] or 'none'}"
            for name in now
            if now[name] != then[name]
        ]
    return changes


def _unsaved(found: ScoreRule, form: RuleForm) -> ScoreRule:
    """Return the version that the form would make; it is not saved."""
    mjd = form.valid_from_mjd
    return ScoreRule(
        parameter=found.parameter, key=found.key, setup=found.setup, detector=found.detector,
        valid_from_mjd=found.valid_from_mjd if mjd is None else mjd,
        valid_until_mjd=found.valid_until_mjd,
        **form.fields_of_rule,
    )  # fmt: skip


def _trial(trials: Sequence[Trial]) -> TrialView:
    turned: list[Turned] = []
    old, new, counts = Alarms(), Alarms(), np.zeros(3, dtype=int)
    for one in trials:
        said = one.compared
        old, new = old + said.old, new + said.new
        counts += [said.turned_red.size, said.turned_green.size, said.turned_grey.size]
        for places in (said.turned_red, said.turned_green, said.turned_grey):
            turned += [_turned(one, int(place)) for place in places]
    turned.sort(key=lambda one: one.mjd, reverse=True)
    n = sum(len(one.now) for one in trials)
    red, green, grey = (int(count) for count in counts)
    return TrialView(n, red, green, grey, old, new, turned[:SHOWN])


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
    reason = request.POST.get("reason", "").strip()[:2000]
    if not form.is_valid():
        return _page(request, found, form, None, is_trial=True, status=400)
    if not reason:
        messages.error(request, "A reason is needed: it stands beside the limits for years.")
        return redirect(f"{reverse('rule', args=[pk])}?{_query(request)}")
    try:
        made = change_rule(
            found, form.fields_of_rule, author=person(request).get_username(), reason=reason,
            valid_from_mjd=form.valid_from_mjd, at=timezone.now(),
        )  # fmt: skip
    except RuleConflictError as error:
        messages.error(request, f"{error} Look at the present one.")
        return redirect("rule", pk=pk)
    messages.success(
        request,
        f"Version {made.version} judges what comes from now on. What is scored keeps its score; "
        f"“manage.py rescore --table {found.parameter.table.name}” judges it anew.",
    )
    return redirect("rule", pk=made.pk)


def _query(request: HttpRequest) -> str:
    typed = request.POST.copy()
    for name in ("csrfmiddlewaretoken", "reason"):
        typed.pop(name, None)
    return typed.urlencode()


def new(request: HttpRequest, table: str, parameter: str) -> HttpResponse:
    """Show the form of a first rule for a parameter; posted, save it."""
    found = QC1Parameter.objects.select_related("table__instrument").filter(
        table__name=table, name=parameter, type=ColumnType.FLOAT, role=ColumnRole.VALUE
    ).first()  # fmt: skip
    if found is None:
        raise ProblemError(
            Problem(404, "Unknown parameter", f"{table} has no number {parameter!r} to judge.",
                    where="parameter", hint="See the table's columns.")
        )  # fmt: skip
    typed = request.POST if request.method == "POST" else request.GET
    form = RuleForm(typed if "limits" in typed else _FIRST)
    series = list(Series.objects.filter(parameter=found).select_related("setup"))
    chosen = _chosen(typed.get("series", ""), series)
    trial = None
    if "limits" in typed and form.is_valid():
        if request.method == "POST":
            return _save_new(request, found, form, chosen)
        trial = _trial(try_rule(_first(found, form, chosen)))
    return render(
        request,
        "rule_new.html",
        {
            "parameter": found, "form": form, "series": series, "chosen": typed.get("series", ""),
            "trial": trial, "is_trial": "limits" in typed, "budget": 100 * BUDGET,
        },
        status=400 if request.method == "POST" else 200,
    )  # fmt: skip


_FIRST = {"limits": "3MAD", "average": "MEDIAN", "min_n": "5", "baseline_points": "9"}


def _chosen(key: str, series: Sequence[Series]) -> tuple[dict[str, str], str]:
    """Return set-up and detector of the series chosen; nothing chosen is any."""
    for one in series:
        if str(one.pk) == key:
            return dict(one.setup.values), one.detector
    return {}, ""


def _first(
    parameter: QC1Parameter, form: RuleForm, chosen: tuple[dict[str, str], str]
) -> ScoreRule:
    return ScoreRule(
        parameter=parameter, setup=chosen[0], detector=chosen[1],
        valid_from_mjd=form.valid_from_mjd or BEGIN, **form.fields_of_rule,
    )  # fmt: skip


def _save_new(
    request: HttpRequest,
    parameter: QC1Parameter,
    form: RuleForm,
    chosen: tuple[dict[str, str], str],
) -> HttpResponse:
    reason = request.POST.get("reason", "").strip()[:2000]
    words: dict[str, Any] = {"table": parameter.table.name, "parameter": parameter.name}
    if not reason:
        messages.error(request, "A reason is needed: it stands beside the limits for years.")
        return redirect(f"{reverse('rule-new', kwargs=words)}?{_query(request)}")
    try:
        made = new_rule(
            parameter, form.fields_of_rule, setup=chosen[0], detector=chosen[1],
            author=person(request).get_username(), reason=reason,
            valid_from_mjd=form.valid_from_mjd or datetime_to_mjd(timezone.now()),
            at=timezone.now(),
        )  # fmt: skip
    except RuleConflictError as error:
        messages.error(request, str(error))
        return redirect("rules")
    messages.success(request, f"Version {made.version} judges what comes from now on.")
    return redirect("rule", pk=made.pk)
