"""Kills what can be killed while nights are processed: nothing may be lost, nothing doubled."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelines.recipes import esorex
from pipelines.simulator.nights import Night, demo_nights, write_night
from qcweb.management.chaos.disk import small_disk
from qcweb.management.chaos.facts import compare
from qcweb.management.servers import NotInstalledError, find_program, free_port

FIRST_NIGHT = dt.date(2026, 3, 1)
BACKENDS = ("site", "embedded")


class Command(BaseCommand):
    help = (
        "Process simulated nights while parts of the installation are killed at random moments, and "
        "compare with the same nights undisturbed. Exit status 0 only if nothing was lost or doubled."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--kills", type=int, default=200)
        parser.add_argument("--seed", type=int, default=1, help="fixes victims and waiting times")
        parser.add_argument(
            "--backend", choices=BACKENDS, default="site",
            help="site: PostgreSQL and Redis; embedded: SQLite and a queue of files",
        )  # fmt: skip
        parser.add_argument("--nights", type=int, default=3, choices=(1, 2, 3))
        parser.add_argument("--instrument", action="append", default=[], help="only this one")
        parser.add_argument("--play", type=Path, help="for the command itself: what to play")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["play"]:
            _play(options["play"], self._say)
            return
        if not 0 <= options["kills"] <= 100_000:
            raise CommandError("--kills: expected a number from 0 to 100000.")
        try:
            if options["backend"] == "site":
                for name in ("postgres", "initdb", "redis-server"):
                    find_program(name)
            summary, wrong = self._compare(options)
        except NotInstalledError as error:
            raise CommandError(f"{error} Or: BACKEND=embedded.") from error
        for line in wrong:
            self.stderr.write(line)
        self.stdout.write(json.dumps(summary))
        if wrong or summary["lost"] or summary["doubled"]:
            sys.exit(1)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _compare(self, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        with tempfile.TemporaryDirectory(prefix="hcm-chaos-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # PostgreSQL runs as a user of its own below it
            frames = _write_frames(folder / "frames", options["nights"], options["instrument"])
            self._say("The nights undisturbed")
            expected = _stage(folder / "calm", frames, options | {"kills": 0})
            self._say(f"  {len(expected['blocks'])} blocks in {expected['seconds']} s")
            self._say(f"The same with {options['kills']} kills, seed {options['seed']}")
            found = _stage(folder / "wild", frames, options)
        doubled = {key: n for key, n in found["doubled"].items() if n}
        wrong = compare(expected, found)
        lost = len(wrong)
        self._say(f"  killed: {found['by victim']}")
        if not expected["rests"] or any(expected["doubled"].values()):
            wrong.append("The undisturbed nights did not end as they should; nothing is proved.")
        wrong += [f"doubled {key}: {n}" for key, n in doubled.items()]
        return {
            "kills": found["kills"],
            "blocks": len(found["blocks"]),
            "lost": lost,
            "doubled": sum(doubled.values()),
            "seconds": found["seconds"],
        }, wrong


def _write_frames(folder: Path, n_nights: int, only: list[str]) -> Path:
    # EsoRex's recipes where they are installed, our own in any case.
    wanted = set(only) or {
        "CCDCAM",
        *(name for name in ("UVES", "MUSE") if esorex.is_available(name.lower())),
    }
    for night in demo_nights(FIRST_NIGHT)[:n_nights]:
        templates = tuple(one for one in night.templates if one.instrument in wanted)
        write_night(Night(night.label, templates), folder / night.label.isoformat())
    return folder


@contextmanager
def _place(folder: Path) -> Iterator[bool]:
    folder.mkdir()
    folder.chmod(0o755)
    with small_disk(folder / "data") as is_small:
        yield is_small


def _stage(folder: Path, frames: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Play a stage in a process of its own, whose settings are the stage's."""
    with _place(folder) as has_disk:
        is_site = options["backend"] == "site"
        ports = {name: free_port() for name in ("postgresql", "redis")} if is_site else {}
        play = {
            "folder": str(folder), "frames": str(frames), "ports": ports, "has_disk": has_disk,
            "kills": options["kills"], "seed": options["seed"],
        }  # fmt: skip
        (folder / "play.json").write_text(json.dumps(play))
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "chaos", "--play", str(folder)],
            env=_environment(folder / "data", ports), cwd=settings.BASE_DIR, check=False,
        )  # fmt: skip
        result = folder / "result.json"
        if done.returncode or not result.exists():
            raise CommandError(
                f"The installation ended with {done.returncode}.\n{_last_words(folder)}"
            )
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def _environment(data: Path, ports: dict[str, int]) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("HCM_", "CELERY_", "DATABASE_URL", "DJANGO_"))}  # fmt: skip
    kept |= {
        "HCM_DATA_DIR": str(data), "HCM_ANONYMOUS_READ": "1", "HCM_LEASE_S": "4",
        "HCM_SWEEP_S": "0.5", "HCM_RETRY_S": "0.3", "HCM_MAX_ATTEMPTS": "100",
    }  # fmt: skip
    if ports:
        kept["DATABASE_URL"] = f"postgres://hcm@127.0.0.1:{ports['postgresql']}/postgres"
        kept["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{ports['redis']}/0"
    return kept


def _play(folder: Path, say: Any) -> None:
    from qcweb.management.chaos.stage import play

    said = json.loads((folder / "play.json").read_text())
    found = play(
        folder, Path(said["frames"]), said["ports"],
        kills=said["kills"], seed=said["seed"], has_disk=said["has_disk"], say=say,
    )  # fmt: skip
    (folder / "result.json").write_text(json.dumps(found))
    if keep := os.environ.get("CHAOS_KEEP"):
        shutil.copytree(
            folder, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "postgresql")
        )


def _last_words(folder: Path) -> str:
    logs = sorted(folder.glob("*.log"))
    return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-500:]}" for log in logs)
