"""The same rows come out of every format, and a broken file is refused whole."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from astropy.table import MaskedColumn, Table
from django.utils import timezone

from trending.models import QC1Import, QC1Row, QC1Value
from trending.services.import_rows import import_file
from trending.services.read_files import ImportRefusedError, read_sheet

pytestmark = pytest.mark.django_db

N = 50
HEAD = (
    "mjd_obs",
    "detector",
    "pro_catg",
    "read_mode",
    "exptime",
    "level",
    "ron",
    "lamp_on",
    "note",
)


def cells(n):
    level = None if n % 7 == 3 else 100.0 + n / 3
    return (61101.5 + n, f"CHIP{n % 2}", "MASTER_BIAS", "SLOW", 0.0, level, 3.25, bool(n % 2), "ok")


ROWS = [cells(n) for n in range(N)]


def as_table():
    columns = {name: [row[n] for row in ROWS] for n, name in enumerate(HEAD)}
    table = Table({name: cells for name, cells in columns.items() if name != "level"})
    table["level"] = MaskedColumn(
        [value or 0.0 for value in columns["level"]], mask=[v is None for v in columns["level"]]
    )
    return table


def write_csv(path):
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in ROWS]
    path.write_text("\n".join([",".join(HEAD), *lines]) + "\n")


def write_votable(path):
    as_table().write(path, format="votable", overwrite=True)


def write_fits(path):
    table = as_table()
    # FITS has no mask for numbers of floating point: what is missing is NaN.
    table["level"] = table["level"].filled(np.nan)
    table.write(path, format="fits", overwrite=True)


def write_parquet(path):
    columns = {name: [row[n] for row in ROWS] for n, name in enumerate(HEAD)}
    pyarrow.parquet.write_table(pa.table(columns), path)


WRITERS = {
    "csv": write_csv, "vot": write_votable, "fits": write_fits, "parquet": write_parquet,
}  # fmt: skip


def stored():
    return {
        (one.row.mjd_obs, one.row.detector, one.series.parameter.name): (one.value, one.text)
        for one in QC1Value.objects.select_related("row", "series__parameter")
    }


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_rows(table, tmp_path, kind):
    path = tmp_path / f"cam_bias.{kind}"
    WRITERS[kind](path)
    report = import_file(path, timezone.now(), by="quinn")
    assert len(report.stored.new) == N
    assert [outcome for _, outcome in report.rows] == ["new"] * N
    values = stored()
    assert values[61101.5 + 4, "CHIP0", "level"] == (100.0 + 4 / 3, "")
    assert values[61101.5 + 3, "CHIP1", "level"] == (None, "")
    assert values[61101.5 + 5, "CHIP1", "lamp_on"] == (None, "T")
    assert QC1Row.objects.first().setup.values == {"read_mode": "SLOW", "exptime": "0"}


@pytest.mark.parametrize("kind", ["vot", "fits", "parquet"])
def test_the_same_in_another_format_changes_nothing(table, tmp_path, kind):
    write_csv(tmp_path / "cam_bias.csv")
    import_file(tmp_path / "cam_bias.csv", timezone.now(), by="quinn")
    path = tmp_path / f"cam_bias.{kind}"
    WRITERS[kind](path)
    assert import_file(path, timezone.now(), by="quinn").stored.n_unchanged == N


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cam_bias.vot", b"<VOTABLE", "this is no VOTable with a table"),
        ("cam_bias.fits", b"SIMPLE  =   F", "this is no FITS file with a table"),
        ("cam_bias.parquet", b"PAR1", "this is no Parquet file with a table"),
        ("cam_bias.parquet", b"", "this is no Parquet file with a table"),
        ("cam_bias.txt", b"mjd_obs\n1\n", "ends in .txt says no format; known: .csv, .vot"),
        ("cam_bias", b"mjd_obs\n1\n", "ends in nothing says no format"),
    ],
    ids=["VOTable", "FITS", "Parquet", "empty", "unknown ending", "no ending"],
)
def test_what_cannot_be_read_is_refused(table, tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImportRefusedError, match=words):
        import_file(path, timezone.now(), by="quinn")
    assert not QC1Import.objects.exists()


def test_a_format_may_be_named(table, tmp_path):
    path = tmp_path / "cam_bias.txt"
    write_csv(path)
    assert len(import_file(path, timezone.now(), by="quinn", kind="csv").stored.new) == N


def test_a_wrong_cell_of_a_table_is_named_with_its_row(table, tmp_path):
    path = tmp_path / "cam_bias.parquet"
    wrong = {"mjd_obs": [61101.5, 61102.5, None], "level": ["1.5", "abc", "2"]}
    pyarrow.parquet.write_table(pa.table(wrong), path)
    with pytest.raises(ImportRefusedError) as error:
        import_file(path, timezone.now(), by="quinn")
    assert [line.rpartition("/")[2] for line in error.value.problems] == [
        "cam_bias.parquet: row 2: level = 'abc' is not a number; leave it empty if there is none",
        "cam_bias.parquet: row 3: mjd_obs = '' is not a number",
    ]


PLAIN = {
    "mjd_obs": 61101.5, "detector": "CHIP1", "pro_catg": "MASTER_BIAS", "read_mode": "SLOW",
    "exptime": 0.0, "note": "fine",
}  # fmt: skip


def write_cells(tmp_path, **cells):
    """Write two rows, the second of which has odd cells."""
    path = tmp_path / "cam_bias.parquet"
    first = pa.table({name: [value] for name, value in PLAIN.items()})
    second = pa.table(
        {name: [value] for name, value in (PLAIN | {"mjd_obs": 61102.5} | cells).items()}
    )
    for name in cells:
        if name not in PLAIN or first[name].type != second[name].type:
            none = pa.nulls(1).cast(second[name].type)
            first = first.drop([name] if name in PLAIN else []).append_column(name, [none])
    pyarrow.parquet.write_table(pa.concat_tables([first.select(second.column_names), second]), path)
    return path


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"note": "a\x00b"}, r"note = 'a\x00b' holds a NUL"),
        ({"product": "a\x00b"}, r"product = 'a\x00b' holds a NUL"),
        ({"pipeline": "a\x00b"}, r"pipeline = 'a\x00b' holds a NUL"),
        ({"detector": "a\x00b"}, r"detector = 'a\x00b' holds a NUL"),
        ({"pro_catg": "a\x00b"}, r"pro_catg = 'a\x00b' holds a NUL"),
        ({"read_mode": "a\x00b"}, r"read_mode = 'a\x00b' holds a NUL"),
        ({"level": "1\x00"}, r"level = '1\x00' holds a NUL"),
        ({"level": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "level = 2020-01-01 00:00:00+00:00 is a date or time"),
        ({"note": dt.date(2020, 1, 1)}, "note = 2020-01-01 is a date or time"),
        ({"level": [1.0]}, "level = [1.0] is no text or number"),
        ({"note": [1.0]}, "note = [1.0] is no text or number"),
        ({"exptime": [1.0]}, "exptime = [1.0] is no text or number"),
        ({"note": b"abc"}, "note = b'abc' is no text or number"),
        ({"lamp_on": {"is": 1}}, "lamp_on = {'is': 1} is no text or number"),
        ({"note": "é" * 256}, "note is longer than 255 characters"),
        ({"read_mode": "é" * 256}, "read_mode is longer than 255 characters"),
        ({"product": "p" * 256}, "product is longer than 255 characters"),
        ({"pipeline": "p" * 65}, "pipeline is longer than 64 characters"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_stored_is_named_with_its_row(table, tmp_path, cells, words):
    path = write_cells(tmp_path, **cells)
    with pytest.raises(ImportRefusedError) as error:
        import_file(path, timezone.now(), by="quinn")
    [problem] = error.value.problems
    assert f"cam_bias.parquet: row 2: {words}" in problem
    assert not QC1Row.objects.exists()


def test_a_date_in_place_of_the_mjd_is_refused_once(table, tmp_path):
    path = tmp_path / "cam_bias.parquet"
    pyarrow.parquet.write_table(
        pa.table({"mjd_obs": [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]}), path
    )
    with pytest.raises(ImportRefusedError, match=r"row 1: mjd_obs = 2020-01-01 .* is a date"):
        import_file(path, timezone.now(), by="quinn")


def test_decimals_are_numbers_and_no_number_is_no_text(table, tmp_path):
    nothing = float("nan")
    path = write_cells(
        tmp_path, level=Decimal("1.5"), note=nothing, detector=nothing, read_mode=nothing, ron=True
    )
    assert len(import_file(path, timezone.now(), by="quinn").stored.new) == 2
    made = QC1Row.objects.get(mjd_obs=61102.5)
    assert (made.detector, made.setup.values["read_mode"]) == ("", "")
    found = {
        one.series.parameter.name: one for one in made.values.select_related("series__parameter")
    }
    assert (found["level"].value, found["ron"].value) == (1.5, 1.0)
    assert (found["note"].text, found["note"].missing_reason) == ("", "no value")


def test_no_number_in_a_text_column_of_a_run_is_missing(table, store):
    from tests.trending.conftest import row

    store(row(note=float("nan")))
    one = QC1Value.objects.get(series__parameter__name="note")
    assert (one.text, one.missing_reason) == ("", "no value")


def test_a_column_of_lists_is_refused(tmp_path):
    path = tmp_path / "cam_bias.fits"
    Table({"mjd_obs": [[1.0, 2.0], [3.0, 4.0]]}).write(path, format="fits")
    with pytest.raises(ImportRefusedError, match="more than one value a row"):
        read_sheet(path)


def test_what_our_exports_add_is_left_out(table, tmp_path):
    path = tmp_path / "cam_bias.csv"
    path.write_text("mjd_obs,date_obs,night,origin,simulated,level\n61101.5,x,y,import,False,7\n")
    assert len(import_file(path, timezone.now(), by="quinn").stored.new) == 1


@pytest.mark.parametrize("n", [3, 200])
def test_few_and_many_cells_are_cleaned_alike(table, store, n):
    from tests.trending.conftest import row

    odd = ["", "NaN", "-inf", "-999", "-1", None, "abc", " 5 ", "1e3", 7, -0.0]
    for start in range(0, len(odd), n):
        store(*[
            row(mjd=60000 + start + k, level=value, ron=value)
            for k, value in enumerate(odd[start : start + n])
        ])  # fmt: skip
    found = {
        one.mjd_obs - 60000: (one.value, one.missing_reason)
        for one in QC1Value.objects.filter(series__parameter__name="level")
    }
    assert [found[k] for k in range(len(odd))] == [
        (None, "no value"), (None, "NaN"), (None, "infinite"), (None, "sentinel -999"),
        (None, "sentinel -1"), (None, "no value"), (None, "not a number: abc"), (5.0, ""),
        (1000.0, ""), (7.0, ""), (0.0, ""),
    ]  # fmt: skip
