"""From what is installed to a value in a trend: proposed folders, simulated frames, ESO's recipes."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, ProcessStatus
from pipelines.services.ingest import find_frames, ingest
from pipelines.simulator.detector import Physics
from pipelines.simulator.frames import truth_of
from pipelines.simulator.templates import Template
from tests.conftest import run_to_rest
from tests.frames import taken
from tests.pipelines.recipes.laboratory import GIRAFFE, HAWKI, NACO, TWILIGHT, VIMOS, VISIR, dark
from trending.models import QC1Value

pytestmark = [pytest.mark.needs("esorex"), pytest.mark.xdist_group("discover")]

# The rules leave the rejected border as it is, and that is for the whole detector of NACO.
WHOLE_NACO = replace(NACO, is_full_frame=True)
WHOLE_HAWKI = replace(HAWKI, n_frames=3, is_full_frame=True)


@dataclass(frozen=True)
class Night:
    """What is taken of an instrument, which recipes run, and one value of each that is known.

    A value is a product's category, a parameter, how it follows from the physics of the first
    template's detectors, and how near it comes.
    """

    instrument: str
    templates: tuple[Template, ...]
    recipes: dict[str, str]
    values: tuple[tuple[str, str, str, float], ...]


CONTROL = [
    Night(
        "HAWKI",
        (HAWKI,),
        {"DARK": "hawki_dark_combine"},
        (("MASTER_DARK", "dark_med", "bias_adu", 0.5),),
    ),
    Night(
        "NACO",
        (
            WHOLE_NACO,
            replace(WHOLE_NACO, kind="FLAT", start=NACO.start.replace(hour=10), n_frames=4,
                    lamp_levels=(1.0, 0.0)),
        ),
        {"CAL_DARK": "naco_img_dark", "CAL_FLAT_LAMP": "naco_img_lampflat"},
        (
            ("NACO_IMG_DARK_AVG", "darkmed", "bias_adu", 0.3),
            ("NACO_IMG_DARK_AVG", "nbhotpix", "hot_pixels", 0.0),
            ("MASTER_LAMP_FLAT", "lampflux", "lamp_adu_s", 10.0),
        ),
    ),
    Night(
        "VISIR",
        (
            VISIR,
            replace(VISIR, kind="FLAT", start=VISIR.start.replace(hour=10), n_frames=6,
                    lamp_levels=(1.0, 0.0)),
        ),
        {"IM_CAL_DARK": "visir_img_dark", "IM_CAL_FLAT": "visir_img_ff"},
        (
            ("IMG_DARK_AVG", "darkmed", "bias_adu", 5.0),
            ("IMG_FF", "lampflux", "lamp_adu_s", 1500.0),
        ),
    ),
]  # fmt: skip
WHOLE = [
    Night(
        "HAWKI",
        (WHOLE_HAWKI, replace(TWILIGHT, n_frames=3, is_full_frame=True)),
        {"DARK": "hawki_dark_combine", "FLAT_TWILIGHT": "hawki_twilight_flat_combine"},
        (("MASTER_TWILIGHT_FLAT", "flatrms", "prnu", 0.001),),
    ),
    Night(
        "GIRAFFE",
        (replace(GIRAFFE, n_frames=3), dark(GIRAFFE, 3, 3600.0)),
        {"BIAS": "gimasterbias", "DARK": "gimasterdark"},
        (("MASTER_BIAS", "bias_master_mean", "bias_adu", 0.05),),
    ),
    Night(
        "VIMOS",
        (replace(VIMOS, n_frames=3), dark(VIMOS, 3, 1200.0)),
        {"BIAS": "vmbias", "DARK": "vmdark"},
        (("MASTER_BIAS", "bias_mean", "bias_adu", 0.2),),
    ),
]


def proposed(directory: Path, name: str) -> None:
    """Propose an instrument's folder from what is installed, and load it as it is."""
    call_command("discover_instruments", name, out=directory, stdout=io.StringIO())
    (folder,) = [one for one in directory.iterdir() if one.is_dir()]
    call_command("load_instruments", str(folder), stdout=io.StringIO())


def known_values(night: Night, of: str) -> dict[str, Physics]:
    templates = [one for one in night.templates if getattr(physics_of(one), of)]
    # Of the template whose light or darkness shows it: the lamp in flats, all else in the first.
    wanted = "FLAT" if of in {"lamp_adu_s", "prnu"} else night.templates[0].kind
    (template, *_) = [one for one in templates if wanted in one.raw_type]
    return truth_of(template)


def physics_of(template: Template) -> Physics:
    return next(iter(truth_of(template).values()))


@pytest.mark.parametrize(
    "night",
    [
        *(pytest.param(one, id=one.instrument) for one in CONTROL),
        *(pytest.param(one, id=f"{one.instrument} whole", marks=pytest.mark.full) for one in WHOLE),
    ],
)
def test_a_proposed_instrument_measures_what_was_put_in(db, tmp_path, night):
    proposed(tmp_path / "proposed", night.instrument)
    ingest(find_frames(taken(tmp_path / "raw", *night.templates)), timezone.now())
    run_to_rest()

    blocks = AssociationBlock.objects.filter(process_status=ProcessStatus.SUCCESSFUL)
    reasons = list(AssociationBlock.objects.values_list("raw_type", "process_status"))
    assert dict(blocks.values_list("raw_type", "recipe")) == night.recipes, reasons
    assert not [block.raw_type for block in blocks if block.is_degraded]
    for category, parameter, of, tolerance in night.values:
        physics = known_values(night, of)
        found = QC1Value.objects.filter(
            row__pro_catg=category, series__parameter__name=parameter, row__is_current=True
        ).values_list("series__detector", "value")
        assert len(found) == len(physics), (category, parameter)
        for detector, value in found:
            chip = detector.partition(".")[0]
            truth = physics.get(chip) or next(iter(physics.values()))
            assert value == pytest.approx(getattr(truth, of), abs=tolerance), (detector, parameter)


def test_a_proposal_carries_what_was_measured_of_its_recipes(db, tmp_path):
    proposed(tmp_path, "hawki")
    recipe = Instrument.objects.get(name="HAWKI").recipes["hawki_dark_combine"]
    assert recipe["extensions"] == {"MASTER_DARK": 4}
    assert recipe["qc"][0] == "QC RON#"
    assert recipe["products"] == ["MASTER_DARK"]
    assert (recipe["timeout_s"], recipe["memory_mb"]) == (300, 2000)
