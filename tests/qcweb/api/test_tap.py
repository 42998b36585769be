"""TAP: ADQL asked of QC1 tables, answered as the Virtual Observatory's programs read it."""

import io
from urllib.parse import urlencode

import pytest
from astropy.io.votable import parse, parse_single_table
from astropy.table import Table
from django.db import connection
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from tests.qcweb.tokens import bearer, made
from trending.models import QC1Row, QC1Value, ValueState
from trending.services import adql, adql_reading

SYNC = "/tap/sync"


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


def content(answer):
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def ask(reader, query, **more):
    answer = reader.get(SYNC, {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query, **more})
    assert answer.status_code == 200, content(answer)
    return parse_single_table(io.BytesIO(content(answer)))


def rows(reader, query):
    return [tuple(row) for row in ask(reader, query).array.filled().tolist()]


def refused(reader, query, status=400, **more):
    answer = reader.get(SYNC, {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query, **more})
    assert answer.status_code == status, content(answer)
    assert answer["Content-Type"] == "application/x-votable+xml"
    [info] = parse(io.BytesIO(content(answer))).resources[0].infos
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    return info.content


BIAS = "qc1.ccdcam_bias"


def test_a_query_answers_with_numbers_units_and_ucds(reader, night):
    table = ask(reader, f"SELECT mjd_obs, date_obs, detector, ron_raw FROM {BIAS} ORDER BY mjd_obs")
    assert [one.name for one in table.fields] == ["mjd_obs", "date_obs", "detector", "ron_raw"]
    ron = table.fields[3]
    assert (str(ron.unit), ron.ucd, bool(ron.description)) == ("adu", "instr.det.noise", True)
    first = QC1Row.objects.filter(table__name="ccdcam_bias").order_by("mjd_obs", "pk")[0]
    assert table.array["mjd_obs"][0] == first.mjd_obs
    assert table.array["date_obs"][0] == "2026-03-02T09:00:04.217"
    stored = QC1Value.objects.filter(
        series__parameter__name="ron_raw", row__table__name="ccdcam_bias"
    )
    expected = [one or 0.0 for one in stored.values_list("value", flat=True)]
    assert sorted(table.array["ron_raw"].tolist()) == sorted(expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"SELECT count(*) AS n FROM {BIAS}", [(4,)]),
        (f"SELECT detector FROM {BIAS} WHERE read_mode = 'FAST' ORDER BY detector",
         [("CHIP1",), ("CHIP2",)]),
        (f"SELECT DISTINCT detector FROM {BIAS} ORDER BY detector DESC", [("CHIP2",), ("CHIP1",)]),
        (f"SELECT TOP 1 detector FROM {BIAS} ORDER BY ron_raw DESC", [("CHIP2",)]),
        (f"SELECT detector, ron_raw_score FROM {BIAS} WHERE ron_raw_score = 1", [("CHIP2", 1)]),
        (f"SELECT detector, count(*) AS n FROM {BIAS} GROUP BY detector ORDER BY detector",
         [("CHIP1", 2), ("CHIP2", 2)]),
        (f"SELECT t.night FROM {BIAS} AS t WHERE t.detector LIKE '%1' AND t.read_mode IN ('SLOW')",
         [("2026-03-01",)]),
        (f"SELECT a.detector FROM {BIAS} AS a JOIN qc1.ccdcam_dark AS b ON a.night = b.night "
         "AND a.detector = b.detector WHERE a.read_mode = b.read_mode ORDER BY a.detector",
         [("CHIP1",), ("CHIP2",)]),
        (f"SELECT s.detector FROM (SELECT detector FROM {BIAS} WHERE ron_raw_score = 1) AS s",
         [("CHIP2",)]),
        (f"SELECT detector FROM {BIAS} WHERE mjd_obs BETWEEN 61101 AND 61101.376 ORDER BY detector "
         "-- a comment with a ; and a qc1.x in it", [("CHIP1",), ("CHIP2",)]),
        (f"SELECT {BIAS}.detector FROM {BIAS} WHERE {BIAS}.ron_raw_score = 1", [("CHIP2",)]),
        (f"SELECT ccdcam_bias.detector FROM {BIAS} WHERE ron_raw_score = 1", [("CHIP2",)]),
        ('SELECT "detector" FROM "qc1"."ccdcam_bias" WHERE ron_raw_score = 1', [("CHIP2",)]),
        ("select DETECTOR from QC1.CCDCAM_BIAS where RON_RAW_SCORE = 1", [("CHIP2",)]),
        (f"SELECT simulated FROM {BIAS} WHERE detector = 'qc1.ccdcam_bias; --'", []),
        ("SELECT schema_name FROM tap_schema.schemas ORDER BY schema_name",
         [("qc1",), ("tap_schema",)]),
        ("SELECT table_name FROM TAP_SCHEMA.tables WHERE table_name = 'qc1.ccdcam_dark'",
         [("qc1.ccdcam_dark",)]),
        ("SELECT unit, ucd FROM tap_schema.columns WHERE table_name = 'qc1.ccdcam_bias' "
         "AND column_name = 'ron_raw'", [("adu", "instr.det.noise")]),
        ("SELECT key_id FROM tap_schema.keys", []),
    ],
)  # fmt: skip
def test_each_kind_of_query_finds_what_it_asks_for(reader, night, query, expected):
    assert rows(reader, query) == expected


