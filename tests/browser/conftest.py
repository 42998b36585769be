"""A site that runs, with a night that was processed for real, and a browser in front of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    expect,
    sync_playwright,
)

from pipelines.simulator.templates import Template
from tests.conftest import cannot_run, find_program
from tests.frames import BIAS, DARK, FAST_BIAS, FLAT, later, taken, with_defect
from tests.site.services import Site, free_port, serving

PATIENCE_MS = 30_000  # other tests run on the same processors
expect.set_options(timeout=PATIENCE_MS)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCIENCE = replace(
    BIAS, kind="SCIENCE", n_frames=1, exptime_s=300.0, filter_name="V",
    start=BIAS.start - timedelta(hours=5), expectation=None,
)  # fmt: skip
RUN = "from tests.conftest import run_to_rest; run_to_rest(); out = 0"


@dataclass
class Observatory:
    """A site that is served, and the names of what stands in it."""

    site: Site
    base: str
    blocks: dict[str, str]
    nights: list[str]
    frames: dict[str, int]
    value: str
    rule: str

    @property
    def night(self) -> str:
        return f"/nights/CCDCAM/{self.nights[-1]}/"

    def block(self, name: str) -> str:
        return f"/blocks/{self.blocks[name]}/"

    def frame(self, name: str) -> str:
        return f"/frames/{self.frames[name]}/"

    def add(self, directory: Path, *templates) -> None:
        """Let more frames arrive, and process them."""
        self.site.run("ingest", str(taken(directory, *templates)))
        self.site.json(RUN)


def templates_of(days_ago: float):
    """Two mornings before today: everything is current, whatever the date is."""
    today = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    shift = (today - timedelta(days=days_ago) - BIAS.start) / timedelta(days=1)
    return lambda template: later(template, shift)


def frames() -> list[Template]:
    before, at = templates_of(2), templates_of(1)
    failed = with_defect(replace(later(BIAS, 15 / 1440), binning=2), truncated_frame=2)
    degraded = with_defect(replace(FLAT, n_frames=4), saturated_frame=2)
    short = replace(later(FLAT, 20 / 1440), n_frames=2, filter_name="R")
    red = with_defect(FAST_BIAS, chip="CHIP2", ron_factor=1.35)
    return [
        *map(before, (BIAS, FAST_BIAS)),
        *map(at, (BIAS, red, failed, DARK, degraded, short, SCIENCE)),
    ]


NAMES = """
from django.urls import reverse
from pipelines.models import AssociationBlock, RawFile
from trending.models import Score
red = Score.objects.get(is_current=True, result=1, series__parameter__name="ron_raw")
found = AssociationBlock.objects.order_by("mjd_obs")
kinds = {"red": {"setup": "FAST_1x1"}, "failed": {"process_status": "FAILED"},
         "dark": {"raw_type": "DARK"}, "degraded": {"is_degraded": True}}
out = {"blocks": {kind: found.filter(**fields).last().ab_name for kind, fields in kinds.items()},
       "nights": sorted({str(block.night) for block in found}),
       "frames": {frame.raw_type or "none": frame.pk for frame in RawFile.objects.order_by("mjd_obs")},
       "value": reverse("value", args=["ccdcam_bias", "ron_raw", red.row_id]),
       "rule": reverse("rule", args=[red.rule_id])}
"""


@pytest.fixture(scope="session")
def observatory(tmp_path_factory) -> Iterator[Observatory]:
    if find_program("chromium") is None:
        # Made before the check of the marker, which is each test's own.
        cannot_run("needs chromium: see packages.txt")
    folder = tmp_path_factory.mktemp("observatory")
    site = Site(folder / "site", {"HCM_ANONYMOUS_READ": "1"})
    site.run("migrate", "-v", "0")
    site.run("collectstatic", "-v", "0", "--noinput")
    site.run("load_instruments")
    site.json("from qcweb.demo import make_logins; make_logins(); out = 0")
    site.run("ingest", str(taken(folder / "frames", *frames())))
    site.json(RUN)
    known: Any = site.json(NAMES)
    port = free_port()
    with serving(site, port, folder / "web.log"):
        yield Observatory(site, f"http://127.0.0.1:{port}", **known)


@pytest.fixture(scope="module")
def browser(observatory: Observatory) -> Iterator[Browser]:
    """A browser for one module: while it runs, its event loop keeps the database from others."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_program("chromium"), args=ARGUMENTS
        )
        yield chromium
        chromium.close()


@dataclass
class Visitor:
    """Somebody at a page, and everything the browser complained of."""

    base: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def note_console(self, said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"}:
            self.complaints.append(f"{said.type}: {said.text}")

    def note_error(self, error: Error) -> None:
        self.complaints.append(f"page error: {error}")

    def open(self, address: str) -> Page:
        self.page.goto(self.base + address)
        return self.page

    def wait_for_plots(self) -> None:
        for chart in self.page.locator("[data-figure]").all():
            chart.and_(self.page.locator("[data-drawn]")).wait_for()

    def log_in(self, name: str, password: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()


# A blocked script or style is also said in the console, but not by every version.
WATCH = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"""


@pytest.fixture
def visit(browser: Browser, observatory: Observatory):
    """Visit the site; at the end nothing may have been complained of."""
    visitors: list[Visitor] = []

    def come(width: int = 1440, height: int = 900, theme: str = "light") -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(WATCH)
        visitor = Visitor(observatory.base, context, context.new_page())
        visitor.page.on("console", visitor.note_console)
        visitor.page.on("pageerror", visitor.note_error)
        visitors.append(visitor)
        return visitor

    yield come
    for visitor in visitors:
        visitor.context.close()
    assert [one for visitor in visitors for one in visitor.complaints] == []
