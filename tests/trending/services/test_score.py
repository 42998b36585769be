"""Scores: which rule judges, what it looks back on, and what is kept as evidence."""

import pytest
from django.utils import timezone

from tests.trending.conftest import TABLES, hours, row, rule
from trending.models import QC1Row, QC1Value, Score, ScoreRule, ValueState
from trending.services.score import score_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge(store):
    """Store rows and score them; returns the scores in order of time."""

    def act(*rows, at=None):
        stored = store(*rows)
        score_rows(stored.changed, at or timezone.now())
        return list(Score.objects.filter(row__in=stored.changed).order_by("row__mjd_obs", "pk"))

    return act


SLOW = 'setup = { read_mode = "SLOW" }'
SLOW_BIAS = 'setup = { read_mode = "SLOW", exptime = 0.0 }'


@pytest.mark.parametrize(
    ("rules", "result"),
    [
        ([rule("VAL 0,1")], 1),
        ([rule("VAL 0,1"), rule("VAL 90,110", more=SLOW)], 0),
        ([rule("VAL 0,1", more=SLOW), rule("VAL 90,110", more=SLOW_BIAS)], 0),
        ([rule("VAL 0,1", more=SLOW_BIAS), rule("VAL 90,110", more='detector = "CHIP1"')], 0),
        ([rule("VAL 0,1", more='detector = "CHIP1"'),
          rule("VAL 90,110", more=f'{SLOW}\ndetector = "CHIP1"')], 0),
        ([rule("VAL 0,1"), rule("VAL 90,110", more='setup = { exptime = "0" }')], 0),
        ([rule("VAL 0,1"), rule("VAL 90,110", more='setup = { read_mode = "FAST" }')], 1),
        ([rule("VAL 0,1"), rule("VAL 90,110", more='detector = "CHIP2"')], 1),
    ],
    ids=["any", "one filter", "two filters", "detector before filters", "detector and filter",
         "number filter", "other setup", "other detector"],
)  # fmt: skip
def test_the_most_specific_rule_judges(load, judge, rules, result):
    for order in (rules, rules[::-1]):
        load("".join(order))
        [score] = judge(row(mjd=61000 + len(Score.objects.all())))
        assert score.result == result


def test_of_two_equally_specific_rules_always_the_same_one_judges(load, judge):
    one, other = rule("VAL 0,1", more=SLOW), rule("VAL 90,110", more="setup = { exptime = 0 }")
    found = set()
    for n, order in enumerate([one + other, other + one]):
        load(order)
        [score] = judge(row(mjd=61000 + n))
        found.add(score.rule.key)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("mjd", "result", "reason"),
    [
        (58848.99, None, "no_rule"),
        (58849.0, 0, ""),  # 2020-01-01
        (59214.99, 0, ""),
        (59215.0, None, "no_rule"),  # 2021-01-01
    ],
    ids=["before", "first instant", "last", "after"],
)
def test_a_rule_judges_data_of_its_validity(load, judge, mjd, result, reason):
    load(rule(more="valid_from = 2020-01-01\nvalid_until = 2021-01-01"))
    [score] = judge(row(mjd=mjd))
    assert (score.result, score.grey_reason) == (result, reason)


def test_outside_the_special_rules_validity_the_general_one_judges(load, judge):
    load(rule("VAL 0,1") + rule("VAL 90,110", more=f"{SLOW}\nvalid_from = 2020-01-01"))
    assert [one.result for one in judge(row(mjd=58000), row(mjd=60000))] == [1, 0]


def test_a_score_keeps_the_version_it_was_judged_by(load, judge):
    load(rule("VAL 90,110"))
    [old] = judge(row(mjd=61000))
    load(rule("VAL 0,1"))
    [new] = judge(row(mjd=61001))
    old.refresh_from_db()
    assert (old.rule.version, old.lower, old.upper, old.result) == (1, 90.0, 110.0, 0)
    assert (new.rule.version, new.lower, new.upper, new.result) == (2, 0.0, 1.0, 1)
    assert old.is_current


