"""The rows of a QC1 table: times, pages, what is left out, and the same numbers as JSON and CSV."""

import csv
import io

import pytest

from trending.models import QC1Parameter, QC1Row, QC1Value, Setup, ValueState
from trending.services import read_rows

ROWS = "/api/v1/qc1/tables/ccdcam_bias/rows/"


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


def as_json(reader, query=""):
    answer = reader.get(f"{ROWS}{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def as_csv(reader, query=""):
    answer = reader.get(f"{ROWS}?format=csv{query}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="ccdcam_bias.csv"'
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def first_value(parameter):
    return (
        QC1Value.objects.filter(series__parameter__name=parameter, row__table__name="ccdcam_bias")
        .order_by("mjd_obs", "row_id")
        .first()
    )


def change(found, **fields):
    QC1Value.objects.filter(series=found.series_id, row=found.row_id).update(**fields)


def test_a_row_has_its_keys_its_columns_and_where_it_comes_from(reader, night):
    answer = as_json(reader)
    assert list(answer) == ["table", "columns", "rows", "next"]
    assert (answer["table"], answer["next"]) == ("ccdcam_bias", None)
    names = [column["name"] for column in answer["columns"]]
    row = answer["rows"][0]
    assert list(row) == [*read_rows.KEYS, *names, *read_rows.ENDS]
    assert row["date_obs"] == "2026-03-02T09:00:04.217"
    assert (row["night"], row["detector"]) == ("2026-03-01", "CHIP1")
    assert (row["read_mode"], row["binning"]) == ("SLOW", "1x1")
    assert row["bias_level"] == pytest.approx(1000, abs=3)
    assert (row["product"], row["pipeline"]) == ("master_bias.fits", "hcm/1.0.0")
    assert (row["origin"], row["simulated"]) == ("pipeline", True)
    assert len(answer["rows"]) == 4
    unit = {column["name"]: column["unit"] for column in answer["columns"]}
    assert (unit["bias_level"], unit["n_frames"]) == ("ADU", "")


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("", 4),
        ("?from=", 4),
        ("?from=2026-03-02", 4),
        ("?to=2026-03-02", 4),
        ("?to=2026-03-01", 0),
        ("?from=2026-03-02&to=2026-03-02", 4),
        ("?from=2026-03-03", 0),
        ("?to=2026-03-02T09:03:00", 2),
        ("?from=2026-03-02T09:03:00", 2),
        ("?from=2026-03-02T09:03:00Z", 2),
        ("?from=2026-03-02T10:03:00%2B01:00", 2),
        ("?to=2026-03-02T00:00:00", 0),
        ("?from=61101", 4),
        ("?from=61101.377", 2),
        ("?to=61101.377", 2),
        ("?from=61102", 0),
        ("?to=9999-12-31", 4),
    ],
)
def test_times_are_mjd_dates_or_ut_and_a_last_date_includes_its_day(reader, night, query, n):
    assert len(as_json(reader, query)["rows"]) == n
    assert len(as_csv(reader, query.replace("?", "&"))) == n


def test_the_edge_itself_is_inside(reader, night):
    mjd = as_json(reader)["rows"][0]["mjd_obs"]
    assert len(as_json(reader, f"?from={mjd!r}&to={mjd!r}")["rows"]) == 2


