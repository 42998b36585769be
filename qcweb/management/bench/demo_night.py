"""The demo's nights through the whole system, against their bare recipes one after the other."""

import json
import shutil
import time
from pathlib import Path

from django.conf import settings

from pipelines.models import AssociationBlock, Product
from pipelines.recipes import jobs
from pipelines.recipes.process import run_limited
from pipelines.recipes.run import command_of, environment_of
from pipelines.services.inputs import Calibration, plan_call

from .elsewhere import manage
from .frame import Side, benchmark


@benchmark("three nights: whole system / bare recipes", group="demo", goal=5.0)
def demo_nights(scratch: Path) -> tuple[Side, Side]:
    """Compare `make demo ARGS=--no-server` with the recipes it runs.

    Ours is all of it from an empty directory, in its own words (`seconds`): migration, two years of
    history imported and scored, frames simulated and ingested, recipes, QC1, scores, certification.
    Theirs is the same recipe processes on the same frames, in cascade order, one at a time, their
    directories laid out beforehand.
    """
    site = scratch / "site"
    return lambda: _whole_system(site), lambda: _bare_recipes(site)


def _whole_system(site: Path) -> float:
    shutil.rmtree(site, ignore_errors=True)
    return float(json.loads(manage(site, "demo", "--no-server"))["seconds"])


def _bare_recipes(site: Path) -> float:
    return float(manage(site, "bench", "--bare-recipes"))


def run_bare_recipes() -> float:
    """Run the recipes of all blocks that have run here, nothing else; return the seconds."""
    prepared = []
    scratch = settings.HCM_DATA_DIR / "bare"
    blocks = AssociationBlock.objects.exclude(current_attempt=None).select_related(
        "instrument", "current_attempt"
    )
    for block in blocks.in_cascade_order():
        inputs = block.current_attempt.inputs if block.current_attempt else []
        products = {
            one.pk: one for one in Product.objects.filter(pk__in=[i["product"] for i in inputs])
        }
        links = {link.label: link for link in block.calibrations.all()}
        call = plan_call(
            block, [Calibration(links[i["label"]], products[i["product"]]) for i in inputs]
        )
        job_dir = scratch / str(block.pk)
        jobs.make_job(job_dir, list(call.raws), call.calibrations)
        prepared.append((call, job_dir))
    started = time.perf_counter()
    for call, job_dir in prepared:
        run_limited(
            command_of(call),
            cwd=job_dir,
            env=environment_of(call, job_dir),
            timeout_s=call.timeout_s,
            memory_mb=call.memory_mb,
            on_start=lambda _: None,
            on_beat=lambda: None,
        )
    return time.perf_counter() - started
