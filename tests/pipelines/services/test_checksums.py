"""A checksum is of a frame as it was registered, or there is none."""

from django.utils import timezone

from pipelines.models import RawFile
from pipelines.services.checksums import add_checksums
from pipelines.services.roots import verify_root
from tests.frames import BIAS, taken


def test_a_damaged_file_gets_no_sum_and_the_whole_one_later_does(take, tmp_path):
    take(taken(tmp_path, BIAS))
    first, second, third = RawFile.objects.select_related("root").order_by("pk")
    whole = {one.pk: one.full_path.read_bytes() for one in (first, second)}
    first.full_path.write_bytes(whole[first.pk][:50000])
    second.full_path.unlink()
    assert add_checksums() == 1
    assert RawFile.objects.exclude(checksum="").get() == third
    for one in (first, second):
        one.full_path.write_bytes(whole[one.pk])
    assert add_checksums() == 2
    found = verify_root(first.root, timezone.now(), with_checksums=True)
    assert (found.lacks, found.n_unknown) == ([], 0)


def test_what_cannot_be_summed_waits_behind_the_others(take, tmp_path):
    take(taken(tmp_path, BIAS))
    first = RawFile.objects.select_related("root").order_by("pk")[0]
    first.full_path.unlink()
    assert add_checksums() == 2
    first.refresh_from_db()
    assert first.checksum_tried_at is not None
    assert add_checksums() == 0
