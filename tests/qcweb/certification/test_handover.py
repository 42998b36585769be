"""Certified masters to take along: names, sums, certificates, and a SOF that EsoRex takes."""

import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from pipelines.models import Act, Instrument
from qcweb.certification.handover import masters_of
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from tests.conftest import run_to_rest
from tests.frames import BIAS, later, taken

pytestmark = pytest.mark.django_db


def hand_over(*words):
    out = io.StringIO()
    call_command("hand_over", *words, stdout=out)
    return out.getvalue()


def test_only_certified_masters_go_into_a_directory_that_proves_itself(night, tmp_path):
    target = tmp_path / "masters"
    said = hand_over("ccdcam", str(target))
    assert said.startswith(f"{target}: 3 masters, ")
    manifest = json.loads((target / "manifest.json").read_text())["masters"]
    assert {one["block"] for one in manifest} == {night["green"].ab_name, night["dark"].ab_name}
    for one in manifest:
        content = (target / one["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert one["certification"]["decision"] == "AUTO"
        assert len(one["datamd5"]) == 32
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=target, capture_output=True)
    assert done.returncode == 0
    lines = (target / "calibrations.sof").read_text().splitlines()[1:]
    assert sorted(line.split()[1] for line in lines) == sorted(one["category"] for one in manifest)
    assert all((target / line.split()[0]).is_file() for line in lines)


def test_a_tar_file_holds_the_same_and_says_nothing_of_this_machine(night, tmp_path):
    hand_over("CCDCAM", str(tmp_path / "out.tar"))
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = {one.name for one in archive}
        assert {one.uname for one in archive} == {""}
    assert {"out/manifest.json", "out/SHA256SUMS", "out/calibrations.sof"} < names


def test_what_was_rejected_is_not_handed_over(night, quinn):
    block = night["green"]
    instrument = Instrument.objects.get(name="CCDCAM")
    before = len(masters_of(instrument))
    decide(block, Decision.REJECTED, quinn, "light leak", seen=1, seen_attempt=1,
           at=timezone.now())  # fmt: skip
    assert len(masters_of(instrument)) == before - 1


def test_an_accepted_one_names_who_accepted_it(night, quinn):
    block = night["red"]
    decide(block, Decision.ACCEPTED, quinn, "a true state", seen=0, seen_attempt=1,
           at=timezone.now())  # fmt: skip
    (found,) = [one for one in masters_of(block.instrument) if one.block == block]
    assert found.decision.decided_by == quinn


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["NONESUCH", "out"], "There is no instrument NONESUCH. Known: CCDCAM"),
        (["CCDCAM", "out", "--since", "2031-01-01"], "There is no certified master"),
    ],
)
def test_nothing_to_hand_over_is_said(night, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=said):
        hand_over(*words)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(night, tmp_path):
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        hand_over("CCDCAM", str(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["precious"]


def test_a_product_that_is_gone_is_named(night, tmp_path, settings):
    settings.HCM_DATA_DIR = tmp_path / "elsewhere"
    with pytest.raises(CommandError, match=r"first master_bias\.fits .* is not on disk"):
        hand_over("CCDCAM", str(tmp_path / "out"))


def cut(content):
    return content[:-2880]


def flipped(content):
    return content[:-3000] + bytes([content[-3000] ^ 1]) + content[-2999:]


@pytest.mark.parametrize(("spoil", "said"), [(cut, "bytes, made with"), (flipped, "DATASUM")])
def test_a_product_that_is_not_as_made_is_not_handed_over(night, tmp_path, spoil, said):
    block = night["green"]
    path = settings.HCM_DATA_DIR / block.current_attempt.products.get().path
    content = path.read_bytes()
    path.write_bytes(spoil(content))
    try:
        with pytest.raises(CommandError, match=said) as caught:
            hand_over("CCDCAM", str(tmp_path / "out"))
    finally:
        path.write_bytes(content)
    assert f"`manage.py reprocess {block.ab_name}`" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_a_directory_without_a_name_is_refused(night, tmp_path, monkeypatch, target):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    with pytest.raises(CommandError, match="no name of its own"):
        hand_over("CCDCAM", target)


def test_another_who_writes_the_same_directory_is_not_disturbed(night, tmp_path):
    theirs = tmp_path / ".masters.part"
    theirs.mkdir()
    hand_over("CCDCAM", str(tmp_path / "masters"))
    assert theirs.is_dir()


def test_the_number_of_queries_does_not_grow_with_the_masters(night, django_assert_num_queries):
    instrument = Instrument.objects.get(name="CCDCAM")
    with django_assert_num_queries(3):
        assert len(masters_of(instrument)) == 3
    assert len(masters_of(instrument, most=1)) == 2


def test_page_and_archive_are_bounded(night, client, quinn, monkeypatch):
    monkeypatch.setattr("qcweb.web.views.handover.MOST_MASTERS", 1)
    client.force_login(quinn)
    until = night["green"].night.isoformat()
    page = client.get(f"/handover/CCDCAM/?since={until}&until={until}").content.decode()
    assert "More than 1 master" in page
    assert "Take them as a tar file" not in page
    answer = client.post("/handover/CCDCAM/tar/", {"since": until, "until": until})
    assert answer.status_code == 409


def test_the_archive_needs_the_token_of_the_form(night, quinn):
    client = Client(enforce_csrf_checks=True)
    client.force_login(quinn)
    assert client.post("/handover/CCDCAM/tar/").status_code == 403


def test_the_page_gives_the_archive_and_notes_who_took_it(night, client, quinn):
    client.force_login(quinn)
    until = night["green"].night.isoformat()
    page = client.get(f"/handover/CCDCAM/?since={until}&until={until}").content.decode()
    assert "3 masters" in page
    assert client.get("/handover/CCDCAM/tar/").status_code == 405
    assert 'action="/handover/CCDCAM/tar/"' in page
    answer = client.post("/handover/CCDCAM/tar/", {"since": until, "until": until})
    content = b"".join(answer)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert len(archive.getnames()) == 6
    assert Act.objects.get().done_by == quinn


def test_a_recipe_finds_the_newest_of_its_set_up_first(night, take, tmp_path, quinn):
    """A recipe takes the first of a tag: nights and set-ups must not be mixed in its set."""
    take(taken(tmp_path / "later", later(BIAS, 1)))
    run_to_rest()
    decide(night["red"], Decision.ACCEPTED, quinn, "a true state", seen=0, seen_attempt=1,
           at=timezone.now())  # fmt: skip
    hand_over("CCDCAM", str(tmp_path / "out"))
    slow = (tmp_path / "out" / "calibrations_SLOW_1x1.sof").read_text().splitlines()[1:]
    biases = [line for line in slow if line.endswith(" MASTER_BIAS")]
    assert biases == ["CCDCAM.2026-03-03T09:00:04.217_MASTER_BIAS.fits MASTER_BIAS"]
    assert (tmp_path / "out" / "calibrations_FAST_1x1.sof").is_file()
    both = (tmp_path / "out" / "calibrations.sof").read_text().splitlines()[1:]
    assert len([line for line in both if line.endswith(" MASTER_BIAS")]) == 2
