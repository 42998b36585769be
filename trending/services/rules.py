"""Rules and their versions: from an instrument's folder, or from a person.

A version is never changed. What takes its place says from when on it is valid: for all of the
former version's time, or from a date, and then the former one ends there and both are epochs.
"""

import datetime as dt
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from pipelines.domain.times import mjd_to_datetime
from pipelines.models import Instrument
from trending.domain.definitions import RuleDefinition
from trending.models import QC1Parameter, RuleOrigin, ScoreRule

from .clock import take_tables

logger = logging.getLogger(__name__)

# What makes a rule what it is; the rest says when, why and by whom.
FIELDS = (
    "limits", "average", "window_days", "window_points", "min_n", "fallback", "clip_sigma",
    "warning", "baseline", "min_effect", "gap_days", "baseline_points", "drop_repeats",
    "run_rules", "is_hc",
)  # fmt: skip
_OF_BASELINE = ("baseline", "min_effect", "gap_days", "baseline_points", "drop_repeats")
_VALIDITY = ("setup", "detector", "valid_from_mjd", "valid_until_mjd")
# Copied from the former version where a change does not say otherwise.
_COPIED = (*FIELDS, "setup", "detector")


class RuleConflictError(Exception):
    """Another version is in force, or there is none; the message says what to do."""


class RuleDateError(RuleConflictError):
    """A version cannot begin at the date asked for; the message says when it can."""


def load_rules(
    instrument: Instrument,
    rules: Sequence[RuleDefinition],
    parameters: Mapping[tuple[str, str], QC1Parameter],
    at: dt.datetime,
) -> None:
    """Make the rules of an instrument those of its folder.

    A rule that has not changed in the folder since it was last loaded is left as it is: what a
    person has made of it meanwhile stands. One that left the folder judges nothing new, unless a
    person has taken it over.
    """
    standing: dict[str, list[ScoreRule]] = {}
    of_folder: dict[tuple[str, float], ScoreRule] = {}
    for one in ScoreRule.objects.filter(parameter__table__instrument=instrument).order_by(
        "version"
    ):
        if one.superseded_at is None:
            standing.setdefault(one.key, []).append(one)
        if one.origin == RuleOrigin.FOLDER:
            of_folder[one.key, one.valid_from_mjd] = one
    named = set()
    for rule in rules:
        named.add((rule.key, rule.valid_from_mjd))
        before = of_folder.get((rule.key, rule.valid_from_mjd))
        known = standing.get(rule.key, [])
        gone = [one for one in known if _overlap(one, rule.valid_from_mjd, rule.valid_until_mjd)]
        if before is not None and gone and _is_same(before, rule):
            continue
        parameter = parameters[rule.table, rule.parameter]
        made = _create(parameter, rule.key, _fields(rule), RuleOrigin.FOLDER, at, gone)
        standing[rule.key] = [one for one in known if one not in gone] + [made]
    for one in (rule for versions in standing.values() for rule in versions):
        if one.origin == RuleOrigin.FOLDER and (one.key, one.valid_from_mjd) not in named:
            _supersede([one], at)


def _is_same(stored: ScoreRule, rule: RuleDefinition) -> bool:
    fields = _fields(rule)
    return all(getattr(stored, name) == fields[name] for name in fields)


def _fields(rule: RuleDefinition) -> dict[str, Any]:
    plain = (name for name in FIELDS if name not in _OF_BASELINE)
    fields = {name: getattr(rule, name) for name in (*plain, *_VALIDITY, "author", "reason")}
    found = rule.baseline
    return fields | {
        "baseline": str(found.kind) if found else "",
        "min_effect": found.min_effect if found else 0.0,
        "gap_days": found.gap_days if found else None,
        "baseline_points": found.points if found else 9,
        "drop_repeats": found.drop_repeats if found else True,
    }


def _overlap(rule: ScoreRule, start: float, until: float | None) -> bool:
    end = math.inf if until is None else until
    its_end = math.inf if rule.valid_until_mjd is None else rule.valid_until_mjd
    return start < its_end and rule.valid_from_mjd < end


def _create(
    parameter: QC1Parameter,
    key: str,
    fields: Mapping[str, Any],
    origin: RuleOrigin,
    at: dt.datetime,
    instead_of: Iterable[ScoreRule],
) -> ScoreRule:
    gone = list(instead_of)
    _supersede(gone, at)
    if origin == RuleOrigin.FOLDER:
        for one in gone:
            if one.origin == RuleOrigin.PAGE:
                logger.warning(
                    "%s: the folder has changed, and takes the place of version %d by %s.",
                    key, one.version, one.author,
                )  # fmt: skip
    newest = ScoreRule.objects.filter(key=key).aggregate(version=Max("version"))["version"] or 0
    return ScoreRule.objects.create(
        parameter=parameter, key=key, version=newest + 1, origin=origin, recorded_at=at, **fields
    )


