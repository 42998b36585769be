"""Stores QC1 rows: one code path for the pipeline, for imports and later for the API.

The same row twice changes nothing; a different one for the same key becomes current and the former
one stays, superseded. All rows of a call are written, or none.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import transaction

from pipelines.domain.times import night_of
from pipelines.models import Attempt
from trending.domain.setups import canonical, setup_text
from trending.models import (
    ColumnRole,
    Origin,
    QC1Import,
    QC1Parameter,
    QC1Row,
    QC1Table,
    QC1Value,
    Score,
    Series,
    Setup,
    ValueState,
)

from .batch import Batch, CleanColumn, NewRow, clean_column
from .bulk import Values, insert, insert_values, next_ids
from .clock import take_tables

CHUNK = 500
# Rows that are written together: their numbers lie in memory at once.
PART = 20_000


@dataclass
class Stored:
    """What became of the rows, and the time they were given."""

    at: dt.datetime
    new: list[int] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    """Of each row, in the order given: new, replaced or unchanged."""

    @property
    def n_unchanged(self) -> int:
        return self.outcomes.count("unchanged")

    @property
    def changed(self) -> list[int]:
        return self.new + self.replaced


@dataclass(frozen=True)
class Source:
    """Where rows come from."""

    origin: Origin
    is_simulated: bool
    attempt: Attempt | None = None
    came_with: QC1Import | None = None


class PipelineRowError(ValueError):
    """An import brings another value for what the pipeline has measured; `place` is its row's."""

    def __init__(self, key: "Key", place: int) -> None:
        _, detector, mjd, catg = key
        super().__init__(
            f"{catg or 'no category'} {detector} at MJD {mjd} was measured by "
            "the pipeline, and an import does not replace that"
        )
        self.place = place


class DuplicateRowError(ValueError):
    """Two rows of a call have the same key; `first` and `second` are their places in it."""

    def __init__(self, key: "Key", first: int, second: int) -> None:
        _, detector, mjd, catg = key
        super().__init__(
            f"two rows of {catg or 'no category'} {detector} at MJD {mjd} have the same setup"
        )
        self.first, self.second = first, second


def store_rows(
    table: QC1Table,
    rows: Sequence[NewRow] | Batch,
    source: Source,
    at: dt.datetime,
    note: Callable[[int], None] = lambda n_done: None,
    *,
    is_taken: bool = False,
) -> Stored:
    """Write rows of one table in one transaction; they are dated after what the table has.

    Parameters
    ----------
    is_taken
        The table was taken in this transaction already, and ``at`` is the time from there.
    note
        Is called with the number of rows that are done, now and then.

    Raises
    ------
    DuplicateRowError
        Two of the rows have the same key: which one is right, nobody can tell.
    PipelineRowError
        An import would take the place of a row that a pipeline made.
    """
    batch = rows if isinstance(rows, Batch) else Batch.of(rows)
    # A run's rows are written in a step that stands or falls as a whole: no savepoint within it.
    with transaction.atomic(savepoint=source.attempt is None):
        # Two writers of one table wait for each other here: both would find the key free.
        stored = Stored(at if is_taken else take_tables([table], at))
        writer = _Writer(table, source, stored.at)
        for first in range(0, len(batch), PART):
            writer.write(batch.part(first, first + PART), stored)
            note(min(first + PART, len(batch)))
    return stored


Key = tuple[int, str, float, str]
# Of a current row: its key, the digest of its values, the run that made it.
Standing = tuple[int, str, int | None]
_ROW_COLUMNS = (
    "id", "table_id", "setup_id", "detector", "mjd_obs", "pro_catg", "night", "is_current", "state",
    "origin", "is_simulated", "attempt_id", "product_id", "product_name", "pipeline_version",
    "came_with_id", "content_digest", "recorded_at",
)  # fmt: skip


