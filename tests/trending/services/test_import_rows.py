"""CSV files are imported whole or not at all, and each bad row is named with its line."""

import pytest
from django.utils import timezone

from tests.trending.conftest import rule
from trending.models import QC1Import, QC1Row, QC1Value, Score
from trending.services.import_rows import import_file
from trending.services.read_files import ImportRefusedError

pytestmark = pytest.mark.django_db

HEAD = "mjd_obs,detector,pro_catg,read_mode,exptime,level,ron\n"
GOOD = "61101.5,CHIP1,MASTER_BIAS,SLOW,0,100,3\n61102.5,CHIP1,MASTER_BIAS,SLOW,0.0,101,3\n"


@pytest.fixture
def send(table, tmp_path):
    """Write a file and import it."""

    def write(content, name="cam_bias.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_file(path, timezone.now(), by="quinn", **options)

    return write


def problems(send, content, **options):
    with pytest.raises(ImportRefusedError) as error:
        send(content, **options)
    assert not QC1Row.objects.exists()
    assert not QC1Import.objects.exists()
    return [line.rpartition("/")[2] for line in error.value.problems]


def test_rows_are_imported_scored_and_counted(load, send):
    load(rule("VAL 100,100"))
    report = send(HEAD + GOOD)
    assert str(report) == "cam_bias: 2 new, 0 replaced, 0 unchanged"
    done = QC1Import.objects.get()
    assert (done.n_new, done.by, done.file_name) == (2, "quinn", "cam_bias.csv")
    assert list(Score.objects.order_by("row__mjd_obs").values_list("result", flat=True)) == [0, 1]
    assert set(QC1Row.objects.values_list("origin", "came_with")) == {("import", done.pk)}


def test_the_same_file_twice_changes_nothing(load, send):
    load(rule())
    send(HEAD + GOOD)
    scores = set(Score.objects.values_list("pk", flat=True))
    assert str(send(HEAD + GOOD)) == "cam_bias: 0 new, 0 replaced, 2 unchanged"
    assert QC1Row.objects.count() == 2
    assert set(Score.objects.values_list("pk", flat=True)) == scores


def test_a_corrected_file_replaces_what_changed(load, send):
    load(rule())
    send(HEAD + GOOD)
    assert str(send(HEAD + GOOD.replace(",101,", ",150,"))).endswith("1 replaced, 1 unchanged")
    assert QC1Row.objects.count() == 3
    assert Score.objects.get(is_current=True, result=1).value == 150.0


@pytest.mark.parametrize("mark", ["\ufeff", ""], ids=["BOM", "none"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_files_of_every_editor_are_read(send, mark, end):
    assert len(send(mark + (HEAD + GOOD).replace("\n", end)).stored.new) == 2


def test_columns_may_stand_in_any_order_and_be_left_out(send):
    send("level,read_mode,mjd_obs\n100,SLOW,61101.5\n")
    assert QC1Value.objects.get(series__parameter__name="level").value == 100.0
    missing = QC1Value.objects.get(series__parameter__name="ron")
    assert (missing.value, missing.missing_reason) == (None, "no value")


def test_a_quoted_cell_may_hold_commas_quotes_and_line_ends(send):
    send('mjd_obs,read_mode,note\n61101.5,"SLOW, ""new""","two\nlines"\n61102.5,SLOW,-\n')
    texts = QC1Value.objects.filter(series__parameter__name="note").values_list("text", flat=True)
    assert set(texts) == {"two\nlines", "-"}
    assert QC1Row.objects.get(mjd_obs=61101.5).setup.values["read_mode"] == 'SLOW, "new"'


def test_a_word_for_no_value_is_a_missing_value(send):
    send(HEAD + "61101.5,CHIP1,MASTER_BIAS,SLOW,0,NaN,n/a\n")
    reasons = QC1Value.objects.filter(value=None, series__parameter__name__in=["level", "ron"])
    assert set(reasons.values_list("missing_reason", flat=True)) == {"NaN", "not a number: n/a"}


def test_a_slip_in_a_number_column_is_refused_and_replaces_nothing(send):
    send(HEAD + GOOD)
    with pytest.raises(ImportRefusedError, match=r":2: level = 'abc' is not a number"):
        send(HEAD + GOOD.replace(",100,", ",abc,"))
    assert QC1Value.objects.filter(value=100.0).count() == 1
    assert QC1Row.objects.count() == QC1Row.objects.current().count() == 2


def test_blanks_around_a_detector_make_no_other_detector(send):
    send(HEAD + "61101.5, CHIP1 ,MASTER_BIAS ,SLOW,0,100,3\n")
    made = QC1Row.objects.get()
    assert (made.detector, made.pro_catg) == ("CHIP1", "MASTER_BIAS")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("x,CHIP1,MASTER_BIAS,SLOW,0,1,1", "mjd_obs = 'x' is not a number"),
        (",CHIP1,MASTER_BIAS,SLOW,0,1,1", "mjd_obs = '' is not a number"),
        ("NaN,CHIP1,MASTER_BIAS,SLOW,0,1,1", "mjd_obs = 'NaN': expected a Modified Julian Date"),
        ("1e9,CHIP1,MASTER_BIAS,SLOW,0,1,1", "mjd_obs = '1e9': expected a Modified Julian Date"),
        ("61_101,CHIP1,MASTER_BIAS,SLOW,0,1,1", "mjd_obs = '61_101' is not a number"),
        ("61101.5,CHIP1,MASTER_BIAS,SLOW,0,1", "the row has not as many cells as the head"),
        ("61101.5,CHIP1,MASTER_BIAS,SLOW,0,1,1,1", "the row has not as many cells as the head"),
        (f"61101.5,{'C' * 33},MASTER_BIAS,SLOW,0,1,1", "detector is longer than 32 characters"),
        (f"61101.5,CHIP1,{'M' * 65},SLOW,0,1,1", "pro_catg is longer than 64 characters"),
        ("61102.5,CHIP1,MASTER_BIAS,SLOW,0.00,9,9", "the same measurement as in line 3"),
        ('61103.5,"CHIP"1,MASTER_BIAS,SLOW,0,1,1', "',' expected after '\"'"),
        ('61103.5,"CHIP1,MASTER_BIAS,SLOW,0,1,1', "unexpected end of data"),
        (f"61103.5,CHIP1,MASTER_BIAS,{'S' * 140_000},0,1,1", "field larger than field limit"),
    ],
    ids=["no number", "empty date", "NaN date", "far date", "underscore", "ragged: fewer",
         "ragged: more", "long detector", "long category", "twice", "stray quote", "open quote",
         "huge cell"],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_line_and_nothing_is_written(send, line, words):
    [problem] = problems(send, f"{HEAD}{GOOD}{line}\n")
    assert problem.startswith("cam_bias.csv:4: ")
    assert words in problem


def test_lines_are_counted_as_an_editor_does(send):
    content = 'mjd_obs,note\n\n61101.5,"a\nb"\nx,-\n'
    assert problems(send, content) == ["cam_bias.csv:5: mjd_obs = 'x' is not a number"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ":1: column mjd_obs is missing"),
        (b"level\n1\n", ":1: column mjd_obs is missing"),
        (b"mjd_obs,levle\n1,1\n", ":1: unknown columns levle. Known are mjd_obs, detector,"),
        (b"mjd_obs,level,level\n1,1,1\n", ":1: a column is there twice"),
        (b"mjd_obs,\n1,1\n", ":1: unknown columns ''"),
        (b'"mjd_obs\n1\n', ":2: unexpected end of data"),
        (b"mjd_obs,level\n61101.5,\xff\n", ": byte 22 is not UTF-8."),
        (b"mjd_obs,level\n61101.5,\x00\n", ": it holds a NUL; this is not a CSV file."),
        (b"\x1f\x8b\x08 packed", ": byte 1 is not UTF-8."),
    ],
    ids=["empty file", "no date column", "unknown column", "column twice", "column without a name",
         "open quote in the head", "not UTF-8", "NUL", "gzip"],
)  # fmt: skip
def test_a_bad_file_is_refused_with_the_place(send, content, words):
    [problem] = problems(send, content)
    assert f"cam_bias.csv{words}" in problem


