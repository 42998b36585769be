"""Rows of a table read as columns: what they hold, what is left out, how they are asked for."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.trending.conftest import row, rule
from trending.models import QC1Row, QC1Value, ValueState
from trending.services import row_batches
from trending.services.row_batches import read_batches, records
from trending.services.row_columns import RowColumns, parameters_of
from trending.services.row_selection import Condition, Place, Selection
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db
DAY = 61101.5


def columns(table, *names):
    its = RowColumns.of(parameters_of(table))
    return [its.known[name] for name in names] or its.default


def read(selection, *names, **more):
    wanted = columns(selection.table, *names)
    return list(
        records(
            read_batches(
                selection.table,
                wanted,
                selection.ids(),
                states=selection.states,
                is_dense=selection.is_dense,
                **more,
            )
        )
    )


def where(table, name, compare, *values):
    return Condition(columns(table, name)[0], compare, values)


def test_a_row_has_all_columns_in_the_tables_order(table, store):
    store(row(mjd=57080.449065468755, note="x", lamp_on=True, ron=None, read_mode="a|b"))
    [record] = read(Selection(table))
    assert record == {
        "mjd_obs": 57080.449065468755,
        "date_obs": "2015-02-27T10:46:39.256",
        "night": "2015-02-26",
        "detector": "CHIP1",
        "pro_catg": "MASTER_BIAS",
        "read_mode": "a|b",
        "exptime": 0.0,
        "level": 100.0,
        "ron": None,
        "lamp_on": True,
        "note": "x",
        "product": None,
        "pipeline": None,
        "origin": "import",
        "simulated": False,
    }
    assert list(record)[5:11] == ["read_mode", "exptime", "level", "ron", "lamp_on", "note"]


def test_a_parameter_that_was_never_measured_has_no_values(load, table, store):
    store(row())
    QC1Value.objects.filter(series__parameter__name="ron").delete()
    table.parameters.get(name="ron").series.all().delete()
    assert read(Selection(table), "level", "ron") == [{"level": 100.0, "ron": None}]


def test_rows_that_do_not_count_are_left_out_unless_asked_for(table, store):
    stored = store(*(row(mjd=DAY + n) for n in range(4)))
    store(row(mjd=DAY, level=1.0))
    for pk, gone in zip(stored.new[1:], (ValueState.HIDDEN, ValueState.REJECTED), strict=False):
        QC1Row.objects.filter(pk=pk).update(state=gone)
        QC1Value.objects.filter(row=pk).update(state=gone)
    assert [one["mjd_obs"] for one in read(Selection(table))] == [DAY, DAY + 3]
    hidden = Selection(table, include=frozenset({ValueState.HIDDEN}))
    assert [
        (one["mjd_obs"], one["state"], one["level"])
        for one in read(hidden, "mjd_obs", "state", "level")
    ] == [
        (DAY, "current", 1.0),
        (DAY + 1, "hidden", 100.0),
        (DAY + 3, "current", 100.0),
    ]
    former = Selection(table, include=frozenset({ValueState.SUPERSEDED}))
    found = [
        (one["mjd_obs"], one["state"], one["level"])
        for one in read(former, "mjd_obs", "state", "level")
    ]
    assert found == [(DAY, "superseded", 100.0), (DAY, "current", 1.0), (DAY + 3, "current", 100.0)]


def test_a_single_value_that_is_hidden_is_missing(table, store):
    store(row())
    QC1Value.objects.filter(series__parameter__name="ron").update(state=ValueState.HIDDEN)
    QC1Value.objects.filter(series__parameter__name="level").update(state=ValueState.EXCLUDED)
    assert read(Selection(table), "level", "ron") == [{"level": 100.0, "ron": None}]
    shown = Selection(table, include=frozenset({ValueState.HIDDEN}))
    assert read(shown, "ron") == [{"ron": 3.0}]


def test_scores_stand_beside_their_values(load, store):
    load(rule("VAL 90,110"))
    stored = store(row(mjd=DAY), row(mjd=DAY + 1, level=200.0), row(mjd=DAY + 2, level=None))
    score_rows(stored.new, stored.at, are_new=True)
    table = QC1Row.objects.first().table
    found = read(Selection(table), "level_score", "ron_score")
    assert [one["level_score"] for one in found] == [0, 1, None]
    assert [one["ron_score"] for one in found] == [None, None, None]
    for score, days in (("OK", [DAY]), ("NOK", [DAY + 1]), ("grey", [DAY + 2])):
        assert [one["mjd_obs"] for one in read(Selection(table, score=score))] == days


@pytest.mark.parametrize(
    ("name", "compare", "values", "expected"),
    [
        ("level", "in", [2.0, 5.0], [2, 5]),
        ("level", "gt", [4.0], [5, 6]),
        ("level", "gte", [4.0], [4, 5, 6]),
        ("level", "lt", [2.0], [0, 1]),
        ("level", "lte", [2.0], [0, 1, 2]),
        ("level", "missing", [True], [7]),
        ("level", "missing", [False], [0, 1, 2, 3, 4, 5, 6]),
        ("detector", "in", ["CHIP1"], [0, 2, 4, 6]),
        ("detector", "in", ["CHIP1", "CHIP2"], [0, 1, 2, 3, 4, 5, 6, 7]),
        ("detector", "in", ["x"], []),
        ("read_mode", "in", ["FAST"], [3, 4, 5]),
        ("exptime", "in", [7.0], [6]),
        ("exptime", "gt", [0.0], [6, 7]),
        ("lamp_on", "in", ["T"], [1]),
        ("note", "in", ["x"], [2]),
        ("note", "missing", [True], [0, 1, 3, 4, 5, 6, 7]),
        ("mjd_obs", "gte", [DAY + 6], [6, 7]),
        ("origin", "in", ["pipeline"], []),
        ("level_score", "in", [None], [0, 1, 2, 3, 4, 5, 6, 7]),
        ("level_score", "in", [1], []),
    ],
)
def test_each_condition_finds_its_rows(table, store, name, compare, values, expected):
    store(
        *(
            row(
                mjd=DAY + n,
                detector=f"CHIP{1 + n % 2}",
                level=float(n) if n < 7 else None,
                read_mode="FAST" if n in {3, 4, 5} else "SLOW",
                exptime={6: 7.0, 7: 8.0}.get(n, 0.0),
                lamp_on=n == 1,
                note="x" if n == 2 else None,
            )
            for n in range(8)
        )
    )
    found = read(Selection(table, conditions=[where(table, name, compare, *values)]))
    assert [one["mjd_obs"] - DAY for one in found] == expected


@pytest.mark.parametrize(
    "name", ["mjd_obs", "row", "night", "detector", "recorded_at", "level", "ron"]
)
@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_any_order_join_without_gap_or_double(table, store, name, is_descending, limit):
    values = [3.0, 1.0, None, 2.0, 1.0, None, 5.0]
    store(*(row(mjd=DAY + n, level=value, detector=f"C{n % 3}") for n, value in enumerate(values)))
    asked = Selection(table, order_by=columns(table, name)[0], is_descending=is_descending)
    seen, after = [], None
    while True:
        ids, after = asked.page(after, limit)
        seen += ids
        if after is None:
            break
    assert seen == asked.ids().tolist()
    assert sorted(seen) == sorted(QC1Row.objects.values_list("pk", flat=True))
    if name == "level":
        levels = [one["level"] for one in read(asked, "level")]
        there = [one for one in levels if one is not None]
        assert there == sorted(there, reverse=is_descending)
        assert levels[-2:] == [None, None]


def test_a_reader_goes_on_behind_the_last_row_while_rows_arrive(table, store):
    store(*(row(mjd=DAY, detector=f"CHIP{n}") for n in range(4)))
    first, after = Selection(table).page(None, 2)
    store(row(mjd=DAY - 1), row(mjd=DAY + 1))
    rest, end = Selection(table).page(after, 10)
    assert end is None
    detectors = dict(QC1Row.objects.values_list("pk", "detector"))
    assert [detectors[pk] for pk in first + rest] == ["CHIP0", "CHIP1", "CHIP2", "CHIP3", "CHIP1"]


def test_the_place_of_a_page_need_not_be_a_row_any_more(table, store):
    store(*(row(mjd=DAY + n) for n in range(3)))
    ids, after = Selection(table).page(None, 1)
    assert after == Place(DAY, ids[0])
    QC1Row.objects.filter(pk=ids[0]).update(state=ValueState.HIDDEN)
    rest, _ = Selection(table).page(after, 10)
    assert len(rest) == 2


def queries(selection):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        read(selection)
    return len(captured)


def test_the_number_of_queries_grows_with_batches_only(table, store, monkeypatch):
    monkeypatch.setattr(row_batches, "BATCH", 100)
    store(row(mjd=50000.0))
    one = queries(Selection(table))
    store(*(row(mjd=50001.0 + n, detector=f"C{n % 5}") for n in range(99)))
    assert queries(Selection(table)) == one
    store(row(mjd=60000.0))
    # Of each further batch: its rows, its numbers, its texts.
    assert queries(Selection(table)) <= one + 3


def test_batches_of_any_size_and_both_ways_to_values_give_the_same(table, store, monkeypatch):
    generator = np.random.default_rng(5)
    store(
        *(
            row(
                mjd=DAY + n // 3,
                detector=f"C{n % 3}",
                level=float(generator.normal()),
                read_mode=f"M{n % 4}",
                note=f"n{n}" if n % 7 else None,
            )
            for n in range(60)
        )
    )
    expected = read(Selection(table))
    for size in (1, 7, 59, 60, 61):
        monkeypatch.setattr(row_batches, "BATCH", size)
        assert read(Selection(table)) == expected
    ids = Selection(table).ids()
    shuffled = generator.permutation(ids)
    wanted = columns(table)
    scattered = list(records(read_batches(table, wanted, shuffled, is_dense=False)))
    by_id = dict(zip(ids.tolist(), expected, strict=True))
    assert scattered == [by_id[one] for one in shuffled.tolist()]


def test_a_row_that_has_gone_meanwhile_ends_the_answer_and_is_not_passed_over(table, store):
    stored = store(row(mjd=DAY), row(mjd=DAY + 1))
    with pytest.raises(LookupError, match="no longer there"):
        list(read_batches(table, columns(table, "level"), [*stored.new, 10**9]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["A", "B", ""]),
            st.sampled_from(["x", "y|z", "é"]),
            st.none() | st.floats(-1e300, 1e300).filter(lambda one: one not in (-1.0, -999.0)),
            st.none()
            | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=9),
        ),
        unique_by=lambda one: one[:3],
        max_size=12,
    )
)
def test_what_was_stored_is_read(table, store, given_rows):
    QC1Value.objects.all().delete()
    QC1Row.objects.all().delete()
    store(
        *(
            row(mjd=DAY + n, detector=detector, read_mode=mode, level=level, note=note)
            for n, detector, mode, level, note in given_rows
        )
    )
    found = {
        (one["mjd_obs"] - DAY, one["detector"] or "", one["read_mode"]): (one["level"], one["note"])
        for one in read(Selection(table))
    }
    assert len(found) == len(given_rows)
    for n, detector, mode, level, note in given_rows:
        assert found[n, detector, mode] == (level, (note or "").strip() or None)


def test_a_row_that_is_replaced_meanwhile_is_given_as_it_was(table, store, monkeypatch):
    monkeypatch.setattr(row_batches, "BATCH", 1)
    store(row(mjd=DAY), row(mjd=DAY + 1, level=7.0))
    asked = Selection(table)
    batches = read_batches(table, columns(table, "level"), asked.ids(), states=asked.states)
    next(batches)
    store(row(mjd=DAY + 1, level=8.0))
    assert next(batches).to_pylist() == [{"level": 7.0}]


def test_nights_apart_are_not_read_with_all_between_them(table, store):
    nights = [
        where(table, "night", "in", *days)
        for days in (["2026-03-01"], ["2026-03-01", "2026-04-01"])
    ]
    assert [Selection(table, conditions=[one]).is_dense for one in nights] == [True, False]
    since = where(table, "night", "gte", "2026-03-01")
    assert Selection(table, conditions=[since]).is_dense
