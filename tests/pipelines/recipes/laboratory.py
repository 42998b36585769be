"""ESO's recipes on frames whose physics is known: what is taken, what is changed, what comes out.

A `Study` is one recipe on the templates it wants, after the recipes that make its calibrations.
A `Laboratory` runs each study once for each change of the physics and keeps what was measured.
"""

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from astropy.io import fits

from pipelines.domain.recipe_call import RecipeCall, RecipeOutcome, SofEntry
from pipelines.recipes.run import run_recipe
from pipelines.simulator.detector import Physics
from pipelines.simulator.frames import simulate_frames, truth_of
from pipelines.simulator.templates import Template
from qcweb.management.discover.known import facts_of
from tests.frames import MORNING, later

Change = Callable[[Physics], Physics]
Measured = Mapping[str, list[float]]

UVES_MODE = "225kHz,1x1,low"
BLUE = Template("UVES", "BIAS", MORNING, 5, UVES_MODE, arm="BLUE")
RED = replace(BLUE, arm="RED")
MUSE = Template("MUSE", "BIAS", MORNING, 5, "SCI1.0")
GIRAFFE = Template("GIRAFFE", "BIAS", MORNING, 5, UVES_MODE, is_full_frame=True)
VIMOS = Template(
    "VIMOS", "BIAS", MORNING, 5, "200Kps/2ports/low_gain", quadrant=1, is_full_frame=True
)
HAWKI = Template("HAWKI", "DARK", MORNING, 5, "Double", exptime_s=10.0)
NACO = Template("NACO", "DARK", MORNING, 3, "Double_RdRstRd", exptime_s=2.0)
VISIR = Template("VISIR", "DARK", MORNING, 3, "Double", exptime_s=0.01)


def dark(template: Template, n_frames: int, exptime_s: float) -> Template:
    return replace(later(template, 0.1), kind="DARK", n_frames=n_frames, exptime_s=exptime_s)


def quadrants(template: Template) -> tuple[Template, ...]:
    return tuple(replace(template, quadrant=n) for n in (1, 2, 3, 4))


