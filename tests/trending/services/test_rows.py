"""Storing rows: the same twice changes nothing, a correction keeps what was before it."""

import pytest
from django.db import DatabaseError
from django.utils import timezone

from tests.trending.conftest import hours, row, rule
from trending.domain.setups import canonical, setup_text
from trending.models import Origin, QC1Parameter, QC1Row, QC1Value, Score, Setup, ValueState
from trending.services.batch import clean
from trending.services.rows import DuplicateRowError, Source, store_rows
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db


def value_of(name, **of_row):
    return QC1Value.objects.get(
        series__parameter__name=name,
        row__is_current=True,
        **{f"row__{k}": v for k, v in of_row.items()},
    )


def test_a_new_row_has_a_value_for_each_plain_column_and_a_night(store):
    stored = store(row(mjd=61101.4, lamp_on=True, note=" two  words "))
    made = QC1Row.objects.get()
    assert (stored.new, stored.replaced, stored.n_unchanged) == ([made.pk], [], 0)
    assert str(made.night) == "2026-03-01"
    assert made.setup.values == {"read_mode": "SLOW", "exptime": "0"}
    found = {v.series.parameter.name: (v.value, v.text) for v in made.values.all()}
    assert found == {
        "level": (100.0, ""), "ron": (3.0, ""), "lamp_on": (None, "T"), "note": (None, "two  words"),
    }  # fmt: skip


def test_the_same_row_again_changes_nothing(store):
    first = store(row())
    again = store(row())
    assert (again.changed, again.n_unchanged) == ([], 1)
    assert list(QC1Row.objects.values_list("pk", flat=True)) == first.new


def test_a_different_row_of_the_same_key_supersedes_it_with_its_scores(load, store):
    load(rule())
    first = store(row(level=100.0))
    score_rows(first.new, timezone.now())
    second = store(row(level=105.0), at=(at := timezone.now()))
    former = QC1Row.objects.get(pk=first.new[0])
    assert second.replaced == [QC1Row.objects.current().get().pk]
    assert (former.is_current, former.superseded_at) == (False, at)
    assert set(former.values.values_list("state", flat=True)) == {ValueState.SUPERSEDED}
    kept = Score.objects.get(row=former)
    assert (kept.is_current, kept.superseded_at, kept.value) == (False, at, 100.0)
    assert value_of("level").value == 105.0


@pytest.mark.parametrize(
    "other",
    [
        {"detector": "CHIP2"},
        {"pro_catg": "MASTER_DARK"},
        {"mjd": 61101.5 + 1e-9},
        {"read_mode": "FAST"},
        {"exptime": 1.0},
    ],
    ids=[
        "detector",
        "product category",
        "a tenth of a millisecond",
        "text filter",
        "number filter",
    ],
)
def test_what_differs_in_the_key_is_another_row(store, other):
    store(row())
    assert len(store(row(**other)).new) == 1
    assert QC1Row.objects.current().count() == 2


def test_a_date_keeps_all_its_digits(store):
    mjd = 57080.449065468755
    store(row(mjd=mjd))
    assert QC1Row.objects.get().mjd_obs == mjd
    assert set(QC1Value.objects.values_list("mjd_obs", flat=True)) == {mjd}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "no value"),
        ("", "no value"),
        (float("nan"), "NaN"),
        ("NaN", "NaN"),
        (float("inf"), "infinite"),
        ("-Infinity", "infinite"),
        ("1e999", "infinite"),
        (-1, "sentinel -1"),
        ("-1.0", "sentinel -1"),
        (-999, "sentinel -999"),
        ("-999.0", "sentinel -999"),
        ("broken", "not a number: broken"),
        ("1_000", "not a number: 1_000"),
        ("\u0661", "not a number: \u0661"),
        ("x" * 300, "not a number: " + "x" * 50),
    ],
)
def test_what_is_no_number_is_missing_and_says_why(store, given, reason):
    store(row(level=given))
    stored = value_of("level")
    assert (stored.value, stored.text, stored.missing_reason) == (None, "", reason)


@pytest.mark.parametrize("given", ["1e3", " 1000 ", 1000, "1000.", 1000.0])
def test_a_number_may_be_written_in_many_ways(store, given):
    store(row(level=given))
    assert value_of("level").value == 1000.0


