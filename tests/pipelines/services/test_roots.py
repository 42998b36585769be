"""Named roots: paths below them, moving them, and frames that are gone."""

import shutil

import pytest
from django.utils import timezone

from pipelines.models import Product, RawFile, Root
from pipelines.services.ingest import find_frames, ingest
from pipelines.services.roots import (
    RootError,
    Roots,
    find_root,
    relocate,
    verify_products,
    verify_root,
)
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken


@pytest.fixture
def root(instruments, tmp_path):
    directory = tmp_path / "raw"
    directory.mkdir()
    taken(directory / "night", BIAS)
    ingest(find_frames(directory), timezone.now(), directory)
    return Root.objects.get()


def test_paths_are_kept_below_the_root(root, tmp_path):
    assert (root.name, root.path) == ("raw", str(tmp_path / "raw"))
    frame = RawFile.objects.select_related("root").first()
    assert frame.path.startswith("night/CCDCAM.")
    assert frame.full_path.is_file()


def test_two_directories_of_one_name_have_two_names(root, instruments, tmp_path):
    other = tmp_path / "more" / "raw"
    other.parent.mkdir()
    taken(other, DARK)
    ingest(find_frames(other), timezone.now(), other)
    assert set(Root.objects.values_list("name", flat=True)) == {"raw", "more-raw"}


def test_the_innermost_root_holds_a_file(root, tmp_path):
    inner = Root.objects.create(name="inner", path=f"{root.path}/night", recorded_at=timezone.now())
    placed = Roots.load().place(tmp_path / "raw" / "night" / "a.fits")
    assert placed == (inner, "a.fits")
    assert Roots.load().place(tmp_path / "elsewhere.fits") is None


def test_a_frame_ingested_again_below_a_new_inner_root_is_the_same_frame(root, tmp_path):
    Root.objects.create(name="inner", path=f"{root.path}/night", recorded_at=timezone.now())
    ingest(find_frames(tmp_path / "raw"), timezone.now())
    assert RawFile.objects.count() == 3
    assert set(RawFile.objects.values_list("root__name", flat=True)) == {"inner"}


def test_a_frame_gone_from_disk_is_marked_and_unmarked_when_it_is_back(root):
    frame = RawFile.objects.select_related("root").first()
    away = frame.full_path.rename(frame.full_path.with_suffix(".away"))
    found = verify_root(root, timezone.now())
    assert [(lack.name, lack.what) for lack in found.lacks] == [(frame.name, "gone from disk")]
    frame.refresh_from_db()
    assert frame.gone_at is not None
    away.rename(frame.full_path)
    assert verify_root(root, timezone.now()).n_back == 1
    frame.refresh_from_db()
    assert frame.gone_at is None


def test_a_frame_gone_from_disk_that_is_found_elsewhere_is_there_again(root, tmp_path):
    frame = RawFile.objects.select_related("root").first()
    target = tmp_path / "elsewhere"
    target.mkdir()
    shutil.move(frame.full_path, target)
    verify_root(root, timezone.now())
    ingest(find_frames(target), timezone.now(), target)
    frame = RawFile.objects.select_related("root").get(pk=frame.pk)
    assert (frame.gone_at, frame.full_path.parent) == (None, target)
    assert RawFile.objects.count() == 3


def test_changed_sizes_and_contents_are_found(root):
    first, second, _ = RawFile.objects.select_related("root").order_by("pk")
    with first.full_path.open("ab") as file:
        file.write(b"more")
    from pipelines.services.checksums import add_checksums

    add_checksums()
    content = bytearray(second.full_path.read_bytes())
    content[-1] ^= 1
    second.full_path.write_bytes(content)
    plain = verify_root(root, timezone.now())
    assert [lack.name for lack in plain.lacks] == [first.name]
    thorough = verify_root(root, timezone.now(), with_checksums=True)
    assert {lack.name for lack in thorough.lacks} == {first.name, second.name}
    assert "SHA-256" in thorough.lacks[1].what


def test_a_root_moves_when_its_frames_are_there(root, tmp_path):
    target = tmp_path / "disk2"
    shutil.move(root.path, target)
    verify_root(root, timezone.now())
    found = relocate(root, target)
    root.refresh_from_db()
    assert (root.path, found.n_files, found.lacks) == (str(target), 3, [])
    assert all(one.full_path.is_file() for one in RawFile.objects.select_related("root"))
    assert not RawFile.objects.exclude(gone_at=None).exists()


def test_a_root_stays_where_it_is_when_frames_are_missing_there(root, tmp_path):
    target = tmp_path / "disk2"
    shutil.copytree(root.path, target)
    next(target.rglob("*.fits")).unlink()
    assert len(relocate(root, target).lacks) == 1
    assert Root.objects.get().path == root.path
    with pytest.raises(RootError, match="no such directory"):
        relocate(root, tmp_path / "nowhere")
    with pytest.raises(RootError, match="Known are: raw"):
        find_root("other")


def test_products_are_looked_at_too(root):
    run_to_rest()
    assert verify_products().n_files == 1
    from django.conf import settings

    (settings.HCM_DATA_DIR / Product.objects.get().path).unlink()
    assert [lack.what for lack in verify_products().lacks] == ["gone from disk"]