def test_csv_and_json_say_the_same_to_the_last_digit(reader, night):
    change(first_value("struct_x"), value=-0.1234567890123456)
    change(first_value("ron_raw"), value=None, missing_reason="not in the header")
    rows = as_json(reader)["rows"]
    lines = as_csv(reader)
    assert list(lines[0]) == list(rows[0])
    for row, line in zip(rows, lines, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert float(line[name]) == value, name
            else:
                assert line[name] == ("" if value is None else str(value)), name
    assert float(lines[0]["mjd_obs"]) == QC1Row.objects.get(pk=1).mjd_obs
    assert lines[0]["struct_x"] == "-0.1234567890123456"
    assert (rows[0]["ron_raw"], lines[0]["ron_raw"]) == (None, "")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@SUM(A1)", "\ttab", "\rreturn"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted_in_csv_only(reader, night, text):
    row = QC1Row.objects.order_by("mjd_obs", "pk").first()
    Setup.objects.filter(pk=row.setup_id).update(values={"read_mode": text, "binning": "-2.5"})
    line = as_csv(reader)[0]
    assert (line["read_mode"], line["binning"]) == (f"'{text}", "-2.5")
    assert as_json(reader)["rows"][0]["read_mode"] == text


def test_text_with_commas_quotes_and_lines_survives(reader, night):
    text = 'a, "b"\nc'
    row = QC1Row.objects.order_by("mjd_obs", "pk").first()
    QC1Row.objects.filter(pk=row.pk).update(product_name=text)
    assert as_csv(reader)[0]["product"] == text


@pytest.mark.parametrize("state", [ValueState.HIDDEN, ValueState.REJECTED, ValueState.SUPERSEDED])
def test_rows_that_do_not_count_are_left_out(reader, night, state):
    row = QC1Row.objects.filter(table__name="ccdcam_bias").first()
    QC1Row.objects.filter(pk=row.pk).update(state=state)
    assert len(as_json(reader)["rows"]) == len(as_csv(reader)) == 3


def test_a_rejected_block_leaves_the_rows_and_comes_back(reader, night, quinn, client):
    client.force_login(quinn)
    address = f"/blocks/{night['red'].ab_name}/"
    client.post(f"{address}certify/", {"decision": "REJECTED", "comment": "noise", "seen": "0"})
    assert {row["read_mode"] for row in as_json(client)["rows"]} == {"SLOW"}
    client.post(f"{address}undo/", {"seen": "1"})
    assert len(as_json(client)["rows"]) == 4


def test_a_column_that_left_the_definition_is_not_shown(reader, night):
    QC1Parameter.objects.filter(table__name="ccdcam_bias", name="struct_x").update(is_active=False)
    assert "struct_x" not in as_json(reader)["rows"][0]
    assert "struct_x" not in as_csv(reader)[0]


def test_pages_join_without_gap_or_double(reader, night):
    everything = as_json(reader)["rows"]
    for limit in (1, 2, 3, 4, 5):
        rows, address = [], f"?limit={limit}"
        while address:
            answer = as_json(reader, address)
            assert len(answer["rows"]) <= limit
            rows += answer["rows"]
            address = answer["next"] and answer["next"].removeprefix(ROWS)
        assert rows == everything


def test_the_next_page_keeps_its_place_while_rows_arrive(reader, night):
    first = as_json(reader, "?limit=2")
    last_seen = first["rows"][-1]["mjd_obs"]
    seen = QC1Row.objects.filter(table__name="ccdcam_bias").first()
    for detector, mjd in (("EARLY", last_seen - 1), ("LATE", last_seen + 1)):
        seen.pk, seen.detector, seen.mjd_obs = None, detector, mjd
        seen.save()
    second = as_json(reader, first["next"].removeprefix(ROWS))
    assert [row["detector"] for row in second["rows"]] == ["CHIP1", "CHIP2"]
    third = as_json(reader, second["next"].removeprefix(ROWS))
    assert [row["detector"] for row in third["rows"]] == ["LATE"]


def test_the_tables_list_their_columns_and_count_what_counts(reader, night):
    answer = reader.get("/api/v1/qc1/tables/").json()
    tables = {table["name"]: table for table in answer["tables"]}
    bias = tables["ccdcam_bias"]
    assert list(bias) == [
        "name", "title", "description", "instrument", "n_rows", "rows", "address", "page",
        "columns",
    ]  # fmt: skip
    assert (bias["instrument"], bias["n_rows"], bias["rows"]) == ("CCDCAM", 4, ROWS)
    column = next(one for one in bias["columns"] if one["name"] == "bias_level")
    assert (column["type"], column["unit"], column["role"]) == ("float", "ADU", "")
    assert column["description"]
    assert tables["uves_bias"]["n_rows"] == 0


def test_an_empty_table_has_columns_and_no_rows(reader, night):
    answer = reader.get("/api/v1/qc1/tables/uves_bias/rows/").json()
    assert (answer["rows"], answer["next"]) == ([], None)
    assert answer["columns"]
    csv_text = b"".join(reader.get("/api/v1/qc1/tables/uves_bias/rows/?format=csv"))
    assert csv_text.count(b"\n") == 1


def test_the_first_address_leads_to_the_others(reader, night):
    answer = reader.get("/api/v1/").json()
    assert (answer["tables"], answer["blocks"]) == ("/api/v1/qc1/tables/", "/api/v1/blocks/")
    for address in answer.values():
        assert reader.get(address).status_code == 200, address
