"""Arcs and series for the detector go all the way: ingest, recipe, QC1 row, score."""

import dataclasses
from datetime import timedelta

import pytest

from pipelines.models import AssociationBlock, ProcessStatus
from tests.conftest import run_to_rest
from tests.frames import BIAS, FLAT, MORNING, taken
from trending.models import QC1Row

pytestmark = pytest.mark.django_db

_PAIRS = tuple(t for t in (0.5, 1.0, 3.0, 6.0) for _ in range(2))
ARC = dataclasses.replace(
    FLAT, kind="ARC", n_frames=1, filter_name="", exptime_s=20.0, start=MORNING + timedelta(hours=3)
)
PTC = dataclasses.replace(
    FLAT,
    kind="PTC",
    n_frames=10,
    exptimes_s=(0.0, 0.0, *_PAIRS),
    start=MORNING + timedelta(hours=4),
)
LINEARITY = dataclasses.replace(
    FLAT,
    kind="LINEARITY",
    n_frames=6,
    exptimes_s=(0.0, 0.5, 1.0, 3.0, 6.0, 9.0),
    start=MORNING + timedelta(hours=5),
)
EXPECTED = {
    "ccdcam_arc": {"fwhm": (3.2, 0.03), "n_lines": (24, 0)},
    "ccdcam_detmon": {"gain": (0.8, 0.012), "n_frames": (10, 0)},
    "ccdcam_linearity": {"deviation": (0.0, 0.2), "n_odd": (0, 3), "n_levels": (5, 0)},
}


@pytest.fixture
def rows(take, tmp_path):
    take(taken(tmp_path / "night", BIAS, ARC, PTC, LINEARITY))
    run_to_rest()
    blocks = AssociationBlock.objects.select_related("current_attempt")
    assert blocks.count() == 4
    for block in blocks:
        assert block.process_status == ProcessStatus.SUCCESSFUL, block.current_attempt.reason
        assert not block.is_degraded
    return QC1Row.objects.select_related("table")


@pytest.mark.parametrize("table", EXPECTED)
def test_what_was_put_in_stands_in_the_table(rows, table):
    found = rows.filter(table__name=table)
    assert {row.detector for row in found} == {"CHIP1", "CHIP2"}
    for row in found:
        measured = {
            value.series.parameter.name: value.value
            for value in row.values.select_related("series__parameter")
        }
        for name, (expected, tolerance) in EXPECTED[table].items():
            assert measured[name] == pytest.approx(expected, abs=tolerance), name


def test_an_arc_takes_the_bias_of_its_read_mode(rows):
    arc = AssociationBlock.objects.get(raw_type="ARC")
    assert [link.label for link in arc.calibrations.all()] == ["MASTER_BIAS"]