def test_a_star_gives_every_column(reader, night):
    table = ask(reader, f"SELECT TOP 2 * FROM {BIAS}")
    names = [one.name for one in table.fields]
    assert len(table.array) == 2
    assert {"row", "mjd_obs", "read_mode", "ron_raw", "ron_raw_score", "product"} <= set(names)
    inner = ask(reader, f"SELECT * FROM (SELECT * FROM {BIAS}) AS s")
    assert len(inner.array) == 4


def test_rows_that_do_not_count_are_not_there(reader, night):
    row = QC1Row.objects.filter(table__name="ccdcam_bias").first()
    QC1Row.objects.filter(pk=row.pk).update(state=ValueState.HIDDEN)
    assert rows(reader, f"SELECT count(*) AS n FROM {BIAS}") == [(3,)]


def test_a_value_that_is_missing_is_masked(reader, night):
    QC1Value.objects.filter(series__parameter__name="ron_raw").update(
        value=None, missing_reason="no value"
    )
    table = ask(reader, f"SELECT ron_raw, detector FROM {BIAS}")
    assert table.fields[0].datatype == "double"
    assert table.array["ron_raw"].mask.all()
    assert rows(reader, f"SELECT count(*) AS n FROM {BIAS} WHERE ron_raw IS NULL") == [(4,)]


def test_more_rows_than_asked_for_are_cut_and_that_is_said(reader, night):
    answer = reader.get(SYNC, {"QUERY": f"SELECT detector FROM {BIAS}", "MAXREC": "3"})
    resource = parse(io.BytesIO(content(answer))).resources[0]
    assert [one.value for one in resource.infos if one.name == "QUERY_STATUS"] == ["OK", "OVERFLOW"]
    assert len(resource.tables[0].array) == 3
    whole = reader.get(SYNC, {"QUERY": f"SELECT detector FROM {BIAS}", "MAXREC": "4"})
    assert b"OVERFLOW" not in content(whole)
    none = reader.get(SYNC, {"QUERY": f"SELECT detector FROM {BIAS}", "MAXREC": "0"})
    assert len(parse_single_table(io.BytesIO(content(none))).array) == 0


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("csv", lambda data: Table.read(data.decode(), format="ascii.csv")),
        ("text/csv", lambda data: Table.read(data.decode(), format="ascii.csv")),
        ("fits", lambda data: Table.read(io.BytesIO(data), format="fits")),
        ("votable", lambda data: Table.read(io.BytesIO(data), format="votable")),
        ("application/x-votable+xml;serialization=BINARY2",
         lambda data: Table.read(io.BytesIO(data), format="votable")),
    ],
)  # fmt: skip
def test_the_answer_comes_in_the_form_that_is_asked_for(reader, night, form, read):
    query = {"query": f"SELECT detector, ron_raw FROM {BIAS}", "responseformat": form}
    answer = reader.post(SYNC, urlencode(query), content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    found = read(content(answer))
    assert (len(found), found.colnames) == (4, ["detector", "ron_raw"])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "no QUERY"),
        ("DROP TABLE trending_qc1row", "no ADQL"),
        ("UPDATE qc1.ccdcam_bias SET ron_raw = 1", "no ADQL"),
        (f"SELECT detector FROM {BIAS}; DROP TABLE trending_qc1row", "One query at a time"),
        ("SELECT detector FROM qc1.fors2_bias", "There is no table qc1.fors2_bias. Known are qc1."),
        ("SELECT usename FROM pg_catalog.pg_user", "There is no table pg_catalog.pg_user"),
        ("SELECT password FROM main.auth_user", "There is no table main.auth_user"),
        ("SELECT password FROM auth_user", "Tables have names such as qc1."),
        (f"SELECT seeing FROM {BIAS}", "has no column seeing. Known are row, mjd_obs"),
        (f"SELECT pg_sleep(10) FROM {BIAS}", "no ADQL: line 1, character 15"),
        (f"SELECT load_extension('x') FROM {BIAS}", "no ADQL"),
        (f"SELECT detector FROM {BIAS} WHERE", "no ADQL"),
        (f"SELECT detector + FROM {BIAS}", "no ADQL"),
        ("SELECT " + "(" * 299, "more than 10 deep"),
        (f"SELECT detector FROM {BIAS} WHERE ((((((((((ron_raw = 1))))))))) AND", "no ADQL"),
        (f"SELECT detector FROM {BIAS} WHERE " + " OR ".join(["ron_raw = 1"] * 100), "at most 300"),
        (f"SELECT detector FROM {BIAS} WHERE detector = '" + "x" * 10_001 + "'", "more than 10000"),
        (f"SELECT detector FROM {BIAS} WHERE ron_raw / 0 > 1 AND sqrt(ron_raw) > 'x'", ""),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(reader, night, query, said):
    answer = reader.get(SYNC, {"QUERY": query, "LANG": "ADQL", "REQUEST": "doQuery"})
    if said:
        assert said in refused(reader, query)
    else:
        assert answer.status_code in {200, 400}
        content(answer)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"REQUEST": "getCapabilities"}, "doQuery"),
        ({"LANG": "SQL"}, "ADQL-2.0"),
        ({"MAXREC": "many"}, "whole number"),
        ({"MAXREC": "-1"}, "whole number"),
        ({"RESPONSEFORMAT": "xls"}, "votable, csv"),
        ({"UPLOAD": "x,http://127.0.0.1/"}, "There is no parameter UPLOAD"),
    ],
)
def test_a_wrong_parameter_is_told_what_is_known(reader, night, more, said):
    assert said in refused(reader, f"SELECT detector FROM {BIAS}", **more)