@pytest.mark.parametrize(
    ("given", "text", "reason"),
    [
        (True, "T", ""), ("T", "T", ""), ("true", "T", ""), ("1", "T", ""), (1, "T", ""),
        (False, "F", ""), ("F", "F", ""), ("FALSE", "F", ""), ("0", "F", ""), (0, "F", ""),
        ("maybe", "", "neither yes nor no: maybe"), (2, "", "neither yes nor no: 2"),
        (None, "", "no value"),
    ],
)  # fmt: skip
def test_a_flag_is_yes_or_no_or_missing(store, given, text, reason):
    store(row(lamp_on=given))
    stored = value_of("lamp_on")
    assert (stored.text, stored.missing_reason) == (text, reason)


@pytest.mark.parametrize("given", ["1.10", "007", "NaN", "1_1"])
def test_a_text_is_kept_as_it_was_written(store, given):
    store(row(note=given))
    assert value_of("note").text == given


@pytest.mark.parametrize(
    ("one", "other"),
    [(600, 600.0), (600, "600.0"), ("600", " 600 "), (1e-3, "0.001"), (True, "T"), (-0.0, 0)],
)
def test_a_filter_value_is_the_same_however_it_is_written(store, one, other):
    store(row(exptime=one))
    assert store(row(exptime=other)).n_unchanged == 1
    assert Setup.objects.count() == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1_1", "11"),
        ("INF", "inf"),
        ("a|b", "a%7Cb"),
        ("1x1", "1x2"),
        (None, "0"),
        ("x" * 300, "x" * 301),
    ],
)
def test_different_filter_values_are_different_setups(store, one, other):
    store(row(read_mode=one), row(read_mode=other))
    assert Setup.objects.count() == 2
    assert max(len(text) for text in Setup.objects.values_list("text", flat=True)) <= 255


def test_a_bar_in_a_filter_value_does_not_mix_two_setups(store):
    assert setup_text(["a|b", "c"]) != setup_text(["a", "b|c"])
    store(row(read_mode="a|0", exptime=1), row(read_mode="a", exptime="0|1"))
    assert Setup.objects.count() == 2


def test_two_rows_of_the_same_key_in_one_call_are_refused_and_nothing_is_written(store):
    before = store(row(mjd=61000.5)).new
    with pytest.raises(DuplicateRowError) as error:
        store(row(), row(detector="CHIP2"), row(level=7.0))
    assert (error.value.first, error.value.second) == (0, 2)
    assert list(QC1Row.objects.values_list("pk", flat=True)) == before


def test_a_bad_row_among_thousands_leaves_nothing_behind(store):
    rows = [row(mjd=60000 + n) for n in range(1200)]
    with pytest.raises((DatabaseError, OverflowError)):
        store(*rows, row(mjd=1e6))
    assert not QC1Row.objects.exists()
    assert not QC1Value.objects.exists()


def test_many_rows_are_stored_in_few_statements(store, django_assert_max_num_queries):
    rows = [row(mjd=60000 + n) for n in range(1500)]
    with django_assert_max_num_queries(70):
        stored = store(*rows)
    assert len(stored.new) == 1500
    assert QC1Value.objects.count() == 6000


def test_a_column_that_is_no_longer_defined_gets_no_values(table, store):
    QC1Parameter.objects.filter(name="ron").update(is_active=False)
    store(row())
    assert not QC1Value.objects.filter(series__parameter__name="ron").exists()


def test_a_row_remembers_where_it_comes_from(table):
    source = Source(Origin.IMPORT, is_simulated=True)
    store_rows(table, [row()], source, hours(0))
    made = QC1Row.objects.get()
    assert (made.origin, made.is_simulated, made.attempt) == ("import", True, None)


def test_a_value_that_goes_missing_is_a_change(store):
    store(row(note="x"))
    assert len(store(row(note="")).replaced) == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [(None, ""), (True, "T"), (False, "F"), (1e20, "1e+20"), (0.1, "0.1"), ("  x ", "x")],
)
def test_canonical_texts(given, text):
    assert canonical(given) == text


def test_a_number_column_takes_a_yes_as_one(table):
    level = QC1Parameter.objects.get(name="level")
    assert clean(level, value=True).value == 1.0
