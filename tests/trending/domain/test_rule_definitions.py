"""What scores.toml says of baselines and run rules."""

import pytest

from pipelines.domain.toml_reader import DefinitionError
from trending.domain.definitions import parse_rules, parse_tables

TABLES = {
    table.name: table
    for table in parse_tables(
        "qc1.toml",
        """
[[tables]]
name = "bias"
title = "Bias"
description = "Bias."
raw_types = ["BIAS"]
[[tables.products]]
pro_catg = "MASTER_BIAS"
[[tables.columns]]
name = "level"
keyword = "ESO QC LEVEL"
type = "float"
description = "Level."
""",
    )
}
RULE = '[[rules]]\ntable = "bias"\nparameter = "level"\nlimits = "3SIG"\nreason = "Try."\n'


def read(extra=""):
    (rule,) = parse_rules("scores.toml", RULE + extra, TABLES)
    return rule


def test_without_them_a_rule_is_as_ever():
    assert (read().baseline, read().run_rules) == (None, [])


def test_they_are_kept_in_their_own_spelling():
    rule = read('baseline = "Rolling( points=9, min_effect = 0.10 )"\nrun_rules = ["we1", "cusum"]')
    assert str(rule.baseline) == "rolling(min_effect=0.1)"
    assert rule.run_rules == ["WE1", "CUSUM(k=0.5,h=5)"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('baseline = "yearly"', "scores.toml:6: baseline = 'yearly': .* no baseline known"),
        ('run_rules = ["WE1",\n"WE9"]', "scores.toml:7: run_rules: 'WE9' is none of the run rules"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(extra, message):
    with pytest.raises(DefinitionError, match=message):
        read(extra)
