"""The benchmarks of recipes, small: both sides make the same master bias."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits

from pipelines.recipes import forked
from pipelines.recipes.process import run_limited
from pipelines.simulator.detector import Chip
from qcweb.management.bench import find, processing_recipes as bench

CHIP = Chip("BLUE", 256, 320, 50, 50)


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "CHIP", CHIP)
    # The test runner has threads of its own, which no recipe of ours ever meets.
    monkeypatch.setattr(forked, "is_possible", lambda: True)
    return bench.frames(tmp_path / "frames", 5)


def test_the_frames_are_written_once(paths, tmp_path):
    assert [fits.getdata(path).shape for path in paths] == [CHIP.shape] * 5
    before = [path.stat().st_mtime_ns for path in paths]
    assert [path.stat().st_mtime_ns for path in bench.frames(tmp_path / "frames", 5)] == before


def test_ours_is_timed_with_all_around_it(paths, tmp_path):
    assert bench.run_ours(paths, tmp_path) > 0
    assert (tmp_path / "ours" / "out" / "master_bias.fits").exists()
    seconds, peak_mb = bench.run_program(bench.OURS, paths, tmp_path, forked.run_limited)
    assert seconds > 0
    assert peak_mb > 10


def test_a_worker_with_threads_is_not_timed(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(forked, "is_possible", lambda: False)
    with pytest.raises(RuntimeError, match="no warm worker"):
        bench.run_ours(paths, tmp_path)


@pytest.mark.needs("esorex")
def test_it_does_the_same_work_as_uves(paths, tmp_path):
    bench.compare(paths, bench.UVES, tmp_path)


@pytest.mark.needs("esorex")
def test_other_work_is_not_compared(paths, tmp_path):
    mean = dataclasses.replace(bench.UVES, parameters=("--stack_method=mean",))
    with pytest.raises(RuntimeError, match="uves_cal_mbias has another median"):
        bench.compare(paths, mean, tmp_path)


@pytest.mark.needs("esorex")
def test_a_recipe_that_fails_is_not_timed(paths, tmp_path):
    wrong = dataclasses.replace(bench.UVES, parameters=("--nonsense=1",))
    with pytest.raises(RuntimeError, match="ended with"):
        bench.run_program(wrong, paths, tmp_path, run_limited)


def test_ccdproc_combines_the_same_frames(paths, tmp_path):
    seconds, peak_mb = bench.combine_by_ccdproc(paths, tmp_path)
    assert seconds > 0
    assert peak_mb > 10
    expected = np.median([fits.getdata(path) for path in paths], axis=0)
    assert np.array_equal(fits.getdata(tmp_path / "ccdproc" / "master.fits"), expected)


def test_the_goals_are_a_third_of_five_and_a_tenth_of_twenty():
    goals = {one.name: one.goal for one in find("processing")}
    assert goals["master bias of 5: ours / uves_cal_mbias"] == 0.3
    assert goals["master bias of 20: ours / uves_cal_mbias"] == 0.1
    assert goals["master bias of 20: ours / ccdproc.combine"] is None
