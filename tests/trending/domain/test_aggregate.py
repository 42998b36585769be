"""Scores taken together: order-free, and never green without data, at any level."""

from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given, strategies as st

from trending.domain.aggregate import State, Tally, current, tally, total, worst
from trending.domain.scoring import GreyReason, ScoreResult

OK, NOK = ScoreResult.OK, ScoreResult.NOK
VERDICTS = (OK, NOK, None)
tallies = st.lists(st.sampled_from(VERDICTS), max_size=6).map(tally)


def test_without_data_nothing_is_green_whatever_the_combination():
    for n in range(6):
        for results in product(VERDICTS, repeat=n):
            state = tally(results).state
            assert (state is State.OK) is (OK in results and NOK not in results)
            assert (state is State.NOK) is (NOK in results)
            assert (state is State.GREY) is (set(results) <= {None})


def test_the_same_holds_from_block_to_report_to_instrument():
    blocks = [results for n in range(3) for results in combinations_with_replacement(VERDICTS, n)]
    reports = [report for n in range(3) for report in combinations_with_replacement(blocks, n)]
    for instrument in product(reports, repeat=2):
        scores = [score for report in instrument for block in report for score in block]
        by_count = total(total(map(tally, report)) for report in instrument)
        by_state = worst(worst(tally(block).state for block in report) for report in instrument)
        assert by_count == tally(scores)
        assert by_count.state is by_state
        if by_state is State.OK:
            assert OK in scores
            assert NOK not in scores


@given(st.lists(tallies), st.randoms(use_true_random=False))
def test_the_order_of_scores_changes_nothing(found, random):
    shuffled = random.sample(found, len(found))
    assert total(shuffled) == total(found)
    assert worst(each.state for each in shuffled) is worst(each.state for each in found)


@given(tallies, tallies, tallies)
def test_tallies_add_up(a, b, c):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Tally() == a


@pytest.mark.parametrize("numbers", [(2, 1), (-1, 1), (0, -1), (0, 0, -1)])
def test_a_tally_that_cannot_be_is_refused(numbers):
    with pytest.raises(ValueError, match="no tally"):
        Tally(*numbers)


verdicts = st.lists(
    st.tuples(st.integers(90, 101).map(float), st.sampled_from([OK, NOK, *GreyReason])),
    max_size=12,
)


@given(verdicts, st.randoms(use_true_random=False))
def test_a_plot_is_green_only_by_its_newest_data(found, random):
    plot = current(found, 100.0)
    assert plot == current(random.sample(found, len(found)), 100.0)
    recent = [(mjd, verdict) for mjd, verdict in found if 93 <= mjd <= 100]
    newest = max((mjd for mjd, _ in recent), default=None)
    last = [verdict for mjd, verdict in recent if mjd == newest]
    assert (plot.state is State.OK) is (OK in last and NOK not in last)
    assert (plot.state is State.NOK) is (NOK in last)
    assert (plot.reason is None) is (plot.state is not State.GREY)
    assert plot.tally.n_scored + plot.tally.n_grey == len(recent)