class _Writer:
    """Writes parts of the rows of one table; remembers its setups and series."""

    def __init__(self, table: QC1Table, source: Source, at: dt.datetime) -> None:
        self.table, self.source, self.at = table, source, at
        self.hour = table.instrument.night_rollover_hour
        parameters = table.active_parameters
        self.filters = [one for one in parameters if one.role == ColumnRole.FILTER]
        self.plain = [one for one in parameters if one.role != ColumnRole.FILTER]
        self.setups = Setups(table, self.filters, self.plain)
        self.places: dict[Key, int] = {}

    def write(self, batch: Batch, stored: Stored) -> None:
        keys = list(
            zip(self.setups.ids(batch), batch.detector, batch.mjd_obs, batch.pro_catg, strict=True)
        )
        self._check_once(keys)
        columns = [clean_column(one, batch.columns.get(one.name), len(batch)) for one in self.plain]
        digests = _digests([one.name for one in self.plain], columns, len(batch))
        standing = self._standing(batch.mjd_obs)
        superseded, fresh = [], []
        for place, key in enumerate(keys):
            before = standing.get(key)
            if before is not None and self.source.attempt is None:
                if before[1] == digests[place]:
                    stored.outcomes.append("unchanged")
                    continue
                if before[2] is not None:
                    raise PipelineRowError(key, self.places[key])
            if before is not None:
                superseded.append(before[0])
            fresh.append(place)
            stored.outcomes.append("new" if before is None else "replaced")
        supersede(superseded, self.at)
        if not fresh:
            return
        row_ids = next_ids(QC1Row, len(fresh))
        insert(QC1Row, _ROW_COLUMNS, self._rows(batch, keys, digests, fresh, row_ids))
        # A list: series are looked up in it, and a connection that copies answers nothing else.
        insert_values(list(self._values(batch, keys, columns, fresh, row_ids)))
        for place, row_id in zip(fresh, row_ids, strict=True):
            (stored.replaced if keys[place] in standing else stored.new).append(row_id)

    def _check_once(self, keys: Sequence[Key]) -> None:
        for key in keys:
            place = len(self.places)
            first = self.places.setdefault(key, place)
            if first != place:
                raise DuplicateRowError(key, first, place)

    def _standing(self, mjds: Sequence[float]) -> dict[Key, Standing]:
        """Return the current rows of these instants."""
        found: dict[Key, Standing] = {}
        unique = sorted(set(mjds))
        for n in range(0, len(unique), CHUNK):
            rows = QC1Row.objects.filter(
                table=self.table, is_current=True, mjd_obs__in=unique[n : n + CHUNK]
            ).values_list(
                "setup_id", "detector", "mjd_obs", "pro_catg", "pk", "content_digest", "attempt_id"
            )
            found |= {one[:4]: one[4:] for one in rows}
        return found

    def _rows(
        self,
        batch: Batch,
        keys: Sequence[Key],
        digests: Sequence[str],
        fresh: Sequence[int],
        row_ids: Sequence[int],
    ) -> Iterator[tuple[object, ...]]:
        source = self.source
        attempt = source.attempt.pk if source.attempt else None
        came_with = source.came_with.pk if source.came_with else None
        for place, row_id in zip(fresh, row_ids, strict=True):
            setup, detector, mjd, catg = keys[place]
            yield (
                row_id, self.table.pk, setup, detector, mjd, catg, night_of(mjd, self.hour),
                True, int(ValueState.CURRENT), str(source.origin), source.is_simulated,
                attempt, batch.product_id[place], batch.product_name[place][:255],
                batch.pipeline_version[place][:64], came_with, digests[place], self.at,
            )  # fmt: skip

    def _values(
        self,
        batch: Batch,
        keys: Sequence[Key],
        columns: Sequence[CleanColumn],
        fresh: Sequence[int],
        row_ids: Sequence[int],
    ) -> Iterator[Values]:
        """Yield the values, parameter by parameter: those of a series lie together."""
        places = np.array(fresh)
        new_place = {place: n for n, place in enumerate(fresh)}
        rows = np.array(row_ids, dtype=np.int64)
        mjds = np.array(batch.mjd_obs, dtype=float)[places]
        kinds = [(setup, detector) for setup, detector, _, _ in (keys[place] for place in fresh)]
        for parameter, column in zip(self.plain, columns, strict=True):
            series = {kind: self.setups.series(parameter, *kind) for kind in dict.fromkeys(kinds)}
            words = {
                new_place[place]: word for place, word in column.words.items() if place in new_place
            }
            ids = np.array([series[kind] for kind in kinds], dtype=np.int64)
            yield Values(ids, rows, mjds, column.numbers[places], words)


