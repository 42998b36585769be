"""Classification, on rules modelled on what real instruments need."""

import pytest
from hypothesis import given, strategies as st

from pipelines.domain.oca import classify, parse
from pipelines.domain.oca.classify import Overwrite
from tests.pipelines.domain.oca.helpers import assigned, header
from tests.pipelines.domain.oca.strategies import class_rules, values


def test_a_later_rule_wins_and_earlier_side_effects_stay():
    rules = parse("""
        if DPR.TYPE like "%FLAT%" then { CATG = "FLAT"; BLUE = FILTER like "Blue%"; }
        if DPR.TYPE like "%FLAT%" and (DPR.TYPE like "%SKY%" or DPR.TYPE like "%ILLUM%") then
        { CATG = "SKYFLAT"; }
    """)
    lamp = "FLAT,LAMP,ILLUM"
    assert assigned(rules, DPR_TYPE=lamp, FILTER="Blue") == {"CATG": "SKYFLAT", "BLUE": True}
    assert assigned(rules, DPR_TYPE=lamp) == {"CATG": "SKYFLAT", "BLUE": False}
    assert assigned(rules, DPR_TYPE="FLAT") == {"CATG": "FLAT", "BLUE": False}


@pytest.mark.parametrize(
    ("type_", "position", "catg"),
    [
        ("LAMP", -999.99, "MOS_2_LSS"),
        ("LAMP", 0.1, "LAMP_LSS"),
        ("STD", -999.99, "STD_LSS"),
    ],
)
def test_a_sentinel_position_overrides_and_is_overridden(type_, position, catg):
    rules = parse("""
        if DPR.TYPE=="LAMP" and MODE=="LSS" then { CATG="LAMP_LSS"; }
        if MODE=="LSS" and SLIT.POS==-999.99 then { CATG="MOS_2_LSS"; }
        if DPR.TYPE=="STD" and MODE=="LSS" then { CATG="STD_LSS"; }
    """)
    assert assigned(rules, DPR_TYPE=type_, MODE="LSS", SLIT_POS=position) == {"CATG": catg}


@pytest.mark.parametrize(
    ("keywords", "is_bias"), [({"TPL_NEXP": 3}, False), ({"TPL_NEXP": 4.0}, True), ({}, False)]
)
def test_a_strict_bound_and_a_missing_keyword(keywords, is_bias):
    rules = parse('if DPR.TYPE=="BIAS" and TPL.NEXP>3 then { CATG="BIAS"; }')
    assert assigned(rules, DPR_TYPE="BIAS", **keywords) == ({"CATG": "BIAS"} if is_bias else {})


def test_the_family_of_a_frame_may_differ_from_its_tag():
    rules = parse("""
        if TPL.ID=="day-calib" and TPL.NEXP>2 then
        { RAW.TYPE="SCREEN_FLAT_STD"; REFLEX.CATG="SCREEN_FLAT_MOS"; }
    """)
    flat = classify(rules, header(TPL_ID="day-calib", TPL_NEXP=3))
    assert (flat.raw_type, flat.tag, flat.label) == (
        "SCREEN_FLAT_STD",
        "SCREEN_FLAT_MOS",
        "SCREEN_FLAT_MOS",
    )
    other = classify(rules, header(TPL_ID="day-calib", TPL_NEXP=2))
    assert (other.raw_type, other.tag, other.label) == (None, None, "UNCLASSIFIED")


@pytest.mark.parametrize(
    ("keywords", "catg"),
    [
        ({"PRO_CATG": "UTIL_TW", "INSTRUME": "X"}, {"CATG": "UTIL_TW"}),
        ({"INSTRUME": "X"}, {}),
        ({"PRO_CATG": "UTIL_TW", "INSTRUME": "Y"}, {}),
        ({"PRO_CATG": 7, "INSTRUME": "X"}, {}),
    ],
)
def test_products_copy_their_category(keywords, catg):
    rules = parse('if PRO.CATG is string and INSTRUME=="X" then { CATG=PRO.CATG; }')
    assert assigned(rules, **keywords) == catg


def test_of_several_patterns_on_one_category_the_last_wins_keyword_by_keyword():
    rules = parse("""
        if PRO.CATG=="WAVE_PARAM" then { DO.CATG="WAVE_PARAM"; REFLEX.CATG="WAVE_PARAM"; }
        if PRO.CATG like "%DARK%" then { DO.CATG="DARK"; }
        if PRO.CATG like "%P2VM%" then { DO.CATG="P2VM"; }
        if PRO.CATG like "%WAVE%" then { DO.CATG="WAVE"; }
    """)
    assert assigned(rules, PRO_CATG="DARK_P2VM") == {"DO.CATG": "P2VM"}
    both = {"DO.CATG": "WAVE", "REFLEX.CATG": "WAVE_PARAM"}
    assert assigned(rules, PRO_CATG="WAVE_PARAM") == both


def test_the_order_of_words_counts_in_a_literal_and_not_in_patterns():
    rules = parse("""
        if DPR.TECH like "%CHOPNOD%" and DPR.TECH like "%JITTER%" and DPR.TECH like "%BURST%" then
        { CATG="JIT_BURST"; }
        if DPR.TECH=="IMAGE,BURST,CHOPNOD" then { CATG="BURST"; }
    """)
    results = [
        assigned(rules, DPR_TECH=tech).get("CATG")
        for tech in ("IMAGE,CHOPNOD,JITTER,BURST", "IMAGE,BURST,CHOPNOD", "IMAGE,CHOPNOD,BURST")
    ]
    assert results == ["JIT_BURST", "BURST", None]


