"""The rows of a QC1 table: times, pages, what is left out, and the same numbers as JSON and CSV."""

import csv
import io

import pandas
import pyarrow.parquet as pq
import pytest
from astropy.io import ascii as astropy_ascii
from astropy.table import Table
from django.utils import timezone

from trending.exports import FORMATS
from trending.models import MarkKind, QC1Parameter, QC1Row, QC1Value, Setup, ValueState
from trending.services.corrections import mark
from trending.services.import_rows import import_file
from trending.services.row_columns import FIRST, LAST

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
    assert list(row) == names
    assert names[:5] == [one.name for one in FIRST]
    assert names[-4:] == [one.name for one in LAST]
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
                written = str(value).lower() if isinstance(value, bool) else str(value)
                assert line[name] == ("" if value is None else written), name
    assert float(lines[0]["mjd_obs"]) == first_value("struct_x").mjd_obs
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


# ---- columns, filters, order


def test_columns_come_as_they_are_asked_for(reader, night):
    answer = as_json(reader, "?columns=ron_raw,detector,ron_raw_score,row")
    assert [one["name"] for one in answer["columns"]] == [
        "ron_raw", "detector", "ron_raw_score", "row",
    ]  # fmt: skip
    assert list(answer["rows"][0]) == ["ron_raw", "detector", "ron_raw_score", "row"]
    again = as_json(reader, "?columns=ron_raw&columns=detector,ron_raw_score,row")
    assert again["rows"] == answer["rows"]
    assert list(as_csv(reader, "&columns=ron_raw,detector")[0]) == ["ron_raw", "detector"]


@pytest.mark.parametrize(
    ("query", "n"),
    [
        ("?detector=CHIP1", 2),
        ("?detector=CHIP1&detector=CHIP2", 4),
        ("?detector=", 0),
        ("?read_mode=FAST", 2),
        ("?read_mode=fast", 0),
        ("?read_mode=XX&order=-ron_raw", 0),
        ("?read_mode=FAST&detector=CHIP2", 1),
        ("?night=2026-03-01", 4),
        ("?night__gt=2026-03-01", 0),
        ("?simulated=true", 4),
        ("?simulated=false", 0),
        ("?origin=import", 0),
        ("?pro_catg=MASTER_BIAS", 4),
        ("?ron_raw__gt=0", 4),
        ("?ron_raw__missing=true", 0),
        ("?score=NOK", 1),
        ("?score=OK", 3),
        ("?score=grey", 0),
        ("?ron_raw_score=1", 1),
        ("?ron_raw_score=0", 3),
        ("?ron_raw_score=0&ron_raw_score=1", 4),
        ("?struct_x_score=none", 4),
        ("?block__missing=false", 4),
        ("?recorded_at__gte=2000-01-01", 4),
        ("?recorded_at__lt=2000-01-01T00:00:00", 0),
        ("?bias_level__gte=0&bias_level__lte=100000", 4),
    ],
)
def test_each_filter_finds_its_rows_in_every_form(reader, night, query, n):
    assert len(as_json(reader, query)["rows"]) == n
    assert len(as_csv(reader, query.replace("?", "&"))) == n


def test_a_block_finds_its_rows(reader, night):
    name = night["red"].ab_name
    rows = as_json(reader, f"?block={name}&with=certification,score")["rows"]
    assert [row["block"] for row in rows] == [name, name]
    assert {row["certification"] for row in rows} == {"open"}
    assert sorted(row["ron_raw_score"] for row in rows) == [0, 1]
    other = as_json(reader, f"?block={night['green'].ab_name}&with=certification")["rows"]
    assert {row["certification"] for row in other} == {"AUTO"}


def test_a_rejected_block_is_shown_where_it_is_asked_for(reader, night, quinn, client):
    client.force_login(quinn)
    address = f"/blocks/{night['red'].ab_name}/"
    client.post(f"{address}certify/", {"decision": "REJECTED", "comment": "noise", "seen": "0"})
    assert len(as_json(client)["rows"]) == 2
    rows = as_json(client, "?include=rejected&with=certification")["rows"]
    assert [(row["state"], row["certification"]) for row in rows] == [
        ("current", "AUTO"), ("current", "AUTO"), ("rejected", "REJECTED"), ("rejected", "REJECTED"),
    ]  # fmt: skip
    assert all(row["ron_raw"] for row in rows)


