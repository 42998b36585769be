"""The physics comes out of the pixels as it went in."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.simulator.detector import (
    NONLINEAR_AT_ADU,
    NONLINEAR_PIXEL,
    SATURATION,
    Chip,
    Light,
    Physics,
    expose,
    hot_rates,
    line_positions,
)

CHIP = Chip("CHIP1", nx=300, ny=200, prescan=20, overscan=10)
PHYSICS = Physics(bias_adu=1000.0, ron_adu=3.0, conad=0.8)
DARKNESS = Light(exptime_s=0.0)


def frame(physics=PHYSICS, light=DARKNESS, name="a", chip=CHIP):
    return expose(chip, physics, light, "TEST", name)


def lit(pixels, chip=CHIP):
    return pixels[chip.lit].astype(float)


def test_a_bias_is_level_and_noise():
    pixels = frame()

    assert pixels.shape == (200, 330)
    assert pixels.dtype == np.uint16
    assert pixels.mean() == pytest.approx(1000, abs=0.05)
    assert pixels.std() == pytest.approx((9 + 1 / 12) ** 0.5, rel=0.01)


def test_the_structure_is_in_the_light_sensitive_part_only_and_has_no_level():
    physics = replace(PHYSICS, ron_adu=0.1, gradient_x_adu=50.0, gradient_y_adu=20.0)
    pixels = frame(physics)

    assert np.ptp(pixels[:, :20]) <= 1
    assert lit(pixels)[:, -1].mean() - lit(pixels)[:, 0].mean() == pytest.approx(50, abs=1)
    assert lit(pixels)[-1].mean() - lit(pixels)[0].mean() == pytest.approx(20, abs=1)
    assert np.median(lit(pixels)) == pytest.approx(1000, abs=0.5)


def test_light_has_the_noise_of_its_electrons():
    physics = replace(PHYSICS, lamp_adu_s=5000.0)
    light = Light(exptime_s=4.0, lamp_on=True)
    first, second = lit(frame(physics, light, "a")), lit(frame(physics, light, "b"))

    assert np.median(first) - 1000 == pytest.approx(20_000, rel=0.002)
    variance = (first - second).var() / 2 - 9
    assert (first.mean() - 1000) / variance == pytest.approx(0.8, rel=0.02)


def test_overscan_sees_no_light():
    light = Light(exptime_s=4.0, lamp_on=True)
    pixels = frame(replace(PHYSICS, lamp_adu_s=5000.0), light)

    assert pixels[:, -10:].mean() == pytest.approx(1000, abs=0.3)


def test_dark_current_adds_with_time():
    physics = replace(PHYSICS, dark_e_h=36.0)
    hour, half = (frame(physics, Light(exptime_s=s)) for s in (3600.0, 1800.0))

    assert lit(hour).mean() - 1000 == pytest.approx(36 / 0.8, rel=0.01)
    assert lit(half).mean() - 1000 == pytest.approx(18 / 0.8, rel=0.01)


def test_hot_pixels_stay_where_they_are_and_more_of_them_are_added():
    light = Light(exptime_s=3600.0)

    def hot(n, name):
        return set(np.flatnonzero(lit(frame(replace(PHYSICS, hot_pixels=n), light, name)) > 1300))

    assert len(hot(50, "a")) == 50
    assert hot(50, "a") == hot(50, "b") < hot(80, "a")


def test_a_hot_pixel_collects_what_its_rate_says():
    physics = replace(PHYSICS, hot_pixels=50)
    pixels = lit(frame(physics, Light(exptime_s=3600.0)))

    collected = np.sort(pixels[pixels > 1300] - 1000) * 0.8
    assert collected == pytest.approx(np.sort(hot_rates(CHIP, physics, "TEST")), rel=0.15)


def test_what_is_too_bright_ends_at_sixteen_bits():
    light = Light(exptime_s=4.0, lamp_on=True, lamp_factor=100.0)
    pixels = frame(replace(PHYSICS, lamp_adu_s=5000.0), light)

    assert lit(pixels).min() == SATURATION
    assert pixels[:, :20].max() < 1100


def test_what_is_too_dark_ends_at_zero():
    assert frame(replace(PHYSICS, bias_adu=-100.0)).max() == 0


def test_the_level_wanders_from_frame_to_frame():
    physics = replace(PHYSICS, wander_adu=5.0)
    levels = [frame(physics, name=str(i)).mean() for i in range(40)]

    assert np.std(levels) == pytest.approx(5.0, rel=0.3)


def test_the_noise_of_a_frame_depends_on_its_name_and_nothing_else():
    first = frame(name="a")
    other = frame(name="b")

    assert np.array_equal(first, frame(name="a"))
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.02


LAMP = Light(exptime_s=8.0, lamp_on=True)


def test_a_response_that_bends_misses_its_part_of_the_light():
    straight = replace(PHYSICS, lamp_adu_s=2500.0)
    light = np.median(lit(frame(straight, LAMP))) - 1000
    bent = np.median(lit(frame(replace(straight, nonlinear=0.05), LAMP))) - 1000

    assert 1 - bent / light == pytest.approx(0.05 * light / NONLINEAR_AT_ADU, rel=0.03)


def test_some_pixels_bend_more_and_stay_where_they_are():
    straight = replace(PHYSICS, lamp_adu_s=2500.0)

    def bent(n, name):
        physics = replace(straight, nonlinear_pixels=n)
        missing = 1 - lit(frame(physics, LAMP, name)) / lit(frame(straight, LAMP, name))
        return set(np.flatnonzero(missing > 0.5 * NONLINEAR_PIXEL * 20_000 / NONLINEAR_AT_ADU))

    assert len(bent(30, "a")) == 30
    assert bent(30, "a") == bent(30, "b") < bent(45, "a")


def test_a_full_well_holds_no_more():
    pixels = lit(frame(replace(PHYSICS, lamp_adu_s=9000.0, full_well_adu=30_000.0), LAMP))

    assert np.median(pixels) == pytest.approx(31_000, abs=1)
    assert pixels.std() == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_arc_lines_are_where_they_are_said_to_be(shift):
    physics = replace(PHYSICS, arc_lines=6, arc_adu_s=500.0, line_fwhm_px=3.0, line_shift_px=shift)
    spectrum = lit(frame(physics, LAMP)).mean(axis=0) - 1000

    for place in line_positions(CHIP, physics):
        near = slice(round(place) - 5, round(place) + 6)
        weights = spectrum[near] - spectrum.min()
        columns = np.arange(CHIP.nx)[near]
        assert (weights * columns).sum() / weights.sum() == pytest.approx(place, abs=0.05)
    moved = replace(physics, line_shift_px=shift + 1)
    assert line_positions(CHIP, moved) - line_positions(CHIP, physics) == pytest.approx(1.0)
