import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipelines.recipes.native.frames import open_frame
from pipelines.recipes.native.measure import clipped, frame_noise, median_level, overscan_level
from tests.pipelines.recipes.native.running import noisy, plain_frame


def test_cosmic_hits_do_not_reach_mean_and_scatter():
    chance = np.random.default_rng(1)
    values = chance.normal(100, 3, 100_000).astype(np.float32)
    values[::500] += chance.uniform(100, 30_000, 200).astype(np.float32)
    core = clipped(values)

    assert core.mean == pytest.approx(100, abs=0.05)
    assert core.sigma == pytest.approx(3, rel=0.01)
    assert core.n == pytest.approx(99_800, abs=10)


def test_a_constant_has_no_scatter():
    core = clipped(np.full(50, 7.25, np.float32))

    assert (core.mean, core.sigma, core.n) == (7.25, 0.0, 50)


@pytest.mark.parametrize("level", [1000.0, 1000.2, 1000.49, 1000.5, 1000.77])
def test_the_median_of_whole_numbers_is_not_a_whole_number(level):
    values = np.random.default_rng(2).normal(level, 3, 200_000).round().astype(np.float32)

    assert median_level(values) == pytest.approx(level, abs=0.03)


def test_the_median_of_half_numbers_is_interpolated_in_halves():
    values = np.random.default_rng(3).normal(10.13, 2, 200_000)
    halves = (np.round(values * 2) / 2).astype(np.float32)

    assert median_level(halves) == pytest.approx(10.13, abs=0.03)


def test_the_median_of_real_numbers_is_the_median():
    values = np.random.default_rng(4).normal(0, 1, 1001)

    assert median_level(values) == np.median(values)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(-100, 100))
def test_the_median_level_moves_with_the_data(values, shift):
    data = np.array(values, np.float32)

    assert median_level(data + shift) == pytest.approx(median_level(data) + shift, abs=1e-3)


def detectors(directory, n, shape=(200, 230), **keywords):
    return [
        open_frame(plain_frame(directory / f"{i}.fits", noisy(shape, i), **keywords)).detectors[0]
        for i in range(n)
    ]


def test_the_noise_of_a_frame_comes_from_differences(tmp_path):
    frames = detectors(tmp_path, 5)

    # 3 ADU, and the rounding to whole ADU adds 1/12 to the variance.
    assert frame_noise(frames) == pytest.approx((9 + 1 / 12) ** 0.5, rel=0.01)


def test_a_pattern_common_to_all_frames_is_no_noise(tmp_path):
    pattern = (np.arange(230) % 7 * 20).astype(np.uint16)
    frames = [
        open_frame(plain_frame(tmp_path / f"{i}.fits", noisy((200, 230), i) + pattern))
        for i in range(4)
    ]

    measured = frame_noise([frame.detectors[0] for frame in frames])
    assert measured == pytest.approx(3.014, rel=0.015)


def test_the_overscan_is_what_lies_beside_the_light(tmp_path):
    pixels = noisy((200, 230), 1, level=5000.0)
    pixels[:, :10], pixels[:, -20:] = noisy((200, 10), 2), noisy((200, 20), 3)
    scans = {"ESO DET OUT1 PRSCX": 10, "ESO DET OUT1 OVSCX": 20}
    frame = open_frame(plain_frame(tmp_path / "a.fits", pixels, **scans))

    assert overscan_level(frame.detectors) == pytest.approx(1000.0, abs=0.2)
    assert frame.detectors[0].pixels().mean() == pytest.approx(5000.0, abs=0.2)


def test_without_overscan_its_level_is_none(tmp_path):
    assert overscan_level(detectors(tmp_path, 1)) is None
