"""Each form of a table, read back by the programs the field uses: to the last digit, with units."""

import csv
import datetime as dt
import io
import math
import re

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import ascii as astropy_ascii, fits
from astropy.io.votable import parse_single_table
from astropy.table import Table
from hypothesis import given, strategies as st

from trending.exports import FORMATS, Column, Head, Kind, arrow_schema
from trending.exports.fits_table import RowCountError

COLUMNS = [
    Column("mjd_obs", Kind.FLOAT, "d", "Start, MJD", "time.start;obs"),
    Column("date_obs", Kind.INSTANT, "", "Start, UT", "time.start;obs"),
    Column("night", Kind.DATE, "", "Night", "time.epoch;obs"),
    Column("detector", Kind.TEXT, "", "Detector", "meta.id"),
    Column("level", Kind.FLOAT, "ADU", "Level & <noise> 'of' \"it\"", "instr.det.noise"),
    Column("n_frames", Kind.INTEGER, "", "Frames", "meta.number"),
    Column("lamp_on", Kind.FLAG, "", "Whether the lamp was on", "meta.code"),
    Column("note", Kind.TEXT, "", "A word", "meta.note"),
]
instant = dt.datetime.fromisoformat
ROWS = [
    (61101.37504880787, instant("2026-03-02T09:00:04.217"), dt.date(2026, 3, 1), "CHIP1",
     -0.1234567890123456, 5, True, "plain"),
    (61102.0, instant("2026-03-03"), dt.date(2026, 3, 2), "CHIP2",
     None, None, None, None),
    (61103.25, instant("2026-03-04T06:00"), dt.date(2026, 3, 3), "CHIP1",
     1.2e300, -(2**62), False, 'a, "b"\nc'),
    (61104.5, instant("2026-03-05T12:00"), dt.date(2026, 3, 4), None,
     3.3e-300, 0, False, "=1+1"),
]  # fmt: skip


def batches(rows, columns, size=3):
    schema = arrow_schema(columns)
    for first in range(0, len(rows), size):
        part = list(zip(*rows[first : first + size], strict=True))
        arrays = [pa.array(values, type=one.type) for values, one in zip(part, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def widths(rows, columns):
    return {
        one.name: max((len(row[n] or "") for row in rows), default=0)
        for n, one in enumerate(columns)
        if one.kind == Kind.TEXT
    }


def written(form, rows=None, columns=COLUMNS, size=3, n_rows=None):
    rows = ROWS if rows is None else rows
    head = Head(
        "cam_bias", "Bias of CAM", columns, len(rows) if n_rows is None else n_rows,
        widths(rows, columns), ("Times are UT.",),
    )  # fmt: skip
    return b"".join(FORMATS[form].write(head, batches(rows, columns, size)))


def column(n):
    return [row[n] for row in ROWS]


def same(found, expected):
    """Whether numbers are the same to the last bit; None, a mask and NaN all are no number."""
    for one, wanted in zip(found, expected, strict=True):
        if wanted is None:
            assert one is None or np.ma.is_masked(one) or math.isnan(one)
        else:
            assert one == wanted


# ---- CSV


def test_csv_is_read_by_the_csv_module_to_the_last_digit():
    lines = list(csv.reader(io.StringIO(written("csv").decode(), newline="")))
    assert lines[0] == [one.name for one in COLUMNS]
    assert lines[1] == ["61101.37504880787", "2026-03-02T09:00:04.217", "2026-03-01", "CHIP1",
                        "-0.1234567890123456", "5", "true", "plain"]  # fmt: skip
    assert lines[2][4:] == ["", "", "", ""]
    assert [float(line[4]) for line in (lines[3], lines[4])] == [1.2e300, 3.3e-300]
    assert lines[3][7] == 'a, "b"\nc'


def test_csv_is_read_by_pandas():
    found = pandas.read_csv(io.BytesIO(written("csv")), parse_dates=["date_obs"])
    same(found["level"], column(4))
    assert found["date_obs"][0] == pandas.Timestamp("2026-03-02T09:00:04.217")
    assert found["lamp_on"].tolist()[0] in (True, "true")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd()", "'=cmd()"), ("+1", "+1"), ("-2.5e3", "-2.5e3"), ("-", "'-"), ("@x", "'@x"),
        ("+cmd|x", "'+cmd|x"), ("-1+1", "'-1+1"), ("\tx", "'\tx"), ("\rx", "\"'\rx\""),
        ('=HYPERLINK("x")', '"\'=HYPERLINK(""x"")"'), ("a=b", "a=b"), ("", ""), ("é,ü", '"é,ü"'),
    ],
)  # fmt: skip
def test_a_text_that_a_spreadsheet_would_run_is_disarmed_and_a_number_is_not(text, cell):
    content = written("csv", [(text,)], [Column("note", Kind.TEXT)]).decode()
    assert content == f"note\r\n{cell}\r\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=8))
