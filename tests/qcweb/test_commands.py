"""Commands say what they did, what is wrong and what to do; their exit status tells a script."""

import io
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from pipelines.models import AssociationBlock, Chore, RawFile, RefusedFile, Root
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken
from trending.models import QC1Import, QC1Row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def queue():
    """The folder in which the embedded broker keeps messages, empty."""
    for name in ("queue", "control"):
        (settings.BROKER_DIR / name).mkdir(parents=True, exist_ok=True)
    folder = settings.BROKER_DIR / "queue"
    for message in folder.iterdir():
        message.unlink()
    return folder


def run(*words):
    """Run a command; return what it wrote, what it complained of, and its last words."""
    out, err = io.StringIO(), io.StringIO()
    last = ""
    try:
        call_command(*map(str, words), stdout=out, stderr=err)
    except CommandError as error:
        last = str(error) if error.returncode == 1 else f"ended with {error.returncode}"
    return out.getvalue(), err.getvalue(), last


def test_ingest_says_what_became_of_every_file_and_queues_the_work(instruments, tmp_path, queue):
    frames = taken(tmp_path / "frames", BIAS)
    (frames / "empty.fits").write_bytes(b"")
    (frames / "notes.txt").write_text("not a frame")
    out, err, last = run("ingest", frames)
    assert err == f"{frames}/empty.fits: refused (The file is empty. Transfer it again.)\n"
    assert out.count(": registered (BIAS)") == 3
    assert out.endswith(f"{frames}: 1 refused, 3 registered; 1 new blocks, 1 queued\n")
    assert last == ""
    assert len(list(queue.iterdir())) == 1
    assert "notes.txt" not in out + err


def test_ingest_twice_finds_everything_known_and_queues_it_no_more(instruments, tmp_path, queue):
    frames = taken(tmp_path / "frames", BIAS)
    run("ingest", frames)
    AssociationBlock.objects.update(next_step="REST")
    out, _, _ = run("ingest", "--quiet", frames)
    assert out == f"{frames}: 3 known; 0 new blocks, 0 queued\n"


def test_ingest_goes_into_folders_and_takes_relative_names(instruments, tmp_path, monkeypatch):
    taken(tmp_path / "frames", BIAS)
    taken(tmp_path / "frames" / "more", DARK)
    monkeypatch.chdir(tmp_path)
    run("ingest", "frames")
    assert RawFile.objects.count() == 6
    root = Root.objects.get()
    assert (root.name, root.path) == ("frames", str(tmp_path / "frames"))
    assert all(frame.full_path.is_file() for frame in RawFile.objects.select_related("root"))
    assert RawFile.objects.filter(path__startswith="more/").count() == 3


def test_ingest_of_an_empty_directory_does_nothing(instruments, tmp_path):
    assert run("ingest", tmp_path) == (f"{tmp_path}: no frames; 0 new blocks, 0 queued\n", "", "")


def test_ingest_of_a_directory_that_is_not_there_fails(instruments, tmp_path):
    file = tmp_path / "a.fits"
    file.write_text("")
    gone = tmp_path / "gone"
    assert run("ingest", gone)[2] == f"{gone}: there is no such directory."
    assert run("ingest", file)[2] == f"{file}: a file; give its directory, {tmp_path}."


