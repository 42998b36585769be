"""Blocks through the whole system against their bare recipes, and messages through the queue.

Each side runs in an installation of its own: PostgreSQL and Redis, or what is embedded, and one
worker with two hands.
"""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, NextStep, ProcessStatus, RuleSet
from pipelines.recipes import jobs
from pipelines.recipes.run import command_of, environment_of
from pipelines.services.inputs import plan_call
from pipelines.services.requests import request_again
from pipelines.simulator.frames import simulate_frames
from pipelines.simulator.templates import Template
from qcweb.management.servers import (
    Service,
    dies_with_us,
    find_program,
    free_port,
    postgresql,
    redis,
    wait_for_postgresql,
)
from qcweb.tasks import ask

from .frame import Side, benchmark, timed

N_SMALL, N_FULL = 100, 16
HANDS = 2
_START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# The small frame on which ESO's recipes were timed: uves_cal_mbias takes 0.1 s for five of them.
_SMALL = (512, 512)
_BIAS = Template("UVES", "BIAS", _START, 5, "225kHz,1x1,low", arm="BLUE", window=_SMALL)
PATIENCE_S = 1800.0


@dataclass
class Installation:
    """Servers, a worker, and the environment of its commands."""

    folder: Path
    env: dict[str, str]

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
            env=self.env, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return "".join(done.stdout.strip().splitlines()[-1:])


