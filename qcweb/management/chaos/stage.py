"""An installation in a process of its own: its servers, its workers, its nights, and the kills."""

import datetime as dt
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from pipelines.models import AssociationBlock, NextStep
from pipelines.services.ingest import find_frames, ingest
from pipelines.services.requests import request_again
from pipelines.simulator.history import write_history
from qcweb.management.chaos import disk, monkey
from qcweb.management.chaos.facts import gather
from qcweb.management.servers import (
    Service,
    dies_with_us,
    free_port,
    postgresql,
    redis,
    wait_for_postgresql,
)
from qcweb.supervisor import web_command
from qcweb.tasks import ask
from trending.models import QC1Table
from trending.services.import_rows import import_file

WORKERS = 2
# Blocks that are asked for again when the nights are done before the kills are.
AGAIN = 8
REST_TIMEOUT_S = 600.0

Say = Callable[[str], None]


class Stage:
    """The services of an installation, and what is done to them."""

    def __init__(self, folder: Path, seed: int, say: Say, *, has_disk: bool) -> None:
        self.folder, self.seed, self.say, self.has_disk = folder, seed, say, has_disk
        self.services: dict[str, Service] = {}
        self.struck: Counter[str] = Counter()
        self.ballast_until: float | None = None
        self.limited: list[str] = []

    # ---- what runs

    def open_servers(self, ports: dict[str, int]) -> None:
        if "postgresql" in ports:
            self.services["postgresql"] = postgresql(self.folder, ports["postgresql"])
            self.services["postgresql"].start()
            wait_for_postgresql(ports["postgresql"])
        if "redis" in ports:
            self.services["redis"] = redis(self.folder, ports["redis"])
            self.services["redis"].start()

    def fill_tables(self, frames: Path) -> None:
        for name in ("queue", "control"):
            (settings.BROKER_DIR / name).mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        call_command("load_instruments", verbosity=0, stdout=sys.stderr)
        nights = sorted(path for path in frames.iterdir() if path.is_dir())
        first = dt.date.fromisoformat(nights[0].name)
        known = set(QC1Table.objects.values_list("name", flat=True))
        for path in write_history(settings.HCM_DATA_DIR / "history", first):
            if path.stem in known:
                import_file(path, timezone.now(), by="chaos", is_simulated=True)
        for night in nights:
            ingest(find_frames(night), timezone.now(), frames)

    def open_workers(self) -> None:
        celery = [*dies_with_us(), sys.executable, "-m", "celery", "--app", "qcweb"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        for n in range(1, WORKERS + 1):
            self._add(f"worker{n}", [*celery, "worker", "--concurrency", "1", "--loglevel", "INFO",
                                     "--hostname", f"worker{n}@%h", *quiet])  # fmt: skip
        self._add("beat", [*celery, "beat", "--pidfile=", "--loglevel", "INFO"])
        self._add("web", [*dies_with_us(), *web_command(f"127.0.0.1:{free_port()}")])

    def _add(self, name: str, argv: list[str]) -> None:
        env = dict(os.environ) | {"PYTHONPATH": str(settings.BASE_DIR)}
        self.services[name] = Service(name, argv, self.folder, env)
        self.services[name].start()

    def tend(self) -> None:
        """Start again what has ended, as a site's init system would; empty the disk in its time."""
        if self.ballast_until is not None and time.monotonic() >= self.ballast_until:
            self._empty_disk()
        for service in self.services.values():
            if not service.is_alive:
                service.start()

    def close(self) -> None:
        for service in reversed(self.services.values()):
            service.end()

    # ---- what is done to it

    def strike_all(self, n: int) -> None:
        victims = {"worker", "pool", "recipe", "beat", "web", "disk"} | (
            {"redis", "postgresql"} & set(self.services)
        )
        chance = random.Random(self.seed + 1)  # noqa: S311  nothing secret
        for strike in monkey.plan(n, self.seed, victims):
            self._pass_time(strike.wait_s)
            self._keep_busy(chance)
            while not self._strike(strike):
                # It is not there, or the disk is full already: a worker comes up again in a moment.
                strike = replace(strike, victim="worker")
                self._pass_time(0.1)
            self.struck[strike.victim] += 1
            done = sum(self.struck.values())
            if done % 20 == 0 and done:
                self.say(f"  {done} kills: {dict(self.struck)}")

    def _pass_time(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tend()
            time.sleep(0.05)

    def _strike(self, strike: monkey.Strike) -> bool:
        if strike.victim == "disk":
            return self._fill_disk(strike.lasts_s)
        found = monkey.wait_for(lambda: self._find(strike.victim), self.tend)
        return bool(found) and monkey.kill(found[int(strike.choice * len(found))])

    def _find(self, victim: str) -> list[int]:
        workers = [one.pid for name, one in self.services.items()
                   if name.startswith("worker") and one.is_alive]  # fmt: skip
        if victim == "worker":
            return workers
        if victim in {"pool", "recipe"}:
            pool = [child for pid in workers for child in monkey.children_of(pid)]
            if victim == "pool":
                return pool
            return [child for pid in pool for child in monkey.children_of(pid)]
        service = self.services[victim]
        return [service.pid] if service.is_alive else []

    def _fill_disk(self, lasts_s: float) -> bool:
        if self.ballast_until is not None:
            return False
        self.ballast_until = time.monotonic() + lasts_s
        if self.has_disk:
            disk.fill(settings.HCM_DATA_DIR)
            return True
        # No disk of our own: a worker that may write no file of size, for the same time.
        for name, service in self.services.items():
            if name.startswith("worker"):
                self.limited.append(name)
                service.kill()
                service.argv = ["prlimit", f"--fsize={disk.FILE_LIMIT}", "--", *service.argv]
                service.start()
        return True

    def _empty_disk(self) -> None:
        self.ballast_until = None
        (settings.HCM_DATA_DIR / "ballast").unlink(missing_ok=True)
        for name in self.limited:
            self.services[name].kill()
            self.services[name].argv = self.services[name].argv[3:]
            self.services[name].start()
        self.limited.clear()

    def _keep_busy(self, chance: random.Random) -> None:
        """Ask for some blocks again when nothing is left to be disturbed."""
        try:
            if AssociationBlock.objects.exclude(next_step=NextStep.REST).exists():
                return
            blocks = list(AssociationBlock.objects.order_by("pk"))
            chosen = chance.sample(blocks, min(AGAIN, len(blocks)))
            at = timezone.now()
            ask([block.pk for block in chosen if request_again(block, at)])
        except (OperationalError, InterfaceError):
            connection.close()

    # ---- how it ends

    def wait_for_rest(self) -> bool:
        """Return whether every block comes to rest with nobody's help."""
        self._empty_disk()
        deadline = time.monotonic() + REST_TIMEOUT_S
        while time.monotonic() < deadline:
            self.tend()
            try:
                if not AssociationBlock.objects.exclude(next_step=NextStep.REST).exists():
                    return True
            except (OperationalError, InterfaceError):
                connection.close()
            time.sleep(0.2)
        return False


def play(
    folder: Path, frames: Path, ports: dict[str, int], *, kills: int, seed: int, has_disk: bool,
    say: Say,
) -> dict[str, Any]:  # fmt: skip
    """Process the nights below `frames`, kill meanwhile, wait for rest; return how all stands."""
    started = time.monotonic()
    stage = Stage(folder, seed, say, has_disk=has_disk)
    try:
        stage.open_servers(ports)
        stage.fill_tables(frames)
        stage.open_workers()
        ask(list(AssociationBlock.objects.exclude(next_step=NextStep.REST).in_order_of_work()
                 .values_list("pk", flat=True)))  # fmt: skip
        stage.strike_all(kills)
        rests = stage.wait_for_rest()
        found = gather()
    finally:
        stage.close()
    return found | {
        "kills": sum(stage.struck.values()),
        "by victim": dict(stage.struck),
        "rests": rests,
        "seconds": round(time.monotonic() - started, 1),
    }