def _supersede(rules: Iterable[ScoreRule], at: dt.datetime) -> None:
    ScoreRule.objects.filter(pk__in=[one.pk for one in rules]).update(superseded_at=at)


def new_rule(
    parameter: QC1Parameter,
    fields: Mapping[str, Any],
    *,
    setup: Mapping[str, str],
    detector: str,
    author: str,
    reason: str,
    valid_from_mjd: float,
    at: dt.datetime,
) -> ScoreRule:
    """Write the first version of a rule; `fields` are of `FIELDS`.

    Raises
    ------
    RuleConflictError
        There is a rule for the same values already.
    """
    key = key_of(parameter, setup, detector)
    with transaction.atomic():
        at = take_tables([parameter.table_id], at)
        if ScoreRule.objects.open().filter(key=key).exists():
            raise RuleConflictError(f"There is a rule for {key} already: change that one.")
        every = {
            **fields, "setup": dict(setup), "detector": detector, "author": author,
            "reason": reason, "valid_from_mjd": valid_from_mjd, "valid_until_mjd": None,
        }  # fmt: skip
        return _create(parameter, key, every, RuleOrigin.PAGE, at, [])


def key_of(parameter: QC1Parameter, setup: Mapping[str, str], detector: str) -> str:
    """Return what a rule is for, as text, as `RuleDefinition.key` writes it."""
    values = ",".join(f"{name}={value}" for name, value in sorted(setup.items()))
    return f"{parameter.table.name}.{parameter.name}[{values}]{detector}"


def change_rule(
    rule: ScoreRule,
    changes: Mapping[str, Any],
    *,
    author: str,
    reason: str,
    valid_from_mjd: float | None,
    at: dt.datetime,
) -> ScoreRule:
    """Write a new version of a rule.

    Parameters
    ----------
    rule
        The version that was looked at.
    changes
        What is other than there, of `FIELDS`.
    valid_from_mjd
        From when on the new version judges; None is for all the time the former one did. With a
        date, the former one stays the rule for what was before.

    Raises
    ------
    RuleConflictError
        The version is not the standing one any more.
    RuleDateError
        The date lies outside the time of the former version.
    """
    check_start(rule, valid_from_mjd)
    with transaction.atomic():
        at = take_tables([rule.parameter.table_id], at)
        former = ScoreRule.objects.filter(pk=rule.pk, superseded_at=None).first()
        if former is None:
            raise RuleConflictError(
                f"Version {rule.version} of {rule.key} is not in force any more."
            )
        fields = {name: getattr(former, name) for name in _COPIED} | dict(changes)
        fields |= {
            "author": author,
            "reason": reason,
            "valid_from_mjd": former.valid_from_mjd,
            "valid_until_mjd": former.valid_until_mjd,
        }
        if valid_from_mjd is not None and valid_from_mjd > former.valid_from_mjd:
            _end(former, valid_from_mjd, author, reason, at)
            fields["valid_from_mjd"] = valid_from_mjd
            return _create(former.parameter, former.key, fields, RuleOrigin.PAGE, at, [])
        return _create(former.parameter, former.key, fields, RuleOrigin.PAGE, at, [former])


def check_start(rule: ScoreRule, mjd: float | None) -> None:
    """Raise `RuleDateError` if no version that follows `rule` can begin at `mjd`."""
    if mjd is None:
        return
    if mjd < rule.valid_from_mjd:
        raise RuleDateError(
            f"Version {rule.version} is for data from {_day(rule.valid_from_mjd)} on: choose a later "
            "instant, or leave it empty to replace all of it."
        )
    if rule.valid_until_mjd is not None and mjd >= rule.valid_until_mjd:
        raise RuleDateError(
            f"Version {rule.version} is for data until {_day(rule.valid_until_mjd)}: choose an "
            "earlier instant, or change the version that follows it."
        )


def _day(mjd: float) -> str:
    return f"{mjd_to_datetime(mjd):%Y-%m-%d %H:%M} UT"


def _end(former: ScoreRule, until: float, author: str, reason: str, at: dt.datetime) -> None:
    """Let the former version be valid until a date: a version of its own, which says so."""
    fields = {name: getattr(former, name) for name in _COPIED} | {
        "valid_from_mjd": former.valid_from_mjd,
        "valid_until_mjd": until,
        "author": author,
        "reason": f"Ends here; {reason}",
    }
    _create(former.parameter, former.key, fields, RuleOrigin.PAGE, at, [former])
