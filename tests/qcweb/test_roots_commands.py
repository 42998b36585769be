"""`manage.py relocate` and `manage.py verify`: files move whole or not at all."""

import errno
import io
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.models import RawFile, Root
from pipelines.services.ingest import find_frames, ingest
from tests.frames import BIAS, taken


@pytest.fixture
def root(instruments, tmp_path):
    directory = taken(tmp_path / "raw", BIAS)
    ingest(find_frames(directory), timezone.now(), directory)
    return Root.objects.get()


def relocate(*words):
    out, err = io.StringIO(), io.StringIO()
    call_command("relocate", *map(str, words), stdout=out, stderr=err)
    return out.getvalue()


def is_as_before(root):
    root.refresh_from_db()
    frames = RawFile.objects.select_related("root")
    return root.name == "raw" and all(frame.full_path.is_file() for frame in frames)


@pytest.fixture
def other_disk(monkeypatch):
    """The target is on another disk: nothing can be renamed to there."""

    def refuse(self, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", refuse)


def test_files_move_with_their_root(root, tmp_path):
    assert "3 frames below" in relocate("raw", tmp_path / "new" / "raw", "--move")
    assert is_as_before(root)
    assert not (tmp_path / "raw").exists()


def test_files_move_to_another_disk(root, other_disk, tmp_path):
    relocate("raw", tmp_path / "new" / "raw", "--move")
    assert is_as_before(root)
    assert not (tmp_path / "raw").exists()


def test_a_copy_that_breaks_off_leaves_everything_where_it_was(
    root, other_disk, tmp_path, monkeypatch
):
    def full(source, target, **_options):
        target.mkdir()
        (target / "half.fits").write_bytes(b"1")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(CommandError, match=r"No space left.*Nothing has changed"):
        relocate("raw", tmp_path / "new", "--move")
    assert is_as_before(root)
    assert not (tmp_path / "new").exists()


def test_a_root_that_cannot_be_there_is_moved_back(root, tmp_path):
    Root.objects.create(name="old", path=str(tmp_path / "new"), recorded_at=timezone.now())
    with pytest.raises(CommandError, match="this is root old already"):
        relocate("raw", tmp_path / "new", "--move")
    assert is_as_before(root)


def test_frames_that_are_lost_stop_the_move(root, tmp_path):
    next((tmp_path / "raw").iterdir()).unlink()
    with pytest.raises(CommandError, match="1 of 3 frames"):
        relocate("raw", tmp_path / "new", "--move", "--rename", "other")
    root.refresh_from_db()
    assert (root.name, len(list((tmp_path / "raw").iterdir()))) == ("raw", 2)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("target", ["raw/inside", "raw"])
def test_a_directory_cannot_move_into_itself(root, tmp_path, target):
    with pytest.raises(CommandError, match=r"itself|exists"):
        relocate("raw", tmp_path / target, "--move")
    assert is_as_before(root)


def test_a_root_that_is_gone_cannot_move(root, tmp_path):
    shutil.rmtree(tmp_path / "raw")
    with pytest.raises(CommandError, match=r"No such file or directory\. Nothing has changed"):
        relocate("raw", tmp_path / "new", "--move")


def verify(*words):
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("verify", *words, stdout=out, stderr=err)
    return f"{err.getvalue()}{ended.value}"


def test_a_directory_in_place_of_a_frame_is_no_frame(root):
    RawFile.objects.update(checksum="0" * 64, compression="gz")
    frame = RawFile.objects.select_related("root").order_by("pk")[0]
    frame.full_path.unlink()
    frame.full_path.mkdir()
    assert f"{frame.full_path}: no file any more" in verify("--checksums")


def test_a_frame_that_nobody_may_read_is_said_and_the_others_are_looked_at(root, monkeypatch):
    RawFile.objects.update(checksum="0" * 64)

    def forbidden(self, *_words):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", forbidden)
        said = verify("--checksums")
    assert said.count("cannot be read: Permission denied") == 3
    assert said.endswith("3 files are missing or changed.")


def test_a_frame_that_comes_while_files_are_copied_stays(root, other_disk, tmp_path, monkeypatch):
    real = shutil.copytree
    late = tmp_path / "raw" / "late.fits"

    def copy_and_let_one_come(*args, **options):
        made = real(*args, **options)
        late.write_bytes(b"just now")
        return made

    monkeypatch.setattr(shutil, "copytree", copy_and_let_one_come)
    relocate("raw", tmp_path / "new", "--move")
    assert late.read_bytes() == b"just now"
    assert list((tmp_path / "raw").rglob("*.fits")) == [late]
    assert len(list((tmp_path / "new").rglob("*.fits"))) == 3


def test_a_directory_that_holds_another_root_is_not_moved(root, tmp_path):
    inner = tmp_path / "raw" / "inner"
    inner.mkdir()
    Root.objects.create(name="inner", path=str(inner), recorded_at=timezone.now())
    with pytest.raises(CommandError, match="Roots inner lie below"):
        relocate("raw", tmp_path / "new", "--move")
    assert inner.is_dir()
