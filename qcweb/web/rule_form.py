"""The form of a score rule: what is typed, checked, becomes the fields of a version."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms

from pipelines.domain.times import datetime_to_mjd
from trending.domain.baseline import FEWEST
from trending.domain.limits import KNOWN, LimitsError, MethodKind, parse_limits
from trending.domain.run_rules import parse_run_rule
from trending.models import AverageKind, BaselineChoice, QC1Parameter, ScoreRule, Series
from trending.services.rules import FIELDS, key_of

_HELP = f"Known are {KNOWN}."


class RuleForm(forms.Form):
    """All of a rule that can be changed; `reason` is asked for when it is saved."""

    limits = forms.CharField(max_length=64, help_text=_HELP)
    average = forms.ChoiceField(choices=AverageKind.choices, help_text="What limits lie around.")
    min_n = forms.IntegerField(
        label="At least, values", min_value=1, max_value=100_000,
        help_text="With fewer earlier ones there are no limits.",
    )  # fmt: skip
    fallback = forms.CharField(
        max_length=64, required=False, help_text="Limits while there are too few earlier values."
    )
    warning = forms.CharField(
        max_length=64, required=False, help_text="Tighter limits, drawn and never counted."
    )
    window_days = forms.FloatField(
        label="Window, days", required=False, min_value=0.01, max_value=36525,
        help_text="Earlier values of so many days count; 90 if both are empty.",
    )  # fmt: skip
    window_points = forms.IntegerField(
        label="Window, values", required=False, min_value=2, max_value=100_000,
        help_text="At most so many, the newest.",
    )  # fmt: skip
    clip_sigma = forms.FloatField(
        label="Clip, sigma", required=False, min_value=0.5, max_value=100,
        help_text="Earlier values that lie farther away are left out; robust sigma.",
    )  # fmt: skip
    baseline = forms.ChoiceField(
        choices=BaselineChoice.choices, required=False,
        help_text="Limits follow the series: its newest values, or those of its epoch.",
    )  # fmt: skip
    baseline_points = forms.IntegerField(
        label="Baseline, values", required=False, min_value=FEWEST, max_value=999,
        help_text="Of how many values a rolling baseline is.",
    )  # fmt: skip
    min_effect = forms.FloatField(
        label="Smallest effect", required=False, min_value=0, max_value=1e300,
        help_text="Around a baseline limits are never closer, in the parameter's unit.",
    )  # fmt: skip
    gap_days = forms.FloatField(
        label="Gap, days", required=False, min_value=0.01, max_value=36525,
        help_text="A longer pause begins a new epoch; empty: none does.",
    )  # fmt: skip
    run_rules = forms.CharField(
        label="Run rules", max_length=255, required=False,
        help_text="WE1, NELSON2, CUSUM(k=0.5,h=5) …; by commas.",
    )  # fmt: skip
    valid_from = forms.DateTimeField(
        label="Valid from, UT", required=False,
        help_text="E.g. 2026-03-01 12:00: what was before keeps its rule. Empty: for all its time.",
    )  # fmt: skip
    drop_repeats = forms.BooleanField(
        label="Drop repeats", required=False,
        help_text="A value equal to the one before is carried over, no new one.",
    )  # fmt: skip
    is_hc = forms.BooleanField(
        label="Health Check", required=False, help_text="Also on the Health Check monitor."
    )

    @classmethod
    def of(cls, rule: ScoreRule) -> "RuleForm":
        """Return the form as a version fills it."""
        return cls(data=as_typed(rule))

    def _limits(self, name: str) -> str:
        text = self.cleaned_data[name]
        if not text:
            return ""
        try:
            return str(parse_limits(text))
        except LimitsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_limits(self) -> str:
        return self._limits("limits")

    def clean_warning(self) -> str:
        return self._limits("warning")

    def clean_fallback(self) -> str:
        return self._limits("fallback")

    def clean_run_rules(self) -> list[str]:
        names = split_names(self.cleaned_data["run_rules"])
        for name in names:
            try:
                parse_run_rule(name)
            except LimitsError as error:
                raise forms.ValidationError(str(error)) from error
        return names

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        average, baseline = found.get("average"), found.get("baseline")
        if average == AverageKind.REFERENCE and baseline:
            self.add_error("baseline", "Limits lie around the reference: choose one of the two.")
        if average == AverageKind.NONE and not baseline and found.get("limits"):
            method = parse_limits(found["limits"])
            if method.is_statistical and method.kind is not MethodKind.MAD:
                self.add_error("average", f"{method} lies around an average: choose one.")
        return found

    @property
    def fields_of_rule(self) -> dict[str, Any]:
        """What the version is made of, of `FIELDS`; the form must be valid."""
        found = {name: self.cleaned_data[name] for name in FIELDS}
        found["min_effect"] = found["min_effect"] or 0.0
        found["baseline_points"] = found["baseline_points"] or 9
        return found

    @property
    def valid_from_mjd(self) -> float | None:
        instant = self.cleaned_data["valid_from"]
        return datetime_to_mjd(instant) if instant else None


class NewRuleForm(RuleForm):
    """A rule's first version: the same, and for which set-up and detector it is."""

    series = forms.ChoiceField(
        label="Judges", required=False, help_text="Set-up and detector the rule is for."
    )

    def __init__(
        self,
        data: Mapping[str, Any],
        parameter: QC1Parameter,
        known: Iterable[Series],
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.order_fields(["series", *self.fields])
        self.parameter = parameter
        self._known = {str(one.pk): one for one in known}
        chosen = cast("forms.ChoiceField", self.fields["series"])
        chosen.choices = [
            ("", "any set-up, any detector"),
            *((key, _words(one)) for key, one in self._known.items()),
        ]

    def clean_series(self) -> tuple[dict[str, str], str]:
        one = self._known.get(self.cleaned_data["series"])
        found = (dict(one.setup.values), one.detector) if one else ({}, "")
        if ScoreRule.objects.open().filter(key=key_of(self.parameter, *found)).exists():
            raise forms.ValidationError("There is a rule for these already: change that one.")
        return found


def _words(series: Series) -> str:
    setup = series.setup.text or "no set-up"
    return f"{setup}, {series.detector}" if series.detector else setup


def split_names(text: str) -> list[str]:
    """Split names at commas that stand in no brackets.

    >>> split_names("WE1, CUSUM(k=0.5,h=5)")
    ['WE1', 'CUSUM(k=0.5,h=5)']
    """
    names, depth, word = [], 0, ""
    for character in text + ",":
        if character == "," and depth == 0:
            names.append(word.strip())
            word = ""
            continue
        depth += {"(": 1, ")": -1}.get(character, 0)
        word += character
    return [name for name in names if name]


def as_typed(rule: ScoreRule) -> dict[str, Any]:
    """Return a version as the form has it."""
    typed = {name: getattr(rule, name) for name in FIELDS}
    typed["run_rules"] = ", ".join(rule.run_rules)
    return {name: "" if value is None else value for name, value in typed.items()}