def test_scoring_again_supersedes_and_moves_the_mark_in_the_value(load, judge):
    load(rule("VAL 90,110"))
    [old] = judge(row())
    load(rule("VAL 0,1"))
    at = timezone.now()
    [new] = score_rows([old.row_id], at)
    old.refresh_from_db()
    assert (old.is_current, old.superseded_at, old.result) == (False, at, 0)
    assert (new.is_current, new.result) == (True, 1)
    value = QC1Value.objects.get(series=old.series, row=old.row)
    assert value.score_result == 1


def test_scoring_again_without_the_rule_takes_the_score_back(load, judge):
    load(rule("VAL 0,1"))
    [old] = judge(row())
    load("")
    assert score_rows([old.row_id], timezone.now()) == []
    old.refresh_from_db()
    assert (old.is_current, old.result) == (False, 1)
    assert set(QC1Value.objects.values_list("score_result", flat=True)) == {None}


@pytest.mark.parametrize(
    ("values", "rules", "reason"),
    [
        ({"level": None}, rule(), "missing"),
        ({"level": -999}, rule(), "missing"),
        ({}, rule(more='setup = { read_mode = "FAST" }'), "no_rule"),
        ({}, rule("none"), "not_implemented"),
        ({}, rule("3SIG"), "too_few_points"),
        ({}, rule("5%", more='average = "none"\nmin_n = 1'), "too_few_points"),
    ],
    ids=["no value", "-999", "other setup", "none", "no history", "no history for an average"],
)
def test_grey_says_why(load, judge, values, rules, reason):
    load(rules)
    [score] = judge(row(**values))
    assert (score.result, score.grey_reason) == (None, reason)
    assert score.get_grey_reason_text()


def test_a_parameter_without_any_rule_is_drawn_and_not_scored(load, judge):
    load(rule())
    [score] = judge(row())
    assert score.series.parameter.name == "level"


HISTORY = [100.0, 101.0, 99.0, 100.5, 99.5]


def test_statistical_limits_come_from_earlier_values_only(load, judge):
    load(rule("10%"))
    judge(*(row(mjd=61000 + n, level=value) for n, value in enumerate(HISTORY)))
    judge(row(mjd=61020, level=1000.0))
    [score] = judge(row(mjd=61010, level=105.0))
    assert (score.n, score.average, score.lower, score.upper) == (5, 100.0, 90.0, 110.0)


def test_the_window_leaves_out_rejected_hidden_and_superseded_values(load, judge, store):
    load(rule("10%"))
    judge(*(row(mjd=61000 + n, level=value) for n, value in enumerate(HISTORY)))
    store(row(mjd=61000, level=500.0))  # supersedes 100.0
    for mjd, state in ((61001, ValueState.REJECTED), (61002, ValueState.HIDDEN)):
        QC1Row.objects.filter(mjd_obs=mjd).update(state=state)
        QC1Value.objects.filter(mjd_obs=mjd).update(state=state)
    [score] = judge(row(mjd=61020, level=100.0))
    assert score.n == 3
    assert score.grey_reason == "too_few_points"


@pytest.mark.parametrize(
    ("more", "n"),
    [("", 5), ("window_days = 10", 3), ("window_points = 2", 2), ("window_days = 1000", 6)],
    ids=["90 days", "ten days", "two points", "long"],
)
def test_the_window_is_as_wide_as_the_rule_says(load, judge, more, n):
    load(rule("10%", more=f"min_n = 1\n{more}"))
    days = (100, 80, 40, 9, 5, 1)
    judge(*(row(mjd=61100 - day) for day in days))
    [score] = judge(row(mjd=61100))
    assert score.n == n


def test_too_few_points_fall_back_on_fixed_limits_when_there_are_some(load, judge):
    load(rule("3SIG", more='fallback = "VAL 90,110"'))
    [score] = judge(row(level=200.0))
    assert (score.result, score.used_fallback, score.upper) == (1, True, 110.0)