def test_a_query_cannot_write_whatever_the_parser_lets_pass(reader, night, monkeypatch):
    monkeypatch.setattr(
        adql, "_with_relations", lambda parsed, known: ("DELETE FROM trending_qc1value", [])
    )
    n = QC1Value.objects.count()
    assert "could not answer" in refused(reader, f"SELECT detector FROM {BIAS}")
    assert QC1Value.objects.count() == n
    # What was set for the query is gone with it.
    QC1Value.objects.filter(row=QC1Row.objects.first()).delete()
    assert QC1Value.objects.count() < n


def test_a_query_that_takes_too_long_is_ended(reader, night, monkeypatch):
    monkeypatch.setattr(adql, "TIMEOUT_S", 0.05)
    slow = {
        "postgresql": "SELECT 1.0 AS x FROM pg_sleep(5)",
        "sqlite": "WITH big AS (SELECT a.row_id FROM trending_qc1value a, trending_qc1value b, "
        "trending_qc1value c, trending_qc1value d, trending_qc1value e) SELECT count(*) FROM big",
    }[connection.vendor]
    monkeypatch.setattr(adql, "_with_relations", lambda parsed, known: (slow, []))
    assert "took longer than 0.05 s" in refused(reader, f"SELECT detector FROM {BIAS}")
    assert QC1Value.objects.exists()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60) | st.lists(
    st.sampled_from([
        "SELECT", "TOP", "3", "*", "detector", "ron_raw", "FROM", BIAS, "qc1.", "WHERE", "=", "'x'",
        "AND", "(", ")", ",", "ORDER BY", "AS", "x", "JOIN", "ON", "--", ";", "UNION", '"', "'", "%s",
        "count(*)", "GROUP BY", "1e999", "-", "||", "::", "NULL", "IS", "NOT", "LIKE", "IN", "EXISTS",
    ]), max_size=14,
).map(" ".join))  # fmt: skip
def test_no_text_whatever_is_a_failure_of_ours(reader, night, query):
    answer = reader.get(SYNC, {"QUERY": query, "LANG": "ADQL", "REQUEST": "doQuery"})
    assert answer.status_code in {200, 400}
    content(answer)


