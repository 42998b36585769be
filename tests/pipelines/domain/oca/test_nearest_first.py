"""The search through an index, outward in time, against trying and sorting every candidate."""

import math

from hypothesis import given, settings as budget, strategies as st

from pipelines.domain.oca import (
    AssociationPlan,
    Breakpoint,
    Candidate,
    Certified,
    Chosen,
    Frame,
    OcaSettings,
    Pool,
    Value,
    Window,
    associate,
    compile_condition,
    parse,
    parse_condition,
    reference_keywords,
)
from pipelines.domain.oca.frames import id_key, number_of
from pipelines.domain.oca.tree import PoolName

AT = 57080.0


def by_trying_all(action, frames, pool, settings, plan, accept, batch):
    """Return what each select chooses and how many pass: all tried, judged, sorted."""
    reference = reference_keywords(frames, settings)
    members = {frame.id for frame in frames}
    for select in action.files:
        test = compile_condition(select.condition, settings)
        passing = [
            one
            for one in pool.candidates(select.pool)
            if (select.pool is not PoolName.CALIB or one.id not in members)
            and test(one.keywords, reference)
        ]
        judged = [judge(one, action, select, reference, settings, plan, batch) for one in passing]
        ranked = sorted((each for each in judged if each is not None), key=lambda each: each[0])
        taken, left = [], math.inf if select.max_ret is None else select.max_ret
        for _, chosen in ranked:
            if left > 0 and accept(chosen.candidate):
                taken.append(chosen)
                left -= 1
        yield taken, len(passing)


def judge(one, action, select, reference, settings, plan, batch):
    """Return the rank of a candidate that passed and how it would be chosen; None if left out."""
    start = number_of(reference, "MJD-OBS")
    delta = None if one.mjd is None or start is None else one.mjd - start
    level = plan.level(action.name, select.label, delta)
    counts = one.is_certified or (batch != "" and one.batch == batch)
    if settings.certified is Certified.IGNORE:
        counts = True
    category = str(one.keywords.get("PRO.CATG", ""))
    if level is None or plan.parted_by(category, one.mjd, start):
        return None
    if settings.certified is Certified.REQUIRE and not counts:
        return None
    if not compile_condition(select.condition, settings, is_strict=True)(one.keywords, reference):
        level = max(level, 1)
    conditions = plan.alternatives_of(action.name, select.label)
    places = [
        place
        for place, condition in enumerate(conditions)
        if compile_condition(condition, settings)(one.keywords, reference)
    ]
    place = min(places, default=len(conditions))
    rank = (
        place,
        level,
        not counts,
        math.inf if delta is None else abs(delta),
        math.inf if one.mjd is None else one.mjd,
        (-(2**63), "") if one.producer is None else id_key(one.producer),
        one.order,
        id_key(one.id),
    )
    return rank, Chosen(one, delta, level, place)


CONDITIONS = [
    'PRO.CATG=="A"',
    'PRO.CATG=="A" and inputFile.BIN==BIN',
    '(PRO.CATG=="A" or PRO.CATG=="B") and BIN==inputFile.BIN and inputFile.TPL==TPL',
    "inputFile.BIN==BIN",
    "inputFile.BIN==TPL",
    'PRO.CATG=="A" and inputFile.BIN?=BIN',
    'PRO.CATG=="A" or TPL=="t"',
    'PRO.CATG=="A" and REFLEX.CATG=="A"',
    'PRO.CATG=="A" and MJD-OBS > inputFile.MJD-OBS - 3 and MJD-OBS <= inputFile.MJD-OBS+2.',
    "(inputFile.MJD-OBS - MJD-OBS) < 0.5 and inputFile.MJD-OBS - MJD-OBS > -0.5",
    "MJD-OBS < inputFile.MJD-OBS or MJD-OBS >= inputFile.MJD-OBS",
    "57079.0 <= MJD-OBS and inputFile.BIN != BIN",
    "MJD-OBS between inputFile.MJD-OBS - 4 and inputFile.MJD-OBS + inputFile.BIN",
    "MJD-OBS tryBetween inputFile.MJD-OBS - 2 and inputFile.MJD-OBS + 1",
    "BIN==inputFile.BIN and not (MJD-OBS tryBetween 57079 and 57081)",
    "MJD-OBS tryBetween 57079 and 57081 and TPL==inputFile.TPL and MJD-OBS > inputFile.TPL",
    "-MJD-OBS < 3 - inputFile.MJD-OBS and MJD-OBS + TPL != 4",
]
times = st.integers(-6, 6).map(lambda n: AT + n / 2)
values = st.sampled_from([1, 1, 1.0, 2, True, "t", "t  "])
# Mostly such that rules find something: a search among nothing proves nothing.
headers = st.fixed_dictionaries(
    {"PRO.CATG": st.sampled_from(["A", "A", "A ", "B", 1]), "BIN": values, "TPL": values},
    optional={"REFLEX.CATG": st.sampled_from(["A", "B"])},
)
dated = st.tuples(headers, times).map(lambda each: {**each[0], "MJD-OBS": each[1]})
odd = st.fixed_dictionaries({}, optional={"BIN": values, "MJD-OBS": st.just("soon")})
certified = st.booleans()
candidate = st.tuples(
    st.one_of(dated, dated, dated, headers, odd),
    st.sampled_from(["header", "header", "header", None, AT, AT - 0.25]),
    *(st.integers(0, 9), st.none() | st.integers(1, 3), st.integers(0, 2)),
    *(certified, st.sampled_from(["", "n1", "n2"])),
)


