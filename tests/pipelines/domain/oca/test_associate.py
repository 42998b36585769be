"""Choosing calibrations: conditions, nearness in time, counts, pools."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import (
    Candidate,
    Frame,
    OcaSettings,
    Pool,
    PoolName,
    associate,
    parse,
    products,
)
from pipelines.domain.oca.needs import index_key
from tests.pipelines.domain.oca.helpers import (
    calib_where,
    candidate,
    condition,
    frame,
    group_of,
    ids,
    select_files,
)

R = frame("r", MJD=57080.0)
BIAS = 'select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS"'


def master(id, mjd=None, catg="MASTER_BIAS", **keywords):
    dated = {} if mjd is None else {"MJD": mjd}
    return candidate(id, PRO_CATG=catg, **dated, **keywords)


def choose(text, reference, candidates, **options):
    [match] = select_files(text, reference, candidates, **options)
    return match


# --- nearness


def test_the_nearest_in_time_wins_before_or_after():
    pool = [master("before", 57079.0), master("after", 57080.5), master("far", 57100.0)]
    match = choose(f"{BIAS};", R, pool)
    assert ids(match) == ["after"]
    assert (match.chosen[0].delta_days, match.chosen[0].level) == (0.5, 0)
    assert (match.n_candidates, match.is_missing, match.min_ret, match.max_ret) == (3, False, 1, 1)


def test_of_equals_the_earlier_wins_then_the_file_on_disk_then_the_name():
    pool = [master("late", 57081.0), master("early", 57079.0)]
    assert ids(choose(f"{BIAS};", R, pool)) == ["early"]
    virtual = Candidate("a", {"PRO.CATG": "MASTER_BIAS"}, 57080.0, producer=1)
    pool = [virtual, master("c", 57080.0), master("b", 57080.0), master(7, 57080.0)]
    assert ids(choose(f"maxRet=9; {BIAS};", R, pool)) == [7, "b", "c", "a"]


def test_a_file_without_a_date_is_kept_and_ranks_last():
    pool = [master("static"), master("dated", 50000.0)]
    match = choose(f"maxRet=2; {BIAS};", R, pool)
    assert ids(match) == ["dated", "static"]
    assert match.chosen[1].delta_days is None
    assert ids(choose(f"{BIAS};", R, pool[:1])) == ["static"]


def test_a_block_without_a_date_takes_files_in_order_of_time():
    pool = [master("b", 2.0), master("a", 1.0)]
    match = choose(f"{BIAS};", frame("r"), pool)
    assert ids(match) == ["a"]
    assert match.chosen[0].delta_days is None


def test_distances_can_be_measured_from_another_time():
    pool = [master("near block", 57080.0), master("near target", 57085.0)]
    assert ids(choose(f"{BIAS};", R, pool, mjd=57086.0)) == ["near target"]


def test_a_window_written_with_strict_signs_is_open():
    text = (
        'maxRet=9; select file as S from calibFiles where PRO.CATG=="S"'
        " and MJD-OBS > inputFile.MJD-OBS-15. and MJD-OBS < inputFile.MJD-OBS + 15.;"
    )
    pool = [master(delta, 57080.0 + delta, "S") for delta in (-15, -14.5, 0, 14.5, 15)]
    pool = [Candidate(str(c.id), c.keywords, c.mjd) for c in pool]
    assert ids(choose(text, R, pool)) == ["0", "-14.5", "14.5"]


def test_a_preferred_window_ranks_before_nearness_and_rejects_nothing():
    text = (
        "maxRet=9; select file as S from calibFiles where"
        " MJD-OBS between inputFile.MJD-OBS - 30 and inputFile.MJD-OBS + 30"
        " and MJD-OBS tryBetween inputFile.MJD-OBS - 7 and inputFile.MJD-OBS;"
    )
    pool = [master(f"{delta:+}", 57080.0 + delta) for delta in (-31, -20, -6, 1)]
    match = choose(text, R, pool)
    assert [(c.candidate.id, c.level) for c in match.chosen] == [("-6", 0), ("+1", 1), ("-20", 1)]


# --- conditions of real instruments


def test_weak_equality_lets_nearness_decide():
    keys = ("GRIS1", "GRIS2", "GRIS3", "GRIS4")
    tests = " and ".join(f"inputFile.{key}?={key}" for key in keys)
    tests += " and MJD-OBS > 57000."
    reference = frame("r", GRIS3="G1", MJD=57080.0)
    pool = [
        candidate("exact", GRIS3="G1", MJD=57080.0),
        candidate("no keys", MJD=57090.0),
        candidate("other", GRIS3="G2", MJD=57080.1),
        candidate("another", GRIS1="G2", MJD=57080.1),
        candidate("old", GRIS3="G1", MJD=56999.0),
    ]
    assert ids(choose(calib_where(tests), reference, pool)) == ["exact", "another", "no keys"]
    assert ids(choose(calib_where(tests, ""), reference, pool)) == ["exact"]


def test_an_epoch_on_the_candidates_side_a_template_and_a_tolerance():
    text = """maxRet=9; select file as LAMP from rawFiles where
        (MJD-OBS<=54032. or (MJD-OBS>54032. and inputFile.TPL.START==TPL.START))
        and inputFile.CHK >= CHK - 1 and inputFile.CHK <= CHK + 1;"""
    reference = frame("r", TPL_START="t", CHK=100, MJD=54100.0)
    pool = [
        candidate("same", TPL_START="t", CHK=100, MJD=54100.1),
        candidate("other", TPL_START="u", CHK=100, MJD=54100.0),
        candidate("old", TPL_START="u", CHK=100, MJD=54000.0),
        candidate("one more", TPL_START="t", CHK=101, MJD=54100.2),
        candidate("two more", TPL_START="t", CHK=102, MJD=54100.0),
        candidate("no sum", TPL_START="t", MJD=54100.0),
    ]
    match = choose(text, reference, pool, pool="raw")
    assert ids(match) == ["same", "one more", "old"]


def test_a_typo_in_a_keyword_never_associates():
    text = "select file as X from calibFiles where MDJ-OBS < inputFile.MJD-OBS;"
    match = choose(text, R, [master("m", 57000.0)])
    assert (match.chosen, match.is_missing) == ((), True)


# --- counts


@pytest.mark.parametrize(
    ("bounds", "n_files", "n_chosen", "is_missing"),
    [
        ("", 3, 1, False),
        ("", 0, 0, True),
        ("minRet=0; maxRet=1;", 0, 0, False),
        ("minRet=1; maxRet=100;", 3, 3, False),
        ("minRet=3; maxRet=3;", 2, 2, True),
        ("minRet=3;", 5, 3, False),
        ("minRet=0; maxRet=0;", 3, 0, False),
        ("minRet=1; maxRet=0;", 3, 0, False),
        ("minRet=0;", 3, 1, False),
        ("maxRet=2;", 0, 0, True),
    ],
)
def test_bounds_say_how_many_are_taken_and_needed(bounds, n_files, n_chosen, is_missing):
    pool = [master(n, 57080.0 + n) for n in range(n_files)]
    match = choose(f"{bounds} {BIAS};", R, pool)
    assert (len(match.chosen), match.is_missing) == (n_chosen, is_missing)
    assert match.n_candidates == n_files


def test_the_bounds_of_a_select_that_names_none_are_a_setting():
    pool = [master(n, 57080.0) for n in range(5)]
    unlimited = choose(f"{BIAS};", R, pool, settings=OcaSettings(default_max_ret=None))
    assert (len(unlimited.chosen), unlimited.max_ret) == (5, None)
    optional = choose(f"{BIAS};", R, [], settings=OcaSettings(default_min_ret=0))
    assert not optional.is_missing


def test_a_missing_calibration_is_named_with_its_counts():
    text = "minRet=3; maxRet=3; select file as STD_RESPONSE_m from calibFiles;"
    match = choose(text, R, [master(1)])
    assert (match.text, match.is_missing, match.select_line) == ("STD_RESPONSE_m 1 of 3", True, 1)


def test_a_missing_one_does_not_stop_the_search_for_the_rest():
    text = f"{BIAS}; " + calib_where('PRO.CATG=="FLAT"')
    bias, flat = select_files(text, R, [master("f", 57080.0, "FLAT")])
    assert (bias.is_missing, ids(flat)) == (True, ["f"])


def test_a_refused_candidate_makes_room_for_the_next():
    asked = []

    def accept(offered):
        asked.append(offered.id)
        return offered.id != 0

    pool = [master(n, 57080.0 + n) for n in range(4)]
    match = choose(f"maxRet=2; {BIAS};", R, pool, accept=accept)
    assert (ids(match), asked) == ([1, 2], [0, 1, 2])


# --- products to come


def test_three_products_of_one_block_are_taken_together():
    text = 'minRet=3; maxRet=3; select file as REDL from calibFiles where PRO.CATG=="REDL";'
    rules = parse('action s { product REDL { PRO.CATG="REDL"; } ' * 1 + "}").actions["s"]
    three = rules.__class__("s", products=rules.products * 3)

    def virtual(block, mjd):
        made = products(three, group_of(frame(1, MJD=mjd)))
        return [Candidate(f"{block}:{p.order}", p.keywords, p.mjd, p.order, block) for p in made]

    assert ids(choose(text, R, virtual(10, 57081.0))) == ["10:0", "10:1", "10:2"]
    both = virtual(12, 57089.0) + virtual(11, 57081.0)
    assert ids(choose(text, R, both)) == ["11:0", "11:1", "11:2"]
    same_time = virtual(12, 57081.0) + virtual(11, 57081.0)
    assert ids(choose(text, R, reversed(same_time))) == ["11:0", "11:1", "11:2"]


def test_a_class_that_only_products_have_keeps_disk_files_out():
    text = 'select file as B from calibFiles where REFLEX.CATG=="MASTER_BIAS";'
    coming = Candidate("v", {"REFLEX.CATG": "MASTER_BIAS"}, 57079.0, producer=1)
    assert ids(choose(text, R, [master("disk", 57080.0), coming])) == ["v"]


def test_a_class_that_only_disk_files_have_keeps_products_out():
    rules = """
        select file as STD_RESPONSE from calibFiles where PRO.CATG=="STD_RESPONSE";
        select file as STD_RESPONSE_m from calibFiles
            where PRO.CATG=="STD_RESPONSE" and CALTYPE=="MASTER";
    """
    coming = Candidate("v", {"PRO.CATG": "STD_RESPONSE"}, 57080.0, producer=1)
    plain, of_master = select_files(rules, R, [coming])
    assert (ids(plain), of_master.text) == (["v"], "STD_RESPONSE_m 0 of 1")
    disk = master("disk", 57000.0, "STD_RESPONSE", CALTYPE="MASTER")
    plain, of_master = select_files(rules, R, [coming, disk])
    assert (ids(plain), ids(of_master), of_master.is_missing) == (["v"], ["disk"], False)


# --- pools


def test_members_of_the_block_are_no_calibrations_for_it_but_may_guard_it():
    group = [frame("d2", LAMP="D2", TPL_START="t"), frame("qth", LAMP="QTH", TPL_START="t")]
    guard = 'select file as D2 from {} where LAMP=="D2" and inputFile.TPL.START==TPL.START;'
    members = [Candidate.of(f) for f in group]
    for pool, name, found in [
        ("calib", "calibFiles", []),
        ("raw", "rawFiles", ["d2"]),
        ("input", "inputFiles", ["d2"]),
    ]:
        match = choose(guard.format(name), group_of(*group), members, pool=pool)
        assert ids(match) == found


def test_frames_may_be_given_without_their_group():
    action = parse(f"action a {{ {BIAS}; }}").actions["a"]
    [match] = associate(action, [R], Pool(calib=[master("m", 57080.0)]))
    assert ids(match) == ["m"]


def test_files_are_sorted_into_pools_generously():
    files = [
        candidate("raw", DPR_CATG="SCIENCE"),
        candidate("mask", DPR_CATG="CALIB"),
        candidate("master", PRO_CATG="M"),
        candidate("unknown"),
    ]
    coming = [Candidate("virtual", {})]

    def contents(pool):
        return {name.value: [c.id for c in pool.candidates(name)] for name in PoolName}

    assert contents(Pool.sort(files, coming)) == {
        "inputFiles": ["raw", "mask", "master", "unknown"],
        "calibFiles": ["mask", "master", "virtual"],
        "rawFiles": ["raw", "mask", "unknown"],
    }
    strict = Pool.sort(files, coming, OcaSettings(dpr_only_calibs=False))
    assert contents(strict)["calibFiles"] == ["master", "virtual"]


# --- the index


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('PRO.CATG=="A"', ("PRO.CATG", ("A",))),
        ('"A " == DO.CATG', ("DO.CATG", ("A",))),
        ('X==1 and (REFLEX.CATG=="A" and Y==2)', ("REFLEX.CATG", ("A",))),
        ('PRO.CATG=="A" or PRO.CATG=="B" and X==1', ("PRO.CATG", ("A", "B"))),
        ('PRO.CATG=="A" or PRO.CATG=="A"', ("PRO.CATG", ("A",))),
        ('PRO.CATG=="A" or DO.CATG=="A"', None),
        ('PRO.CATG=="A" or X==1', None),
        ('not PRO.CATG=="A"', None),
        ('inputFile.PRO.CATG=="A"', None),
        ('"A"==inputFile.PRO.CATG', None),
        ("PRO.CATG==inputFile.PRO.CATG", None),
        ('PRO.CATG!="A"', None),
        ("PRO.CATG==1", None),
        ('OBJECT=="A"', None),
    ],
)
def test_the_index_key_is_what_a_condition_cannot_do_without(text, key):
    assert index_key(condition(text)) == key


catgs = st.sampled_from(["A", "B", "A  ", "C"])
some_files = st.lists(
    st.builds(
        lambda keywords, mjd: Candidate(0, keywords, mjd),
        st.dictionaries(st.sampled_from(["PRO.CATG", "DO.CATG", "X"]), catgs | st.just(1)),
        st.none() | st.integers(57070, 57090).map(float),
    ),
    max_size=12,
).map(lambda files: [Candidate(n, c.keywords, c.mjd) for n, c in enumerate(files)])
tests = st.sampled_from(
    [
        'PRO.CATG=="A"',
        'PRO.CATG=="A" or PRO.CATG=="B"',
        'X=="A" and DO.CATG=="C"',
        'PRO.CATG=="A" or DO.CATG=="B"',
        "X ?= PRO.CATG",
    ]
)


@given(some_files, tests)
def test_the_index_hides_nothing_a_condition_would_find(files, text):
    indexed = choose(calib_where(text, "maxRet=99;"), R, files)
    # `not not` hides the equality from the index and changes nothing else.
    plain = choose(calib_where(f"not not ({text})", "maxRet=99;"), R, files)
    assert indexed == plain


@given(some_files, st.integers(0, 4), st.integers(0, 4), st.randoms(use_true_random=False))
def test_the_order_of_the_pool_does_not_matter_and_counts_hold(files, low, high, random):
    text = calib_where("T", f"minRet={low}; maxRet={high};")
    match = choose(text, R, files)
    assert match == choose(text, R, random.sample(files, len(files)))
    assert len(match.chosen) == min(high, len(files))
    assert match.is_missing is (high != 0 and len(match.chosen) < low)


@given(some_files)
def test_nothing_left_out_is_nearer_than_what_was_taken(files):
    match = choose("maxRet=3; select file as A from calibFiles;", R, files)
    taken = set(ids(match))
    far = max((abs(c.delta_days) for c in match.chosen if c.delta_days is not None), default=0.0)
    left = [abs(f.mjd - 57080.0) for f in files if f.id not in taken and f.mjd is not None]
    assert all(distance >= far for distance in left)


def test_a_candidate_takes_its_date_from_its_header():
    assert Candidate.of(Frame(1, {"MJD-OBS": 57080})) == Candidate(1, {"MJD-OBS": 57080}, 57080.0)