def test_rows_come_in_the_order_that_is_asked_for(reader, night):
    rows = as_json(reader, "?order=-ron_raw")["rows"]
    values = [row["ron_raw"] for row in rows]
    assert values == sorted(values, reverse=True)
    assert [float(line["ron_raw"]) for line in as_csv(reader, "&order=-ron_raw")] == values
    first = as_json(reader, "?order=-ron_raw&limit=3")
    second = as_json(reader, first["next"].removeprefix(ROWS))
    assert first["rows"] + second["rows"] == rows


# ---- what has not changed need not be sent


@pytest.mark.parametrize("form", ["json", *FORMATS])
def test_who_has_the_answer_already_is_told_so_until_something_changes(reader, night, quinn, form):
    address = f"{ROWS}?format={form}"
    tag = ask(reader, address)["ETag"]
    unchanged = reader.get(address, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    other = ask(reader, f"{address}&columns=detector")
    assert other["ETag"] != tag
    mark(
        [QC1Row.objects.filter(table__name="ccdcam_bias").first().pk], MarkKind.HIDDEN,
        author="quinn", reason="moth", at=timezone.now(),
    )  # fmt: skip
    changed = ask(reader, address, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed["ETag"] != tag


def test_a_decision_changes_an_answer_that_tells_of_it(reader, night, quinn, client):
    client.force_login(quinn)
    address = f"{ROWS}?with=certification"
    tag = client.get(address)["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    at = f"/blocks/{night['red'].ab_name}/certify/"
    client.post(at, {"decision": "ACCEPTED", "comment": "known", "seen": "0"})
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("form", list(FORMATS))
def test_head_tells_what_an_export_would_be_and_reads_no_rows(
    reader, night, form, django_assert_max_num_queries
):
    with django_assert_max_num_queries(8):
        answer = reader.head(f"{ROWS}?format={form}")
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == b""
    assert "Content-Length" not in answer
    assert answer["Content-Type"] == FORMATS[form].media_type
    assert answer["Content-Disposition"].endswith(f'.{FORMATS[form].ending}"')


# ---- the same in every form


def test_every_form_holds_the_same_numbers(reader, night):
    rows = as_json(reader)["rows"]
    levels = [row["bias_level"] for row in rows]
    content = {form: b"".join(ask(reader, f"{ROWS}?format={form}")) for form in FORMATS}
    assert pandas.read_csv(io.BytesIO(content["csv"]))["bias_level"].tolist() == levels
    parquet = pq.read_table(io.BytesIO(content["parquet"]))
    assert parquet["bias_level"].to_pylist() == levels
    assert parquet.schema.field("bias_level").metadata[b"unit"] == b"ADU"
    fits = Table.read(io.BytesIO(content["fits"]), format="fits")
    assert (fits["bias_level"].tolist(), str(fits["bias_level"].unit)) == (levels, "adu")
    votable = Table.read(io.BytesIO(content["votable"]), format="votable")
    assert votable["bias_level"].tolist() == levels
    assert votable["ron_raw"].meta["ucd"] == "instr.det.noise"
    lines = [one for one in content["ascii"].decode().splitlines() if one[0] not in "!-"]
    assert astropy_ascii.read(lines)["bias_level"].tolist() == levels


def test_what_was_exported_can_be_imported_again_and_changes_nothing(reader, night, tmp_path):
    QC1Row.objects.filter(table__name="ccdcam_bias").update(attempt=None, origin="import")
    for form in ("csv", "votable", "fits", "parquet"):
        path = tmp_path / f"ccdcam_bias.{FORMATS[form].ending}"
        path.write_bytes(b"".join(ask(reader, f"{ROWS}?format={form}")))
        report = import_file(path, timezone.now(), by="quinn")
        assert str(report) == "ccdcam_bias: 0 new, 0 replaced, 4 unchanged"


def ask(reader, address, **more):
    answer = reader.get(address, **more)
    assert answer.status_code == 200, answer.content
    return answer


def test_a_page_and_an_answer_for_programs_have_no_tag_in_common(reader, night, quinn):
    person = {"Accept": "text/html"}
    page = reader.get(ROWS, headers=person)
    tag = ask(reader, ROWS)["ETag"]
    assert page["ETag"] != tag
    assert reader.get(ROWS, headers={"If-None-Match": page["ETag"]}).status_code == 200
    assert reader.get(ROWS, headers={**person, "If-None-Match": tag}).status_code == 200
