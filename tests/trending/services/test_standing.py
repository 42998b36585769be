"""Trees of scores: n of N and what to look at first, and nothing green without data."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.domain.times import datetime_to_mjd
from tests.trending.conftest import row, rule
from trending.domain.aggregate import State
from trending.domain.sanity import FindingKind
from trending.models import EventKind, QC1Row, Report, Score, ScoreRule, Series
from trending.services import events
from trending.services.rescore import rescore
from trending.services.rules import change_rule
from trending.services.sanity import check_instrument
from trending.services.score import score_rows
from trending.services.signals import run_signals, since_when
from trending.services.standing import health_tree
from trending.services.what_if import try_rule

pytestmark = pytest.mark.django_db

REPORT = """
[[reports]]
name = "bias"
title = "Bias"
group = "bias_dark"
[[reports.panels]]
title = "Level"
[[reports.panels.datasets]]
table = "cam_bias"
parameter = "level"
detector = "CHIP1"
[[reports.panels]]
title = "Noise"
[[reports.panels.datasets]]
table = "cam_bias"
parameter = "ron"
"""


@pytest.fixture
def measure(store):
    """Store and score values of the nights before now, the newest last."""

    def act(values, detector="CHIP1", first=None):
        newest = datetime_to_mjd(timezone.now()) - 0.5
        start = newest - len(values) + 1 if first is None else first
        done = store(*[
            row(mjd=start + n, level=value, detector=detector) for n, value in enumerate(values)
        ])  # fmt: skip
        score_rows(done.new, done.at)

    return act


def trees():
    reports = Report.objects.select_related("instrument", "group").prefetch_related(
        "panels__datasets__parameter"
    )
    return health_tree(reports, timezone.now())


def test_the_way_down_to_what_is_red(load, measure):
    load(rule("VAL 90,110"), REPORT)
    measure([100.0, 101.0, 130.0])
    [tree] = trees()
    assert (tree.name, tree.text, tree.state) == ("CAM", "1/3", State.NOK)
    assert [one.name for one in tree.worst_path] == [
        "Bias and dark", "Bias", "Level", "level CHIP1",
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[], [None, None], [100.0, None]])
def test_nothing_is_green_without_a_newest_value(load, measure, values):
    load(rule("VAL 90,110"), REPORT)
    measure(values)
    assert trees()[0].state == State.GREY


def test_what_is_a_week_old_is_no_news(load, measure):
    load(rule("VAL 90,110"), REPORT)
    measure([130.0], first=datetime_to_mjd(timezone.now() - dt.timedelta(days=9)))
    assert trees()[0].state == State.GREY


def findings(camera):
    return {(one.finding.kind, one.parameter.name) for one in check_instrument(camera)}


def test_odd_rules_are_found(load, measure, camera):
    load(rule("VAL 0,50") + rule("VAL 0,1", parameter="ron", more='detector = "CHIP9"'), REPORT)
    measure([100.0 + n % 3 for n in range(30)])
    assert findings(camera) == {
        (FindingKind.MEDIAN_OUTSIDE, "level"),
        (FindingKind.ALWAYS_FIRES, "level"),
        (FindingKind.RULE_WITHOUT_DATA, "ron"),
    }


def test_what_is_drawn_and_not_judged_is_found(load, measure, camera):
    load(rule("VAL 90,110"), REPORT)
    measure([100.0])
    assert findings(camera) == {(FindingKind.PLOT_WITHOUT_RULE, "ron")}


def test_statistics_over_a_change_of_definition_are_found(load, measure, camera):
    load(rule("3SIG"))
    measure([100.0 + n % 3 for n in range(30)])
    first = datetime_to_mjd(timezone.now()) - 10
    events.declare(camera, EventKind.DEFINITION, first, "Pipeline 2", author="q",
                   at=timezone.now(), begins_epoch=False)  # fmt: skip
    assert (FindingKind.OVER_DEFINITION_CHANGE, "level") in findings(camera)


def test_since_when_names_the_first_row_after_the_change(load, measure):
    load(rule("VAL 90,110"))
    measure([100.0 + 0.1 * ((n * 7) % 5) for n in range(60)]
            + [104.0 + 0.1 * ((n * 7) % 5) for n in range(40)])  # fmt: skip
    found = since_when(Series.objects.get(parameter__name="level"))
    assert found.change.size == pytest.approx(4.0, abs=0.2)
    assert found.change.n_after == 40
    assert found.row.mjd_obs == found.change.mjd


def test_a_steady_series_has_no_since(load, measure):
    load(rule("VAL 90,110"))
    measure([100.0 + 0.1 * ((n * 7) % 5) for n in range(60)])
    assert since_when(Series.objects.get(parameter__name="level")) is None


def test_run_rules_speak_only_where_a_rule_asks(load, measure):
    values = [100.0 + ((n * 7) % 5) / 5 for n in range(60)] + [140.0]
    load(rule("3SIG", more='run_rules = ["WE1"]'))
    measure(values)
    series = Series.objects.get(parameter__name="level")
    [found] = run_signals(series)
    assert (found.signal.rule, found.first_mjd) == ("WE1", found.last_mjd)
    load(rule("3SIG"))
    assert run_signals(series) == []


def test_a_trial_says_what_scoring_then_says(load, measure):
    load(rule("VAL 90,110"))
    measure([100.0 + n for n in range(20)])
    former = ScoreRule.objects.get()
    trial = ScoreRule.objects.get()
    trial.limits = "VAL 90,105"
    [tried] = try_rule(trial, former)
    change_rule(former, {"limits": "VAL 90,105"}, author="q", reason="r", valid_from_mjd=None,
                at=timezone.now())  # fmt: skip
    rescore(QC1Row.objects.all(), timezone.now())
    results = list(
        Score.objects.filter(is_current=True)
        .order_by("row__mjd_obs")
        .values_list("result", flat=True)
    )
    assert tried.then.result.tolist() == results
    # 106 to 110 turn red, 111 to 119 were red before.
    assert (tried.compared.turned_red.size, results.count(1)) == (5, 14)