def test_a_warning_marks_what_is_green_and_near_the_limit(load, judge):
    load(rule("VAL 90,110", more='warning = "VAL 95,105"'))
    scores = judge(row(mjd=61000, level=107.0), row(mjd=61001), row(mjd=61002, level=120.0))
    assert [(one.result, one.is_warning) for one in scores] == [(0, True), (0, False), (1, False)]


def test_a_score_on_the_line_is_green(load, judge):
    load(rule("VAL 90,110"))
    scores = judge(row(mjd=61000, level=110.0), row(mjd=61001, level=110.0000001))
    assert [one.result for one in scores] == [0, 1]


def test_the_health_check_mark_is_copied_from_the_rule(load, judge):
    load(rule(more="hc = true"))
    assert judge(row())[0].is_hc


def test_detectors_and_setups_have_their_own_history(load, judge):
    load(rule("10%", more="min_n = 1"))
    judge(row(mjd=61000), row(mjd=61000, detector="CHIP2", level=200.0))
    [one, two] = judge(row(mjd=61001), row(mjd=61001, detector="CHIP2", level=200.0))
    assert {(score.average, score.result) for score in (one, two)} == {(100.0, 0), (200.0, 0)}


def test_rows_of_twenty_years_are_scored_in_few_queries(load, store, django_assert_max_num_queries):
    load(rule("3SIG"))
    stored = store(*(row(mjd=50000 + n, level=100 + n % 7) for n in range(1500)))
    with django_assert_max_num_queries(300):
        scores = score_rows(stored.new, timezone.now())
    assert sum(1 for one in scores if one.result is None) == 5


# ---- what a folder says becomes rules with a history


def versions():
    return list(
        ScoreRule.objects.order_by("key", "version").values_list(
            "version", "limits", "superseded_at"
        )
    )


def test_an_unchanged_rule_makes_no_version(load, table):
    load(rule())
    before = ScoreRule.objects.get()
    load(rule(), at=hours(1))
    load(rule("val 90 … 110.0"), at=hours(2))
    assert ScoreRule.objects.get().recorded_at == before.recorded_at


@pytest.mark.parametrize(
    "changed",
    [rule("VAL 90,111"), rule(more="hc = true"), rule(more='author = "quinn"'), rule(more="min_n = 7"),
     rule(more="valid_until = 2030-01-01"), rule(more='fallback = "VAL 1,2"')],
    ids=["limits", "hc", "author", "min_n", "validity", "fallback"],
)  # fmt: skip
def test_a_changed_rule_is_a_new_version_and_the_former_stays(load, table, changed):
    load(rule(), at=hours(0))
    load(changed, at=(at := hours(1)))
    old, new = ScoreRule.objects.order_by("version")
    assert (old.version, old.superseded_at, new.version, new.superseded_at) == (1, at, 2, None)
    assert (old.limits, old.is_hc) == ("VAL 90,110", False)


def test_a_removed_rule_is_superseded_and_comes_back_as_a_later_version(load, table):
    load(rule(), at=hours(0))
    load("", at=hours(1))
    assert ScoreRule.objects.get().superseded_at
    load(rule(), at=hours(2))
    assert [version for version, _, gone in versions() if gone is None] == [2]


def test_which_rule_was_in_force_can_be_asked_for_any_time(load, table):
    load(rule("VAL 1,2"), at=hours(0))
    load(rule("VAL 3,4"), at=hours(2))
    for at, limits in ((hours(-1), []), (hours(1), ["VAL 1,2"]), (hours(3), ["VAL 3,4"])):
        assert list(ScoreRule.objects.known_at(at).values_list("limits", flat=True)) == limits


def test_a_column_that_leaves_stays_with_its_values_inactive(load, store, table):
    store(row())
    gone = TABLES[: TABLES.index('[[tables.columns]]\nname = "note"')]
    load(tables=gone)
    note = table.parameters.get(name="note")
    assert not note.is_active
    assert note.series.get().values.count() == 1
    load()
    note.refresh_from_db()
    assert note.is_active