TWILIGHT = replace(later(HAWKI, 0.1), kind="TWILIGHT")
DITS = (2.0, 4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Study:
    """A recipe, its frames, and the studies that make its calibrations (unchanged physics)."""

    recipe: str
    pipeline: str
    templates: tuple[Template, ...]
    calibrations: tuple[str, ...] = ()

    @property
    def is_full(self) -> bool:
        return any(one.is_full_frame for one in self.templates)


_FULL_BLUE = replace(BLUE, is_full_frame=True)
_ORDER = replace(later(_FULL_BLUE, 0.1), kind="ORDER", n_frames=1, exptime_s=10.0)
_FLAT = replace(later(_FULL_BLUE, 0.2), kind="FLAT", n_frames=5, exptime_s=10.0)
_FULL_MUSE = replace(MUSE, n_frames=3, is_full_frame=True)

STUDIES: Mapping[str, Study] = {
    "uves_cal_mbias blue": Study("uves_cal_mbias", "uves", (BLUE,)),
    "uves_cal_mbias red": Study("uves_cal_mbias", "uves", (RED,)),
    "uves_cal_mdark": Study(
        "uves_cal_mdark", "uves", (dark(BLUE, 3, 36000.0),), ("uves_cal_mbias blue",)
    ),
    "uves_cal_mbias full": Study("uves_cal_mbias", "uves", (_FULL_BLUE,)),
    "uves_cal_orderpos": Study("uves_cal_orderpos", "uves", (_ORDER,)),
    "uves_cal_mflat": Study(
        "uves_cal_mflat", "uves", (_FLAT,), ("uves_cal_mbias full", "uves_cal_orderpos")
    ),
    "hawki_dark_combine": Study("hawki_dark_combine", "hawki", (HAWKI,)),
    "hawki_detector_noise": Study(
        "hawki_detector_noise",
        "hawki",
        (replace(HAWKI, n_frames=2), replace(TWILIGHT, n_frames=2)),
    ),
    "hawki_linearity_analyse": Study(
        "hawki_linearity_analyse",
        "hawki",
        (
            replace(HAWKI, kind="LINEARITY_DARK", exptimes_s=DITS),
            replace(later(HAWKI, 0.1), kind="LINEARITY_LAMP", exptimes_s=DITS),
        ),
    ),
    "hawki_dark_combine full": Study(
        "hawki_dark_combine", "hawki", (replace(HAWKI, n_frames=3, is_full_frame=True),)
    ),
    "hawki_twilight_flat_combine": Study(
        "hawki_twilight_flat_combine",
        "hawki",
        (replace(TWILIGHT, is_full_frame=True, lamp_levels=(0.84, 0.92, 1.0, 1.08, 1.16)),),
        ("hawki_dark_combine full",),
    ),
    "gimasterbias": Study("gimasterbias", "giraf", (GIRAFFE,)),
    "gimasterdark": Study("gimasterdark", "giraf", (dark(GIRAFFE, 3, 3600.0),), ("gimasterbias",)),
    "vmbias": Study("vmbias", "vimos", (VIMOS,)),
    "vmdark": Study("vmdark", "vimos", (dark(VIMOS, 5, 1200.0),), ("vmbias",)),
    "vimos_ima_bias": Study("vimos_ima_bias", "vimos", quadrants(VIMOS)),
    "vimos_ima_dark": Study(
        "vimos_ima_dark", "vimos", quadrants(dark(VIMOS, 3, 1200.0)), ("vimos_ima_bias",)
    ),
    "naco_img_dark": Study("naco_img_dark", "naco", (NACO,)),
    "naco_img_lampflat": Study(
        "naco_img_lampflat",
        "naco",
        (replace(NACO, kind="FLAT", n_frames=6, lamp_levels=(1.0, 0.0)),)),
    "visir_img_dark": Study("visir_img_dark", "visir", (VISIR,)),
    "visir_img_ff": Study(
        "visir_img_ff", "visir", (replace(VISIR, kind="FLAT", n_frames=6, lamp_levels=(1.0, 0.0)),)
    ),
    "muse_bias": Study("muse_bias", "muse", (MUSE,)),
    "muse_dark": Study(
        "muse_dark", "muse", (dark(MUSE, 3, 1800.0),), ("muse_bias",)),
    "muse_bias full": Study("muse_bias", "muse", (_FULL_MUSE,)),
    "muse_flat": Study(
        "muse_flat",
        "muse",
        (replace(later(_FULL_MUSE, 0.1), kind="FLAT", exptime_s=4.0),),
        ("muse_bias full",)),
}  # fmt: skip


def scaled(**factors: float) -> Change:
    """Change the physics by factors; counts of pixels stay whole."""

    def change(physics: Physics) -> Physics:
        new = {name: getattr(physics, name) * factor for name, factor in factors.items()}
        return replace(
            physics, **{k: round(v) if k.endswith("_pixels") else v for k, v in new.items()}
        )

    return change


def raised(**steps: float) -> Change:
    return lambda physics: replace(
        physics, **{name: getattr(physics, name) + step for name, step in steps.items()}
    )


CHANGES: Mapping[str, Change] = {
    "nothing": lambda physics: physics,
    "read noise +20 %": scaled(ron_adu=1.2),
    "level +10 ADU": raised(bias_adu=10.0),
    "dark x2": scaled(dark_e_h=2.0),
    "hot pixels x2": scaled(hot_pixels=2.0),
    "light x1.2": scaled(lamp_adu_s=1.2),
    "gain x1.2": scaled(conad=1.2),
    "response x1.5": scaled(prnu=1.5),
    "non-linearity x2": scaled(nonlinear=2.0),
}


def truth_for(study: Study, change: str) -> list[Physics]:
    """Give the physics of each detector, in the order of the file and of the quadrants."""
    first = study.templates[0]
    alike = [one for one in study.templates if (one.kind, one.start) == (first.kind, first.start)]
    return [CHANGES[change](one) for each in alike for one in truth_of(each).values()]


def call_of(
    study: Study, frames: Path, change: str = "nothing", calibrations: tuple[SofEntry, ...] = ()
) -> RecipeCall:
    """Write the frames of a study, and plan its run as its declaration says."""
    frames.mkdir(parents=True, exist_ok=True)
    facts, raws = facts_of(study.recipe), []
    for template in study.templates:
        truth = {name: CHANGES[change](one) for name, one in truth_of(template).items()}
        tag = facts.tags.get(template.raw_type, template.raw_type)
        paths = simulate_frames(template, frames, truth=truth)
        raws += [SofEntry(path, tag) for path in paths]
    return RecipeCall(
        recipe=study.recipe,
        runner="esorex",
        pipeline=study.pipeline,
        parameters=facts.window,
        raws=tuple(raws),
        calibrations=calibrations,
        expected_products=facts.products,
        min_frames=facts.min_frames,
        timeout_s=facts.timeout_s,
        memory_mb=facts.memory_mb,
        raw_tags=facts.raws,
        calibration_tags=facts.calibrations,
        needs=facts.needs,
        qc=facts.qc,
        qc_in=facts.qc_in,
        extensions=facts.extensions,
    )


class Laboratory:
    """Runs studies below a directory, each once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._done: dict[tuple[str, str], RecipeOutcome] = {}

    def run(self, name: str, change: str = "nothing") -> RecipeOutcome:
        if (name, change) not in self._done:
            self._done[name, change] = self._run(name, change)
        return self._done[name, change]

    def _run(self, name: str, change: str) -> RecipeOutcome:
        study = STUDIES[name]
        here = self.directory / f"{name} {change}".replace(" ", "_").replace("%", "")
        call = call_of(study, here / "raw", change, self.masters(study))
        outcome = run_recipe(call, here / "job", on_start=lambda _: None, on_beat=lambda: None)
        shutil.rmtree(here / "raw")  # whole frames take gigabytes
        return outcome

    def masters(self, study: Study) -> tuple[SofEntry, ...]:
        made = [one for name in study.calibrations for one in self.run(name).products]
        return tuple(SofEntry(one.path, one.category) for one in made)

    def measured(self, name: str, change: str = "nothing") -> Measured:
        """Give the numbers of each keyword, in the order of products and extensions."""
        outcome = self.run(name, change)
        assert outcome.succeeded, f"{outcome.reason}\n{outcome.log[-3000:]}"
        found: dict[str, list[float]] = {}
        for product in outcome.products:
            with fits.open(product.path) as hdus:
                for hdu in hdus:
                    for key, value in hdu.header.items():
                        if key.startswith(("ESO QC ", "ESO PRO DATA")) and is_number(value):
                            found.setdefault(key.removeprefix("ESO "), []).append(float(value))
        return found


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
