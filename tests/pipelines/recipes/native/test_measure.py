import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipelines.recipes.native.frames import open_frame, spread
from pipelines.recipes.native.measure import (
    clipped,
    clipped_pieces,
    frame_noise,
    median_level,
    overscan_level,
)
from tests.pipelines.recipes.native.running import noisy, plain_frame


def test_cosmic_hits_do_not_reach_mean_and_scatter():
    chance = np.random.default_rng(1)
    values = chance.normal(100, 3, 100_000).astype(np.float32)
    values[::500] += chance.uniform(100, 30_000, 200).astype(np.float32)
    core = clipped(values)

    assert core.mean == pytest.approx(100, abs=0.05)
    assert core.sigma == pytest.approx(3, rel=0.01)
    assert core.n == pytest.approx(99_800, abs=10)


def plainly_clipped(values, kappa):
    """Clip as one would write it down, all values in memory."""
    kept = values.astype(np.float64)
    while not (inside := np.abs(kept - kept.mean()) <= kappa * kept.std()).all():
        kept = kept[inside]
    return kept


@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([2.5, 3.0, 5.0]))
def test_pieces_are_clipped_like_the_whole(seed, n, kappa):
    chance = np.random.default_rng(seed)
    parts = [
        chance.normal(1000 + 0.1 * i, 3, chance.integers(1, 400)).astype(np.float32)
        for i in range(n)
    ]
    parts[0][0] += 40.0
    kept = plainly_clipped(np.concatenate(parts), kappa)
    core = clipped_pieces(lambda: iter(parts), kappa)

    assert core.n == kept.size
    assert core.mean == pytest.approx(kept.mean(), abs=1e-4)
    assert core.sigma == pytest.approx(kept.std(), rel=1e-4, abs=1e-4)


def test_a_level_far_from_zero_costs_no_digits():
    values = (np.random.default_rng(7).normal(0, 0.5, 500_000) + 60_000).astype(np.float32)

    assert clipped(values).sigma == pytest.approx(values.std(dtype=np.float64), rel=1e-5)


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


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=60), st.sampled_from([0.5, 1.0]))
def test_the_median_level_is_half_a_step_from_the_median_at_most(values, step):
    data = np.array(values, np.float32) * np.float32(step)
    if (data == np.rint(data)).all():
        step = 1.0  # halves that are all whole look like whole ones

    assert abs(median_level(data) - np.median(data)) <= step / 2


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


@pytest.mark.parametrize("rows", [1, 63, 64, 1000, 4096])
@pytest.mark.parametrize("width", [1, 100, 2048, 10**6])
def test_strips_are_spread_over_all_rows_and_hold_what_is_asked_for(rows, width):
    most = 2**17
    strips = list(spread(rows, width, most))

    assert strips[0][0] == 0
    assert strips[-1][1] == rows
    assert all(0 <= start < stop <= rows for start, stop in strips)
    taken = sum(stop - start for start, stop in strips) * width
    assert taken == rows * width or most / 2 <= taken <= max(most, 64 * width)


def test_a_large_detector_is_measured_in_a_part_of_it(tmp_path):
    frames = detectors(tmp_path, 2, (2600, 1000))

    assert frame_noise(frames) == pytest.approx((9 + 1 / 12) ** 0.5, rel=0.004)
