"""ESO's own recipes take the simulated frames, and find in them what was put in."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipelines.simulator.frames import simulate_frames, truth_of
from pipelines.simulator.templates import Defect, Template
from tests.pipelines.simulator.observatory import rows_of, run_block

pytestmark = pytest.mark.usefixtures("esorex")

START = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
BLUE = Template("UVES", "BIAS", START, 5, "225kHz,1x1,low", arm="BLUE")
RED = replace(BLUE, arm="RED")
MUSE = Template("MUSE", "BIAS", START, 5, "SCI1.0")


def measured(template, directory, masters=None):
    """Run a template's recipe; give its QC1 rows by detector, and its products."""
    raw = directory / "raw"
    raw.mkdir(parents=True)
    frames = simulate_frames(template, raw)
    result = run_block(template, frames, masters or {}, directory / "run")
    assert result.exit_code == 0, result.log
    assert "[ ERROR ]" not in result.log
    return {row.detector: row.columns for row in rows_of(template, result)}, result.products


def test_uves_finds_level_and_noise_of_the_blue_arm(tmp_path):
    truth = truth_of(BLUE)["BLUE"]
    rows, _ = measured(BLUE, tmp_path)

    assert rows["BLUE"]["bias_level"] == pytest.approx(truth.bias_adu, abs=0.15)
    assert rows["BLUE"]["ron_raw"] == pytest.approx(truth.ron_adu, rel=0.03)
    assert rows["BLUE"]["read_speed"] == "225kHz,1x1,low"
    assert rows["BLUE"]["n_frames"] == 5


def test_uves_does_not_confuse_the_detectors_of_the_red_arm(tmp_path):
    truth = truth_of(RED)
    rows, products = measured(RED, tmp_path)

    assert set(products) == {"MASTER_BIAS_REDL", "MASTER_BIAS_REDU"}
    for detector in ("REDL", "REDU"):
        assert rows[detector]["bias_level"] == pytest.approx(truth[detector].bias_adu, abs=0.15)
        assert rows[detector]["ron_raw"] == pytest.approx(truth[detector].ron_adu, rel=0.03)


def test_uves_follows_a_rise_of_the_noise_on_one_detector(tmp_path):
    noisy = replace(RED, defects=(Defect("REDL", ron_factor=1.25),))
    before, _ = measured(RED, tmp_path / "before")
    after, _ = measured(noisy, tmp_path / "after")

    def rise(detector, parameter):
        return after[detector][parameter] / before[detector][parameter]

    assert rise("REDL", "ron_raw") == pytest.approx(1.25, rel=0.02)
    assert rise("REDL", "ron_master") == pytest.approx(1.25, rel=0.02)
    assert rise("REDU", "ron_raw") == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("arm", ["BLUE", "RED"])
def test_uves_makes_a_dark_with_the_bias_of_its_own_arm(tmp_path, arm):
    bias = replace(BLUE, arm=arm)
    dark = replace(bias, kind="DARK", n_frames=3, exptime_s=1800.0)
    _, masters = measured(bias, tmp_path / "bias")
    rows, _ = measured(dark, tmp_path / "dark", masters)

    for detector, truth in truth_of(dark).items():
        expected = truth.dark_e_h / 2 / truth.conad
        assert rows[detector]["dark_level"] == pytest.approx(expected, abs=0.25)
        assert rows[detector]["exptime"] == 1800.0


def test_uves_takes_the_binned_slow_mode(tmp_path):
    binned = replace(BLUE, read_mode="50kHz,2x2,high", binning=2)
    rows, _ = measured(binned, tmp_path)

    assert rows["BLUE"]["binx"] == rows["BLUE"]["biny"] == 2
    assert rows["BLUE"]["ron_raw"] == pytest.approx(truth_of(binned)["BLUE"].ron_adu, rel=0.04)


def test_muse_finds_levels_and_noises_of_its_quadrants(tmp_path):
    truth = truth_of(MUSE)
    rows, _ = measured(MUSE, tmp_path)

    for i in (1, 2, 3, 4):
        quadrant = truth[f"OUT{i}"]
        assert rows["CHAN01"][f"level{i}_median"] == pytest.approx(quadrant.bias_adu, abs=1.0)
        electrons = quadrant.ron_adu * quadrant.conad
        assert rows["CHAN01"][f"ron{i}"] == pytest.approx(electrons, rel=0.03)


def test_muse_follows_a_rise_of_the_noise_in_one_quadrant(tmp_path):
    noisy = replace(MUSE, defects=(Defect("OUT3", ron_factor=1.2),))
    before, _ = measured(MUSE, tmp_path / "before")
    after, _ = measured(noisy, tmp_path / "after")
    rises = [after["CHAN01"][f"ron{i}"] / before["CHAN01"][f"ron{i}"] for i in (1, 2, 3, 4)]

    assert rises == pytest.approx([1.0, 1.0, 1.2, 1.0], rel=0.03)


def test_muse_finds_the_dark_current(tmp_path):
    dark = replace(MUSE, kind="DARK", n_frames=3, exptime_s=1800.0)
    _, masters = measured(MUSE, tmp_path / "bias")
    rows, _ = measured(dark, tmp_path / "dark", masters)
    truth = [each.dark_e_h for each in truth_of(dark).values()]

    assert rows["CHAN01"]["dark_current"] == pytest.approx(sum(truth) / 4, rel=0.1)


def test_a_truncated_frame_is_refused(tmp_path):
    cut = replace(BLUE, defects=(Defect(truncated_frame=2),))
    frames = simulate_frames(cut, tmp_path)
    result = run_block(cut, frames, {}, tmp_path / "run")

    assert result.exit_code == 6
    assert not result.products
