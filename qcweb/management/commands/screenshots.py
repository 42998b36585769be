"""Takes the pictures of the docs from the pages of a demo that has run."""

import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pipelines.models import AssociationBlock, RawFile
from qcweb.supervisor import supervised, wait_for_page
from qcweb.worklist import waiting

TARGET = Path("docs/images")
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Command(BaseCommand):
    help = "Take the pictures of the docs; `make demo ARGS=--no-server` must have run."

    def handle(self, *_args: Any, **_options: Any) -> None:
        night = AssociationBlock.objects.order_by("-night").values_list("night", flat=True).first()
        if night is None:
            raise CommandError("There are no blocks. Run: make demo ARGS=--no-server")
        pages = {
            "home": "/",
            "night": f"/nights/CCDCAM/{night}/",
            "worklist": "/worklist/",
            "block": f"/blocks/{_red()}/",
            "calendar": f"/nights/CCDCAM/calendar/{night.year}/",
            "night-report": f"/nights/CCDCAM/{night}/report/",
            "report": "/reports/CCDCAM/read_noise/",
            "frame": f"/frames/{_frame()}/",
            "plan": "/plan/CCDCAM/",
            "cascade": f"/nights/CCDCAM/{night}/cascade/",
            "gallery": f"/nights/CCDCAM/{night}/gallery/",
            "work": "/work/",
        }
        with supervised(settings.HCM_DATA_DIR / "logs") as supervisor:
            port = _free_port()
            supervisor.start_web(port)
            if not wait_for_page(f"http://127.0.0.1:{port}/", 30):
                raise CommandError(f"The web server did not start; see {supervisor.log_dir}")
            self._take(f"http://127.0.0.1:{port}", pages)

    def _take(self, address: str, pages: dict[str, str]) -> None:
        from playwright.sync_api import sync_playwright

        target = settings.BASE_DIR / TARGET
        target.mkdir(parents=True, exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
            page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
            for name, path in pages.items():
                page.goto(address + path, wait_until="networkidle")
                page.screenshot(path=target / f"{name}.png")
                self.stdout.write(f"{TARGET / name}.png")
            browser.close()


def _red() -> str:
    """Return a block that needs a person's decision, a red one where there is one."""
    found = [one.ab_name for one in waiting()]
    if not found:
        raise CommandError("No block waits for a person. Run: make demo ARGS=--no-server")
    return found[0]


def _frame() -> int:
    """Return a flat of the newest night: there is something to see on it."""
    flats = RawFile.objects.filter(instrument__name="CCDCAM", raw_type="FLAT").order_by("-mjd_obs")
    found = flats.values_list("pk", flat=True).first()
    if found is None:
        raise CommandError("There is no flat of CCDCAM. Run: make demo ARGS=--no-server")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
