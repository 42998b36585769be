"""The instrument folders fit together: what one file names, another defines."""

import re
import tomllib

import pytest

from pipelines.recipes.native.command import RECIPES
from tests.pipelines.simulator.observatory import INSTRUMENTS, qc1_tables

NAMES = ("ccdcam", "uves", "muse")


def read(instrument, name):
    return tomllib.loads((INSTRUMENTS / instrument / f"{name}.toml").read_text())


def rules(instrument):
    text = (INSTRUMENTS / instrument / "rules.oca").read_text()
    return re.sub(r"//.*", "", text)


def columns(instrument):
    return {
        table["name"]: {column["name"]: column for column in table["columns"]}
        for table in qc1_tables(instrument)
    }


@pytest.mark.parametrize("instrument", NAMES)
def test_the_folder_is_named_like_its_instrument(instrument):
    described = read(instrument, "instrument")

    assert described["name"] == instrument.upper()
    assert described["runner"] in {"native", "esorex"}
    assert described["simulated"] is True


@pytest.mark.parametrize("instrument", NAMES)
def test_raw_types_of_rules_and_folder_are_the_same(instrument):
    described = read(instrument, "instrument")["raw_types"]
    given = set(re.findall(r'RAW\.TYPE\s*=\s*"(\w+)"', rules(instrument)))
    grouped = set(re.findall(r'RAW\.TYPE=="(\w+)"', rules(instrument)))

    assert given == set(described)
    # Science has no block; it is grouped all the same where rules say what it needs.
    science = {name for name, each in described.items() if each.get("science")}
    assert grouped - science == set(described) - science


@pytest.mark.parametrize("instrument", NAMES)
def test_recipes_of_rules_and_folder_are_the_same(instrument):
    described = read(instrument, "instrument")["recipes"]
    called = set(re.findall(r"recipe\s+(\w+)\s*\{", rules(instrument)))

    assert called == set(described)


def test_the_native_recipes_make_what_the_folder_promises():
    promised = {
        name: each["products"] for name, each in read("ccdcam", "instrument")["recipes"].items()
    }

    assert promised == {name: list(recipe.products) for name, recipe in RECIPES.items()}


@pytest.mark.parametrize("instrument", NAMES)
def test_every_action_that_is_executed_is_defined_and_says_how_many_frames_it_takes(instrument):
    text = rules(instrument)
    executed = re.findall(r"minRet = \d+;\s*select execute\((\w+)\)", text)
    actions = [name for name in re.findall(r"action (\w+)", text) if "SCIENCE" not in name]

    assert executed
    assert sorted(executed) == sorted(actions)
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("instrument", NAMES)
def test_what_is_associated_is_produced(instrument):
    text = rules(instrument)
    produced = set(re.findall(r'product (\w+) \{ PRO\.CATG="\1"', text))

    assert set(re.findall(r'PRO\.CATG=="(\w+)"', text)) <= produced
    assert set(re.findall(r"select file as (\w+)", text)) <= produced


@pytest.mark.parametrize("instrument", NAMES)
def test_qc1_tables_are_filled_by_products_of_known_raw_types(instrument):
    produced = set(re.findall(r"product (\w+) \{", rules(instrument)))
    known = read(instrument, "instrument")["raw_types"]
    for table in qc1_tables(instrument):
        assert set(table["raw_types"]) <= set(known)
        for product in table["products"]:
            assert product["pro_catg"] in produced
            assert ("detector" in product) == (product["extensions"] == "primary")


@pytest.mark.parametrize("instrument", NAMES)
def test_every_table_has_filters_one_default_and_classes(instrument):
    for table in qc1_tables(instrument):
        filters = [c for c in table["columns"] if c.get("role") == "filter"]
        values = [c for c in table["columns"] if c.get("role") != "filter"]

        assert filters
        assert all(c["type"] == "text" for c in filters)
        assert sum(c.get("default_y", False) for c in values) == 1
        assert {c["class"] for c in values} <= {"KPI", "HC", "CAL", "ENG"}
        assert all(c["description"] for c in table["columns"])


@pytest.mark.parametrize("instrument", NAMES)
def test_score_rules_speak_of_columns_that_exist(instrument):
    known = columns(instrument)
    for rule in read(instrument, "scores")["rules"]:
        assert known[rule["table"]][rule["parameter"]]["type"] == "float"
        for name in rule.get("setup", {}):
            assert known[rule["table"]][name]["role"] == "filter"
        is_fixed = rule["limits"].startswith("VAL")
        assert is_fixed or {"average", "window_days", "min_n"} <= set(rule)
        assert rule["reason"]


def test_every_way_to_set_limits_is_used():
    limits = [rule["limits"] for name in NAMES for rule in read(name, "scores")["rules"]]
    kinds = {re.sub(r"[\d., -]", "", text) for text in limits}

    assert kinds == {"VAL", "%", "SIG", "MAD"}


@pytest.mark.parametrize("instrument", NAMES)
def test_reports_show_series_that_exist(instrument):
    known = columns(instrument)
    reports = read(instrument, "reports")["reports"]

    assert 2 <= len(reports) <= 6
    for report in reports:
        assert report["group"] in {"bias_dark", "read_noise", "flat_lamp"}
        assert len(report["tutorial"]) > 300
        assert 1 <= len(report["panels"]) <= 4
        for panel in report["panels"]:
            for dataset in panel["datasets"]:
                table = known[dataset["table"]]
                filters = {name for name, c in table.items() if c.get("role") == "filter"}
                assert table[dataset["parameter"]]["type"] == "float"
                assert set(dataset["setup"]) == filters


@pytest.mark.parametrize("instrument", NAMES)
def test_what_feeds_the_health_check_is_shown_in_a_report(instrument):
    shown = {
        (dataset["table"], dataset["parameter"])
        for report in read(instrument, "reports")["reports"]
        for panel in report["panels"]
        for dataset in panel["datasets"]
    }
    rules = read(instrument, "scores")["rules"]

    assert {(r["table"], r["parameter"]) for r in rules if r.get("hc")} <= shown