class Setups:
    """The setups and series of a table, made where they are missing."""

    def __init__(
        self, table: QC1Table, filters: Sequence[QC1Parameter], plain: Sequence[QC1Parameter]
    ) -> None:
        self.table, self.filters, self.plain = table, filters, plain
        self._ids = {text: pk for pk, text in table.setups.values_list("pk", "text")}
        self._series: dict[tuple[int, int, str], int] = {}
        self._read: set[tuple[int, str]] = set()

    def ids(self, batch: Batch) -> list[int]:
        """Return the setup of each row."""
        columns = [batch.columns.get(one.name, [None] * len(batch)) for one in self.filters]
        if not columns:
            return [self._id(())] * len(batch)
        known: dict[tuple[tuple[type, object], ...], int] = {}
        found = []
        for cells in zip(*columns, strict=True):
            # 1 and True are one key to a dictionary, and two values of a filter.
            key = tuple((type(cell), cell) for cell in cells)
            if key not in known:
                known[key] = self._id(tuple(canonical(cell) for cell in cells))
            found.append(known[key])
        return found

    def _id(self, values: tuple[str, ...]) -> int:
        text = setup_text(values)
        if text not in self._ids:
            names = [one.name for one in self.filters]
            setup, _ = Setup.objects.get_or_create(
                table=self.table, text=text,
                defaults={"values": dict(zip(names, values, strict=True))},
            )  # fmt: skip
            self._ids[text] = setup.pk
        return self._ids[text]

    def series(self, parameter: QC1Parameter, setup_id: int, detector: str) -> int:
        """Return the key of a series; those of one setup and detector are made together."""
        if (setup_id, detector) not in self._read:
            self._read_series(setup_id, detector)
        return self._series[parameter.pk, setup_id, detector]

    def _read_series(self, setup_id: int, detector: str) -> None:
        self._read.add((setup_id, detector))
        of_them = Series.objects.filter(setup=setup_id, detector=detector)
        found = dict(of_them.values_list("parameter_id", "pk"))
        missing = [one for one in self.plain if one.pk not in found]
        if missing:
            Series.objects.bulk_create(
                [Series(parameter=one, setup_id=setup_id, detector=detector) for one in missing],
                ignore_conflicts=True,
            )
            found = dict(of_them.values_list("parameter_id", "pk"))
        for parameter, pk in found.items():
            self._series[parameter, setup_id, detector] = pk


def _digests(names: Sequence[str], columns: Sequence[CleanColumn], n: int) -> list[str]:
    """Return a digest of the values of each row, by which the same row is known again."""
    start = hashlib.sha256(json.dumps(list(names)).encode())
    numbers = np.column_stack([one.numbers for one in columns]) if columns else np.empty((n, 0))
    words: dict[int, list[tuple[int, str]]] = {}
    for number, column in enumerate(columns):
        for place, (text, _) in column.words.items():
            if text:
                words.setdefault(place, []).append((number, text))
    digests = []
    for place, line in enumerate(np.ascontiguousarray(numbers, dtype="<f8")):
        digest = start.copy()
        digest.update(line.tobytes())
        if place in words:
            digest.update(json.dumps(words[place]).encode())
        digests.append(digest.hexdigest())
    return digests


def supersede(row_ids: Sequence[int], at: dt.datetime) -> None:
    """Take rows out of what is current, with their values and scores; they stay as history."""
    if not row_ids:
        return
    QC1Row.objects.filter(pk__in=row_ids).update(is_current=False, superseded_at=at)
    QC1Value.objects.filter(row__in=row_ids).update(state=ValueState.SUPERSEDED)
    Score.objects.filter(row__in=row_ids, is_current=True).update(
        is_current=False, superseded_at=at
    )
