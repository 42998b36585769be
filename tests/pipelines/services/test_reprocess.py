"""Running again: with dependents, other parameters, nothing changed, the next best calibration."""

import copy
import dataclasses
import os

import pytest
from django.conf import settings
from django.utils import timezone

from pipelines.models import (
    Act,
    AssociationBlock,
    CalibrationLink,
    Outcome,
    ProcessStatus,
    Product,
)
from pipelines.services import reprocess
from pipelines.services.inputs import Calibration, frames_of, plan_call
from pipelines.services.reprocess import (
    ParameterError,
    dependents,
    parameters_of,
    read_choices,
    replace_withdrawn,
    replacements,
    run_again,
    values_of,
)
from pipelines.services.requests import request_again
from pipelines.services.reuse import digest_of
from qcweb.certification.models import Decision
from qcweb.certification.services.decisions import decide
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FLAT, later, taken

pytestmark = pytest.mark.django_db


@pytest.fixture
def night(take, tmp_path):
    take(taken(tmp_path / "night", BIAS, DARK, FLAT))
    run_to_rest()
    return {one.raw_type: one for one in AssociationBlock.objects.select_related("instrument")}


def fresh(block):
    return AssociationBlock.objects.select_related("instrument", "current_attempt").get(pk=block.pk)


def again(block, **options):
    return run_again([fresh(block)], timezone.now(), None, **options)


def test_what_depends_on_a_block_is_found_through_others_too(night):
    assert [one.raw_type for one in dependents([night["BIAS"]])] == ["DARK", "FLAT"]
    assert [one.raw_type for one in dependents([night["DARK"]])] == []


def test_a_block_runs_again_and_both_results_are_kept(night):
    first = fresh(night["BIAS"]).current_attempt
    assert again(night["BIAS"], reason="to be sure").queued
    assert fresh(night["BIAS"]).process_status == ProcessStatus.QUEUED
    run_to_rest()
    block = fresh(night["BIAS"])
    assert block.current_attempt.number == 2
    assert [one.data_md5 for one in first.products.all()] == [
        one.data_md5 for one in block.current_attempt.products.all()
    ]
    assert Act.objects.get().reason == "to be sure"


def test_the_parameters_are_the_recipes_own(night):
    known = {one.name: one for one in parameters_of(night["BIAS"])}
    assert known["outlier-kappa"].default == 8.0
    assert values_of(night["BIAS"]) == {"min-frames": "3"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"outlier-kappa": "many"}, "expected a number"),
        ({"outlier-kappa": "-1"}, "or more"),
        ({"min-frames": "1e9"}, "expected"),
        ({"outlier-kappa": "nan"}, "expected a number"),
        ({"nonsense": "1"}, "has no parameter nonsense"),
        ({"outlier-kappa": "5 --output-dir=/tmp"}, "expected a number"),
    ],
)
def test_a_value_the_recipe_does_not_take_is_refused(night, typed, words):
    with pytest.raises(ParameterError, match=words):
        read_choices(night["BIAS"], typed)


@pytest.mark.parametrize(
    "text",
    [
        "a; touch PWNED",
        "$(touch PWNED)",
        "`id`",
        "a|b",
        "../x",
        "/etc/passwd",
        "a\nb",
        "a'b",
        'a"b',
    ],
)
def test_a_text_that_could_be_a_command_or_a_path_is_refused(night, text):
    block = night["BIAS"]
    block.instrument.recipes["hcm_bias"]["parameters"] = [
        {"name": "mode", "type": "string", "default": "fast"}
    ]
    with pytest.raises(ParameterError, match="no path"):
        read_choices(block, {"mode": text})


def test_a_parameter_that_names_a_program_is_not_offered(night):
    block = night["BIAS"]
    block.instrument.recipes["hcm_bias"]["parameters"] = [
        {"name": "plotter", "type": "string", "default": "no", "description": "gnuplot or so"},
        {"name": "kappa", "type": "double", "default": 3.0},
        {"name": "kappa", "type": "double", "default": 5.0},
    ]
    assert [one.name for one in parameters_of(block)] == ["kappa"]
    with pytest.raises(ParameterError, match="has no parameter plotter"):
        read_choices(block, {"plotter": "sh"})


def test_what_is_as_usual_is_not_chosen(night):
    assert read_choices(night["BIAS"], {"outlier-kappa": "8", "saturation": "60000"}) == {
        "saturation": 60000.0
    }


