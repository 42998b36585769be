"""The frame of the benchmarks: sides in turn, medians of ratios, one JSON line a figure."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from qcweb.management.bench import GROUPS, find, run
from qcweb.management.bench.frame import Benchmark, record

KEYS = ["name", "group", "ours", "theirs", "unit", "ratio", "goal", "met"]


def bench(ours, theirs, goal):
    def prepare(_scratch):
        return ours, theirs

    return Benchmark("a / b", "demo", "s", goal, prepare)


def side(log, name, *values):
    given = iter(values)

    def measure():
        log.append(name)
        return next(given)

    return measure


def test_the_sides_run_in_turn_three_times(tmp_path):
    log: list[str] = []
    run(bench(side(log, "ours", 1, 1, 1), side(log, "theirs", 2, 2, 2), 1.0), tmp_path)
    assert log == ["ours", "theirs"] * 3


def test_the_ratio_is_the_median_of_the_pairs_ratios(tmp_path):
    figure = run(bench(side([], "o", 1, 4, 9), side([], "t", 1, 2, 10), 1.0), tmp_path)
    assert figure.ratio == 1.0
    assert (figure.ours, figure.theirs) == (4, 2)


@pytest.mark.parametrize(("goal", "met"), [(2.0, True), (2.1, True), (1.9, False)])
def test_a_goal_is_a_ratio_not_to_be_passed(tmp_path, goal, met):
    figure = run(bench(lambda: 4.0, lambda: 2.0, goal), tmp_path)
    assert (figure.ratio, figure.met) == (2.0, met)


def test_an_absolute_goal_stands_as_theirs(tmp_path):
    figure = run(bench(lambda: 0.5, 2.0, 1.0), tmp_path)
    assert (figure.theirs, figure.ratio, figure.met) == (2.0, 0.25, True)


def test_a_figure_without_a_goal_is_met_and_has_no_ratio(tmp_path):
    figure = run(bench(lambda: 4.0, lambda: 2.0, None), tmp_path)
    assert (figure.ratio, figure.goal, figure.met) == (None, None, True)
    alone = run(bench(lambda: 4.0, None, None), tmp_path)
    assert (alone.ours, alone.theirs, alone.ratio) == (4.0, None, None)


def test_it_is_printed_and_appended_as_a_json_line(tmp_path):
    figure = run(bench(lambda: 4.0, lambda: 2.0, 3.0), tmp_path)
    log = tmp_path / "bench.jsonl"
    record(figure, log)
    record(figure, log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [list(line) for line in lines] == [KEYS, KEYS]
    for word in ("a / b", "4", "2", "ratio 2", "goal 3", "met"):
        assert word in str(figure)


def test_every_benchmark_belongs_to_a_group():
    assert find()
    assert {one.group for one in find()} <= set(GROUPS)
    assert [one.group for one in find("demo")] == ["demo"]


def test_an_unknown_group_is_refused():
    with pytest.raises(CommandError, match="known are demo, oca"):
        call_command("bench", "--only", "speed", stdout=io.StringIO())
