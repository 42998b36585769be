"""Certified masters to take along: names, sums, certificates, and a SOF that EsoRex takes."""

import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.models import Act, Instrument
from qcweb.certification.handover import masters_of
from qcweb.certification.models import Decision
from qcweb.certification.services import decide

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
    assert [line.split()[1] for line in lines] == [one["category"] for one in manifest]
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
    with pytest.raises(CommandError, match=r"not on disk, first master_bias\.fits"):
        hand_over("CCDCAM", str(tmp_path / "out"))


def test_the_page_gives_the_archive_and_notes_who_took_it(night, client, quinn):
    client.force_login(quinn)
    until = night["green"].night.isoformat()
    page = client.get(f"/handover/CCDCAM/?since={until}&until={until}").content.decode()
    assert "3 masters" in page
    answer = client.get(f"/handover/CCDCAM/tar/?since={until}&until={until}")
    content = b"".join(answer)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert len(archive.getnames()) == 6
    assert Act.objects.get().done_by == quinn