def test_the_service_tells_its_tables_and_what_it_can_do(reader, night):
    tables = reader.get("/tap/tables").content.decode()
    assert "<name>qc1.ccdcam_bias</name>" in tables
    assert "<name>tap_schema.columns</name>" in tables
    one = reader.get("/tap/tables/qc1.ccdcam_bias").content.decode()
    assert "<unit>adu</unit><ucd>instr.det.noise</ucd>" in one
    assert "There is no table" in refused_at(reader, "/tap/tables/qc1.x")
    capabilities = reader.get("/tap/capabilities").content.decode()
    assert "http://testserver/tap</accessURL>" in capabilities
    assert "<vosi:available>true<" in reader.get("/tap/availability").content.decode()
    for method in (reader.get, reader.post):
        assert "use /tap/sync" in method("/tap/async").content.decode()
        assert method("/tap/async/17/phase").status_code == 404


def refused_at(reader, address):
    answer = reader.get(address)
    assert answer.status_code == 404
    return parse(io.BytesIO(answer.content)).resources[0].infos[0].content


def test_a_token_for_another_instrument_sees_only_its_tables(client, night, quinn):
    secret = made(quinn, "read", instruments=["UVES"])[1]
    answer = client.get(SYNC, {"QUERY": f"SELECT detector FROM {BIAS}"}, headers=bearer(secret))
    assert answer.status_code == 400
    assert b"There is no table qc1.ccdcam_bias" in answer.content
    tables = client.get("/tap/tables", headers=bearer(secret)).content
    assert b"qc1.uves_bias" in tables
    assert b"ccdcam" not in tables


def test_its_page_shows_how_to_ask_and_what_there_is(reader, night):
    page = reader.get("/tap/").content.decode()
    assert "http://testserver/tap" in page
    assert "qc1.ccdcam_bias" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"SELECT repeat(detector, 50000000) FROM {BIAS}", ""),
        (f"SELECT detector FROM {BIAS} WHERE ron_raw > \u22121000", "looks so"),
        (f"SELECT detector FROM {BIAS} WHERE ron_raw > $5", "There is no '$'"),
    ],
)
def test_what_would_mean_something_else_or_too_much_is_refused(reader, night, query, said):
    assert said in refused(reader, query)


def test_a_query_that_is_hard_to_read_is_given_up(reader, night, monkeypatch):
    monkeypatch.setattr(adql_reading, "READING_S", 0.2)
    hard = " + ".join(["((((((((((ron_raw))))))))))"] * 12)
    assert "to read: make it simpler" in refused(reader, f"SELECT {hard} AS x FROM {BIAS}")
    monkeypatch.undo()
    assert rows(reader, f"SELECT count(*) AS n FROM {BIAS}") == [(4,)]


def test_a_crossing_of_tables_is_cut_by_the_database(reader, night):
    crossed = "SELECT a.column_name FROM tap_schema.columns AS a, tap_schema.columns AS b"
    answer = reader.get(SYNC, {"QUERY": crossed, "MAXREC": "1"})
    assert b"OVERFLOW" in content(answer)


@pytest.mark.parametrize("form", ["votable", "csv", "fits", "parquet", "ascii"])
def test_two_columns_of_one_name_are_told_apart(reader, night, form):
    query = f"SELECT detector, detector FROM {BIAS}"
    answer = reader.get(SYNC, {"QUERY": query, "RESPONSEFORMAT": form})
    assert answer.status_code == 200
    assert b"detector" in content(answer)


@pytest.mark.parametrize(
    ("item", "unit"),
    [
        ("ron_raw", "adu"), ("ron_raw AS x", "adu"), ("t.ron_raw", "adu"), ("ron_raw * 1000 AS x", None),
        ("count(*) AS ron_raw", None), ("avg(ron_raw) AS x", None),
    ],
)  # fmt: skip
def test_only_what_is_a_column_has_its_unit(reader, night, item, unit):
    [field] = ask(reader, f"SELECT {item} FROM {BIAS} AS t").fields
    assert (str(field.unit) if field.unit else None) == unit


def test_the_date_is_that_of_the_rows(reader, night):
    assert rows(reader, f"SELECT TOP 1 date_obs FROM {BIAS} ORDER BY mjd_obs") == [
        ("2026-03-02T09:00:04.217",)
    ]


def test_a_head_line_of_csv_cannot_be_run(reader, night):
    answer = reader.get(
        SYNC, {"QUERY": f'SELECT detector AS "=cmd" FROM {BIAS}', "RESPONSEFORMAT": "csv"}
    )
    assert not content(answer).startswith(b"=")
