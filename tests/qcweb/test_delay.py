"""How long it took from file to score: measured, a row a night and instrument."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, RawFile
from qcweb import tasks
from trending.models import BlockScore, QC1Row, QC1Value, Score
from trending.services.delay import block_delays, measure_delays

pytestmark = pytest.mark.django_db


def took(block, minutes):
    """Let a block's score have come so long after its last frame."""
    last = max(one.raw_file.recorded_at for one in block.block_frames.select_related("raw_file"))
    BlockScore.objects.filter(block=block).update(recorded_at=last + dt.timedelta(minutes=minutes))


def measured():
    return {
        value.series.parameter.name: value.value
        for value in QC1Value.objects.filter(
            row__table__name="hcm_delay", row__is_current=True
        ).select_related("series__parameter")
    }


def test_a_night_has_a_row_with_the_delays_of_its_blocks(night):
    for name, minutes in (("green", 10), ("red", 20), ("dark", 90)):
        took(night[name], minutes)
    assert tasks.measure_delay() == 1
    row = QC1Row.objects.get(table__name="hcm_delay")
    assert (row.night, row.setup.text, row.is_simulated) == (night["red"].night, "CCDCAM", False)
    assert measured() == {
        "delay_median": 20, "delay_p90": 76, "delay_max": 90, "n_blocks": 3, "n_late": 1,
    }  # fmt: skip
    score = Score.objects.get(row=row, is_current=True)
    assert (score.result, score.limits) == (1, (None, 60.0))


def test_measuring_again_changes_nothing_until_the_night_goes_on(night):
    assert tasks.measure_delay() == 1
    assert tasks.measure_delay() == 0
    took(night["dark"], 400)
    assert tasks.measure_delay() == 1
    assert QC1Row.objects.filter(table__name="hcm_delay").count() == 2
    assert QC1Row.objects.current().filter(table__name="hcm_delay").count() == 1


def test_a_frame_that_came_later_and_a_second_score_do_not_mislead(night):
    block = night["green"]
    took(block, 10)
    first = BlockScore.objects.get(block=block)
    BlockScore.objects.filter(pk=first.pk).update(is_current=False)
    BlockScore.objects.create(
        block=block, attempt=block.current_attempt, n_nok=0, n_scored=1, n_grey=0,
        recorded_at=first.recorded_at + dt.timedelta(days=30),
    )  # fmt: skip
    BlockScore.objects.exclude(block=block).delete()
    camera = Instrument.objects.get(name="CCDCAM")
    assert list(block_delays(camera, block.night)) == [pytest.approx(10)]
    frame = block.block_frames.last().raw_file
    RawFile.objects.filter(pk=frame.pk).update(
        recorded_at=first.recorded_at + dt.timedelta(days=29)
    )
    assert list(block_delays(camera, block.night)) == [pytest.approx(1440 + 10, abs=15)]


def test_nights_that_have_not_changed_are_not_looked_at(night, django_assert_max_num_queries):
    tasks.measure_delay()
    later = timezone.now() + dt.timedelta(hours=3)
    QC1Row.objects.filter(table__name="hcm_delay").update(recorded_at=later)
    AssociationBlock.objects.update(changed_at=later)
    with django_assert_max_num_queries(4):
        assert measure_delays(later).changed == []


def test_without_the_folder_of_the_system_nothing_is_measured(db):
    assert tasks.measure_delay() == 0
