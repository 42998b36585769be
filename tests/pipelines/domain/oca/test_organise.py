"""Grouping in both dialects, on small nights made by hand."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import (
    Events,
    OcaSettings,
    OcaUnsupportedError,
    classify,
    organise,
    parse,
)
from pipelines.domain.oca.frames import Frame
from tests.pipelines.domain.oca.helpers import execute, frame

NIGHT = 57080.0


def summary(groups):
    return [(group.action, [f.id for f in group.frames]) for group in groups]


def template(start, ids, raw_type="BIAS", nexp=None, **keywords):
    """Frames of one template, a minute apart."""
    return [
        frame(
            id,
            RAW_TYPE=raw_type,
            DO_CATG=raw_type,
            TPL_START=start,
            TPL_EXPNO=n + 1,
            TPL_NEXP=nexp or len(ids),
            MJD=NIGHT + (hash_of(start) + n) / 1440,
            INSTRUME="UVES",
            **keywords,
        )
        for n, id in enumerate(ids)
    ]


def hash_of(start):
    """Minutes since midnight of a template start like 10:30."""
    hours, minutes = start.split(":")
    return int(hours) * 60 + int(minutes)


BY_TEMPLATE = """
select execute(bias) from inputFiles where RAW.TYPE=="BIAS" group by TPL.START as (TPL_A,tpl);
"""
EVENT = 'select execute(bias) from inputFiles where SIG.TEMPLATE==1 and DO.CATG=="BIAS";'


# --- batches


def test_frames_are_grouped_by_the_values_of_the_keys():
    frames = template("10:00", "abc") + template("11:00", "de") + template("10:30", "x", "DARK")
    groups = organise(parse(BY_TEMPLATE), frames)
    assert summary(groups) == [("bias", ["a", "b", "c"]), ("bias", ["d", "e"])]
    assert [group.key for group in groups] == [(("TPL.START", "10:00"),), (("TPL.START", "11:00"),)]
    assert {(group.label, group.prefix, group.select_line) for group in groups} == {
        ("TPL_A", "tpl", 2)
    }


def test_one_file_may_be_in_blocks_of_two_rules_and_a_small_group_is_kept_and_marked():
    rules = parse("""
        minRet=6;
        select execute(FLAT) from inputFiles where RAW.TYPE=="FLAT" group by TPL.START;
        select execute(ILLUM) from inputFiles where DO.CATG=="FLAT_ON" group by TPL.START;
    """)

    def flats(n_on):
        on = [frame(n, RAW_TYPE="FLAT", DO_CATG="FLAT_ON", TPL_START="t") for n in range(n_on)]
        return [*on, frame(99, RAW_TYPE="FLAT", DO_CATG="FLAT_OFF", TPL_START="t")]

    full, illum = organise(rules, flats(5))
    assert (len(full.frames), full.is_too_small) == (6, False)
    assert (illum.action, len(illum.frames), illum.min_ret) == ("ILLUM", 5, 0)
    small, illum = organise(rules, flats(4))
    assert (len(small.frames), small.min_ret, small.is_too_small) == (5, 6, True)
    assert (len(illum.frames), illum.is_too_small) == (4, False)


def test_min_ret_can_be_made_to_stick():
    rules = parse("""
        select execute(a) from inputFiles;
        minRet=2; select execute(b) from inputFiles;
        select execute(c) from inputFiles;
        minRet=0; select execute(d) from inputFiles;
    """)
    frames = [frame(1)]
    assert [group.min_ret for group in organise(rules, frames)] == [0, 2, 0, 0]
    sticky = OcaSettings(sticky_min_ret=True)
    assert [group.min_ret for group in organise(rules, frames, sticky)] == [0, 2, 2, 0]


def test_undefined_is_a_value_to_group_by():
    rules = parse("select execute(dark) from inputFiles group by WIN1.BINX;")
    frames = [frame(1), frame(2, WIN1_BINX=1), frame(3)]
    assert [(group.key, len(group.frames)) for group in organise(rules, frames)] == [
        ((("WIN1.BINX", None),), 2),
        ((("WIN1.BINX", 1),), 1),
    ]


def test_keys_compare_as_conditions_do():
    rules = parse("select execute(a) from inputFiles group by K;")
    values = [1, 1.0, True, "1", "x", "x  "]
    groups = organise(rules, [frame(n, K=value) for n, value in enumerate(values)])
    assert summary(groups) == [("a", [0, 1]), ("a", [2]), ("a", [3]), ("a", [4, 5])]


def test_without_group_by_every_file_is_its_own_block():
    groups = organise(parse("select execute(a) from inputFiles;"), [frame(1), frame(2)])
    assert [(group.label, group.prefix, group.key) for group in groups] == [("SINGLE", "", ())] * 2


def test_files_that_never_saw_an_archive_are_told_apart_by_their_name():
    rules = parse("select execute(a) from inputFiles group by ARCFILE;")
    frames = [frame("x.fits"), frame("y.fits"), frame("z.fits", ARCFILE="UVES.1.fits")]
    keys = [group.key[0][1] for group in organise(rules, frames)]
    assert keys == ["x.fits", "y.fits", "UVES.1.fits"]


def test_a_night_is_computed_where_the_header_has_none():
    rules = parse("select execute(a) from inputFiles group by NIGHT;")
    frames = [
        frame(1, MJD=57080.449),
        frame(2, MJD=57080.8),
        frame(3, MJD=57080.9),
        frame(4, NIGHT="2015-02-26"),
        frame(5),
        frame(6, MJD=1e9),
        frame(7, MJD=-1e6),
    ]
    found = {group.key[0][1]: [f.id for f in group.frames] for group in organise(rules, frames)}
    assert found == {"2015-02-26": [1, 2, 4], "2015-02-27": [3], None: [7, 6, 5]}
    noon = OcaSettings(night_rollover_hour=12)
    found = {
        group.key[0][1]: [f.id for f in group.frames] for group in organise(rules, frames, noon)
    }
    assert found == {"2015-02-26": [1, 4], "2015-02-27": [2, 3], None: [7, 6, 5]}


def test_a_night_key_of_products_is_an_ordinary_keyword():
    rules = parse("""
        if PRO.CATG=="VIS" then { RAW.TYPE="VIS"; }
        select execute(cal) from inputFiles where RAW.TYPE=="VIS" group by RES,POLA,PRO.NIGHT.OBS;
    """)

    def product(id, night, catg="VIS"):
        keywords = {"PRO.CATG": catg, "RES": "HIGH", "POLA": "IN", "PRO.NIGHT.OBS": night}
        return Frame(id, classify(rules, keywords).keywords)

    frames = [product("cal", "1"), product("s1", "1"), product("s2", "1"), product("s3", "2")]
    frames.append(product("done", "1", "VIS_CALIBRATED"))
    assert summary(organise(rules, frames)) == [("cal", ["cal", "s1", "s2"]), ("cal", ["s3"])]


def test_the_reference_is_the_first_in_time_and_a_target_may_come_later():
    rules = parse("""
        if DPR.TYPE=="SKY" then { RAW.TYPE="SCI"; REFLEX.CATG="SKY_RAW"; }
        if DPR.TYPE=="OBJECT" then { RAW.TYPE="SCI"; REFLEX.CATG="OBJ_RAW"; REFLEX.TARGET="T"; }
        select execute(sci) from inputFiles where RAW.TYPE=="SCI" group by TPL.START;
    """)

    def taken(id, type_, mjd):
        header = {"DPR.TYPE": type_, "TPL.START": "t", "MJD-OBS": mjd}
        return Frame(id, classify(rules, header).keywords)

    frames = [taken(n, "OBJECT", 57081.0 + n) for n in (3, 1, 2)] + [taken("sky", "SKY", 57081.5)]
    [group] = organise(rules, frames)
    assert [f.id for f in group.frames] == ["sky", 1, 2, 3]
    assert group.reference.id == "sky"
    assert [f.keywords.get("REFLEX.TARGET") for f in group.frames] == [None, "T", "T", "T"]


def test_frames_are_in_time_then_in_order_of_their_names_and_dateless_ones_last():
    rules = parse("select execute(a) from inputFiles group by K;")
    frames = [
        frame("b", MJD=2.0),
        frame("a", MJD=2.0),
        frame("no date"),
        frame("text", MJD="2.0"),
        frame("nan", MJD=float("nan")),
        frame(10, MJD=1),
        frame(9, MJD=1),
    ]
    [group] = organise(rules, frames)
    assert [f.id for f in group.frames] == [9, 10, "a", "b", "nan", "no date", "text"]


def test_the_same_file_is_never_twice_in_a_block():
    [group] = organise(parse("select execute(a) from inputFiles group by K;"), [frame(1)] * 3)
    assert len(group.frames) == 1


@pytest.mark.parametrize(
    ("alias", "label", "prefix"),
    [
        ("", "SINGLE", ""),
        ("as (TPL_D)", "TPL_D", ""),
        ("as (TPL_A,combination)", "TPL_A", "combination"),
    ],
)
def test_the_alias_names_event_and_prefix(alias, label, prefix):
    rules = parse(execute(f"group by K {alias}"))
    [group] = organise(rules, [frame(1)])
    assert (group.label, group.prefix) == (label, prefix)


@pytest.mark.parametrize(
    ("pool", "found"),
    [
        ("inputFiles", ["raw", "mask", "master"]),
        ("rawFiles", ["raw", "mask"]),
        ("calibFiles", ["mask", "master"]),
    ],
)
def test_a_rule_groups_the_files_of_the_pool_it_names(pool, found):
    rules = parse(execute("group by K").replace("inputFiles", pool))
    frames = [frame("raw", MJD=1), frame("mask", DPR_CATG="CALIB", MJD=2)]
    [group] = organise(rules, [*frames, frame("master", PRO_CATG="M", MJD=3)])
    assert [f.id for f in group.frames] == found


def test_virtual_products_are_not_grouped_unless_asked():
    rules = parse("select execute(a) from inputFiles group by K;")
    frames = [frame(1), Frame(2, {}, is_virtual=True)]
    assert summary(organise(rules, frames)) == [("a", [1])]
    settings = OcaSettings(organise_virtual=True)
    assert summary(organise(rules, frames, settings)) == [("a", [1, 2])]


def test_nothing_makes_no_groups():
    assert organise(parse(BY_TEMPLATE), []) == []
    assert organise(parse(""), [frame(1)]) == []


# --- unfinished templates


def test_a_template_that_is_still_running_says_how_many_frames_it_awaits():
    frames = template("10:00", "ab", nexp=5) + template("11:00", "cde", nexp=5)
    groups = organise(parse(BY_TEMPLATE), frames)
    # Nothing more will come for the first: a newer template has begun.
    assert [group.awaited for group in groups] == [0, 2]


def test_a_template_of_another_instrument_does_not_end_this_one():
    other = [frame("x", RAW_TYPE="BIAS", TPL_START="11:00", INSTRUME="FORS2")]
    groups = organise(parse(BY_TEMPLATE), template("10:00", "ab", nexp=5) + other)
    assert [group.awaited for group in groups] == [3, 0]


def test_single_files_of_a_running_template_await_nothing():
    rules = parse("select execute(a) from inputFiles group by TPL.START,ARCFILE;")
    groups = organise(rules, template("10:00", "ab", nexp=5))
    assert [group.awaited for group in groups] == [0, 0]


# --- events


def test_a_template_event_groups_the_whole_template():
    groups = organise(parse(EVENT), template("10:00", "abc") + template("11:00", "de"))
    assert summary(groups) == [("bias", ["a", "b", "c"]), ("bias", ["d", "e"])]
    assert {(group.label, group.prefix) for group in groups} == {("TPL_A", "tpl")}
    assert groups[0].key == (("TPL.START", "10:00"),)


def test_a_frame_event_makes_a_block_of_every_file():
    rules = parse('select execute(a) from inputFiles where SIG.FRAME == 1 and DO.CATG=="ARC";')
    groups = organise(rules, template("10:00", "ab", "ARC") + template("11:00", "c", "BIAS"))
    assert summary(groups) == [("a", ["a"]), ("a", ["b"])]
    assert {(group.label, group.awaited) for group in groups} == {("SINGLE", 0)}


def test_the_last_file_decides_about_the_whole_template():
    rules = parse("""
        select execute(detmon) from inputFiles where SIG.TEMPLATE==1 and LF.DO.CATG=="OFF";
        select execute(other) from inputFiles where LF.DO.CATG=="ON";
    """)
    on, off = template("10:00", "ab", "ON"), template("10:00", "c", "OFF")
    # The number of the exposure decides, not the clock of a file written late.
    off = [Frame("c", {**off[0].keywords, "TPL.EXPNO": 3, "MJD-OBS": NIGHT})]
    assert summary(organise(rules, on + off)) == [("detmon", ["c", "a", "b"])]
    assert summary(organise(rules, on)) == [("other", ["a", "b"])]


def test_the_last_file_of_a_frame_event_is_the_frame():
    rules = parse('select execute(a) from inputFiles where SIG.FRAME==1 and LF.DO.CATG=="ON";')
    frames = (
        template("10:00", "a", "ON") + template("11:00", "b", "OFF") + [frame("c", DO_CATG="ON")]
    )
    assert summary(organise(rules, frames)) == [("a", ["a"]), ("a", ["c"])]


def test_two_arms_that_share_a_template_go_to_their_own_actions():
    rules = parse("""
        select execute(blue) from inputFiles where SIG.TEMPLATE==1 and DO.CATG=="BIAS_BLUE";
        select execute(red) from inputFiles where SIG.TEMPLATE==1 and DO.CATG=="BIAS_RED";
    """)
    frames = template("10:00", "ab", "BIAS_BLUE") + template("10:00", "cd", "BIAS_RED")
    assert summary(organise(rules, frames)) == [("blue", ["a", "b"]), ("red", ["c", "d"])]


def test_two_instruments_that_start_together_stay_apart():
    twin = [Frame("x", {**template("10:00", "x")[0].keywords, "INSTRUME": "FORS2"})]
    assert summary(organise(parse(EVENT), template("10:00", "a") + twin)) == [
        ("bias", ["a"]),
        ("bias", ["x"]),
    ]


def test_an_event_may_be_grouped_further():
    rules = parse("select execute(a) from inputFiles where SIG.TEMPLATE==1 group by TPL.EXPNO;")
    groups = organise(rules, template("10:00", "ab"))
    assert [group.key for group in groups] == [
        (("TPL.START", "10:00"), ("TPL.EXPNO", 1)),
        (("TPL.START", "10:00"), ("TPL.EXPNO", 2)),
    ]


@pytest.mark.parametrize("group_by", ["", "group by K"])
def test_files_without_a_template_are_alone(group_by):
    rules = parse(execute(f"where SIG.TEMPLATE==1 {group_by}"))
    assert summary(organise(rules, [frame(1, K=1), frame(2, K=1)])) == [("a", [1]), ("a", [2])]


def test_events_can_be_refused_with_the_line_of_the_rule():
    rules = parse(f"\n\n{EVENT}")
    with pytest.raises(OcaUnsupportedError) as caught:
        organise(rules, [], OcaSettings(events=Events.REFUSE))
    assert str(caught.value) == (
        "3: bias is started by events (SIG., LF.), which the settings refuse"
    )
    assert organise(parse(BY_TEMPLATE), [], OcaSettings(events=Events.REFUSE)) == []


# --- properties

some_frames = st.lists(
    st.builds(
        lambda id, keywords: Frame(id, keywords),
        st.integers(0, 30),
        st.fixed_dictionaries(
            {},
            optional={
                "MJD-OBS": st.floats(57000, 57001),
                "TPL.START": st.sampled_from("ab"),
                "K": st.sampled_from([1, 2, "x"]),
                "TPL.EXPNO": st.integers(1, 3),
            },
        ),
    ),
    unique_by=lambda frame: frame.id,
)
some_rules = st.sampled_from(
    [
        "select execute(a) from inputFiles group by K;",
        "select execute(a) from inputFiles where K==1 group by TPL.START,K;",
        "select execute(a) from inputFiles where SIG.TEMPLATE==1;",
        "select execute(a) from inputFiles where SIG.FRAME==1 and LF.K==1;",
    ]
)


@given(some_rules, some_frames, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(text, frames, random):
    rules = parse(text)
    shuffled = random.sample(frames, len(frames))
    assert organise(rules, shuffled) == organise(rules, frames)


@given(some_rules, some_frames)
def test_one_rule_puts_a_file_into_one_block_at_most(text, frames):
    groups = organise(parse(text), frames)
    ids = [f.id for group in groups for f in group.frames]
    assert len(ids) == len(set(ids))
    assert all(group.frames for group in groups)


@given(some_frames)
def test_grouping_partitions_the_files_a_select_takes(frames):
    text = "select execute(a) from inputFiles where TPL.START is string group by K,TPL.START;"
    groups = organise(parse(text), frames)
    grouped = {f.id: n for n, group in enumerate(groups) for f in group.frames}
    taken = [f for f in frames if "TPL.START" in f.keywords]
    assert set(grouped) == {f.id for f in taken}
    for one in taken:
        for other in taken:
            alike = all(one.keywords.get(k) == other.keywords.get(k) for k in ("K", "TPL.START"))
            assert (grouped[one.id] == grouped[other.id]) is alike
