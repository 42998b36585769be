"""Our measurements beside those of ESO's recipes on the very same frames."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from pipelines.domain.recipe_call import RecipeCall, SofEntry
from pipelines.recipes.native.cards import card
from pipelines.recipes.native.fitsfile import Image, write_fits
from pipelines.recipes.run import run_recipe
from pipelines.simulator.frames import simulate_frames, truth_of
from pipelines.simulator.templates import Template
from tests.frames import MORNING
from tests.pipelines.recipes.native.running import plain_frame, reduce, tagged

pytestmark = pytest.mark.needs("esorex")

CHIPS = 4
GAIN, RON, BIAS, SIDE = 2.0, 5.0, 1000.0, 192


def theirs(recipe, pipeline, entries, job_dir, *parameters):
    """Run an EsoRex recipe; give all QC keywords of its products, and where they are."""
    call = RecipeCall(
        recipe=recipe,
        runner="esorex",
        pipeline=pipeline,
        parameters=parameters,
        raws=tuple(SofEntry(Path(path), tag) for path, tag in entries),
        calibrations=(),
        expected_products=(),
        min_frames=1,
        timeout_s=120,
        memory_mb=4000,
    )
    outcome = run_recipe(call, job_dir, on_start=lambda _: None, on_beat=lambda: None)
    assert outcome.succeeded, f"{outcome.reason}\n{outcome.log}"
    found: dict[str, Any] = {}
    for path in sorted((job_dir / "out").glob("*.fits")):
        with fits.open(path) as hdus:
            for hdu in hdus:
                found |= {k[7:]: v for k, v in hdu.header.items() if k.startswith("ESO QC ")}
    return found, job_dir / "out"


@pytest.mark.parametrize("ron_factor", [1.0, 1.3])
def test_level_and_noise_of_a_bias_are_those_of_uves(tmp_path, ron_factor):
    template = Template("UVES", "BIAS", MORNING, 5, "225kHz,1x1,low", arm="BLUE")
    (chip, physics), *_ = truth_of(template).items()
    truth = {chip: replace(physics, ron_adu=physics.ron_adu * ron_factor)}
    (tmp_path / "raw").mkdir()
    paths = simulate_frames(template, tmp_path / "raw", truth=truth)
    qc, out = theirs("uves_cal_mbias", "uves", tagged(paths, "BIAS_BLUE"), tmp_path / "uves")
    ours = reduce("hcm_bias", tagged(paths, "BIAS"), tmp_path / "ours").qc(
        "master_bias.fits", "PRIMARY"
    )

    master = fits.getdata(out / "masterbias_blue.fits")
    # The median of their pixels keeps to whole ADU, the mean does not.
    assert ours["BIAS LEVEL"] == pytest.approx(master.mean(), abs=0.1)
    # Theirs is of the first frame alone, clipped, with the gradient and the columns in it.
    assert ours["BIAS RON RAW"] == pytest.approx(qc["OUT1 RON RAW"], rel=0.05)
    # The scatter of their whole master, gradient included, which is ours and its structure.
    structure = np.hypot(ours["BIAS STRUCT X"], ours["BIAS STRUCT Y"])
    assert np.hypot(ours["BIAS RON MASTER"], structure) == pytest.approx(master.std(), rel=0.03)


def mosaic(path, exptime_s, level_adu, seed):
    """Write a frame of four detectors, as HAWK-I does."""
    chance = np.random.default_rng(seed)
    images = [Image((card("EXPTIME", float(exptime_s)), card("MJD-OBS", 60000.0)))]
    for chip in range(1, CHIPS + 1):
        electrons = chance.poisson(level_adu * GAIN * (1 + 0.1 * chip), (SIDE, SIDE))
        adu = BIAS + electrons / GAIN + chance.normal(0, RON, (SIDE, SIDE))
        images.append(Image((), adu.round().astype(np.int32), f"CHIP{chip}.INT1"))
    write_fits(path, images)
    return path


def test_gain_and_read_noise_are_those_of_hawki(tmp_path):
    levels = (1000.0, 3000.0, 6000.0, 12_000.0)
    dark = [mosaic(tmp_path / f"dark{n}.fits", 0.0, 0.0, n) for n in (1, 2)]
    lit = [
        [mosaic(tmp_path / f"lit{i}{n}.fits", level / 1000, level, 10 * i + n) for n in (3, 4)]
        for i, level in enumerate(levels)
    ]
    sent = [*tagged(dark, "DARK"), *tagged(lit[2], "FLAT_TWILIGHT")]
    qc, _ = theirs("hawki_detector_noise", "hawki", sent, tmp_path / "hawki")
    outcome = reduce(
        "hcm_detmon", tagged([*dark, *(p for pair in lit for p in pair)], "PTC"), tmp_path / "ours"
    )
    assert outcome.exit_code == 0, outcome.log

    for chip in range(1, CHIPS + 1):
        ours = outcome.qc("master_ptc.fits", f"CHIP{chip}.INT1")
        assert ours["PTC GAIN"] == pytest.approx(GAIN, rel=0.02)
        assert ours["PTC RON ADU"] == pytest.approx(RON, rel=0.02)
        # One pair of 37,000 pixels fixes the variance to 0.8 %, and theirs is of medians.
        assert ours["PTC GAIN"] == pytest.approx(qc[f"GAIN CHIP{chip}-INT1"], rel=0.06)
        assert ours["PTC RON ADU"] == pytest.approx(qc[f"RON CHIP{chip}-INT1"], rel=0.12)


@pytest.mark.parametrize("n_hot", [0, 40, 300])
def test_the_hot_pixels_are_those_of_naco(tmp_path, n_hot):
    chance = np.random.default_rng(n_hot)
    hot = chance.permutation(256 * 256)[:n_hot]
    setup = {
        "ESO DET NDIT": 1, "ESO DET MODE NAME": "HighSensitivity", "ESO DET NCORRS": 3,
        "ESO INS OPTI7 NAME": "L27", "ESO DET DIT": 10.0, "ESO DET OUT1 CONAD": GAIN,
    }  # fmt: skip

    def frame(name, exptime_s):
        pixels = chance.normal(BIAS, RON, (256, 256)).astype(np.float32)
        if exptime_s:
            pixels.ravel()[hot] += 400.0
        return plain_frame(tmp_path / name, pixels, EXPTIME=exptime_s, **setup)

    biases = [frame(f"bias{n}.fits", 0.0) for n in range(5)]
    darks = [frame(f"dark{n}.fits", 10.0) for n in range(3)]
    qc, _ = theirs(
        "naco_img_dark", "naco", tagged(darks, "CAL_DARK"), tmp_path / "naco", "--r=20 20 20 20"
    )
    reduce("hcm_bias", tagged(biases, "BIAS"), tmp_path / "bias")
    master = (tmp_path / "bias" / "master_bias.fits", "MASTER_BIAS")
    outcome = reduce("hcm_dark", [*tagged(darks, "DARK"), master], tmp_path / "ours")
    assert outcome.exit_code == 0, outcome.log

    ours = outcome.qc("master_dark.fits", "PRIMARY")
    assert ours["DARK NHOT"] == qc["NBHOTPIX"] == n_hot
    assert ours["DARK RON"] == pytest.approx(RON, rel=0.02)
