"""Pages to run blocks again, to hold and cancel them, to compare runs, to look at products."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from django.conf import settings
from django.utils import timezone

from pipelines.models import AssociationBlock, Attempt, Hold, ProcessStatus
from pipelines.services import previews
from pipelines.services.previews import make_due_previews, make_previews, previous_certified
from pipelines.services.reprocess import run_again
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from tests.conftest import run_to_rest
from tests.frames import BIAS, later, taken
from tests.qcweb.web.html import parse

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client, quinn):
    client.force_login(quinn)
    return client


def fresh(block):
    return AssociationBlock.objects.select_related("instrument", "current_attempt").get(pk=block.pk)


def test_the_form_is_made_of_the_recipes_parameters(reader, night):
    page = reader.get(f"/blocks/{night['green'].ab_name}/run/").content.decode()
    assert 'name="p:outlier-kappa" value="8.0"' in page
    assert "distance of an outlier" in page
    assert "1 block: DARK" in " ".join(page.split())


def test_a_block_is_run_again_with_what_depends_on_it(reader, night):
    answer = reader.post(
        f"/blocks/{night['green'].ab_name}/run/",
        {"p:outlier-kappa": "12", "dependents": "on", "reason": "colder detector"},
        follow=True,
    )
    assert "2 blocks are queued" in parse(answer).text
    assert fresh(night["green"]).chosen_parameters == {"outlier-kappa": 12.0}
    assert fresh(night["dark"]).process_status == ProcessStatus.QUEUED
    assert fresh(night["dark"]).chosen_parameters == {}


def test_a_wrong_value_queues_nothing_and_loses_nothing(reader, night):
    answer = reader.post(
        f"/blocks/{night['green'].ab_name}/run/",
        {"p:outlier-kappa": "<b>many", "p:saturation": "60000", "reason": "why not"},
    )
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "&lt;b&gt;many" in page
    assert "<b>many" not in page
    assert 'value="60000"' in page
    assert 'value="why not"' in page
    assert fresh(night["green"]).next_step == "REST"


@pytest.mark.parametrize("act", ["hold", "first", "cancel", "release"])
def test_each_act_says_what_it_did(reader, night, act):
    block = night["green"]
    run_again([block], timezone.now(), None)
    if act == "release":
        reader.post(f"/blocks/{block.ab_name}/act/", {"act": "hold"})
    answer = reader.post(f"/blocks/{block.ab_name}/act/", {"act": act}, follow=True)
    words = {"hold": "is held", "first": "runs before all others", "cancel": "is cancelled",
             "release": "is released"}  # fmt: skip
    assert words[act] in parse(answer).text
    assert Hold.objects.count() == (1 if act == "hold" else 0)


def test_an_unknown_act_is_a_wrong_request(reader, night):
    answer = reader.post(f"/blocks/{night['green'].ab_name}/act/", {"act": "explode"})
    assert answer.status_code == 400


def test_two_runs_stand_side_by_side_and_the_former_can_be_made_current(reader, night):
    block = night["green"]
    run_again([block], timezone.now(), None, chosen={"outlier-kappa": 20.0})
    run_to_rest()
    page = parse(reader.get(f"/blocks/{block.ab_name}/compare/")).text
    assert "--outlier-kappa=20.0" in page
    assert "Make this the current one" in page
    answer = reader.post(f"/blocks/{block.ab_name}/current/1/", {"reason": "better"}, follow=True)
    assert "Attempt 1 is the current one" in parse(answer).text
    assert fresh(block).current_attempt.number == 1
    assert reader.get(f"/blocks/{block.ab_name}/compare/?a=9").status_code == 404
    assert reader.get(f"/blocks/{block.ab_name}/compare/?a=x").status_code == 404


def test_values_of_several_products_of_a_run_are_all_compared(reader, night):
    run = night["green"].current_attempt
    row = run.qc1_rows.order_by("pk").first()
    before = parse(reader.get(f"/blocks/{night['green'].ab_name}/compare/")).text
    values = list(row.values.all())
    row.pk, row.pro_catg, row.is_current = None, "MASTER_BIAS_RAW", False
    row.superseded_at = timezone.now()
    row.save()
    for value in values:
        value.row = row
        value.save(force_insert=True)
    after = parse(reader.get(f"/blocks/{night['green'].ab_name}/compare/")).text
    assert after.count("MASTER_BIAS_RAW") == len(values)
    assert len(after) > len(before)


def test_some_blocks_of_a_night_are_run_again(reader, night):
    address = f"/nights/CCDCAM/{night['red'].night}/run/"
    assert "0 of 3 chosen" in parse(reader.get(address)).text
    answer = reader.post(address, {"ab": [night["red"].ab_name]}, follow=True)
    assert "1 block is queued" in parse(answer).text
    assert fresh(night["green"]).next_step == "REST"


def test_a_rejected_calibration_shows_who_used_it_and_what_they_would_use(
    reader, night, take, tmp_path, quinn
):
    take(taken(tmp_path / "before", later(BIAS, -1)))
    run_to_rest()
    block = night["green"]
    decide(block, Decision.REJECTED, quinn, "light leak", seen=1, seen_attempt=1,
           at=timezone.now())  # fmt: skip
    assert "What used it" in reader.get(f"/blocks/{block.ab_name}/replace/").content.decode()
    page = parse(reader.get(f"/blocks/{block.ab_name}/replace/")).text
    assert "2026-03-01T09:00:04.217_tpl.ab" in page
    answer = reader.post(
        f"/blocks/{block.ab_name}/replace/", {"ab": [night["dark"].ab_name]}, follow=True
    )
    assert "1 block is queued" in parse(answer).text


def test_the_page_of_replacements_is_bounded_and_says_so(reader, night, monkeypatch, quinn):
    block = night["green"]
    decide(block, Decision.REJECTED, quinn, "light leak", seen=1, seen_attempt=1,
           at=timezone.now())  # fmt: skip
    monkeypatch.setattr("pipelines.services.reprocess.MOST_REPLACED", 0)
    monkeypatch.setattr("qcweb.web.views.work.MOST_REPLACED", 0)
    page = parse(reader.get(f"/blocks/{block.ab_name}/replace/")).text
    assert "1 blocks used its products; here are 0" in page


# ---- previews


def test_previews_are_made_once_and_shown(reader, night, settings):
    block = night["green"]
    assert make_due_previews(60.0) == 3
    assert make_due_previews(60.0) == 0
    page = reader.get(f"/blocks/{block.ab_name}/").content.decode()
    product = block.current_attempt.products.get()
    address = f"/products/{product.pk}/look/1/image.png"
    assert address in page
    answer = reader.get(address)
    assert answer.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(answer.content) < 400_000
    gallery = reader.get(f"/nights/CCDCAM/{block.night}/gallery/").content.decode()
    assert address in gallery
    assert reader.get(f"/products/{product.pk}/look/1/nonsense.png").status_code == 404
    assert reader.get(f"/products/{product.pk}/look/77/image.png").status_code == 404


def test_a_preview_tells_the_truth_in_numbers(night):
    product = night["green"].current_attempt.products.get()
    (first, *_) = make_previews(night["green"].current_attempt)
    assert first.product == product
    assert sum(first.facts["histogram"]["counts"]) > 0
    assert abs(first.facts["median"] - 1000) < 300
    assert len(first.facts["row"]) <= 256


def test_the_difference_is_from_the_previous_certified_one(night, take, tmp_path):
    take(taken(tmp_path / "later", later(BIAS, 1)))
    run_to_rest()
    newest = AssociationBlock.objects.order_by("mjd_obs").last()
    assert newest is not None
    assert newest.current_attempt is not None
    product = newest.current_attempt.products.get()
    before = previous_certified(newest, product)
    assert before == night["green"].current_attempt.products.get()
    (first, *_) = make_previews(newest.current_attempt)
    assert first.compared_with == before
    assert abs(first.facts["difference"]["median"]) < 5
    AssociationBlock.objects.filter(pk=night["green"].pk).update(is_certified=False)
    assert previous_certified(newest, product) is None


def test_a_product_that_is_gone_stops_no_other_preview(night, settings):
    product = night["red"].current_attempt.products.get()
    path = Path(settings.HCM_DATA_DIR) / product.path
    content = path.read_bytes()
    path.unlink()
    try:
        assert make_previews(night["red"].current_attempt) == []
    finally:
        path.write_bytes(content)


def test_a_degraded_block_can_be_run_again(states):
    block = states["degraded"]
    run_again([block], timezone.now(), None)
    assert fresh(block).process_status == ProcessStatus.QUEUED
    run_to_rest()
    assert (fresh(block).process_status, fresh(block).is_degraded) == ("SUCCESSFUL", True)


def test_whatever_is_wrong_with_a_product_others_have_their_turn(night, monkeypatch):
    real = previews._of_image

    def fail(attempt, *args):
        if attempt.block_id == night["red"].pk:
            raise RuntimeError("nobody foresaw it")
        return real(attempt, *args)

    monkeypatch.setattr(previews, "_of_image", fail)
    assert make_due_previews(60.0) == 3
    assert not Attempt.objects.filter(previewed_at=None).exists()
    assert make_previews(night["green"].current_attempt)


def test_a_full_disk_is_waited_for(night, monkeypatch):
    def fail(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(previews, "_keep", fail)
    with pytest.raises(OSError, match="No space"):
        make_due_previews(60.0)
    assert Attempt.objects.filter(previewed_at=None).count() == 3


@pytest.mark.parametrize("low", [3.0e38, -3.4e38], ids=["all near the top", "both ends"])
def test_pixels_near_the_largest_number_have_a_preview(reader, night, low):
    attempt = night["red"].current_attempt
    product = attempt.products.get()
    path = Path(settings.HCM_DATA_DIR) / product.path
    content = path.read_bytes()
    pixels = np.random.default_rng(1).choice([low, 3.4e38], (300, 300)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(pixels)]).writeto(path, overwrite=True)
    try:
        (made,) = make_previews(attempt)
    finally:
        path.write_bytes(content)
    made.refresh_from_db()
    json.dumps(made.facts, allow_nan=False)
    assert made.facts["max"] == pytest.approx(3.4e38)
    assert None not in made.facts["row"]
    assert reader.get(f"/blocks/{night['red'].ab_name}/").status_code == 200


def test_a_night_says_what_is_held_and_how_far_it_is(reader, night):
    block = night["green"]
    run_again([block], timezone.now(), None)
    reader.post(f"/blocks/{block.ab_name}/act/", {"act": "hold", "reason": "the lamp is off"})
    page = parse(reader.get(f"/nights/CCDCAM/{block.night}/")).text
    assert "held" in page
    assert "2 of 3 done, 1 queued, 1 of them held" in page
    assert "the lamp is off" in parse(reader.get(f"/blocks/{block.ab_name}/")).text
