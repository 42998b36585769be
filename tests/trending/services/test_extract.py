"""QC1 parameters are read from real products into the tables that want them."""

import datetime as dt
from typing import Any

import pytest
from astropy.io import fits
from django.conf import settings
from django.utils import timezone

from pipelines.models import AssociationBlock, NextStep, ProcessStatus
from pipelines.simulator.templates import Template
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FLAT, MORNING, taken
from trending.models import BlockScore, MarkKind, QC1Row, QC1Table, Score, ValueState
from trending.services.corrections import mark, mark_rejected
from trending.services.extract import extract
from trending.services.score import score_block

pytestmark = pytest.mark.django_db

RED = Template("UVES", "BIAS", MORNING, 5, "225kHz,1x1,low", arm="RED")
MUSE = Template("MUSE", "BIAS", MORNING, 3, "SCI1.0")


@pytest.fixture
def bias(take, tmp_path):
    """A bias of two chips that ran and was scored."""
    take(taken(tmp_path / "bias", BIAS))
    run_to_rest()
    return AssociationBlock.objects.select_related("current_attempt").get()


def numbers(row):
    found = row.values.filter(value__isnull=False).select_related("series__parameter")
    return {one.series.parameter.name: one.value for one in found}


def test_a_native_bias_gives_a_row_for_each_chip(bias):
    rows = {one.detector: one for one in QC1Row.objects.select_related("setup", "product")}
    assert set(rows) == {"CHIP1", "CHIP2"}
    for one in rows.values():
        assert one.setup.values == {"read_mode": "SLOW", "binning": "1x1"}
        assert (one.attempt, one.mjd_obs) == (bias.current_attempt, bias.mjd_obs)
        assert one.product.pro_catg == one.pro_catg == "MASTER_BIAS"
        assert (one.origin, one.is_simulated, one.night) == ("pipeline", True, bias.night)
    assert 990 < numbers(rows["CHIP1"])["bias_level"] < 1012
    assert 1032 < numbers(rows["CHIP2"])["bias_level"] < 1054
    assert numbers(rows["CHIP1"])["n_frames"] == 3


def test_what_is_stored_is_what_stands_in_the_product(bias):
    product = bias.current_attempt.products.get()
    with fits.open(settings.HCM_DATA_DIR / product.path) as hdus:
        in_file = {hdu.name: hdu.header["HIERARCH ESO QC BIAS RON RAW"] for hdu in hdus[1:]}
    for one in QC1Row.objects.all():
        assert numbers(one)["ron_raw"] == in_file[one.detector]


def test_its_block_is_scored_with_n_nok_of_n(bias):
    score = BlockScore.objects.get(block=bias, is_current=True)
    assert (score.n_nok, score.attempt) == (0, bias.current_attempt)
    assert score.n_scored == Score.objects.filter(is_current=True, result=0).count() > 4
    assert score.summary == ""


def test_a_block_without_any_score_is_grey_and_says_why(bias):
    Score.objects.all().delete()
    QC1Row.objects.all().delete()
    score = score_block(bias, timezone.now())
    assert (score.n_scored, score.get_grey_reason_text()) == (0, "not implemented")


def test_a_block_that_never_ran_cannot_be_scored(take, tmp_path):
    take(taken(tmp_path / "bias", BIAS))
    with pytest.raises(ValueError, match="has no run to score"):
        score_block(AssociationBlock.objects.get(), timezone.now())


def test_the_summary_names_the_outlier_with_its_limit(bias):
    bad = Score.objects.filter(result=0, upper__isnull=False).select_related("series__parameter")[0]
    rule = bad.rule
    rule.limits = "VAL 0,1"
    rule.save()
    score = score_block(bias, timezone.now())
    assert score.n_nok >= 1
    assert f"{bad.series.parameter.name} " in score.summary
    assert "> 1" in score.summary
    assert BlockScore.objects.filter(block=bias, is_current=True).count() == 1


def again(block):
    AssociationBlock.objects.filter(pk=block.pk).update(
        process_status=ProcessStatus.QUEUED, next_step=NextStep.PROCESS
    )
    run_to_rest()
    block.refresh_from_db()


