"""A night as files: complete, closed in itself, and inside its folder whatever names say."""

import io
import json
import re
import zipfile

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.models import AssociationBlock, Attempt, Instrument
from pipelines.services.previews import make_previews
from qcweb.web.export import Export, Names
from qcweb.web.night_page import find_night
from tests.qcweb.web.html import _Builder

NIGHT = "/nights/CCDCAM/2026-03-01/"
HOSTILE = [
    "../../../escape.ab", "/etc/passwd", "..", ".", "a/b\\c", "C:\\x", "con", "NUL.ab", "-rf",
    "x\n<script>alert(1)</script>.ab", "é" * 80, "A.ab", "a.ab", '"><img src=x>', "a" * 250,
    "night", "index",
]  # fmt: skip
LINK = re.compile(r'(?:href|src)="([^"]*)"')


def export(folder):
    call_command("export_night", "CCDCAM", "2026-03-01", to=folder, stdout=io.StringIO())
    return {one.relative_to(folder).as_posix(): one for one in folder.rglob("*") if one.is_file()}


def read(path):
    builder = _Builder()
    builder.feed(path.read_text())
    return builder.open[0]


def links_of(path):
    found = LINK.findall(path.read_text())
    return [one for one in found if not one.startswith("#")]


@pytest.fixture
def pictured(states):
    make_previews(states["green"].current_attempt)
    return states


def test_it_holds_the_night_every_block_pictures_and_numbers(pictured, tmp_path):
    files = export(tmp_path / "out")
    for block in AssociationBlock.objects.all():
        name = Names().of(block.ab_name, ".html")
        page = read(files[f"blocks/{name}"])
        assert block.ab_name in page.text
        told = json.loads(files[f"data/{name.removesuffix('.html')}.json"].read_text())
        assert told["ab_name"] == block.ab_name
    assert json.loads(files["night.json"].read_text())["n_blocks"] == 8
    assert [one for one in files if one.endswith(".png")]
    assert "1/6 NOK" in read(files["index.html"]).text
    assert "2026-03-01" in files["calendar.html"].read_text()


def test_every_link_is_relative_and_leads_to_a_file_of_it(pictured, tmp_path):
    files = export(tmp_path / "out")
    pages = [path for name, path in files.items() if name.endswith(".html")]
    assert len(pages) == 10
    for page in pages:
        for link in links_of(page):
            assert not re.match(r"[a-z]+:|/", link), (page, link)
            target, _, part = link.partition("#")
            path = (page.parent / target).resolve()
            assert path.is_relative_to(tmp_path / "out"), link
            assert path.is_file(), link
            assert not part or f'id="{part}"' in path.read_text(), link


def test_it_has_no_forms_and_no_scripts_and_says_what_it_is(pictured, tmp_path):
    for name, path in export(tmp_path / "out").items():
        if name.endswith(".html"):
            text = path.read_text()
            assert not re.search(r"<(form|script|button|input)\b|\son[a-z]+=|csrf", text), name
            assert re.search(r"exported at [0-9-]{10} [0-9:]{5} UT from ", text), name


def test_names_never_leave_the_folder(states, tmp_path):
    pattern = states["green"]
    Attempt.objects.update(log="")
    for n, name in enumerate(HOSTILE):
        copy = AssociationBlock.objects.get(pk=pattern.pk)
        copy.pk, copy.ab_name, copy.group_key = None, name, f"hostile {n}"
        copy.setup, copy.raw_type = "<script>alert(2)</script>", "../RAW"
        copy.save()
    files = export(tmp_path / "deep" / "er" / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["deep"]
    blocks = [name for name in files if name.startswith("blocks/")]
    assert len(blocks) == len({name.lower() for name in blocks}) == 8 + len(HOSTILE)
    assert all(re.fullmatch(r"blocks/[A-Za-z0-9_][A-Za-z0-9._-]*\.html", one) for one in blocks)
    for path in files.values():
        if path.suffix == ".html":
            assert "<script" not in path.read_text()
            assert "<img src=x" not in path.read_text()
    for link in links_of(files["index.html"]):
        assert (files["index.html"].parent / link.partition("#")[0]).is_file(), link


def test_an_instrument_may_have_any_name(states, client, vera):
    Instrument.objects.filter(name="CCDCAM").update(name="..\\x")
    client.force_login(vera)
    answer = client.get("/nights/..%5Cx/2026-03-01/export/")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert {name.split("/")[0] for name in archive.namelist()} == {"x_2026-03-01"}
    assert 'filename="x_2026-03-01.zip"' in answer["Content-Disposition"]


def test_the_download_is_the_same_as_the_command_writes(pictured, client, vera, tmp_path):
    client.force_login(vera)
    answer = client.get(f"{NIGHT}export/")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    names = {name.removeprefix("CCDCAM_2026-03-01/") for name in archive.namelist()}
    assert names == set(export(tmp_path / "out"))


def test_a_night_without_blocks_is_a_page(instruments, tmp_path):
    night = find_night("CCDCAM", timezone.now().date(), timezone.now())
    assert night is not None
    (tmp_path / "out").mkdir()
    assert Export(night, tmp_path / "out", "here", timezone.now(), AnonymousUser()).write() == 0
    assert "No calibrations" in (tmp_path / "out" / "index.html").read_text()


def test_nothing_is_written_over(states, tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(CommandError, match="nothing is written over"):
        export(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(("words", "said"), [(("NONE", "2026-03-01"), "no instrument 'NONE'"),
                                             (("CCDCAM", "today"), "no night")])  # fmt: skip
def test_what_there_is_not_is_said(states, tmp_path, words, said):
    with pytest.raises(CommandError, match=said):
        call_command("export_night", *words, to=tmp_path / "out")
