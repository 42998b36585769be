"""The references that the first good values after an event suggest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, Q, QuerySet, Subquery

from trending.domain.references import Reference, propose
from trending.domain.setups import fits_setup
from trending.models import (
    QC1Parameter,
    QC1Table,
    QC1Value,
    QualityEvent,
    ReferenceValue,
    ScoreRule,
    Series,
    ValueState,
)

# A reference is proposed from so many good blocks after the event.
FIRST_BLOCKS = 10
# Fewer values than these propose nothing.
FEWEST = 3
# Series whose values are read together.
_SERIES = 100


def tables_of(event: QualityEvent) -> list[QC1Table]:
    """Return the tables an event is about."""
    if event.parameter is not None:
        return [event.parameter.table]
    if event.table is not None:
        return [event.table]
    return list(event.instrument.qc1_tables.all())


@dataclass(frozen=True)
class Proposal:
    """A reference that the first good values after an event suggest for one rule's values."""

    series_id: int
    parameter: QC1Parameter
    setup: dict[str, str]
    detector: str
    former: ReferenceValue | None
    reference: Reference
    before: Reference | None
    """The same of as many values before the event: what has changed."""

    @property
    def shift(self) -> float | None:
        """How far the level has moved, in sigma of both; None where there is no scatter."""
        if self.before is None or not self.reference.sigma:
            return None
        scatter = max(self.reference.sigma, self.before.sigma or 0.0)
        return (self.reference.value - self.before.value) / scatter


def proposals(event: QualityEvent, n: int = FIRST_BLOCKS) -> list[Proposal]:
    """Propose references from the first `n` good values after an event: what moved most comes first.

    Good is what was neither hidden, rejected nor left out of statistics. Limits of before the event
    do not choose: after an intervention all of it may lie outside them. With fewer than three values
    there is no proposal.
    """
    ruled = ScoreRule.objects.open().values("parameter")
    parameters = QC1Parameter.objects.filter(table__in=tables_of(event), pk__in=ruled)
    if event.parameter_id is not None:
        parameters = parameters.filter(pk=event.parameter_id)
    series = list(
        Series.objects.filter(parameter__in=parameters)
        .select_related("parameter__table", "setup")
        .order_by("parameter__table__name", "parameter__order", "setup__text", "detector")
    )
    standing = _standing(parameters, event.mjd)
    values = _values_around(series, event.mjd, n)
    found = []
    for one in series:
        before, after = values.get(one.pk, ((), ()))
        reference = propose(after, event.mjd) if len(after) >= FEWEST else None
        if reference is not None:
            setup = dict(one.setup.values)
            former = _in_force(standing.get(one.parameter_id, []), setup, one.detector)
            found.append(
                Proposal(
                    one.pk, one.parameter, setup, one.detector, former, reference,
                    propose(before, event.mjd),
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: -abs(one.shift or 0.0))


Around = tuple[Sequence[float], Sequence[float]]


def _values_around(series: Sequence[Series], mjd: float, n: int) -> dict[int, Around]:
    """Return the last `n` good values of series before an instant and the first `n` from it on."""
    found: dict[int, Around] = {}
    for k in range(0, len(series), _SERIES):
        edges = _edges([one.pk for one in series[k : k + _SERIES]], mjd, n)
        if not edges:
            continue
        within = Q()
        for key, (first, last) in edges.items():
            within |= Q(series=key, mjd_obs__gte=first, mjd_obs__lte=last)
        sides: dict[int, tuple[list[float], list[float]]] = {}
        good = _good().filter(within).order_by("series_id", "mjd_obs", "row_id")
        for key, at, value in good.values_list("series_id", "mjd_obs", "value"):
            if value is not None:
                sides.setdefault(key, ([], []))[at >= mjd].append(value)
        found |= {key: (before[-n:], after[:n]) for key, (before, after) in sides.items()}
    return found


def _good() -> QuerySet[QC1Value]:
    return QC1Value.objects.filter(state=ValueState.CURRENT, value__isnull=False)


def _edges(keys: Sequence[int], mjd: float, n: int) -> dict[int, tuple[float, float]]:
    """Return between which instants the `n` good values on both sides lie, by series.

    Series that have too few after it are left out. Two looks into the index a series: the length of
    the history does not matter.
    """
    own = _good().filter(series=OuterRef("pk"))
    before = own.filter(mjd_obs__lt=mjd).order_by("-mjd_obs").values("mjd_obs")
    after = own.filter(mjd_obs__gte=mjd).order_by("mjd_obs").values("mjd_obs")
    rows = Series.objects.filter(pk__in=keys).annotate(
        first=Subquery(before[n - 1 : n]),
        enough=Subquery(after[FEWEST - 1 : FEWEST]),
        last=Subquery(after[n - 1 : n]),
    )
    return {
        key: (0.0 if first is None else first, 1e6 if last is None else last)
        for key, first, last in rows.filter(enough__isnull=False).values_list("pk", "first", "last")
    }


def _standing(parameters: Iterable[QC1Parameter], mjd: float) -> dict[int, list[ReferenceValue]]:
    """Return the references in force at an instant by parameter, the most specific last."""
    standing = ReferenceValue.objects.open().filter(
        Q(valid_until_mjd=None) | Q(valid_until_mjd__gt=mjd),
        parameter__in=parameters, valid_from_mjd__lte=mjd,
    )  # fmt: skip
    found: dict[int, list[ReferenceValue]] = {}
    for one in sorted(
        standing, key=lambda one: (bool(one.detector), len(one.setup), one.valid_from_mjd)
    ):
        found.setdefault(one.parameter_id, []).append(one)
    return found


def _in_force(
    standing: Sequence[ReferenceValue], setup: Mapping[str, str], detector: str
) -> ReferenceValue | None:
    fitting = [
        one for one in standing if one.detector in {"", detector} and fits_setup(one.setup, setup)
    ]
    return fitting[-1] if fitting else None
