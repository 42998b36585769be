"""The form of a score rule: what is typed, checked, becomes the fields of a version."""

from typing import Any

from django import forms

from pipelines.domain.times import datetime_to_mjd
from trending.domain.baseline import FEWEST
from trending.domain.limits import KNOWN, LimitsError, parse_limits
from trending.domain.run_rules import parse_run_rule
from trending.models import AverageKind, BaselineChoice, ScoreRule
from trending.services.rules import FIELDS

_HELP = f"Known are {KNOWN}."


class RuleForm(forms.Form):
    """All of a rule that can be changed; `reason` is asked for when it is saved."""

    limits = forms.CharField(max_length=64, help_text=_HELP)
    average = forms.ChoiceField(choices=AverageKind.choices, help_text="What limits lie around.")
    warning = forms.CharField(
        max_length=64, required=False, help_text="Tighter limits, drawn and never counted."
    )
    fallback = forms.CharField(
        max_length=64, required=False, help_text="Limits while there are too few earlier values."
    )
    window_days = forms.FloatField(
        required=False, min_value=0.01, max_value=36525,
        help_text="Earlier values of so many days count; 90 if both are empty.",
    )  # fmt: skip
    window_points = forms.IntegerField(
        required=False, min_value=2, max_value=100_000, help_text="At most so many, the newest."
    )
    min_n = forms.IntegerField(
        min_value=1, max_value=100_000, help_text="From so many earlier values on."
    )
    clip_sigma = forms.FloatField(
        required=False, min_value=0.5, max_value=100,
        help_text="Leave earlier values out that lie farther away, in robust sigma.",
    )  # fmt: skip
    baseline = forms.ChoiceField(
        choices=BaselineChoice.choices, required=False,
        help_text="Follow the series, by its newest values or those of its epoch.",
    )  # fmt: skip
    min_effect = forms.FloatField(
        required=False, min_value=0, max_value=1e300,
        help_text="Limits are never closer than this, in the parameter's unit.",
    )  # fmt: skip
    gap_days = forms.FloatField(
        required=False, min_value=0.01, max_value=36525,
        help_text="A longer pause begins a new epoch; empty: none does.",
    )  # fmt: skip
    baseline_points = forms.IntegerField(
        required=False, min_value=FEWEST, max_value=999, help_text="Of how many values."
    )
    drop_repeats = forms.BooleanField(
        required=False, help_text="A value equal to the one before is carried over, no new one."
    )
    run_rules = forms.CharField(
        max_length=255, required=False, help_text="WE1, NELSON2, CUSUM(k=0.5,h=5) …; by commas."
    )
    is_hc = forms.BooleanField(required=False, help_text="Also on the Health Check monitor.")
    valid_from = forms.DateTimeField(
        required=False,
        help_text="UT, e.g. 2026-03-01 12:00: what was before keeps its rule. Empty: all its time.",
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
