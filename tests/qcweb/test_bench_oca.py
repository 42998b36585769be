"""The benchmarks of the rules' group, small: both sides do what they are compared by."""

import pytest

from pipelines.fits import read_fits, read_headers
from qcweb.management.bench import eso_frames, find, oca_rules
from tests.conftest import cannot_run

UVES = sorted(oca_rules._RULES.glob("uves-*/gasgano/config/uves.oca"))


@pytest.fixture
def frames(monkeypatch, tmp_path):
    monkeypatch.setattr(eso_frames, "N_FILES", 20)
    monkeypatch.setattr(eso_frames, "N_NIGHTS", 2)
    return eso_frames.frames(tmp_path / "frames")


def test_the_frames_have_long_headers_and_differ(frames):
    for path in frames:
        [cards] = read_headers(path)
        assert len(cards) >= eso_frames.N_CARDS
        assert path.stat().st_size >= 80 * len(cards) + 60_000
    found = [read_fits(path, oca_rules.SIX) for path in frames]
    assert {len(one.keywords) for one in found} == {6}
    assert len({one.header_digest for one in found}) == len({f.name for f in frames}) == 20
    before = [path.stat().st_mtime_ns for path in frames]
    assert [path.stat().st_mtime_ns for path in eso_frames.frames(frames[0].parent)] == before


@pytest.mark.needs("dfits", "fitsort")
def test_dfits_reads_them_all(frames):
    oca_rules._dfits(frames, oca_rules.SIX)
    with pytest.raises(RuntimeError, match="Only 19 of 20"):
        oca_rules._dfits(frames[1:], oca_rules.SIX)


def test_ours_reads_them_all(frames):
    oca_rules._scan(frames, oca_rules.SIX)
    with pytest.raises(RuntimeError, match="Only 19 of 20"):
        oca_rules._scan(frames[1:], oca_rules.SIX)


@pytest.mark.django_db
def test_they_are_registered(frames, instruments):
    assert oca_rules.run_register(frames[0].parent) > 0


def test_frames_are_organised_and_classified_by_esos_rules(monkeypatch, tmp_path):
    if not UVES:
        cannot_run("needs cpl-plugin-uves: see packages.txt")
    monkeypatch.setattr(oca_rules, "N_FRAMES", 60)
    monkeypatch.setattr(oca_rules, "N_MASTERS", 3000)
    monkeypatch.setattr(oca_rules, "N_HEADERS", 20)
    ours, theirs = oca_rules.organise(tmp_path)
    assert ours() > 0
    assert callable(theirs)
    assert theirs() > 0
    alone, nobody = oca_rules.classify(tmp_path)
    assert alone() > 0
    assert nobody is None


def test_the_group_is_whole():
    assert len(find("oca")) == 6
