"""The tree of scores: at every level red shows, and nothing is green without data."""

from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from tests.trending.domain.test_scoring_table import state, table, tallies
from trending.domain.aggregate import Level, Node, State, Tally, current, total
from trending.domain.scoring import ScoreResult

OK, NOK, GREY = Tally(0, 1), Tally(1, 1), Tally(n_grey=1)
# Every way a leaf can be: judged, judged red, not judged, not there; and what plots add to it.
LEAVES = [
    {"own": OK},
    {"own": NOK},
    {"own": GREY},
    {},
    {"own": Tally(1, 2), "now": State.OK},
    {"own": Tally(1, 2), "now": State.NOK},
    {"own": Tally(0, 2), "now": State.GREY},
]
LEVELS = list(Level)


def leaf(kind, n=0):
    return Node(f"leaf {n}", Level.PARAMETER, **LEAVES[kind])


def build(shape, kinds, depth=1):
    """Return a tree: a shape is a number of leaves, or a list of shapes."""
    if isinstance(shape, int):
        children = tuple(leaf(next(kinds), n) for n in range(shape))
    else:
        children = tuple(build(part, kinds, depth - 1) for part in shape)
    return Node(f"depth {depth}", LEVELS[depth], children)


def leaves(node):
    return [found for child in node.children for found in leaves(child)] or [node]


def nodes(node):
    return [node, *(found for child in node.children for found in nodes(child))]


SHAPES = [(0, 1), (1, 1), (2, 1), (3, 1), ([1, 1], 2), ([2, 1], 2), ([0, 2], 2), ([[1], [2]], 3)]


@pytest.mark.parametrize(("shape", "depth"), SHAPES)
def test_every_small_tree_is_red_if_a_leaf_is_and_never_green_without_data(shape, depth):
    def size(part):
        return part if isinstance(part, int) else sum(size(one) for one in part)

    for kinds in product(range(len(LEAVES)), repeat=size(shape)):
        check(build(shape, iter(kinds), depth))


@settings(deadline=None)
@given(st.lists(st.integers(0, len(LEAVES) - 1), min_size=12, max_size=12))
def test_a_whole_night_keeps_to_it_too(kinds):
    check(build([[[[[2], [1, 1]], [[0]]], [[[3]]]], [[[[2, 3]]]]], iter(kinds), 6))


def check(tree):
    """Hold every node of a tree against the states of its leaves."""
    for node in nodes(tree):
        states = [one.state for one in leaves(node)] if node.children else [node.state]
        if node.state is State.OK:
            assert node.tally.n_scored
            assert State.OK in states
            assert State.NOK not in states
        assert (node.state is State.NOK) == (State.NOK in states)
        assert (node.state is State.GREY) == (set(states) <= {State.GREY})
        assert node.tally == total(one.tally for one in leaves(node))
        if node.state is not State.GREY:
            assert node.text == f"{node.tally.n_nok}/{node.tally.n_scored}"
        if node.children:
            assert node.worst_child.state is node.state
            assert node.worst_path[-1].state is node.state
            assert not node.worst_path[-1].children


def test_the_worst_child_has_the_most_red_and_of_equals_is_the_first():
    children = [
        Node("none", Level.BLOCK, own=Tally(0, 9)),
        Node("one", Level.BLOCK, own=Tally(1, 9)),
        Node("two", Level.BLOCK, own=Tally(2, 9)),
        Node("two, too", Level.BLOCK, own=Tally(2, 9)),
    ]
    assert Node("night", Level.NIGHT, tuple(children)).worst_child.name == "two"
    assert leaf(0).worst_child is None
    assert leaf(0).worst_path == ()


def test_a_plot_stands_as_its_newest_data_do_and_counts_them_all():
    found = current([(1.0, ScoreResult.NOK), (2.0, ScoreResult.OK)], 2.0)
    plot = Node("bias", Level.PLOT, own=found.tally, now=found.state)
    assert (plot.state, plot.text) == (State.OK, "1/2")
    report = Node("detector", Level.REPORT, (plot,))
    assert (report.state, report.text) == (State.OK, "1/2")


@pytest.mark.parametrize("state", [State.OK, State.NOK])
def test_a_state_without_a_score_cannot_be_claimed(state):
    with pytest.raises(ValueError, match="without a score"):
        Node("bias", Level.PLOT, own=Tally(n_grey=3), now=state)


def test_a_node_is_made_of_smaller_ones_and_nothing_else():
    with pytest.raises(ValueError, match="no scores of its own"):
        Node("report", Level.REPORT, (leaf(0),), own=OK)
    with pytest.raises(ValueError, match="no part of"):
        Node("plot", Level.PLOT, (Node("report", Level.REPORT, (leaf(0),)),))
    with pytest.raises(ValueError, match="no part of"):
        Node("plot", Level.PLOT, (Node("plot", Level.PLOT),))


@pytest.mark.parametrize("row", table("trees"))
def test_a_parent_stands_as_documented(row):
    children = []
    for text in [] if row["children"] == "–" else row["children"].split(", "):
        count, _, now = text.partition(" now ")
        (own,) = tallies(count)
        children.append(Node(text, Level.PLOT, own=own, now=state(now) if now else None))
    parent = Node("report", Level.REPORT, tuple(children))
    assert (parent.text, parent.state) == (row["written"], state(row["state"]))
    worst_child = parent.worst_child.text if parent.worst_child else "none"
    assert worst_child == row["worst child"]