@pytest.mark.parametrize(("value", "is_target"), [('"T"', True), ('"F"', False), ("T", False)])
def test_only_the_text_t_makes_a_target(value, is_target):
    rules = parse(f"if (T) then {{ REFLEX.TARGET={value}; }}")
    assert classify(rules, {}).is_target is is_target
    assert not classify(parse(""), {}).is_target


def test_the_prologue_that_calls_everything_undefined_leaves_a_file_unclassified():
    rules = parse("""
        if (T) then { REFLEX.CATG="UNDEFINED"; }
        if DPR.TYPE=="BIAS" then { REFLEX.CATG="BIAS"; }
    """)
    assert classify(rules, {}).tag is None
    assert classify(rules, {}).label == "UNCLASSIFIED"
    assert classify(rules, {"DPR.TYPE": "BIAS"}).tag == "BIAS"


def test_a_file_without_a_class_is_shown_by_its_product_category():
    assert classify(parse(""), {"PRO.CATG": "MASTER_BIAS "}).label == "MASTER_BIAS"


def test_the_tag_stands_in_for_a_family_that_no_rule_names():
    assert classify(parse('if (T) then { DO.CATG="BIAS"; }'), {}).raw_type == "BIAS"


def test_assignments_are_seen_by_later_rules_and_by_later_lines():
    rules = parse("""
        if DPR.TYPE=="STD" then { RULE.STATE="a"; LOG = RULE.STATE + "1"; }
        if RULE.STATE=="a" then { RULE.STATE="b"; }
        if RULE.STATE=="a" then { RULE.STATE="never"; }
        if RULE.STATE=="b" then { PRO.CATG="TELLURIC"; }
        if PRO.CATG=="TELLURIC" then { DO.CATG=PRO.CATG; }
    """)
    assert assigned(rules, DPR_TYPE="STD", PRO_CATG="STD_FLUX") == {
        "RULE.STATE": "b",
        "LOG": "a1",
        "PRO.CATG": "TELLURIC",
        "DO.CATG": "TELLURIC",
    }


def test_the_header_itself_is_never_touched():
    keywords = {"PRO.CATG": "A"}
    result = classify(parse('if (T) then { PRO.CATG="B"; X=1; }'), keywords)
    assert keywords == {"PRO.CATG": "A"}
    assert result.keywords == {"PRO.CATG": "B", "X": 1}


def test_assigning_an_undefined_value_undefines_the_target():
    rules = parse("if (T) then { A=GONE; B=1; B=GONE; }")
    result = classify(rules, {"A": 5})
    assert result.keywords == {}
    assert result.assigned == {}


def test_it_tells_which_rules_fired_and_what_they_replaced():
    rules = parse("""if (T) then { CATG="UNDEFINED"; }
    if DPR.TYPE=="FLAT" then { CATG="FLAT"; }
    if DPR.TYPE=="BIAS" then { CATG="BIAS"; }
    if (T) then { CATG="FLAT"; DPR.TYPE=GONE; }""")
    result = classify(rules, {"DPR.TYPE": "FLAT"})
    assert result.fired == (1, 2, 4)
    assert result.overwritten == (
        Overwrite(2, "CATG", "UNDEFINED", "FLAT"),
        Overwrite(4, "DPR.TYPE", "FLAT", None),
    )


@given(
    st.lists(class_rules, max_size=4),
    st.dictionaries(st.sampled_from(["A", "B", "A.B"]), values),
)
def test_classification_only_adds_what_it_reports(rules, keywords):
    tree = parse("").__class__(classification=tuple(rules))
    result = classify(tree, keywords)
    changed = {a.keyword for rule in rules for a in rule.assignments}
    for name in set(keywords) - changed:
        assert result.keywords[name] == keywords[name]
    assert result.assigned.items() <= result.keywords.items()
    assert set(result.assigned) <= changed


tests = st.sampled_from(["T", "F", 'A=="x"', 'B=="x"', 'C=="x"', "B is undefined"])
settings_of_rules = st.lists(
    st.tuples(tests, st.sampled_from("ABC"), st.sampled_from(["x", "y"])), max_size=6
)
HOLDS = {
    "T": lambda found: True,
    "F": lambda found: False,
    'A=="x"': lambda found: found.get("A") == "x",
    'B=="x"': lambda found: found.get("B") == "x",
    'C=="x"': lambda found: found.get("C") == "x",
    "B is undefined": lambda found: "B" not in found,
}


@given(settings_of_rules, st.dictionaries(st.sampled_from("AB"), st.sampled_from(["x", "y"])))
def test_rules_run_in_order_and_the_last_that_holds_wins(rows, keywords):
    text = "\n".join(f'if {test} then {{ {key}="{value}"; }}' for test, key, value in rows)
    expected, fired, assigned = dict(keywords), [], {}
    for line, (test, key, value) in enumerate(rows, 1):
        if HOLDS[test](expected):
            fired.append(line)
            expected[key] = assigned[key] = value
    result = classify(parse(text), keywords)
    assert (result.keywords, result.assigned) == (expected, assigned)
    assert result.fired == tuple(fired)
