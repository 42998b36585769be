"""Following a directory: a file is taken when it is whole, once, and again when it changes."""

import io
import os
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from pipelines.models import AssociationBlock, RawFile
from pipelines.services.ingest import find_frames
from pipelines.services.watch import Watch
from tests.frames import BIAS, taken


@pytest.fixture
def watch(tmp_path):
    return Watch(tmp_path, quiet_s=10)


def test_a_file_is_told_when_it_has_been_quiet_long_enough(watch, tmp_path):
    (tmp_path / "a.fits").write_bytes(b"1")
    assert watch.settled(100) == []
    assert watch.settled(109.9) == []
    assert watch.settled(110) == [tmp_path / "a.fits"]
    assert watch.settled(120) == []


def test_a_file_that_grows_is_waited_for(watch, tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"1")
    watch.settled(100)
    path.write_bytes(b"12")
    assert watch.settled(111) == []
    assert watch.settled(121) == [path]


def test_a_file_that_changes_later_is_told_again(watch, tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"1")
    watch.settled(100)
    watch.settled(110)
    path.write_bytes(b"123")
    watch.settled(200)
    assert watch.settled(210) == [path]


def test_a_directory_that_vanishes_is_waited_for(watch, tmp_path, caplog):
    (tmp_path / "a.fits").write_bytes(b"1")
    watch.settled(100)
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    tmp_path.rename(away)
    assert watch.settled(110) == []
    assert watch.settled(111) == []
    away.rename(tmp_path)
    assert watch.settled(112) == [tmp_path / "a.fits"]
    assert [record.message.partition(" is ")[2] for record in caplog.records] == [
        "gone; waiting for it",
        "back",
    ]


def test_other_files_and_hidden_parts_are_left_alone(watch, tmp_path):
    for name in ("notes.txt", ".a.fits.part", "b.fits.tmp"):
        (tmp_path / name).write_bytes(b"1")
    watch.settled(100)
    assert watch.settled(200) == []


@pytest.mark.django_db(transaction=True)  # the command gives connections back between two looks
def test_the_command_ingests_what_is_whole(instruments, tmp_path):
    taken(tmp_path, BIAS)
    out = io.StringIO()
    call_command("watch", tmp_path, "--quiet", "0", "--every", "0.05", "--once", stdout=out)
    assert (RawFile.objects.count(), AssociationBlock.objects.count()) == (3, 1)
    assert "3 registered; 1 new blocks" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_directory_that_never_was_is_an_error(instruments, tmp_path):
    shutil.rmtree(tmp_path)
    with pytest.raises(CommandError, match="there is no such directory"):
        call_command("watch", tmp_path, stdout=io.StringIO())


def test_a_folder_that_goes_away_while_it_is_looked_at_is_no_error(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.fits").write_bytes(b"1")
    scan = os.scandir

    def vanish(path):
        if Path(path).name == "one" and Path(path).exists():
            Path(path).rename(tmp_path.with_name(f"{tmp_path.name}-away"))
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanish)
    assert list(find_frames(tmp_path)) == [tmp_path / "two" / "a.fits"]


@pytest.mark.parametrize("option", ["--quiet", "--every"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "x"])
def test_a_wait_that_is_none_is_refused(tmp_path, option, value):
    with pytest.raises(CommandError, match=r"seconds|invalid"):
        call_command("watch", str(tmp_path), f"{option}={value}", stdout=io.StringIO())