def candidates_of(drawn, by_header):
    """Make candidates; their dates are those of their headers, or some are not."""
    for n, (keywords, mjd, name, producer, order, good, batch) in enumerate(drawn):
        date = number_of(keywords, "MJD-OBS") if by_header or mjd == "header" else mjd
        yield Candidate(
            n if name % 2 else f"{name}.{n}", keywords, date, order, producer, good, batch
        )


candidates = st.builds(
    lambda drawn, by_header: list(candidates_of(drawn, by_header)),
    st.lists(candidate, min_size=3, max_size=24),
    st.booleans(),
)


windows = st.lists(
    st.builds(
        lambda first, length, level: Window(first, first + length, level),
        st.integers(-4, 1),
        st.integers(0, 5),
        st.integers(0, 2),
    ),
    max_size=3,
).map(tuple)
plans = st.builds(
    AssociationPlan,
    st.dictionaries(st.sampled_from([("", "A"), ("a", "A")]), windows),
    st.lists(
        st.builds(
            Breakpoint,
            times,
            st.just("why"),
            st.sampled_from([frozenset(), frozenset({"A"}), frozenset({"C"})]),
        ),
        max_size=1,
    ).map(tuple),
    st.dictionaries(
        st.just(("", "A")),
        st.lists(st.sampled_from(CONDITIONS).map(parse_condition), max_size=2).map(tuple),
    ),
)
settings = st.builds(
    OcaSettings,
    default_max_ret=st.none(),
    default_min_ret=st.just(0),
    certified=st.sampled_from(Certified),
)


@budget(max_examples=400)
@given(
    candidates,
    st.lists(st.one_of(dated, dated, dated, headers, odd), min_size=1, max_size=2),
    st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(["calibFiles", "rawFiles"])),
    st.sampled_from(["", "maxRet=1;", "maxRet=3;", "maxRet=0;"]),
    settings,
    plans,
    st.sampled_from(["", "n1"]),
    st.integers(1, 4),
)
def test_both_choose_the_same(files, group, rule, bounds, settings, plan, batch, refused):
    text, where = rule
    action = parse(f"action a {{ {bounds} select file as A from {where} where {text}; }}").actions[
        "a"
    ]
    frames = [Frame(n, keywords) for n, keywords in enumerate(group)]
    pool = Pool(calib=files, raw=files)
    asked: tuple[list[object], list[object]] = ([], [])

    def accept(log):
        return lambda one: log.append(one.id) or len(log) % (refused + 1) != refused

    expected = list(by_trying_all(action, frames, pool, settings, plan, accept(asked[0]), batch))
    found = associate(
        action, frames, pool, settings, accept=accept(asked[1]), plan=plan, batch=batch
    )
    assert [(list(match.chosen), match.n_candidates) for match in found] == expected
    assert asked[0] == asked[1]


def search(where, files, reference=AT, **options):
    action = parse(f"action a {{ select file as A from calibFiles where {where}; }}").actions["a"]
    pool = files if isinstance(files, Pool) else Pool(calib=files)
    [match] = associate(action, [Frame("r", {"MJD-OBS": reference, "BIN": 1})], pool, **options)
    return [chosen.candidate.id for chosen in match.chosen]


def test_a_candidate_is_tested_by_its_header_and_ranked_by_its_own_time():
    # The product of a block stands for its middle; rules read the start of its first frame.
    block = Candidate("block", {"MJD-OBS": AT - 1}, AT + 0.4)
    where = "MJD-OBS <= inputFile.MJD-OBS"
    assert search(where, [block]) == ["block"]
    inside = "MJD-OBS tryBetween inputFile.MJD-OBS - 2 and inputFile.MJD-OBS - 1"
    far = Candidate("far", {"MJD-OBS": AT - 1.5}, AT - 9)
    near = Candidate("near", {"MJD-OBS": AT}, AT)
    assert search(inside, [near, far]) == ["far"]


class Counting(dict[str, Value]):
    """A header that counts how often it is tested."""

    n = 0

    def get(self, key, default=None):
        if key == "X":
            Counting.n += 1
        return super().get(key, default)


def test_few_candidates_are_tested_however_many_there_are():
    times = [AT + n / 100 for n in range(4000)]
    headers: list[dict[str, Value]] = [
        {"BIN": n % 4, "PRO.CATG": "M", "MJD-OBS": mjd} for n, mjd in enumerate(times)
    ]
    pool = Pool(calib=[Candidate(n, Counting(headers[n]), mjd) for n, mjd in enumerate(times)])
    found = {}
    for where in (
        'PRO.CATG=="M" and inputFile.BIN==BIN and X is undefined',
        'PRO.CATG=="M" and X is undefined and MJD-OBS tryBetween 0 and inputFile.MJD-OBS',
        'PRO.CATG=="M" and X=="never" and MJD-OBS > inputFile.MJD-OBS - .05'
        " and MJD-OBS < inputFile.MJD-OBS + .05",
    ):
        Counting.n = 0
        found[where] = search(where, pool, AT + 20)
        assert 0 < Counting.n < 20, where
    assert list(found.values()) == [[2001], [2000], []]
    Counting.n = 0
    wanted = parse_condition('PRO.CATG=="OTHER"')
    plan = AssociationPlan(alternatives={("", "A"): (wanted,)})
    where = '(PRO.CATG=="M" or PRO.CATG=="OTHER") and inputFile.BIN==BIN and X is undefined'
    assert search(where, pool, AT + 20, plan=plan) == [2001]
    assert 0 < Counting.n < 20
    plan = AssociationPlan({("", "A"): (Window(-0.02, 0.02, 0), Window(-0.04, 0.04, 1))})
    Counting.n = 0
    assert search('PRO.CATG=="M" and X=="never"', pool, AT + 20, plan=plan) == []
    assert 0 < Counting.n < 20
