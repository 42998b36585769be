"""The cascade: blocks that need each other's products, and blocks that cannot have them."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import DeltaFrom, OcaSettings, cascade, parse
from tests.pipelines.domain.oca.helpers import candidate, frame, group_of

RULES = parse("""
action bias { product MASTER_BIAS { PRO.CATG="MASTER_BIAS"; } }
action flat {
    minRet=1; maxRet=1;
    select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS" and inputFile.BIN==BIN;
    product MASTER_FLAT { PRO.CATG="MASTER_FLAT"; }
}
action science {
    minRet=1; maxRet=1;
    select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS" and inputFile.BIN==BIN;
    minRet=1; maxRet=1;
    select file as FLAT from calibFiles where PRO.CATG=="MASTER_FLAT" and inputFile.BIN==BIN;
}
""")


def block(action, mjd, min_ret=0, **keywords):
    name = f"{action} {mjd}"
    return group_of(frame(name, MJD=mjd, **{"BIN": 1, **keywords}), action=action, min_ret=min_ret)


def producers(found):
    return [each.producers for each in found.blocks]


def test_a_science_block_finds_its_flat_and_both_find_the_bias():
    groups = [block("science", 57080.3), block("flat", 57080.2), block("bias", 57080.1)]
    found = cascade(RULES, groups)
    assert producers(found) == [(1, 2), (2,), ()]
    assert all(each.is_complete for each in found.blocks)
    assert found.order == (2, 1, 0)
    assert [found.level(index) for index in range(3)] == [2, 1, 0]
    assert found.upstream(0) == (2, 1)
    assert found.downstream(2) == (1, 0)
    assert found.cuts == ()
    [match, _] = found.blocks[0].matches
    assert match.chosen[0].candidate.id == "virtual 2.0"
    assert match.chosen[0].delta_days == pytest.approx(-0.2)


def test_a_block_without_its_calibration_says_so_and_so_do_those_that_hang_on_it():
    groups = [block("science", 57080.3), block("flat", 57080.2), block("bias", 57080.1, BIN=2)]
    science, flat, bias = cascade(RULES, groups).blocks
    assert flat.reasons == ("BIAS 0 of 1",)
    assert science.reasons == ("BIAS 0 of 1", "FLAT 0 of 1")
    assert bias.is_complete


def test_the_products_of_an_incomplete_block_do_not_count_and_the_next_best_is_taken():
    groups = [block("flat", 57080.2), block("bias", 57080.1, min_ret=5), block("bias", 57070.0)]
    found = cascade(RULES, groups)
    assert producers(found)[0] == (2,)
    assert found.blocks[1].reasons == ("too_small 1 of 5",)


def test_incomplete_producers_can_be_let_count_and_taint_what_they_feed():
    settings = OcaSettings(count_incomplete_producers=True)
    groups = [block("flat", 57080.2), block("bias", 57080.1, min_ret=5), block("bias", 57070.0)]
    found = cascade(RULES, groups, settings=settings)
    assert producers(found)[0] == (1,)
    assert found.blocks[0].reasons == ("BIAS comes from an incomplete block",)


def test_masters_on_disk_compete_by_nearness():
    disk = [
        candidate("disk", PRO_CATG="MASTER_BIAS", BIN=1, MJD=57080.19),
        candidate("old", PRO_CATG="MASTER_BIAS", BIN=1, MJD=57000.0),
    ]
    groups = [block("flat", 57080.2), block("bias", 57080.1)]
    found = cascade(RULES, groups, disk)
    assert producers(found) == [(), ()]
    assert found.blocks[0].matches[0].chosen[0].candidate.id == "disk"
    assert producers(cascade(RULES, groups, disk[1:])) == [(1,), ()]


def test_a_product_is_not_classified_as_disk_files_are():
    rules = parse("""
        action std { product STD_RESPONSE { PRO.CATG="STD_RESPONSE"; } }
        action sci {
            select file as STD_RESPONSE from calibFiles where PRO.CATG=="STD_RESPONSE";
            select file as STD_RESPONSE_m from calibFiles
                where PRO.CATG=="STD_RESPONSE" and CALTYPE=="MASTER";
        }
    """)
    groups = [block("sci", 57080.3), block("std", 57080.2)]
    assert cascade(rules, groups).blocks[0].reasons == ("STD_RESPONSE_m 0 of 1",)
    disk = candidate("disk", PRO_CATG="STD_RESPONSE", CALTYPE="MASTER", MJD=57000.0)
    [science, _] = cascade(rules, groups, [disk]).blocks
    assert science.is_complete
    assert [m.chosen[0].candidate.id for m in science.matches] == ["virtual 1.0", "disk"]


def test_an_action_nobody_defines_makes_an_incomplete_block():
    [lost] = cascade(RULES, [block("lost", 57080.0)]).blocks
    assert (lost.reasons, lost.matches, lost.products) == (("no action is called lost",), (), ())


RING = parse("""
action noise { select file as CONF from calibFiles where PRO.CATG=="CONF";
               product N { PRO.CATG="NOISE"; } }
action flat { select file as NOISE from calibFiles where PRO.CATG=="NOISE";
              product C { PRO.CATG="CONF"; } }