def test_a_second_run_takes_the_place_of_the_first_and_keeps_it(bias):
    first = bias.current_attempt
    again(bias)
    assert bias.current_attempt.number == 2
    current = QC1Row.objects.current()
    assert set(current.values_list("attempt", flat=True)) == {bias.current_attempt_id}
    assert current.count() == QC1Row.objects.filter(attempt=first).count() == 2
    assert not Score.objects.filter(row__attempt=first, is_current=True).exists()
    assert Score.objects.filter(row__attempt=first).exists()


def test_a_row_the_second_run_no_longer_gives_does_not_stay(bias):
    table = QC1Table.objects.get(name="ccdcam_bias")
    table.products = [{"pro_catg": "MASTER_BIAS", "extensions": "primary", "detector": "ALL"}]
    table.save()
    again(bias)
    assert [one.detector for one in QC1Row.objects.current()] == ["ALL"]
    gone = QC1Row.objects.filter(is_current=False)
    assert {one.values.first().state for one in gone} == {ValueState.SUPERSEDED}


def test_reading_the_same_run_again_makes_no_second_current_row(bias):
    extract(bias.current_attempt, timezone.now())
    assert QC1Row.objects.current().count() == 2


def test_a_rejected_block_leaves_and_comes_back_but_hidden_rows_stay_hidden(bias):
    hidden, other = QC1Row.objects.all()
    words: dict[str, Any] = {"author": "q", "reason": "looked at", "at": timezone.now()}
    mark([hidden.pk], MarkKind.HIDDEN, **words)
    for rejected, state, its_own in (
        (True, ValueState.REJECTED, ValueState.REJECTED),
        (False, ValueState.CURRENT, ValueState.HIDDEN),
    ):
        mark_rejected(bias, rejected=rejected, **words)
        assert set(hidden.values.values_list("state", flat=True)) == {its_own}
        assert set(other.values.values_list("state", flat=True)) == {state}


def test_setups_keep_numbers_texts_and_flags_of_a_flat(take, tmp_path):
    take(taken(tmp_path / "night", BIAS, DARK, FLAT))
    run_to_rest()
    row = QC1Row.objects.filter(table__name="ccdcam_flat", detector="CHIP1").get()
    assert row.setup.text == "SLOW|1x1|V"
    texts = dict(row.values.exclude(text="").values_list("series__parameter__name", "text"))
    assert texts["lamp_on"] == "T"
    assert texts["lamp_name"]
    assert numbers(row)["exptime"] == 8.0
    assert numbers(row)["gain"] > 0


@pytest.mark.needs("esorex")
def test_uves_red_gives_a_row_for_each_of_its_two_detectors(take, tmp_path):
    take(taken(tmp_path / "uves", RED))
    run_to_rest()
    block = AssociationBlock.objects.get()
    assert (block.process_status, block.reason) == ("SUCCESSFUL", "")
    rows = {one.detector: one for one in QC1Row.objects.select_related("product")}
    assert {name: one.pro_catg for name, one in rows.items()} == {
        "REDL": "MASTER_BIAS_REDL", "REDU": "MASTER_BIAS_REDU",
    }  # fmt: skip
    assert rows["REDL"].product != rows["REDU"].product
    assert numbers(rows["REDL"])["ron_raw"] != numbers(rows["REDU"])["ron_raw"]
    assert {"bias_level", "ron_raw", "ron_master"} <= set(numbers(rows["REDU"]))
    assert BlockScore.objects.get(is_current=True).n_scored >= 2


@pytest.mark.needs("esorex")
def test_muse_gives_one_row_of_its_four_quadrants(take, tmp_path):
    take(taken(tmp_path / "muse", MUSE))
    run_to_rest()
    block = AssociationBlock.objects.get()
    assert (block.process_status, block.reason) == ("SUCCESSFUL", "")
    row = QC1Row.objects.get()
    assert (row.detector, row.pro_catg) == ("CHAN01", "MASTER_BIAS")
    assert row.pipeline_version.startswith("muse/")
    assert len(numbers(row)) > 8
    assert row.mjd_obs == block.mjd_obs
    assert row.observed_at - dt.timedelta(minutes=1) < MORNING < row.observed_at
