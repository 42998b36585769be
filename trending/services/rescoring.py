"""Scores again what came after an event or a reference: by a worker, lot by lot, to be taken up again.

What is left stands in the database (`Rescoring`). A lot is one transaction, and moves that on: a
worker that is killed loses its lot alone, and two at the same table do each lot once.
"""

import datetime as dt
import math
import time
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from trending.models import QC1Table, Rescoring

from .clock import take_tables
from .corrections import score_again

# Rows that are scored again in one transaction.
LOT = 200
# A worker that has not ended a lot for so long is taken to be gone.
LEASE = dt.timedelta(seconds=60)


def ask_rescoring(tables: Iterable[QC1Table], mjd: float, at: dt.datetime) -> None:
    """Remember that the rows of tables from an instant on are to be scored again.

    Must be called in the transaction that has taken the tables (`clock.take_tables`) and writes what
    makes it necessary.
    """
    for table in tables:
        known = Rescoring.objects.filter(table=table).first()
        if known is None:
            Rescoring.objects.create(table=table, mjd_from=mjd, asked_at=at)
        elif mjd <= known.mjd_from:
            # What is left begins earlier now; later instants are left anyway.
            Rescoring.objects.filter(pk=known.pk).update(mjd_from=mjd, after_row=0)


def rows_left(tables: Iterable[QC1Table] | None = None) -> int:
    """Return how many rows of tables, or of all, are still to be scored again."""
    wanted = Rescoring.objects.all()
    if tables is not None:
        wanted = wanted.filter(table__in=[one.pk for one in tables])
    return sum(one.rows().count() for one in wanted)


def rescore_due(at: dt.datetime, budget_s: float = math.inf) -> int:
    """Score again what is to be scored again, for so many seconds; return how many rows were.

    A table that another worker is at is left to it.
    """
    begun = time.monotonic()
    n_done = 0
    for table in QC1Table.objects.filter(rescoring__isnull=False).order_by("rescoring__asked_at"):
        passed = time.monotonic() - begun
        if passed < budget_s and _take(table, at + dt.timedelta(seconds=passed)):
            n_done += _score_table(table, at, begun, budget_s)
    return n_done


def _take(table: QC1Table, at: dt.datetime) -> bool:
    is_free = Q(busy_until=None) | Q(busy_until__lte=at)
    free = Rescoring.objects.filter(is_free, table=table)
    return bool(free.update(busy_until=at + LEASE))


def _score_table(table: QC1Table, at: dt.datetime, begun: float, budget_s: float) -> int:
    # An error leaves the table taken: others have their turn before this one's next.
    n_done, is_left = 0, True
    while is_left and (passed := time.monotonic() - begun) < budget_s:
        n, is_left = _score_lot(table, at + dt.timedelta(seconds=passed))
        n_done += n
    Rescoring.objects.filter(table=table).update(busy_until=None)
    return n_done


def _score_lot(table: QC1Table, at: dt.datetime) -> tuple[int, bool]:
    """Score the next rows of a table again; return how many, and whether any are left."""
    with transaction.atomic():
        # The table first, as whoever asks does: what is left is read when nobody changes it.
        facts_at = take_tables([table], at)
        left = Rescoring.objects.filter(table=table).first()
        if left is None:
            return 0, False
        lot = list(left.rows().values_list("mjd_obs", "pk")[:LOT])
        score_again([pk for _, pk in lot], facts_at)
        if len(lot) < LOT:
            left.delete()
            return len(lot), False
        mjd, row = lot[-1]
        Rescoring.objects.filter(pk=left.pk).update(
            mjd_from=mjd, after_row=row, busy_until=at + LEASE
        )
    return len(lot), True