@pytest.mark.parametrize("words", [["load_instruments"], ["ingest", "."], ["import_qc1", "x.csv"]])
def test_a_database_that_is_not_set_up_is_said(tmp_path, words):
    done = manage(*words, HCM_DATA_DIR=str(tmp_path), DATABASE_URL="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Run: python manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HCM_LEASE_S", "x", "HCM_LEASE_S='x': expected a number."),
        ("PORT", "abc", "PORT='abc': expected 1 to 65535"),
        ("PORT", "99999", "PORT='99999': expected 1 to 65535"),
    ],
)
def test_a_wrong_setting_ends_a_command_with_its_name_and_no_traceback(tmp_path, name, value, says):
    done = manage("demo", "--no-server", HCM_DATA_DIR=str(tmp_path), **{name: value})
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def manage(*words, **environment):
    """Run manage.py as a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR, env=os.environ | environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_ingest_before_any_instrument_is_loaded_says_what_to_run(tmp_path):
    taken(tmp_path / "frames", BIAS)
    assert run("ingest", tmp_path / "frames")[2] == (
        "No instrument is known. Run: manage.py load_instruments"
    )
    assert not RefusedFile.objects.exists()


def test_ingest_without_a_broker_registers_and_says_so(instruments, tmp_path, queue):
    queue.rmdir()
    queue.write_text("in the way")
    try:
        _, err, last = run("ingest", "--quiet", taken(tmp_path / "frames", BIAS))
    finally:
        queue.unlink()
    assert "The broker does not answer; what is registered here is processed when it does." in err
    assert (RawFile.objects.count(), last) == (3, "")
    assert AssociationBlock.objects.get().asked_at is None


@pytest.mark.parametrize(
    "name",
    [b"bad\xff.fits", b"line\nend.fits", b"\x1b[31mred.fits"],
    ids=["bytes", "line", "escape"],
)
def test_ingest_of_a_name_no_terminal_takes_neither_breaks_nor_lies(instruments, tmp_path, name):
    frames = taken(tmp_path / "frames", BIAS)
    min(frames.iterdir()).rename(frames / os.fsdecode(name))
    out, err, last = run("ingest", frames)
    assert last == ""
    assert (out + err).isascii()
    assert "\x1b" not in out + err
    assert len(out.splitlines()) + len(err.splitlines()) == 4
    n_refused = RefusedFile.objects.count()
    assert RawFile.objects.count() == 3 - n_refused
    assert n_refused == (1 if b"\xff" in name else 0)
    if n_refused:
        assert RefusedFile.objects.get().reason == "The file's name is not UTF-8."
        run("ingest", frames)
        assert RefusedFile.objects.count() == 1


def test_ingest_takes_the_longest_name_a_disk_allows(instruments, tmp_path):
    frames = taken(tmp_path / "frames", BIAS)
    for n, path in enumerate(sorted(frames.iterdir())):
        path.rename(frames / f"{n}{'x' * 249}.fits")
    assert run("ingest", frames)[2] == ""
    assert len(AssociationBlock.objects.get().ab_name) <= 255


@pytest.fixture
def rows(instruments, tmp_path):
    path = tmp_path / "ccdcam_bias.csv"
    path.write_text(
        "mjd_obs,detector,pro_catg,read_mode,bias_level\n61101.5,CHIP1,MASTER_BIAS,SLOW,1001\n"
    )
    return path


def test_import_says_what_was_new(rows):
    assert run("import_qc1", rows)[0] == f"{rows}: ccdcam_bias: 1 new, 0 replaced, 0 unchanged\n"
    assert run("import_qc1", rows)[0] == f"{rows}: ccdcam_bias: 0 new, 0 replaced, 1 unchanged\n"
    assert not QC1Row.objects.get().is_simulated


def test_import_marks_simulated_rows_and_takes_another_table(rows):
    other = rows.rename(rows.with_name("old_values.csv"))
    run("import_qc1", "--simulated", "--table", "ccdcam_bias", other)
    assert QC1Row.objects.get().is_simulated
    assert QC1Import.objects.get().file_name == "old_values.csv"


def test_import_of_many_files_takes_the_good_ones_and_fails(rows):
    bad = rows.with_name("ccdcam_dark.csv")
    bad.write_text("mjd_obs\nyesterday\n")
    out, err, last = run("import_qc1", bad, rows)
    assert err == f"{bad}:2: mjd_obs = 'yesterday' is not a number\n"
    assert "1 new" in out
    assert last == "1 of 2 files refused, all of each."


def test_import_goes_on_after_a_file_that_breaks_it(rows, monkeypatch):
    from trending.services.import_rows import import_file

    def break_at_the_first(path, at, **options):
        if path != rows:
            raise RuntimeError("out of order")
        return import_file(path, at, **options)

    monkeypatch.setattr("qcweb.management.commands.import_qc1.import_file", break_at_the_first)
    out, err, last = run("import_qc1", "broken.csv", rows)
    assert "broken.csv: not imported, RuntimeError: out of order\n" in err
    assert "1 new" in out
    assert last == "1 of 2 files refused, all of each."


def test_import_before_any_table_is_known_says_so(db, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("mjd_obs\n1\n")
    assert "there is no table 'x'. Known are none." in run("import_qc1", path)[1]


@pytest.mark.parametrize("words", [("ingest",), ("import_qc1",), ("ingest", "a", "b")])
def test_a_command_without_its_arguments_says_how_it_is_used(words):
    assert run(*words)[2].startswith("Error: ")


def test_an_import_does_not_replace_what_a_pipeline_has_measured(night, tmp_path):
    row = QC1Row.objects.current().filter(attempt__block=night["green"]).first()
    filters = row.setup.values
    path = tmp_path / f"{row.table.name}.csv"
    head = ",".join(["mjd_obs", "detector", "pro_catg", *filters])
    path.write_text(
        f"{head}\n{row.mjd_obs!r},{row.detector},{row.pro_catg},{','.join(filters.values())}\n"
    )
    _, err, last = run("import_qc1", path)
    assert f"{path}:2: MASTER_BIAS" in err + last
    assert "was measured by the pipeline, and an import does not replace that" in err + last
    row.refresh_from_db()
    assert row.is_current


def test_reprocess_runs_a_block_again_and_says_what_it_left(states, queue):
    green, failed, incomplete = (states[one].ab_name for one in ("green", "failed", "incomplete"))
    out, err, last = run("reprocess", green, failed, incomplete)
    assert out.splitlines() == [
        f"{green}: queued", f"{failed}: queued",
        f"{incomplete}: left: incomplete, too_small 2 of 3",
    ]  # fmt: skip
    assert (err, last, len(list(queue.iterdir()))) == ("", "", 2)
    assert run("reprocess", green)[0] == f"{green}: left: it is being worked on\n"
    run_to_rest()
    assert states["green"].attempts.count() == 2


def test_reprocess_of_an_unknown_block_queues_nothing(night, queue):
    last = run("reprocess", night["green"].ab_name, "../x")[2]
    assert last == "There is no block ../x. Nothing was queued."
    assert list(queue.iterdir()) == []


def test_commands_that_write_keep_a_record_of_what_came_of_them(instruments, tmp_path):
    frames = taken(tmp_path / "frames", BIAS)
    run("ingest", frames)
    run("reorganise", "CCDCAM", "2026-03-01")
    wrong = tmp_path / "nothing.csv"
    wrong.write_text("mjd_obs\n")
    run("import_qc1", wrong)
    said = {one.name: (one.subject, one.succeeded, one.said) for one in Chore.objects.all()}
    assert said["ingest"] == (str(frames), True, "3 registered; 1 new blocks, 1 queued")
    assert said["reorganise"][:2] == ("CCDCAM 2026-03-01", True)
    assert said["reorganise"][2].startswith("3 frames, 0 seen otherwise")
    assert said["import_qc1"][:2] == (str(wrong), False)
    assert "there is no table 'nothing'" in said["import_qc1"][2]
    assert said["load_instruments"][1:] == (True, "CCDCAM, HCM, MUSE, UVES")
    run("load_instruments", "--check")
    assert Chore.objects.filter(name="load_instruments").count() == 1