def test_chosen_parameters_reach_the_recipe_and_are_kept_with_the_run(night):
    again(night["BIAS"], chosen={"outlier-kappa": 12.0})
    run_to_rest()
    run = fresh(night["BIAS"]).current_attempt
    assert run.parameters == ["--min-frames=3", "--outlier-kappa=12.0"]
    assert "--outlier-kappa=12.0" in run.argv
    assert Act.objects.filter(kind="PARAMETERS").get().details["chosen"] == {"outlier-kappa": 12.0}


# ---- nothing changed


def test_nothing_changed_the_products_are_used_again(night, settings):
    settings.HCM_LAZY = True
    first = fresh(night["BIAS"]).current_attempt
    again(night["BIAS"])
    run_to_rest()
    run = fresh(night["BIAS"]).current_attempt
    assert (run.number, run.reused, run.outcome) == (2, first, Outcome.SUCCESSFUL)
    assert run.process == {}
    assert [one.path for one in run.products.all()] == [one.path for one in first.products.all()]


def retag(block):
    block.instrument.recipes["hcm_bias"]["tags"] = {"BIAS": "BIAS_RAW"}
    block.instrument.recipes["hcm_bias"]["raws"] = []


def one_more_product(block):
    block.virtual_products[0]["is_promised"] = False
    block.save()
    block.instrument.recipes["hcm_bias"]["products"] = []


def more_frames(block):
    block.instrument.recipes["hcm_bias"]["min_frames"] = 2
    block.min_frames = 2


def the_file(block):
    frame = block.block_frames.select_related("raw_file__root").first().raw_file
    os.utime(frame.full_path)


def told(block, *calibrations):
    return digest_of(plan_call(block, calibrations), "1", frames_of(block), calibrations)


@pytest.mark.parametrize("change", [retag, one_more_product, more_frames, the_file])
def test_the_inputs_of_a_run_are_told_by_all_it_depends_on(night, change):
    block = fresh(night["BIAS"])
    before = told(block)
    assert told(fresh(block)) == before
    change(block)
    assert told(block) != before


def test_parameters_count_in_their_order(night):
    block = fresh(night["BIAS"])
    call = plan_call(block, [])
    digests = {
        digest_of(dataclasses.replace(call, parameters=given), "1", frames_of(block))
        for given in [("--kappa=3", "--kappa=5"), ("--kappa=5", "--kappa=3")]
    }
    assert len(digests) == 2


def test_a_calibration_on_disk_counts_with_what_it_holds(night, tmp_path):
    block = fresh(night["BIAS"])
    table = tmp_path / "static.fits"
    table.write_bytes(b"one")
    file = copy.copy(frames_of(block)[0])
    file.pk, file.path, file.pro_catg = None, str(table), "LINE_TABLE"
    link = CalibrationLink(block=block, label="X", pro_catg="LINE_TABLE", file=file)
    given = Calibration(link, None)
    without, before = told(block), told(block, given)
    assert before != without
    table.write_bytes(b"another")
    assert (on_disk := told(block, given)) not in {before, without}
    file.header_digest = "changed"
    assert told(block, given) not in {before, without, on_disk}


def test_products_of_a_withdrawn_block_are_not_used_again(night, settings):
    settings.HCM_LAZY = True
    AssociationBlock.objects.filter(pk=night["BIAS"].pk).update(is_withdrawn=True)
    again(night["BIAS"])
    run_to_rest()
    assert fresh(night["BIAS"]).current_attempt.reused is None


def test_a_product_whose_data_have_changed_is_not_used_again(night, settings):
    settings.HCM_LAZY = True
    product = fresh(night["BIAS"]).current_attempt.products.get()
    path = settings.HCM_DATA_DIR / product.path
    content = bytearray(path.read_bytes())
    content[-3000] ^= 1
    path.write_bytes(content)
    again(night["BIAS"])
    run_to_rest()
    assert fresh(night["BIAS"]).current_attempt.reused is None


@pytest.mark.parametrize("change", ["parameters", "frame", "product gone", "asked anew"])
def test_something_changed_the_recipe_runs(night, settings, change):
    settings.HCM_LAZY = True
    block, chosen = fresh(night["BIAS"]), None
    if change == "parameters":
        chosen = {"outlier-kappa": 12.0}
    elif change == "frame":
        frame = block.block_frames.first().raw_file
        frame.modified_ns += 1
        frame.save()
    elif change == "product gone":
        product = block.current_attempt.products.get()
        (settings.HCM_DATA_DIR / product.path).unlink()
    again(block, chosen=chosen, is_anew=change == "asked anew")
    run_to_rest()
    run = fresh(block).current_attempt
    assert (run.number, run.reused) == (2, None)
    assert run.process != {}


def test_without_the_switch_every_run_is_one(night):
    again(night["BIAS"])
    run_to_rest()
    assert fresh(night["BIAS"]).current_attempt.reused is None