def test_a_long_list_of_problems_is_cut(send):
    found = problems(send, HEAD + "x,,,,,,\n" * 33)
    assert len(found) == 21
    assert found[19].startswith("cam_bias.csv:21: ")
    assert found[20] == "… and 13 more"


@pytest.mark.parametrize(
    ("options", "name"),
    [({"name": "other.csv"}, "other"), ({"table_name": "cam_flat"}, "cam_flat")],
    ids=["by the file's name", "by option"],
)
def test_an_unknown_table_is_refused_with_the_known_ones(send, options, name):
    [problem] = problems(send, HEAD + GOOD, **options)
    assert f"there is no table '{name}'. Known are cam_bias." in problem


def test_a_file_is_imported_into_the_table_that_is_asked_for(send):
    assert len(send(HEAD + GOOD, name="old.csv", table_name="cam_bias").stored.new) == 2


def test_a_file_that_is_not_there_or_a_directory_is_refused(table, tmp_path):
    (tmp_path / "dir").mkdir()
    for name, words in (("gone.csv", "No such file"), ("dir", "Is a directory")):
        with pytest.raises(ImportRefusedError, match=words):
            import_file(tmp_path / name, timezone.now(), by="quinn", table_name="cam_bias")


def test_a_file_with_a_head_alone_imports_nothing_and_is_no_mistake(send):
    assert str(send(HEAD)) == "cam_bias: 0 new, 0 replaced, 0 unchanged"


def test_a_file_of_real_size_is_imported_quickly_and_twice_is_free(
    load, send, django_assert_max_num_queries
):
    load(rule())
    lines = [f"{55000 + n / 10},CHIP1,MASTER_BIAS,SLOW,0,100,3\n" for n in range(3000)]
    with django_assert_max_num_queries(250):
        send(HEAD + "".join(lines))
    with django_assert_max_num_queries(30):
        send(HEAD + "".join(lines))