def test_every_text_comes_through_csv(texts):
    content = written("csv", [(text, 1) for text in texts],
                      [Column("note", Kind.TEXT), Column("n", Kind.INTEGER)])  # fmt: skip
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]
    assert [row[0].removeprefix("'") for row in rows] == [one.removeprefix("'") for one in texts]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_number_comes_through_every_form(numbers):
    columns, rows = [Column("x", Kind.FLOAT)], [(one,) for one in numbers]
    found = list(csv.reader(io.StringIO(written("csv", rows, columns).decode())))[1:]
    assert [float(cell) for (cell,) in found] == numbers
    table = parse_single_table(io.BytesIO(written("votable", rows, columns)))
    assert table.array["x"].tolist() == numbers
    assert Table.read(io.BytesIO(written("fits", rows, columns)))["x"].tolist() == numbers
    assert pq.read_table(io.BytesIO(written("parquet", rows, columns)))["x"].to_pylist() == numbers
    lines = written("ascii", rows, columns).decode().splitlines()[2:-3]
    assert [float(line) for line in lines] == numbers


# ---- ASCII


def ascii_rows(text):
    """Read ASCII as programs do that drop remarks and the line of dashes."""
    lines = [line for line in text.splitlines() if not line.startswith("!")]
    return astropy_ascii.read([line for line in lines if set(line) != {"-"}])


def as_a_client_reads(text):
    """Read ASCII as a program that exists does: no "!" anywhere, the second line is of dashes."""
    text = text.replace("!", "")
    start = end = text.find("\n") + 1
    while text[end] == "-":
        end += 1
    return Table.read(text[:start] + text[end + 1 :], format="ascii")


@pytest.mark.parametrize("read", [ascii_rows, as_a_client_reads])
def test_ascii_is_read_by_astropy_as_existing_programs_do(read):
    found = read(written("ascii").decode())
    assert found.colnames == [one.name for one in COLUMNS]
    same(found["mjd_obs"], column(0))
    same(found["level"], column(4))
    assert found["date_obs"][0] == "2026-03-02T09:00:04.217"
    assert found["detector"].tolist()[:3] == ["CHIP1", "CHIP2", "CHIP1"]
    assert np.ma.is_masked(found["note"][1])
    assert found["note"][2] == "a, 'b' c"


def test_ascii_has_rows_of_one_width_and_remarks_with_units():
    text = written("ascii").decode()
    head, dashes, *rows = [line for line in text.splitlines() if not line.startswith("!")]
    assert set(dashes) == {"-"}
    assert {len(line) for line in (head, dashes, *rows)} == {len(dashes)}
    remarks = [line for line in text.splitlines() if line.startswith("!")]
    assert remarks[:2] == ["!# cam_bias: Bias of CAM, 4 rows", "!# Times are UT."]
    assert "!# level [ADU]: Level & <noise> 'of' \"it\"" in remarks


@pytest.mark.parametrize(
    "text", ["!", "a!b", "!# x", "#", "-----", 'q"q', "a\x85b", "a\u2028b", "\x00"]
)
def test_no_text_breaks_the_lines_of_ascii(text):
    columns = [Column("a", Kind.TEXT), Column("b", Kind.FLOAT)]
    content = written("ascii", [(text, 1.5), ("x", 2.5)], columns).decode()
    for read in (ascii_rows, as_a_client_reads):
        found = read(content)
        assert (len(found), found["b"].tolist()) == (2, [1.5, 2.5])


def test_an_empty_table_has_its_head_in_every_form():
    assert written("csv", []).decode().strip().split(",") == [one.name for one in COLUMNS]
    assert written("ascii", []).decode().splitlines()[0].split() == [one.name for one in COLUMNS]
    for form in ("votable", "fits"):
        assert Table.read(io.BytesIO(written(form, [])), format=form).colnames == [
            one.name for one in COLUMNS
        ]
    assert pq.read_table(io.BytesIO(written("parquet", []))).num_rows == 0


# ---- VOTable


