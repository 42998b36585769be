"""Calls of real recipes on simulated frames, for the tests of the recipe room."""

import dataclasses
from pathlib import Path

from pipelines.domain.recipe_call import RecipeCall, RecipeOutcome, SofEntry
from pipelines.recipes.run import run_recipe
from pipelines.simulator.frames import simulate_frames
from pipelines.simulator.templates import Template
from tests.frames import BIAS, DARK, MORNING

UVES = Template("UVES", "BIAS", MORNING, 4, "225kHz,1x1,low", arm="BLUE")
RED = dataclasses.replace(UVES, arm="RED")
MUSE = Template("MUSE", "BIAS", MORNING, 4, "SCI1.0")

_RECIPES = {
    "CCDCAM": ("hcm_bias", "native", "hcm", ("--min-frames=3",), ("MASTER_BIAS",)),
    "UVES": ("uves_cal_mbias", "esorex", "uves", (), ()),
    "MUSE": ("muse_bias", "esorex", "muse", ("--nifu=1",), ("MASTER_BIAS",)),
}


def call_of(template: Template, directory: Path, **changes: object) -> RecipeCall:
    """Simulate a template's frames into a directory and plan the recipe that takes them."""
    directory.mkdir(parents=True, exist_ok=True)
    frames = simulate_frames(template, directory)
    recipe, runner, pipeline, parameters, products = _RECIPES[template.instrument]
    if template.instrument == "UVES":
        arms = {"BLUE": ("BLUE",), "RED": ("REDL", "REDU")}[template.arm]
        products = tuple(f"MASTER_BIAS_{arm}" for arm in arms)
    call = RecipeCall(
        recipe=recipe,
        runner=runner,
        pipeline=pipeline,
        parameters=parameters,
        raws=tuple(SofEntry(path, template.raw_type) for path in frames),
        calibrations=(),
        expected_products=products,
        min_frames=3,
        timeout_s=60,
        memory_mb=2000,
    )
    return dataclasses.replace(call, **changes)  # type: ignore[arg-type]


def run(call: RecipeCall, job_dir: Path) -> RecipeOutcome:
    return run_recipe(call, job_dir, on_start=lambda _: None, on_beat=lambda: None)


__all__ = ["BIAS", "DARK", "MUSE", "RED", "UVES", "call_of", "run"]