# ---- a certified calibration is withdrawn


@pytest.fixture
def two_biases(take, tmp_path, quinn):
    take(taken(tmp_path / "two", later(BIAS, -1), BIAS, DARK))
    run_to_rest()
    first, second = AssociationBlock.objects.filter(raw_type="BIAS").order_by("mjd_obs")
    dark = AssociationBlock.objects.get(raw_type="DARK")
    decide(second, Decision.REJECTED, quinn, "light leak", seen=1, seen_attempt=1,
           at=timezone.now())  # fmt: skip
    return first, fresh(second), dark


def test_a_withdrawn_calibration_is_replaced_after_a_look(two_biases, quinn):
    first, withdrawn, dark = two_biases
    before = list(dark.calibrations.values_list("producer", flat=True))
    (found,) = replacements(withdrawn, timezone.now())
    assert (found.block, found.former, found.instead, found.lacks) == (
        dark, [withdrawn.ab_name], [first.ab_name], "",
    )  # fmt: skip
    # The look has changed nothing.
    assert list(dark.calibrations.values_list("producer", flat=True)) == before
    assert fresh(dark).next_step == "REST"
    done = replace_withdrawn(withdrawn, [dark], timezone.now(), quinn, "light leak")
    assert done.queued == [dark]
    run_to_rest()
    again = fresh(dark)
    assert (again.process_status, again.current_attempt.number) == (ProcessStatus.SUCCESSFUL, 2)
    assert {link.producer for link in again.calibrations.all()} == {first}


def test_where_nothing_else_fits_that_is_said(take, tmp_path, quinn):
    take(taken(tmp_path / "one", BIAS, DARK))
    run_to_rest()
    bias = AssociationBlock.objects.get(raw_type="BIAS")
    decide(bias, Decision.REJECTED, quinn, "light leak", seen=1, seen_attempt=1, at=timezone.now())
    (found,) = replacements(fresh(bias), timezone.now())
    assert found.lacks == "nothing else fits"


def test_what_nothing_else_fits_is_not_queued(take, tmp_path, quinn):
    take(taken(tmp_path / "one", BIAS, DARK))
    run_to_rest()
    bias, dark = (AssociationBlock.objects.get(raw_type=one) for one in ("BIAS", "DARK"))
    decide(bias, Decision.REJECTED, quinn, "light leak", seen=1, seen_attempt=1, at=timezone.now())
    done = replace_withdrawn(fresh(bias), [dark], timezone.now(), quinn)
    assert (done.queued, done.left) == ([], [(dark, "nothing else fits")])
    assert fresh(dark).next_step == "REST"


def test_what_is_not_withdrawn_any_more_is_not_replaced(two_biases, quinn):
    _, withdrawn, dark = two_biases
    AssociationBlock.objects.filter(pk=withdrawn.pk).update(is_withdrawn=False, is_badqual=False)
    done = replace_withdrawn(withdrawn, [dark], timezone.now(), quinn)
    assert done.left == [(dark, f"{withdrawn.ab_name} is not withdrawn any more")]
    assert fresh(dark).next_step == "REST"


def test_a_block_at_work_is_no_choice(two_biases):
    _, withdrawn, dark = two_biases
    AssociationBlock.objects.filter(pk=dark.pk).update(next_step="EXTRACT")
    assert replacements(withdrawn, timezone.now())[0].lacks == "it is being worked on"


def test_the_instrument_is_taken_before_any_block(two_biases, quinn, monkeypatch):
    _, withdrawn, dark = two_biases
    order = []

    def noted(name, act):
        def noting(*given):
            order.append(name)
            return act(*given)

        monkeypatch.setattr(f"pipelines.services.reprocess.{act.__name__}", noting)

    noted("instrument", reprocess._hold_still)
    noted("block", request_again)
    replacements(withdrawn, timezone.now())
    replace_withdrawn(withdrawn, [dark], timezone.now(), quinn)
    assert order == ["instrument", "block", "instrument", "block", "block"]


def test_so_many_are_looked_at_at_once(two_biases, quinn, monkeypatch):
    _, withdrawn, dark = two_biases
    monkeypatch.setattr(reprocess, "MOST_REPLACED", 0)
    assert replacements(withdrawn, timezone.now()) == []
    assert replace_withdrawn(withdrawn, [dark], timezone.now(), quinn).queued == []


def test_products_of_earlier_runs_stay_on_disk(night):
    again(night["BIAS"])
    run_to_rest()
    paths = [settings.HCM_DATA_DIR / one.path for one in Product.objects.all()]
    assert len(set(paths)) == len(paths)
    assert all(path.is_file() for path in paths)
