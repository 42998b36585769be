"""Windows in time with their level, and interventions that no association may cross."""

import pytest

from pipelines.domain.oca import (
    DEFAULT_SETTINGS,
    AssociationPlan,
    Breakpoint,
    Candidate,
    Certified,
    Frame,
    Group,
    OcaSettings,
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
        ('[[associations]]\nlabel="B"', "levels.toml:1: plan_days, extended_days or alternatives is needed"),
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


# --- alternatives

SKY = """
[[associations]]
label = "SKY"
alternatives = ['OBS.ID == inputFile.OBS.ID', 'PRO.CATG == "SKY_LINES"']
"""
SKY_RULES = parse("action SCI { minRet=1; maxRet=9; select file as SKY from calibFiles; }")


def skies(source, *candidates, settings=DEFAULT_SETTINGS, batch=""):
    frames = [Frame("r", {"MJD-OBS": AT, "OBS.ID": 7})]
    plan = parse_plan("levels.toml", source)
    (match,) = associate(
        SKY_RULES.actions["SCI"], frames, Pool(calib=candidates), settings, plan=plan, batch=batch
    )
    return [(one.candidate.id, one.place, one.level) for one in match.chosen]


def sky(name, delta, **more):
    keywords = {key.replace("_", "."): value for key, value in more.items()}
    return Candidate(name, {"MJD-OBS": AT + delta, **keywords}, AT + delta)


SKIES = (
    sky("near", 0.1),
    sky("table", 5.0, PRO_CATG="SKY_LINES"),
    sky("same OB", 9.0, OBS_ID=7),
    sky("both", 8.0, OBS_ID=7, PRO_CATG="SKY_LINES"),
)


def test_alternatives_rank_before_level_and_distance_and_reject_nothing():
    order = [("both", 0, 0), ("same OB", 0, 0), ("table", 1, 0), ("near", 2, 0)]
    assert skies(SKY, *SKIES) == order
    windows = f"{SKY}plan_days = [-1, 1]\nextended_days = [-10, 8.5]\n"
    assert skies(windows, *SKIES) == [("both", 0, 1), ("table", 1, 1), ("near", 2, 0)]


def test_alternatives_of_one_action_stand_before_those_for_all():
    own = '[[associations]]\naction = "SCI"\nlabel = "SKY"\nalternatives = "OBS.ID is undefined"\n'
    assert skies(own + SKY, *SKIES)[0] == ("near", 0, 0)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("['A == ']", "levels.toml:3: alternatives: 'A ==': character 5: expected a keyword"),
        ("[\n'A == 1',\n'B = 2']", "levels.toml:5: alternatives: 'B = 2': character 3: "),
        ("['A == 1 B == 2']", "levels.toml:3: alternatives: 'A == 1 B == 2': character 8: "
                              "expected the end of the condition, found 'B'"),
        ("['']", "levels.toml:3: alternatives: a text is empty"),
        ("[1]", "levels.toml:3: alternatives: expected texts"),
    ],
)  # fmt: skip
def test_a_condition_that_is_none_is_said_with_what_was_expected(conditions, message):
    with pytest.raises(DefinitionError) as caught:
        parse_plan("levels.toml", f'[[associations]]\nlabel="B"\nalternatives = {conditions}\n')
    assert str(caught.value).startswith(message)


# --- certified or not


def judged(name, delta, *, certified=True, batch=""):
    return Candidate(name, {"MJD-OBS": AT + delta}, AT + delta, is_certified=certified, batch=batch)


JUDGED = (
    judged("open", 0.1, certified=False),
    judged("tonight", 0.2, certified=False, batch="2015-02-27"),
    judged("good", 0.3),
    judged("good, extended", 2.0),
)
WINDOWS = '[[associations]]\nlabel = "SKY"\nplan_days = [-1, 1]\nextended_days = [-9, 9]\n'


@pytest.mark.parametrize(
    ("certified", "batch", "names"),
    [
        (Certified.PREFER, "", ["good", "open", "tonight", "good, extended"]),
        (Certified.PREFER, "2015-02-27", ["tonight", "good", "open", "good, extended"]),
        (Certified.IGNORE, "", ["open", "tonight", "good", "good, extended"]),
        (Certified.REQUIRE, "", ["good", "good, extended"]),
        (Certified.REQUIRE, "2015-02-27", ["tonight", "good", "good, extended"]),
    ],
)
def test_certified_ones_come_first_within_a_level(certified, batch, names):
    settings = OcaSettings(certified=certified)
    assert [name for name, *_ in skies(WINDOWS, *JUDGED, settings=settings, batch=batch)] == names


def test_the_batch_of_a_group_is_that_of_who_asks_and_the_plain_fact_is_told():
    frames = (Frame("r", {"MJD-OBS": AT}),)
    group = Group("SCI", "SINGLE", "", (), frames, 0, 1, batch="2015-02-27")
    (match,) = associate(SKY_RULES.actions["SCI"], group, Pool(calib=JUDGED))
    told = [(one.candidate.id, one.is_certified) for one in match.chosen[:2]]
    assert told == [("tonight", False), ("good", True)]
