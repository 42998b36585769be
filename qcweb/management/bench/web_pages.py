"""The night's page: how long the server takes, what goes over the wire, when a browser is ready."""

import contextlib
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
from django.conf import settings

from qcweb.management.servers import Service, dies_with_us, find_program, free_port
from qcweb.supervisor import web_command

from .api_site import running
from .frame import Side, benchmark
from .qc1_site import database, manage
from .web_parts import NIGHTS

FEW, MANY = sorted(NIGHTS)
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# A person who waits longer than this for a page has noticed (s).
READY_S = 1.0
# Drawn, and the keys answer: a row is marked when j is pressed.
_READY = """() => new Promise((done) => {
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() =>
    done(document.querySelector("tr.is-here") ? performance.now() / 1000 : -1)));
})"""
_kept = contextlib.ExitStack()


def close() -> None:
    """End the server and the browser, if they run."""
    _kept.close()
    for one in (site, filled, _browser):
        one.cache_clear()


@cache
def filled() -> dict[str, str]:
    """Return the environment of a database with both nights."""
    env = database("web")
    manage(env, "load_instruments")
    manage(env, "collectstatic", "-v", "0", "--noinput")
    manage(env, "bench", "--part", "web-fill")
    return env


@cache
def site() -> str:
    """Return the address of a server in front of both nights that runs until the benchmarks end."""
    folder = Path(_kept.enter_context(tempfile.TemporaryDirectory(prefix="hcm-bench-web-")))
    port = free_port()
    env = filled() | {
        "HCM_ANONYMOUS_READ": "1", "HCM_RATE_ADDRESS": "", "PYTHONPATH": str(settings.BASE_DIR),
    }  # fmt: skip
    argv = [*dies_with_us(), *web_command(f"127.0.0.1:{port}")]
    base, _ = _kept.enter_context(running(Service("web", argv, folder, env), port, "/health/"))
    return base


def address(n_blocks: int) -> str:
    return f"{site()}/nights/CCDCAM/{NIGHTS[n_blocks]}/"


def change(n_blocks: int) -> None:
    """Let something happen in a night, so that what was drawn of it is old."""
    with psycopg.connect(filled()["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "UPDATE pipelines_associationblock SET changed_at = now() WHERE id = "
            "(SELECT min(id) FROM pipelines_associationblock WHERE night = %s)",
            [NIGHTS[n_blocks]],
        )


def _ask(n_blocks: int, **headers: str) -> tuple[int, int, str]:
    """Ask for a night as a browser does; return status, bytes and stamp."""
    asked = Request(  # noqa: S310  loopback
        address(n_blocks), headers={"Accept-Encoding": "gzip"} | headers
    )
    try:
        with urlopen(asked, timeout=60) as answer:  # noqa: S310
            return answer.status, len(answer.read()), answer.headers.get("ETag", "")
    except HTTPError as answer:  # urllib takes 304 for one
        answer.close()
        return answer.code, 0, ""


def changed_page_s(n_blocks: int) -> float:
    """Return how long the page of a night takes of which something has just changed."""
    change(n_blocks)
    started = time.perf_counter()
    status, _, _ = _ask(n_blocks)
    spent = time.perf_counter() - started
    if status != 200:
        raise RuntimeError(f"{address(n_blocks)} answers {status}.")
    return spent


def unchanged_poll_s(n_blocks: int) -> float:
    """Return how long the answer takes that nothing has changed; of ten."""
    _, _, etag = _ask(n_blocks, **{"HX-Request": "true"})
    started = time.perf_counter()
    for _ in range(10):
        status, _, _ = _ask(n_blocks, **{"HX-Request": "true", "If-None-Match": etag})
        if status != 304:
            raise RuntimeError(f"An unchanged night answers {status}.")
    return (time.perf_counter() - started) / 10


@cache
def _browser() -> Any:
    from playwright.sync_api import sync_playwright

    playwright = _kept.enter_context(sync_playwright())
    browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=CHROMIUM)
    _kept.callback(browser.close)
    return browser


def ready_s(n_blocks: int) -> float:
    """Return when a browser that has nothing of the page has drawn it, and answers keys."""
    change(n_blocks)
    where = address(n_blocks)
    context = _browser().new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.goto(where, wait_until="domcontentloaded")
        seconds = float(page.evaluate(_READY))
    finally:
        context.close()
    if seconds < 0:
        raise RuntimeError(f"{where}: no row is marked by j.")
    return seconds


@benchmark("changed night of 1000 blocks / of 200", group="web", goal=5.0)
def changed_many_beside_few(scratch: Path) -> tuple[Side, Side]:
    """Compare the server's time for nights of which something has changed: at most by their size."""
    changed_page_s(MANY)
    return lambda: changed_page_s(MANY), lambda: changed_page_s(FEW)


@benchmark("unchanged poll of 1000 blocks / changed page", group="web", goal=0.2)
def unchanged_beside_changed(scratch: Path) -> tuple[Side, Side]:
    """Compare an answer 304 with the page drawn anew."""
    return lambda: unchanged_poll_s(MANY), lambda: changed_page_s(MANY)


@benchmark("bytes of 1000 blocks / of 200, compressed", group="web", unit="kB", goal=5.0)
def bytes_beside(scratch: Path) -> tuple[Side, Side]:
    """Compare what goes over the wire."""
    return lambda: _ask(MANY)[1] / 1000, lambda: _ask(FEW)[1] / 1000


@benchmark("ready in Chromium, 200 blocks changed / 1 s", group="web", goal=1.0)
def few_ready(scratch: Path) -> tuple[Side, float]:
    """Compare the time to interactive with what a person does not notice."""
    ready_s(FEW)
    return lambda: ready_s(FEW), READY_S


@benchmark("ready in Chromium, 1000 blocks changed / 1 s", group="web", goal=1.0)
def many_ready(scratch: Path) -> tuple[Side, float]:
    """Compare the same for the largest night that is foreseen."""
    ready_s(MANY)
    return lambda: ready_s(MANY), READY_S