""")


def test_a_circle_is_cut_and_named():
    found = cascade(RING, [block("noise", 57080.0), block("flat", 57080.1)])
    assert found.cuts == ((0, 1),)
    assert producers(found) == [(), ()]
    assert [each.reasons for each in found.blocks] == [("CONF 0 of 1",), ("NOISE 0 of 1",)]


def test_a_circle_is_harmless_where_a_master_on_disk_can_stand_in():
    disk = candidate("disk", PRO_CATG="CONF", MJD=57000.0)
    found = cascade(RING, [block("noise", 57080.0), block("flat", 57080.1)], [disk])
    assert found.cuts == ((0, 1),)
    # The flat was asked while the noise waited for it, so it went without and cannot feed it.
    assert found.blocks[0].matches[0].chosen[0].candidate.id == "disk"
    assert found.blocks[0].is_complete


def test_a_block_never_feeds_itself():
    rules = parse("""
        action dark { select file as D from calibFiles where PRO.CATG=="DARK";
                      product D { PRO.CATG="DARK"; } }
    """)
    found = cascade(rules, [block("dark", 57080.0)])
    assert found.cuts == ((0,),)
    assert found.blocks[0].reasons == ("D 0 of 1",)


@pytest.mark.parametrize(("n", "step"), [(1100, 1), (300, -1)])
def test_rules_that_go_on_from_block_to_block_do_not_exhaust_the_stack(n, step):
    rules = parse("""
        action dark { minRet=0; maxRet=1;
                      select file as D from calibFiles where PRO.CATG=="DARK"
                          and MJD-OBS < inputFile.MJD-OBS;
                      product D { PRO.CATG="DARK"; } }
    """)
    groups = [block("dark", 57000.0 + day) for day in range(n)][::step]
    found = cascade(rules, groups)
    assert all(each.is_complete for each in found.blocks)
    assert set(found.order) == set(range(n))


@pytest.mark.parametrize("step", [1, -1])
def test_each_dark_of_a_long_series_gets_the_one_before_it(step):
    rules = parse("""
        action dark { minRet=1; maxRet=1;
                      select file as D from calibFiles where PRO.CATG=="DARK"
                          and MJD-OBS < inputFile.MJD-OBS;
                      product D { PRO.CATG="DARK"; } }
    """)
    n = 2000
    groups = [block("dark", 57000.0 + day) for day in range(n)][::step]
    found = cascade(rules, groups, [candidate("first", PRO_CATG="DARK", MJD=56999.0)])
    assert found.cuts == ()
    last = n - 1 if step == 1 else 0
    assert found.level(last) == n - 1
    assert [len(each.producers) for each in found.blocks].count(0) == 1


def test_where_every_dark_asks_for_any_other_it_comes_to_an_end():
    rules = parse("""
        action dark { minRet=1; maxRet=1; select file as D from calibFiles where PRO.CATG=="DARK";
                      product D { PRO.CATG="DARK"; } }
    """)
    found = cascade(rules, [block("dark", 57000.0 + day) for day in range(300)])
    assert len(found.order) == 300
    assert found.cuts


TARGETS = parse("""
action sci { select file as S from calibFiles where PRO.CATG=="STD"; }
action std { select file as B from calibFiles where PRO.CATG=="MASTER_BIAS";
             product S { PRO.CATG="STD"; } }
action bias { product B { PRO.CATG="MASTER_BIAS"; } }
""")


@pytest.mark.parametrize(("delta_from", "bias"), [(DeltaFrom.REFERENCE, 2), (DeltaFrom.TARGET, 3)])
def test_distances_are_measured_from_the_asking_block_or_from_the_target(delta_from, bias):
    groups = [
        block("std", 57070.0),
        block("sci", 57080.0, REFLEX_TARGET="T"),
        block("bias", 57070.1),
        block("bias", 57079.9),
    ]
    found = cascade(TARGETS, groups, settings=OcaSettings(delta_from=delta_from))
    assert producers(found)[:2] == [(bias,), (0,)]


def test_a_match_on_a_keyword_that_varies_within_the_producer_is_doubtful():
    mixed = group_of(frame(1, MJD=57080.0, BIN=1), frame(2, MJD=57080.1, BIN=2), action="bias")
    found = cascade(RULES, [block("flat", 57080.2), mixed])
    assert found.blocks[0].doubts == (
        "BIAS was matched on BIN, on which the files of its block differ",
    )
    assert found.blocks[0].is_complete


nights = st.lists(
    st.tuples(
        st.sampled_from(["bias", "flat", "science"]),
        st.integers(57000, 57010),
        st.integers(0, 2),
        st.sampled_from([1, 2]),
    ),
    max_size=12,
)


@given(nights, st.booleans())
def test_every_block_runs_after_all_it_needs(night, count_incomplete):
    groups = [block(action, float(mjd), small, BIN=bin) for action, mjd, small, bin in night]
    settings = OcaSettings(count_incomplete_producers=count_incomplete)
    found = cascade(RULES, groups, settings=settings)
    place = {index: n for n, index in enumerate(found.order)}
    assert sorted(place) == list(range(len(groups)))
    for each in found.blocks:
        for producer in each.producers:
            assert place[producer] < place[each.index]
            assert count_incomplete or found.blocks[producer].is_complete
            assert each.index in found.downstream(producer)
            assert found.level(producer) < found.level(each.index)
        if each.is_complete:
            assert all(found.blocks[producer].is_complete for producer in each.producers)