def test_votable_carries_units_words_ucds_and_what_is_missing():
    table = parse_single_table(io.BytesIO(written("votable")), verify="exception")
    by_name = {one.name: one for one in table.fields}
    assert [one.name for one in table.fields] == [one.name for one in COLUMNS]
    level = by_name["level"]
    assert (str(level.unit), level.ucd, level.description) == (
        "adu", "instr.det.noise", COLUMNS[4].description,
    )  # fmt: skip
    assert by_name["mjd_obs"].ref == "ut"
    assert table.description == "Bias of CAM"
    array = table.array
    same(array["mjd_obs"], column(0))
    same(array["level"], column(4))
    assert array["n_frames"].tolist() == [5, None, -(2**62), 0]
    assert array["lamp_on"].tolist() == [True, None, False, False]
    assert array["note"].tolist()[::2] == ["plain", 'a, "b"\nc']
    assert array["date_obs"].tolist()[0] == "2026-03-02T09:00:04.217"
    assert array["note"][1] == ""


def test_votable_has_texts_beyond_ascii_and_nothing_xml_cannot_hold():
    columns = [Column("note", Kind.TEXT, "", "\x01<b>\x0b", "")]
    content = written("votable", [("é λ 日本",), ("]]></STREAM>",)], columns)
    table = parse_single_table(io.BytesIO(content))
    assert table.array["note"].tolist() == ["é λ 日本", "]]></STREAM>"]
    assert table.fields[0].description == "<b>"


# ---- FITS


def test_fits_is_a_valid_table_with_units_and_words():
    with fits.open(io.BytesIO(written("fits"))) as hdus:
        hdus.verify("exception")
        header, data = hdus[1].header, hdus[1].data
        assert (header["EXTNAME"], header["TUNIT5"], header["TUCD5"]) == (
            "cam_bias", "adu", "instr.det.noise",
        )  # fmt: skip
        assert header["TCOMM1"] == "Start, MJD"
        assert header["TIMESYS"] == "UTC"
        same(data["mjd_obs"], column(0))
        same(data["level"], column(4))
        assert data["detector"].tolist() == ["CHIP1", "CHIP2", "CHIP1", ""]
        assert data["date_obs"].tolist()[0] == "2026-03-02T09:00:04.217"
    table = Table.read(io.BytesIO(written("fits")))
    assert table["n_frames"].tolist() == [5, None, -(2**62), 0]
    assert str(table["level"].unit) == "adu"


def test_fits_says_when_rows_are_not_as_many_as_promised():
    with pytest.raises(RowCountError, match="4 rows instead of 5"):
        written("fits", n_rows=5)


@pytest.mark.parametrize("name", ["é" * 80, "a" * 300, "'quoted'", "a\nb"])
def test_no_word_breaks_a_fits_header(name):
    columns = [Column("x", Kind.FLOAT, "e-/s/px of nothing", name, name)]
    head = Head(name, name, columns, 1, {}, (name,))
    content = b"".join(FORMATS["fits"].write(head, batches([(1.5,)], columns)))
    assert len(content) % 2880 == 0
    with fits.open(io.BytesIO(content)) as hdus:
        assert hdus[1].data["x"].tolist() == [1.5]


# ---- Parquet


def test_parquet_is_read_by_pandas_and_pyarrow_and_knows_its_units():
    content = written("parquet")
    table = pq.read_table(io.BytesIO(content))
    said = table.schema.field("level").metadata
    assert [said[one] for one in (b"unit", b"description", b"ucd")] == [
        b"ADU", COLUMNS[4].description.encode(), b"instr.det.noise",
    ]  # fmt: skip
    assert table["lamp_on"].to_pylist() == column(6)
    assert table["date_obs"].to_pylist() == column(1)
    # astropy knows no text that is missing.
    assert table["note"].to_pylist() == [text or "" for text in column(7)]
    frame = pandas.read_parquet(io.BytesIO(content))
    same(frame["level"], column(4))


def test_parquet_tells_astropy_units_and_words(tmp_path):
    path = tmp_path / "cam_bias.parquet"
    path.write_bytes(written("parquet"))
    table = Table.read(path)
    assert str(table["level"].unit) == "adu"
    assert table["level"].description == COLUMNS[4].description


# ---- all


@pytest.mark.parametrize("form", list(FORMATS))
def test_the_size_of_batches_changes_nothing_in_what_is_read(form):
    pieces = [written(form, size=size) for size in (1, 2, 3, 4, 100)]
    if form == "votable":
        pieces = [re.sub(rb"\n", b"", piece) for piece in pieces]
    if form == "parquet":
        tables = [pq.read_table(io.BytesIO(piece)) for piece in pieces]
        assert all(one.equals(tables[0]) for one in tables)
        return
    assert all(piece == pieces[0] for piece in pieces)
