import numpy as np
import pytest

from pipelines.simulator.climate import AMOUNTS, drift
from pipelines.simulator.seeds import generator, night_index

DAYS = 60000.4 + np.arange(1461.0)


@pytest.mark.parametrize("quantity", sorted(AMOUNTS))
def test_drift_is_season_and_night(quantity):
    amount = AMOUNTS[quantity]
    moved = drift(quantity, "CCDCAM CHIP1", "SLOW", DAYS)
    season = np.sin(2 * np.pi * (DAYS % 365.25) / 365.25)

    assert moved.mean() == pytest.approx(0, abs=amount.night / 8 + 1e-9)
    assert (moved - amount.season * season).std() == pytest.approx(amount.night, rel=0.08)


def test_all_frames_of_a_night_drift_alike():
    start = 61041 + 21 / 24
    within = np.array([start + 0.01, start + 0.5, start + 0.99])
    nights = {night_index(each) for each in within}

    assert len(nights) == 1
    assert np.ptp(drift("ron", "UVES BLUE", "x", within)) == 0
    assert night_index(start - 0.01) != night_index(start + 0.01)


def test_detectors_drift_apart_but_share_the_lamp():
    first, second = "CCDCAM CHIP1", "CCDCAM CHIP2"

    assert not np.array_equal(drift("ron", first, "", DAYS), drift("ron", second, "", DAYS))
    assert np.array_equal(drift("lamp", first, "", DAYS), drift("lamp", second, "", DAYS))


def test_a_name_has_its_own_chance_for_ever():
    assert generator("a", 1).random() == generator("a", 1).random()
    assert generator("a", 1).random() != generator("a", 2).random()
    assert generator("a", "b").random() != generator("ab").random()
