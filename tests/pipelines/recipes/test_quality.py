"""Products are compared with what is declared of their recipe."""

import math

import numpy as np
import pytest
from astropy.io import fits

from pipelines.domain.expected_qc import HduKeywords, missing_qc
from pipelines.domain.recipe_call import Kind
from pipelines.recipes.verify import UnusableError, check_products
from tests.pipelines.recipes.calls import BIAS, call_of, run

ONE, TWO = ({"QC RON1": 5.0, "QC RON2": 5.1, "QC DARK MED": 300.0, "QC DID": "x"} for _ in "ab")


def chip(name, keywords, kind="IMAGE"):
    return HduKeywords(name, kind, keywords)


@pytest.mark.parametrize(
    ("expected", "second", "said"),
    [
        (["QC RON#", "QC DARK MED"], TWO, []),
        (["QC.DARK.MED"], TWO, []),
        (["QC DID"], TWO, []),
        (["QC RON#"], {"QC RON1": 5.0}, []),
        (["QC RON#"], {"QC DARK MED": 1.0}, ["no QC RON# in CHIP2 of MASTER_DARK"]),
        (["QC DARK MED"], {"QC DARK MED": math.inf}, ["no QC DARK MED in CHIP2 of MASTER_DARK"]),
        (["QC DID"], {"QC DID": " "}, ["no QC DID in CHIP2 of MASTER_DARK"]),
        (["QC DARK"], TWO, ["no QC DARK"]),
        (["QC RON"], TWO, ["no QC RON"]),
        (["QC RON##"], TWO, ["no QC RON##"]),
    ],
)
def test_a_keyword_is_looked_for_in_each_detector(expected, second, said):
    products = {"MASTER_DARK": [HduKeywords("0"), chip("CHIP1", ONE), chip("CHIP2", second)]}
    assert missing_qc(expected, products) == said


def test_a_keyword_of_the_primary_header_is_not_asked_of_the_extensions():
    products = {"MASTER_BIAS": [HduKeywords("0", "", ONE), chip("ERRORMAP", {})]}
    assert missing_qc(["QC RON#"], products) == []


def test_a_keyword_in_a_table_is_not_asked_of_images():
    products = {"READGAIN": [HduKeywords("0"), chip("1", ONE, "BINTABLE"), chip("2", {})]}
    assert missing_qc(["QC RON1"], products) == []


def test_a_keyword_of_another_product_is_not_asked_of_this_one():
    products = {"FLAT": [HduKeywords("0", "", ONE)], "BPM": [HduKeywords("0")]}
    assert missing_qc(["QC DARK MED"], products) == []


def test_a_run_whose_product_lacks_a_keyword_is_degraded_and_names_it(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", qc=("QC BIAS LEVEL", "QC BIAS NOTHING"))
    outcome = run(call, tmp_path / "job")
    assert (outcome.succeeded, outcome.is_degraded) == (True, True)
    assert outcome.reason == "the products lack QC: no QC BIAS NOTHING"


def test_of_many_missing_keywords_the_first_are_named(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", qc=tuple(f"QC NONE{n}" for n in range(1, 7)))
    reason = run(call, tmp_path / "job").reason
    assert reason == "the products lack QC: no QC NONE1, no QC NONE2, no QC NONE3 and 3 more"


def test_fewer_frames_make_no_false_alarm(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", qc=("QC BIAS LEVEL",), min_frames=2)
    fewer = call.raws[:3]
    outcome = run(call_of(BIAS, tmp_path / "raw", qc=call.qc, raws=fewer), tmp_path / "job")
    assert (outcome.succeeded, outcome.reason) == (True, "")


def test_a_product_with_too_few_extensions_is_a_failure(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", extensions={"MASTER_BIAS": 3})
    outcome = run(call, tmp_path / "job")
    assert (outcome.succeeded, outcome.kind) == (False, Kind.PRODUCT)
    assert outcome.reason == "Product master_bias.fits has 2 of 3 image extensions."
    assert outcome.products == ()


def test_an_extension_without_pixels_does_not_count(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", extensions={"MASTER_BIAS": 2})
    product = run(call, tmp_path / "job").products[0].path
    with fits.open(product) as hdus:
        hollow = fits.ImageHDU(name="CHIP2")
        fits.HDUList([hdus[0].copy(), hdus[1].copy(), hollow]).writeto(product, overwrite=True)
    with pytest.raises(UnusableError, match="has 1 of 2 image extensions"):
        check_products(call, tmp_path / "job")


@pytest.mark.parametrize(("needs", "kind"), [("EXPTIME", Kind.NONE), ("DET.NOTHING", Kind.INPUT)])
def test_a_frame_must_have_what_its_recipe_needs(tmp_path, needs, kind):
    outcome = run(call_of(BIAS, tmp_path / "raw", needs=(needs,)), tmp_path / "job")
    assert outcome.kind == kind
    if kind:
        assert "has no DET.NOTHING; without it hcm_bias goes wrong." in outcome.reason


def test_a_keyword_that_is_needed_may_stand_in_an_extension(tmp_path):
    outcome = run(call_of(BIAS, tmp_path / "raw", needs=("DET.OUT1.GAIN",)), tmp_path / "job")
    assert outcome.succeeded, outcome.reason
    assert np.isfinite(outcome.duration_s)
