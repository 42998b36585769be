"""Windows in time with their level, and interventions that no association may cross."""

import pytest

from pipelines.domain.oca import (
    AssociationPlan,
    Breakpoint,
    Candidate,
    Frame,
    Pool,
    Window,
    associate,
    parse,
)
from pipelines.domain.plan_file import parse_plan
from pipelines.domain.toml_reader import DefinitionError

RULES = parse(
    "action DARK { minRet=1; maxRet=1;"
    ' select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS"; }'
)
AT = 57080.0


def chosen(plan, *deltas, category="MASTER_BIAS"):
    """Return distance and level of the candidate that is taken, None if none is."""
    pool = Pool(
        calib=[Candidate(f"{d}", {"PRO.CATG": category, "MJD-OBS": AT + d}, AT + d) for d in deltas]
    )
    frames = [Frame(1, {"MJD-OBS": AT})]
    (match,) = associate(RULES.actions["DARK"], frames, pool, plan=plan)
    return [(round(one.delta_days or 0.0, 3), one.level) for one in match.chosen] or None


PLAN = AssociationPlan({("", "BIAS"): (Window(-1, 1, 0), Window(-7, 3, 1))})


@pytest.mark.parametrize(
    ("deltas", "taken"),
    [
        ([0.5], [(0.5, 0)]),
        ([1.0], [(1.0, 0)]),
        ([1.001], [(1.001, 1)]),
        ([-7.0], [(-7.0, 1)]),
        ([-7.001], None),
        ([3.001], None),
        ([2.0, -1.0], [(-1.0, 0)]),
        ([2.0, -3.0], [(2.0, 1)]),
        ([10.0, -20.0], None),
    ],
    ids=["in plan", "on the edge", "just beyond", "extended edge", "too old", "too late",
         "plan before closeness", "closest of one level", "all too far"],
)  # fmt: skip
def test_the_plan_decides_before_closeness(deltas, taken):
    assert chosen(PLAN, *deltas) == taken


def test_a_plan_for_one_action_stands_before_the_one_for_all():
    plan = AssociationPlan(
        {("", "BIAS"): (Window(-1, 1, 0),), ("DARK", "BIAS"): (Window(-9, 9, 0),)}
    )
    assert chosen(plan, 5.0) == [(5.0, 0)]


def test_without_a_plan_any_distance_is_level_0():
    assert chosen(AssociationPlan(), -4000.0) == [(-4000.0, 0)]


@pytest.mark.parametrize(
    ("categories", "taken"),
    [(frozenset(), [(2.0, 0)]), (frozenset({"MASTER_BIAS"}), [(2.0, 0)]),
     (frozenset({"MASTER_FLAT"}), [(-1.0, 0)])],
)  # fmt: skip
def test_no_association_crosses_a_breakpoint(categories, taken):
    plan = AssociationPlan({}, (Breakpoint(AT - 0.5, "detector exchanged", categories),))
    assert chosen(plan, -1.0, 2.0) == taken


def test_the_instant_of_the_breakpoint_belongs_to_what_follows():
    plan = AssociationPlan({}, (Breakpoint(AT, "warm-up"),))
    assert chosen(plan, -0.1) is None
    assert chosen(plan, 0.0) == [(0.0, 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[associations]]\nplan_days=[-1,1]', "levels.toml:1: label is missing"),
        ('[[associations]]\nlabel="B"', "levels.toml:1: plan_days or extended_days is needed"),
        ('[[associations]]\nlabel="B"\nplan_days=[1,-1]', "levels.toml:3: plan_days = "),
        ('[[associations]]\nlabel="B"\nplan_days=[1]', "levels.toml:3: plan_days = "),
        ('[[associations]]\nlabel="B"\nplan_days=[0,1]\ntypo=1', "levels.toml:4: typo is not known"),
        ('[[breakpoints]]\nat="2024"\nreason="x"', "levels.toml:2: at = '2024'"),
        ('[[breakpoints]]\nat=2024-01-01T00:00:00Z', "levels.toml:1: reason is missing"),
        ("[[associations]", "levels.toml:1: "),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_line(text, message):
    with pytest.raises(DefinitionError) as caught:
        parse_plan("levels.toml", text)
    assert str(caught.value).startswith(message)


def test_breakpoints_are_read_in_ut():
    plan = parse_plan(
        "levels.toml",
        '[[breakpoints]]\nat=2015-02-27T12:00:00Z\nreason="x"\ncategories=["MASTER_BIAS"]',
    )
    assert plan.breakpoints == (Breakpoint(57080.5, "x", frozenset({"MASTER_BIAS"})),)
