"""Products are compared with what is declared of their recipe."""

import math

import numpy as np
import pytest
from astropy.io import fits

from pipelines.domain.expected_qc import HduKeywords, ProductKeywords, missing_qc
from pipelines.domain.recipe_call import Kind
from pipelines.recipes import verify
from pipelines.recipes.verify import UnusableError, check_products
from tests.pipelines.recipes.calls import BIAS, RED, call_of, run

ONE, TWO = ({"QC RON1": 5.0, "QC RON2": 5.1, "QC DARK MED": 300.0, "QC DID": "x"} for _ in "ab")


def chip(name, keywords, kind="IMAGE"):
    return HduKeywords(name, kind, keywords)


def product(category, *hdus):
    return ProductKeywords(category, hdus)


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
    made = product("MASTER_DARK", HduKeywords("0"), chip("CHIP1", ONE), chip("CHIP2", second))
    assert missing_qc(expected, [made]) == said


def test_a_keyword_of_the_primary_header_is_not_asked_of_the_extensions():
    made = product("MASTER_BIAS", HduKeywords("0", "", ONE), chip("ERRORMAP", {}))
    assert missing_qc(["QC RON#"], [made]) == []


def test_a_keyword_in_a_table_is_not_asked_of_images():
    made = product("READGAIN", HduKeywords("0"), chip("1", ONE, "BINTABLE"), chip("2", {}))
    assert missing_qc(["QC RON1"], [made]) == []


def test_a_keyword_of_another_product_is_not_asked_of_this_one():
    products = [product("FLAT", HduKeywords("0", "", ONE)), product("BPM", HduKeywords("0"))]
    assert missing_qc(["QC DARK MED"], products) == []


LOWER, UPPER = product("REDL", HduKeywords("0", "", ONE)), product("REDU", HduKeywords("0"))


def test_each_of_the_products_that_are_named_must_carry_it():
    names = ["BLUE", "REDL", "REDU"]
    assert missing_qc(["QC RON#"], [LOWER, UPPER], names) == ["no QC RON# in REDU"]
    assert missing_qc(["QC RON#"], [LOWER], names) == []
    assert missing_qc(["QC NOTHING"], [LOWER, UPPER], names) == ["no QC NOTHING"]


def test_of_several_products_of_one_category_each_must_carry_it():
    second = product("REDL", HduKeywords("0"))
    assert missing_qc(["QC DARK MED"], [LOWER, second]) == ["no QC DARK MED in REDL"]


def test_a_run_whose_product_lacks_a_keyword_is_degraded_and_names_it(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", qc=("QC BIAS LEVEL", "QC BIAS NOTHING"))
    outcome = run(call, tmp_path / "job")
    assert (outcome.succeeded, outcome.is_degraded) == (True, True)
    assert outcome.reason == "the products lack QC: no QC BIAS NOTHING"


@pytest.mark.needs("esorex")
@pytest.mark.parametrize(("category", "said"), [("MASTER_BIAS_REDU", True), ("OTHER", False)])
def test_a_detector_that_was_not_measured_is_noticed(tmp_path, monkeypatch, category, said):
    made = []

    def without_qc_in_the_second(call, job_dir, *given):
        for path in sorted((job_dir / "out").glob("*redu*.fits")):
            made.append(path)
            with fits.open(path, mode="update") as hdus:
                del hdus[0].header["ESO QC OUT1 RON RAW"]
        return check_products(call, job_dir, *given)

    monkeypatch.setattr(verify, "check_products", without_qc_in_the_second)
    names = ("MASTER_BIAS_REDL", category)
    call = call_of(RED, tmp_path / "raw", qc=("QC OUT# RON RAW",), qc_in=names)
    outcome = run(call, tmp_path / "job")
    assert len(made) == 1
    words = "the products lack QC: no QC OUT# RON RAW in MASTER_BIAS_REDU"
    assert (outcome.reason == words) is said, outcome.reason


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
