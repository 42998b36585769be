"""What is printed is read back as the same tree."""

import pytest
from hypothesis import HealthCheck, given, settings

from pipelines.domain.oca import parse, print_expression, print_rules
from tests.pipelines.domain.oca.strategies import expressions, rule_files


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rule_files)
def test_print_and_parse_give_the_same_tree(rules):
    text = print_rules(rules)
    again = parse(text)
    assert again == rules
    # Trees compare 1 and 1.0 as equal; their texts do not.
    assert print_rules(again) == text


@given(expressions)
def test_an_expression_prints_with_just_the_parentheses_it_needs(expression):
    text = print_expression(expression)
    [rule] = parse(f"if {text} then {{ A = 1; }}").classification
    assert rule.condition == expression


@pytest.mark.parametrize(
    "text",
    [
        "A == 1 and (B == 1 or C == 1)",
        "A == 1 and (B == 1 and C == 1)",
        "(A == B) == C",
        "A - (B - C)",
        "A - B - C",
        "A * (B + C)",
        "-A + B",
        "-(A + B)",
        "not (A or B)",
        "not A or B",
        "(not A) == B",
        'A is undefined or A like "Blue%"',
        "(A between 1 and 2) and B",
        "inputFile.MJD-OBS - MJD-OBS < 0.5",
    ],
)
def test_parentheses_stand_where_they_are_needed(text):
    [rule] = parse(f"if {text} then {{ A = 1; }}").classification
    needless = {"(A between 1 and 2) and B": "A between 1 and 2 and B"}
    assert print_expression(rule.condition) == needless.get(text, text)


def test_a_printed_file_reads_like_a_written_one():
    text = """\
if DPR.CATG == "CALIB" and DPR.TYPE == "DARK" then
{
    RAW.TYPE = "DARK";
    REFLEX.TARGET = "T";
}

minRet = 3;
select execute(DARK_action) from inputFiles
    where RAW.TYPE == "DARK"
    group by TPL.START, DET.DIT as (TPL_A, tpl);

action DARK_action
{
    priority = 30;
    minRet = 0; maxRet = 1;
    select file as MASTER_BIAS from calibFiles
        where PRO.CATG == "MASTER_BIAS" and inputFile.DET.BINX == DET.BINX;
    select file as ALL from rawFiles;
    recipe my_dark
    {
        "--stack=MEDIAN";
    }
    recipe other;
    product MASTER_DARK
    {
        PRO.CATG = "MASTER_DARK";
    }
}
"""
    assert print_rules(parse(text)) == text
