"""A million rows leave a site's server in every form, and its memory does not grow with them."""

import csv
import io
import json
from pathlib import Path
from urllib.request import urlopen

import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table

from qcweb.management.bench.api_site import peak_mb
from tests.site.services import Site, free_port, postgresql, serving
from trending.exports import FORMATS

ROWS, TENTH = 1_000_000, 100_000
COLUMNS = "mjd_obs,date_obs,night,detector,mode,p0,p1"
ROWS_ADDRESS = "/api/v1/qc1/tables/bench_bias/rows/?columns="
# Four detectors an exposure, one every 0.017 days from MJD 50000 on.
TENTH_END = 50000 + TENTH / 4 * 0.017 - 0.01
PIECE = 1 << 18


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    with postgresql() as url:
        site = Site(folder / "site", {"DATABASE_URL": url, "HCM_ANONYMOUS_READ": "1",
                                      "HCM_RATE_ADDRESS": ""})  # fmt: skip
        site.data_dir.mkdir()
        site.run("migrate", "-v", "0")
        site.run("bench", "--part", f"api-fill {ROWS} 2")
        port = free_port()
        with serving(site, port, folder / "web.log") as process:
            yield f"http://127.0.0.1:{port}{ROWS_ADDRESS}", process.pid


def fetch(address: str, path: Path | None = None) -> int:
    """Read an answer a piece at a time, into a file or to nowhere."""
    size = 0
    with urlopen(address, timeout=600) as answer, (path or Path("/dev/null")).open("wb") as file:
        while piece := answer.read(PIECE):
            size += len(piece)
            file.write(piece)
    return size


def walk(address: str) -> int:
    """Read pages of JSON one behind the other; return how many rows came, each behind the one before."""
    base, n_rows, last = address.partition("/api/")[0], 0, (0.0, "")
    following: str | None = address
    while following:
        with urlopen(following, timeout=600) as answer:
            page = json.load(answer)
        for row in page["rows"]:
            assert (row["mjd_obs"], row["detector"]) > last
            last = row["mjd_obs"], row["detector"]
        n_rows += len(page["rows"])
        following = page["next"] and base + page["next"]
    return n_rows


@pytest.mark.needs("initdb")
@pytest.mark.xdist_group("exports")
def test_a_million_rows_take_no_more_memory_than_a_tenth_of_them(served):
    address, pid = f"{served[0]}{COLUMNS}", served[1]
    tenth = f"&to={TENTH_END}"
    sizes = {form: fetch(f"{address}&format={form}{tenth}") for form in FORMATS}
    assert walk(f"{address}&limit=10000{tenth}") == TENTH
    first = peak_mb(pid)
    peaks = {}
    for form in FORMATS:
        assert fetch(f"{address}&format={form}") > 8 * sizes[form]
        peaks[form] = peak_mb(pid)
    assert walk(f"{address}&limit=10000") == ROWS
    assert max(peaks.values()) < 1.2 * first, (first, peaks)
    # A page of JSON is made whole, and freed when the interpreter comes to it: it may not add up.
    assert peak_mb(pid) < 1.6 * first, (first, peaks)


@pytest.mark.needs("initdb")
@pytest.mark.xdist_group("exports")
def test_every_row_is_in_what_left(served, tmp_path):
    """Of a tenth: the tests' own process must not grow, others measure what it starts."""
    address, _ = served
    for form in ("csv", "fits", "votable"):
        fetch(f"{address}mjd_obs,p0&format={form}&to={TENTH_END}", tmp_path / form)
    with (tmp_path / "csv").open(newline="") as file:
        rows = [(float(mjd), float(value)) for mjd, value in list(csv.reader(file))[1:]]
    assert len(rows) == TENTH
    with fits.open(tmp_path / "fits") as hdus:
        columns = [hdus[1].data[name].tolist() for name in ("mjd_obs", "p0")]
    assert list(zip(*columns, strict=True)) == rows
    table = parse_single_table(io.BytesIO((tmp_path / "votable").read_bytes())).array
    assert list(zip(table["mjd_obs"].tolist(), table["p0"].tolist(), strict=True)) == rows
