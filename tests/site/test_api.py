"""The API as its users meet it: lines pasted from pages, the tutorial, the field's own programs."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import pyvo

from tests.browser.conftest import RUN
from tests.frames import BIAS, DARK, FAST_BIAS, later, taken, with_defect
from tests.site.services import ROOT, Site, free_port, postgresql, serving

TUTORIAL = ROOT / "docs" / "api.md"
LOGINS = "from qcweb.demo import make_logins; make_logins(); out = 0"
RED = with_defect(FAST_BIAS, chip="CHIP2", ron_factor=1.35)


@dataclass(frozen=True)
class Server:
    """A site that is served, and a token of a QC scientist."""

    base: str
    token: str
    site: Site
    is_open: bool

    @property
    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"HCM": self.base, "HCM_TOKEN": self.token}

    def get(self, path: str, **headers: str) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}"} | headers
        request = urllib.request.Request(f"{self.base}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


def site_of(folder: Path, **settings: str) -> Site:
    """Make a site with a night that was processed for real."""
    site = Site(folder / "site", settings)
    site.data_dir.mkdir()
    site.run("migrate", "-v", "0")
    site.run("collectstatic", "-v", "0", "--noinput")
    site.run("load_instruments")
    site.json(LOGINS)
    site.run("ingest", str(taken(folder / "frames", BIAS, RED, DARK, replace(later(BIAS, 1.0)))))
    site.json(RUN)
    return site


def token_of(site: Site) -> str:
    said = site.run("token", "make", "quinn", "--name", "tests", "--scope", "read",
                    "--scope", "ingest", "--scope", "certify")  # fmt: skip
    found = re.search(r"hcm_[A-Za-z0-9_-]+", said)
    assert found is not None, said
    return found[0]


@pytest.fixture(scope="module")
def open_site(tmp_path_factory):
    """A site on SQLite that shows its data to anybody."""
    folder = tmp_path_factory.mktemp("open")
    site, port = site_of(folder, HCM_ANONYMOUS_READ="1"), free_port()
    with serving(site, port, folder / "web.log"):
        yield Server(f"http://127.0.0.1:{port}", token_of(site), site, is_open=True)


@pytest.fixture(scope="module")
def closed_site(tmp_path_factory):
    """A site on PostgreSQL that shows its data to whom it knows."""
    folder = tmp_path_factory.mktemp("closed")
    with postgresql() as url:
        site, port = site_of(folder, DATABASE_URL=url), free_port()
        with serving(site, port, folder / "web.log"):
            yield Server(f"http://127.0.0.1:{port}", token_of(site), site, is_open=False)


@pytest.fixture(params=["open_site", "closed_site"])
def server(request):
    return request.getfixturevalue(request.param)


pytestmark = [pytest.mark.needs("initdb"), pytest.mark.xdist_group("api")]


def run(server: Server, kind: str, text: str, cwd: Path) -> str:
    """Run lines as a person does who pastes them, in an empty directory."""
    argv = ["bash", "-euc", text] if kind in {"curl", "sh"} else [sys.executable, "-c", text]
    done = subprocess.run(
        argv, cwd=cwd, env=server.env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def page(server: Server, path: str) -> str:
    """Return a page as a person with a login sees it."""
    if server.is_open:
        return server.get(path, Accept="text/html", Authorization="").decode()
    code = f"""
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
host = "{server.base.removeprefix("http://")}"
client = Client(headers={{"host": host}})
client.force_login(User.objects.get(username="quinn"))
answer = client.get({path!r})
assert answer.status_code == 200, answer.status_code
out = answer.content.decode()
"""
    return str(server.site.json(code))


def red_row(server: Server) -> int:
    rows = json.loads(server.get("/api/v1/qc1/tables/ccdcam_bias/rows/?score=NOK&columns=row"))
    return int(rows["rows"][0]["row"])


def snippets(content: str) -> list[tuple[str, str]]:
    found = re.findall(r'data-snippet="(\w+)">(.*?)</pre>', content, re.DOTALL)
    return [(kind, unescape(text)) for kind, text in found]


@pytest.mark.parametrize(
    ("path", "n", "words"),
    [
        ("/qc1/ccdcam_bias/", 3, "ccdcam_bias/rows/?format="),
        ("/qc1/ccdcam_bias/?detector=CHIP1&from=2020-01-01&read_mode=&score=", 3,
         "&detector=CHIP1&from=2020-01-01"),
        ("/reports/CCDCAM/read_noise/?days=all", 3, "ron_raw_score"),
        ("/qc1/ccdcam_bias/ron_raw/{red}/", 3, "&detector=CHIP2&binning=1x1&read_mode=FAST"),
    ],
)  # fmt: skip
def test_lines_pasted_from_a_page_read_what_it_shows(server, tmp_path, path, n, words):
    if "{red}" in path:
        path = path.format(red=red_row(server))
    found = snippets(page(server, path))
    assert len(found) >= n
    assert {kind for kind, _ in found} == {"curl", "pandas", "astropy"}
    for number, (kind, text) in enumerate(found[:6]):
        assert words in text, path
        folder = tmp_path / f"{number}"
        folder.mkdir()
        said = run(server, kind, text, folder)
        if kind == "curl":
            [file] = folder.iterdir()
            assert file.read_text().startswith("mjd_obs,date_obs,")
            assert len(file.read_text().splitlines()) > 1
        else:
            assert "mjd_obs" in said


def test_what_is_pasted_has_the_rows_of_the_page(server, tmp_path):
    path = "/qc1/ccdcam_bias/?detector=CHIP2&read_mode=FAST"
    text = dict(snippets(page(server, path)))["pandas"]
    said = run(
        server, "pandas", f"{text}\nprint('ROWS', len(rows), set(rows['detector']))", tmp_path
    )
    assert "ROWS 1 {'CHIP2'}" in said


def tutorial() -> list[tuple[str, str]]:
    """Return the parts of the tutorial that are run, in their order."""
    return re.findall(r"```(sh|python)\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)


def test_the_tutorial_works_as_it_is_written(server, tmp_path):
    parts = tutorial()
    assert [kind for kind, _ in parts].count("python") >= 8
    for kind, text in parts:
        if kind == "sh" and "export" not in text:
            assert run(server, "sh", text, tmp_path)
    # One part stands on the one before it, as in a notebook.
    whole = "\n".join(f"{text}\nprint('DONE', {n})" for n, (kind, text) in enumerate(parts)
                      if kind == "python")  # fmt: skip
    said = run(server, "python", whole, tmp_path)
    assert said.count("DONE") == [kind for kind, _ in parts].count("python")
    assert "200 304" in said
    assert "400 columns" in said
    assert re.search(r"200 \{'table': 'ccdcam_bias', 'n_new': \d", said)


def test_pyvo_asks_in_adql(server):
    session = None
    if not server.is_open:
        import requests

        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {server.token}"
    service = pyvo.dal.TAPService(f"{server.base}/tap", session=session)
    assert "qc1.ccdcam_bias" in service.tables
    column = next(one for one in service.tables["qc1.ccdcam_bias"].columns if one.name == "ron_raw")
    assert (column.unit, column.ucd) == ("adu", "instr.det.noise")
    found = service.search(
        "SELECT detector, ron_raw FROM qc1.ccdcam_bias WHERE ron_raw_score = 1 ORDER BY mjd_obs"
    )
    table = found.to_table()
    assert set(table["detector"]) == {"CHIP2"}
    assert str(table["ron_raw"].unit) == "adu"
    assert service.maxrec == 50_000
    with pytest.raises(pyvo.dal.DALQueryError, match=r"There is no table qc1\.fors2_bias"):
        service.search("SELECT * FROM qc1.fors2_bias")


def send(server: Server, rows: list[dict[str, object]]) -> None:
    request = urllib.request.Request(
        f"{server.base}/api/v1/qc1/tables/ccdcam_dark/rows/",
        json.dumps({"rows": rows}).encode(),
        {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def dark(mjd: float) -> dict[str, object]:
    return {"mjd_obs": mjd, "detector": "CHIP1", "pro_catg": "MASTER_DARK", "read_mode": "SLOW",
            "binning": "1x1"}  # fmt: skip


def test_pages_lose_nothing_and_repeat_nothing_while_rows_arrive(server):
    send(server, [dark(50000.0 + 2 * n) for n in range(200)])
    sent = threading.Event()

    def arrive() -> None:
        for n in range(200):
            send(server, [dark(50001.0 + 2 * n)])
            sent.set()

    writer = threading.Thread(target=arrive)
    writer.start()
    sent.wait(60)
    seen: list[float] = []
    address = "/api/v1/qc1/tables/ccdcam_dark/rows/?columns=mjd_obs&to=50400&limit=7"
    while address:
        answer = json.loads(server.get(address))
        seen += [row["mjd_obs"] for row in answer["rows"]]
        address = answer["next"]
    writer.join()
    assert np.all(np.diff(seen) > 0)
    assert {50000.0 + 2 * n for n in range(200)} <= set(seen)
