import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipelines.recipes.native.frames import STRIP_BYTES, open_frame
from pipelines.recipes.native.stack import combine, median_network, median_of
from tests.pipelines.recipes.native.running import noisy, plain_frame, reduce

KINDS = st.sampled_from(["uint8", "int16", "uint16", "int32", "float32"])


def planes(n: int, kind: str, seed: int) -> list[np.ndarray]:
    chance = np.random.default_rng(seed)
    if kind == "float32":
        return list(chance.normal(1000, 300, (n, 6, 11)).astype(kind))
    limits = np.iinfo(kind)
    # Few different values in half of the cases, so that ties are common.
    spread = 3 if seed % 2 else limits.max
    return list(chance.integers(max(limits.min, -spread), spread, (n, 6, 11)).astype(kind))


@given(st.integers(1, 24), KINDS, st.integers(0, 10**6))
def test_the_network_gives_the_very_bits_of_numpy_median(n, kind, seed):
    stack = planes(n, kind, seed)
    expected = np.median(np.array(stack), axis=0)

    assert np.array_equal(median_of(stack).astype(expected.dtype), expected)


@pytest.mark.parametrize(("n", "comparisons"), [(1, 0), (2, 1), (3, 3), (5, 8), (9, 24), (20, 91)])
def test_the_network_makes_no_more_comparisons_than_sorting(n, comparisons):
    assert len(median_network(n)) <= comparisons


@pytest.fixture
def many(tmp_path):
    """24 frames of 400 x 300 pixels, 240 kB each."""
    return [
        open_frame(plain_frame(tmp_path / f"{i:02}.fits", noisy((300, 400), i))).detectors[0]
        for i in range(24)
    ]


def test_strips_of_any_height_give_the_same_master(many):
    whole = combine(many[:5])

    for budget in (1, 10_000, 123_456):
        assert np.array_equal(combine(many[:5], budget), whole)
    expected = np.median([each.pixels() for each in many[:5]], axis=0)
    assert np.array_equal(whole, expected)


def test_memory_does_not_grow_with_the_number_of_frames(many):
    budget = 200_000

    def peak(n: int) -> int:
        tracemalloc.start()
        combine(many[:n], budget)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    few, all_of_them = peak(6), peak(24)
    stack_bytes = 24 * 300 * 400 * 2
    assert all_of_them < 1.3 * few
    assert all_of_them < stack_bytes / 3


def test_nor_does_that_of_a_whole_master_bias_with_measurements_and_file(tmp_path):
    shape = (700, 600)
    sent = [(plain_frame(tmp_path / f"{i:02}.fits", noisy(shape, i)), "BIAS") for i in range(24)]
    reduce("hcm_bias", sent[:3], tmp_path / "first")  # imports, and what is cached once

    tracemalloc.start()
    assert reduce("hcm_bias", sent, tmp_path / "out").exit_code == 0
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    master_bytes, stack_bytes = 700 * 600 * 4, 24 * 700 * 600 * 2
    assert highest < master_bytes + 3 * STRIP_BYTES < 0.8 * stack_bytes
