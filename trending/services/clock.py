"""The time of facts: what is written to a table gets a later time than all that is there.

Whoever scores reads what is committed. Clocks of several hosts differ, and a transaction that began
first may end last; with such times the past could not be asked. So a writer takes its table and is
given a time after the table's newest fact.
"""

import datetime as dt
from collections.abc import Iterable

from trending.models import QC1Table

_TICK = dt.timedelta(microseconds=1)


def take_tables(tables: Iterable[QC1Table | int], at: dt.datetime) -> dt.datetime:
    """Take tables until the transaction ends, and return the time of what is written to them.

    It is ``at``, or just after the newest fact of the tables if that is later. Must be called in a
    transaction; writers of one table wait for each other here.
    """
    wanted = {one if isinstance(one, int) else one.pk for one in tables}
    # In one order: two writers of the same tables never wait for each other crosswise.
    found = QC1Table.objects.filter(pk__in=wanted).order_by("pk")
    newest = found.select_for_update().values_list("facts_at", flat=True)
    later = [one + _TICK for one in newest if one is not None]
    at = max([at, *later])
    QC1Table.objects.filter(pk__in=wanted).update(facts_at=at)
    return at