@contextlib.contextmanager
def installation(*, is_site: bool) -> Iterator[Installation]:
    """Run an empty installation while the block lasts, with a worker that waits for work."""
    with contextlib.ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="hcm-bench-")))
        folder.chmod(0o755)
        env = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        env |= {"HCM_DATA_DIR": str(folder / "data"), "HCM_PREVIEWS": "0", "HCM_SWEEP_S": "5"}
        if is_site:
            ports = free_port(), free_port()
            for service in (postgresql(folder, ports[0]), redis(folder, ports[1])):
                service.start()
                open_.callback(service.end)
            wait_for_postgresql(ports[0])
            env["DATABASE_URL"] = f"postgres://hcm@127.0.0.1:{ports[0]}/postgres"
            env["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{ports[1]}/0"
        found = Installation(folder, env)
        found.manage("migrate", "-v", "0")
        found.manage("load_instruments")
        worker = Service(
            "worker",
            [*dies_with_us(), sys.executable, "-m", "celery", "--app", "qcweb", "worker",
             "--concurrency", str(HANDS), "--loglevel", "WARNING", "--without-gossip",
             "--without-mingle", "--without-heartbeat"],
            folder, env | {"PYTHONPATH": str(settings.BASE_DIR)},
        )  # fmt: skip
        worker.start()
        open_.callback(worker.end)
        found.manage("bench", "--part", "wait-for-worker")
        yield found


@benchmark(f"{N_SMALL} small EsoRex blocks / bare, xargs -P2", group="processing", goal=1.6)
def small_blocks(scratch: Path) -> tuple[Side, Side]:
    """Compare blocks of windows of 512×512; the share of the system is largest in small ones.

    They are the small frames of the recipes' own timings. The simulator's usual windows of 256×320
    are there for fast tests: their recipe mostly starts and ends.
    """
    return _sides(scratch, N_SMALL, is_full=False)


@benchmark("overhead per small block / 60 ms", group="processing", unit="ms", goal=1.0)
def overhead(scratch: Path) -> tuple[Side, float]:
    """Compare what the system adds to a small block, on two hands, with 60 ms."""
    ours, bare = _sides(scratch, N_SMALL, is_full=False)
    return lambda: 1000 * (ours() - bare()) / N_SMALL, 60.0


@benchmark(f"{N_FULL} full-size EsoRex blocks / bare, xargs -P2", group="processing", goal=1.12)
def full_blocks(scratch: Path) -> tuple[Side, Side]:
    """Compare blocks of 5 frames 2148×3000 u16 through uves_cal_mbias."""
    return _sides(scratch, N_FULL, is_full=True)


def _sides(scratch: Path, n: int, *, is_full: bool) -> tuple[Side, Side]:
    """Return the system's and the bare recipes' time for the same blocks.

    Ours: from asking for the first block until the last one is certified or waits for a person.
    Theirs: the same command lines in directories that are laid out beforehand, two at a time.
    """
    frames = _frames(scratch, n, is_full=is_full)

    @cache
    def site() -> Installation:
        _kept.close()  # of the benchmark before
        found = _kept.enter_context(installation(is_site=True))
        found.manage("ingest", str(frames))
        found.manage("bench", "--part", "work")  # once, so that both find warm files
        return found

    def ours() -> float:
        return float(site().manage("bench", "--part", "work"))

    def theirs() -> float:
        script = Path(site().manage("bench", "--part", "lay-out"))
        return timed(lambda: _run_two_at_a_time(script))()

    return ours, theirs


_kept = contextlib.ExitStack()


def close_all() -> None:
    """End what runs for the benchmarks of this group."""
    _kept.close()


def _frames(scratch: Path, n: int, *, is_full: bool) -> Path:
    folder = scratch / f"frames-{n}-{'full' if is_full else 'small'}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(n):
        start = _START + timedelta(minutes=6 * number)
        simulate_frames(replace(_BIAS, start=start, is_full_frame=is_full), folder)
    return folder


def _run_two_at_a_time(script: Path) -> None:
    with script.open() as lines:
        subprocess.run(
            [find_program("xargs"), "-P", str(HANDS), "-I", "{}", "sh", "{}"],
            stdin=lines, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip


# ---- parts that run inside an installation


def part(name: str, *words: str) -> str:
    """Do a part of a benchmark inside an installation; return what is printed last."""
    return str(PARTS[name](*words))


def _wait_for_worker() -> str:
    """Wait until the worker has its hands free: it answers a message."""
    _noop_blocks(2)
    _ask_and_wait()
    AssociationBlock.objects.all().delete()
    return "ready"


def _work() -> float:
    at = timezone.now()
    for block in AssociationBlock.objects.all():
        request_again(block, at)
    return _ask_and_wait()


def _ask_and_wait() -> float:
    """Ask for everything that is not at rest; return the seconds until all is."""
    waiting = AssociationBlock.objects.exclude(next_step=NextStep.REST)
    ids = list(waiting.in_order_of_work().values_list("pk", flat=True))
    started = time.perf_counter()
    ask(ids)
    while waiting.exists():
        if time.perf_counter() - started > PATIENCE_S:
            raise RuntimeError(f"{waiting.count()} blocks are not done after {PATIENCE_S:g} s.")
        time.sleep(0.05)
    return time.perf_counter() - started


def _lay_out() -> Path:
    """Make the directory of each block's run, with a script in it; return their list."""
    bare = settings.HCM_DATA_DIR / "bare"
    shutil.rmtree(bare, ignore_errors=True)
    scripts = []
    for block in AssociationBlock.objects.select_related("instrument").in_order_of_work():
        call = plan_call(block, [])
        job_dir = bare / str(block.pk)
        jobs.make_job(job_dir, list(call.raws), call.calibrations)
        env = " ".join(f"{k}={shlex.quote(v)}" for k, v in environment_of(call, job_dir).items())
        script = job_dir / "run.sh"
        script.write_text(
            f"cd {shlex.quote(str(job_dir))} && exec env -i {env} {shlex.join(command_of(call))}\n"
        )
        scripts.append(str(script))
    listing = bare / "scripts"
    listing.write_text("\n".join(scripts) + "\n")
    return listing


# ---- messages through the queue


@benchmark("a no-op block of 10,000 / of 1,000 (site)", group="processing", unit="ms", goal=1.3)
def queue_of_a_site(scratch: Path) -> tuple[Side, Side]:
    """Compare the cost of a block among 10,000 with one among 1,000: the queue must not care."""
    return _queue_sides(is_site=True, many=10_000, few=1_000)


@benchmark("a no-op block of 10,000 / of 1,000 (embedded)", group="processing", unit="ms")
def queue_embedded(scratch: Path) -> tuple[Side, Side]:
    """Report the same on SQLite and a queue of files."""
    return _queue_sides(is_site=False, many=10_000, few=1_000)


def _queue_sides(*, is_site: bool, many: int, few: int) -> tuple[Side, Side]:
    @cache
    def place() -> Installation:
        _kept.close()
        return _kept.enter_context(installation(is_site=is_site))

    def cost(n: int) -> float:
        return 1000 * float(place().manage("bench", "--part", f"no-op {n}")) / n

    return lambda: cost(many), lambda: cost(few)


def _noop(n: str) -> float:
    AssociationBlock.objects.all().delete()
    _noop_blocks(int(n))
    return _ask_and_wait()


def _noop_blocks(n: int) -> None:
    """Make blocks that have run and have no values: two steps each, and nothing to do in them."""
    instrument = Instrument.objects.get(name="CCDCAM")
    rules = RuleSet.objects.filter(instrument=instrument).order_by("pk").first()
    at = timezone.now()
    common: dict[str, Any] = {
        "instrument": instrument, "rule_set": rules, "night": at.date(), "raw_type": "BIAS",
        "action": "NOOP", "mjd_obs": 61000.0, "mjd_mid": 61000.0, "completeness": "COMPLETE",
        "process_status": ProcessStatus.SUCCESSFUL, "next_step": NextStep.EXTRACT,
        "created_at": at, "changed_at": at, "status_at": at,
    }  # fmt: skip
    AssociationBlock.objects.bulk_create(
        AssociationBlock(ab_name=f"NOOP.{k}", group_key=json.dumps(k), **common) for k in range(n)
    )


PARTS: dict[str, Callable[..., object]] = {
    "wait-for-worker": _wait_for_worker,
    "work": _work,
    "lay-out": _lay_out,
    "no-op": _noop,
}
