"""Real recipes on real files: every way a run can end has its own words."""

import dataclasses
import errno
import json
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipelines.domain.recipe_call import Kind, SofEntry
from pipelines.recipes import quality, verify
from tests.frames import with_defect
from tests.pipelines.recipes.calls import BIAS, MUSE, RED, UVES, call_of, run

ESOREX = pytest.mark.needs("esorex")
ALL = [
    pytest.param(BIAS, id="native"),
    pytest.param(UVES, id="UVES blue", marks=ESOREX),
    pytest.param(RED, id="UVES red", marks=ESOREX),
    pytest.param(MUSE, id="MUSE", marks=ESOREX),
]
EACH = [ALL[0], ALL[1], ALL[3]]


def change_pixels(path, change):
    """Write other pixels into each image of a frame, in the type `change` returns."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.data is not None:
                hdu.data = change(hdu.data)
        hdus.writeto(path, overwrite=True)


def change_frames(call, change, some=None):
    for entry in call.raws[:some]:
        change_pixels(entry.path, change)


@pytest.mark.parametrize("template", ALL)
def test_a_recipe_runs_and_its_products_are_kept_with_what_made_them(tmp_path, template):
    call = call_of(template, tmp_path / "raw")
    outcome = run(call, tmp_path / "job")
    assert (outcome.succeeded, outcome.reason, outcome.return_code) == (True, "", 0)
    assert {made.category for made in outcome.products} == set(call.expected_products)
    for made in outcome.products:
        assert made.path.stat().st_size == made.size
        assert len(made.data_md5) == 32
    assert outcome.pipeline_version.startswith(f"{call.pipeline}/")
    assert call.recipe in outcome.argv
    assert outcome.log
    assert outcome.duration_s > 0


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"recipe": "uves_cal_nothing"}, Kind.RECIPE, "uves_cal_nothing ended with"),
        ({"parameters": ("--nonsense=1",)}, Kind.RECIPE, "uves_cal_mbias ended with 255"),
        ({"pipeline": "giraffe"}, Kind.ENVIRONMENT, "EsoRex with the giraffe pipeline is not installed"),
        ({"expected_products": ("MASTER_DARK_BLUE",)}, Kind.PRODUCT, "made no MASTER_DARK_BLUE"),
        ({"timeout_s": 0.01}, Kind.TIMEOUT, "did not end within 0.01 s and was ended"),
        ({"min_frames": 5}, Kind.INPUT, "4 of 4 frames are usable, 5 are needed"),
    ],
    ids=["unknown recipe", "unknown parameter", "plug-in not installed", "product not made",
         "out of time", "too few frames"],
)  # fmt: skip
@ESOREX
def test_a_run_of_esorex_that_fails_says_why(tmp_path, changes, kind, words):
    outcome = run(call_of(UVES, tmp_path / "raw", **changes), tmp_path / "job")
    assert (outcome.succeeded, outcome.kind, outcome.products) == (False, kind, ())
    assert words in outcome.reason


@ESOREX
def test_a_wrong_tag_is_the_recipes_failure_in_its_own_words(tmp_path):
    call = call_of(UVES, tmp_path / "raw")
    call = dataclasses.replace(call, raws=tuple(SofEntry(e.path, "NOTHING") for e in call.raws))
    outcome = run(call, tmp_path / "job")
    assert (outcome.kind, outcome.return_code) == (Kind.RECIPE, 14)
    assert "No valid input frames" in outcome.reason
    assert "No valid input frames" in outcome.log


@pytest.mark.parametrize("template", EACH)
def test_a_truncated_frame_is_found_before_the_recipe_starts(tmp_path, template):
    call = call_of(with_defect(template, truncated_frame=2), tmp_path / "raw")
    outcome = run(call, tmp_path / "job")
    assert (outcome.kind, outcome.return_code) == (Kind.INPUT, None)
    assert f"{call.raws[1].path.name} is truncated: " in outcome.reason


def with_a_nan(image):
    image = image.astype(np.float32)
    image[3, 5] = np.nan
    return image


def saturated(image):
    return np.full(image.shape, 65535, np.uint16) - (np.indices(image.shape)[0] == 0).astype("u2")


DEFECTS = [
    (with_a_nan, "it holds NaN or infinite pixels"),
    (saturated, "of its pixels are at 65535 ADU"),
    (np.zeros_like, "all its pixels are 0"),
    (lambda image: np.full_like(image, 1000), "all its pixels are 1000"),
]
DEFECT_IDS = ["NaN", "saturated", "all zero", "constant"]


@pytest.mark.parametrize("template", EACH)
@pytest.mark.parametrize(("change", "words"), DEFECTS, ids=DEFECT_IDS)
def test_frames_that_are_all_useless_never_reach_the_recipe(tmp_path, template, change, words):
    call = call_of(template, tmp_path / "raw")
    change_frames(call, change)
    started = time.monotonic()
    outcome = run(call, tmp_path / "job")
    assert time.monotonic() - started < 5
    assert (outcome.kind, outcome.return_code) == (Kind.INPUT, None)
    assert f"0 of {len(call.raws)} frames are usable, 3 are needed" in outcome.reason
    assert words in outcome.reason


@pytest.mark.parametrize("template", EACH)
@pytest.mark.parametrize(("change", "words"), DEFECTS, ids=DEFECT_IDS)
def test_one_useless_frame_is_left_out_and_the_run_degraded(tmp_path, template, change, words):
    call = call_of(dataclasses.replace(template, n_frames=4), tmp_path / "raw")
    change_frames(call, change, some=1)
    outcome = run(call, tmp_path / "job")
    assert (outcome.succeeded, outcome.is_degraded) == (True, True)
    assert f"left out before the run: {call.raws[0].path.name}: " in outcome.reason
    assert words in outcome.reason
    assert verify.combined_count(list(outcome.products)) in {3, None}


@ESOREX
def test_muse_bias_on_frames_of_almost_nothing_ends_at_its_memory_limit(tmp_path):
    """All-zero frames make muse_bias take memory without end; one odd pixel passes our checks."""

    def almost_zero(image):
        image = np.zeros_like(image)
        image[0, 0] = 1
        return image

    call = call_of(MUSE, tmp_path / "raw", memory_mb=900)
    change_frames(call, almost_zero)
    outcome = run(call, tmp_path / "job")
    assert not outcome.succeeded
    assert outcome.kind == Kind.MEMORY
    assert "more memory than its limit of 900 MB" in outcome.reason
    assert outcome.duration_s < 30
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1000 * 1024


def unequal(path):
    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.data is not None:
                hdu.data = hdu.data[:-2]
        hdus.writeto(path, overwrite=True)


def edit(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new.ljust(len(old))[: len(old)], 1))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "is not there any more"),
        (lambda path: path.write_bytes(b""), "The file is empty."),
        (lambda path: path.write_text("not FITS" * 1000), "This is not a FITS file."),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "The header is cut"),
        (unequal, "The frames have unequal shapes"),
        (lambda path: edit(path, b"BITPIX  =                   16", b"BITPIX  =                    7"),
         "BITPIX is not possible: 7"),
        (lambda path: edit(path, b"NAXIS1  =                  ", b"NAXIS1  =               -99"),
         "NAXIS1 is not possible: -99"),
        (lambda path: edit(path, b"NAXIS   =                    2", b"NAXIS   = 99999999999999999"),
         "NAXIS is not possible: 99999999999999999"),
        (lambda path: edit(path, b"BITPIX  =                   16", b"BITPIX  =                 'x'"),
         "BITPIX is not possible: 'x'"),
        (lambda path: path.unlink() or path.mkdir(), "Is a directory"),
    ],
    ids=["gone", "empty", "text", "cut header", "unequal", "odd BITPIX", "negative axis", "huge NAXIS", "text BITPIX",
         "directory"],
)  # fmt: skip
def test_an_input_that_cannot_be_used_is_named(tmp_path, spoil, words):
    call = call_of(BIAS, tmp_path / "raw")
    spoil(call.raws[1].path)
    outcome = run(call, tmp_path / "job")
    assert (outcome.succeeded, outcome.kind) == (False, Kind.INPUT)
    assert words in outcome.reason


def test_a_calibration_that_is_gone_is_named(tmp_path):
    gone = tmp_path / "master_bias.fits"
    call = call_of(BIAS, tmp_path / "raw", calibrations=(SofEntry(gone, "MASTER_BIAS"),))
    outcome = run(call, tmp_path / "job")
    assert outcome.kind == Kind.MISSING
    assert f"master_bias.fits is not there any more ({gone})." in outcome.reason


def test_a_job_directory_that_cannot_be_made_may_pass(tmp_path):
    (tmp_path / "full").write_text("a file where a directory should be")
    outcome = run(call_of(BIAS, tmp_path / "raw"), tmp_path / "full" / "job")
    assert (outcome.succeeded, outcome.kind) == (False, Kind.ENVIRONMENT)
    assert "Not a directory" in outcome.reason


# ---- names that try to break out


HOSTILE = [
    "with blanks.fits",
    "semi;colon;touch PWNED.fits",
    "$(touch PWNED).fits",
    "`touch PWNED`.fits",
    "new\nline.fits",
    "-o out.fits",
    "# comment.fits",
    "'single' \"double\".fits",
    "{brace,other}*.fits",
    "naïve_Ω.fits",
    f"{'long' * 60}.fits",
]


@pytest.mark.parametrize("template", EACH)
def test_no_file_name_breaks_out_of_the_set_of_frames(tmp_path, template):
    call = call_of(dataclasses.replace(template, n_frames=len(HOSTILE)), tmp_path / "raw")
    raws = []
    for entry, name in zip(call.raws, HOSTILE, strict=True):
        raws.append(SofEntry(entry.path.rename(entry.path.with_name(name)), entry.tag))
    outcome = run(dataclasses.replace(call, raws=tuple(raws)), tmp_path / "job")
    assert (outcome.succeeded, outcome.reason) == (True, "")
    lines = (tmp_path / "job" / "in.sof").read_text().splitlines()
    assert [len(line.split()) for line in lines] == [2] * len(HOSTILE)
    assert not list(tmp_path.rglob("*PWNED"))


def test_names_that_become_the_same_stay_two_frames(tmp_path):
    call = call_of(BIAS, tmp_path / "raw")
    names = ["a b.fits", "a;b.fits", "a_b.fits"]
    raws = [
        SofEntry(entry.path.rename(entry.path.with_name(name)), entry.tag)
        for entry, name in zip(call.raws, names, strict=True)
    ]
    outcome = run(dataclasses.replace(call, raws=tuple(raws)), tmp_path / "job")
    assert outcome.succeeded, outcome.reason
    targets = {path.resolve().name for path in (tmp_path / "job" / "raw").iterdir()}
    assert targets == set(names)


@pytest.mark.parametrize("template", EACH)
def test_the_job_directory_may_lie_below_blanks_and_quotes(tmp_path, template):
    deep = tmp_path / "a 'quoted' \"data\" $HOME; directory"
    outcome = run(call_of(template, deep / "raw"), deep / "jobs" / "1-1")
    assert (outcome.succeeded, outcome.reason) == (True, "")


def test_what_an_earlier_run_left_in_the_job_directory_is_no_product(tmp_path):
    call = call_of(BIAS, tmp_path / "raw")
    job = tmp_path / "job"
    (job / "out").mkdir(parents=True)
    (job / "out" / "products.json").write_text('[{"name": "old.fits", "category": "MASTER_BIAS"}]')
    outcome = run(call, job)
    assert [made.name for made in outcome.products] != ["old.fits"]
    assert outcome.succeeded


@pytest.mark.parametrize("template", EACH)
def test_two_runs_at_the_same_time_do_not_disturb_each_other(tmp_path, template):
    call = call_of(template, tmp_path / "raw")
    alone = run(call, tmp_path / "alone")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda n: run(call, tmp_path / f"job{n}"), range(2)))
    for outcome in both:
        assert outcome.succeeded, outcome.reason
        assert [made.data_md5 for made in outcome.products] == [
            made.data_md5 for made in alone.products
        ]


# ---- products are looked at


@pytest.fixture
def done(tmp_path):
    """A job that ran, its call, and its first product."""
    call = call_of(BIAS, tmp_path / "raw")
    outcome = run(call, tmp_path / "job")
    return call, tmp_path / "job", outcome.products[0].path


def complaint(call, job):
    with pytest.raises(verify.UnusableError) as error:
        verify.check_products(call, job)
    assert error.value.kind == Kind.PRODUCT
    return error.value.reason


def test_a_product_that_is_listed_and_missing_is_named(done):
    call, job, product = done
    product.unlink()
    assert complaint(call, job) == f"The recipe lists {product.name}, which does not exist."


def test_a_product_with_one_wrong_byte_is_found_by_its_sum(done):
    call, job, product = done
    content = bytearray(product.read_bytes())
    content[-4000] ^= 1
    product.write_bytes(content)
    assert f"Product {product.name} is damaged: DATASUM of HDU" in complaint(call, job)


def test_a_product_that_is_cut_is_found(done):
    call, job, product = done
    product.write_bytes(product.read_bytes()[:-2880])
    assert product.name in complaint(call, job)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "ended with 0 and listed no products"),
        ("", "products cannot be read"),
        ("[{", "products cannot be read"),
        ("3", "products cannot be read"),
        ('[{"name": "master_bias.fits"}]', "products cannot be read"),
        ("[]", "made no MASTER_BIAS"),
        ('[{"name": "master_bias.fits", "category": "MASTER_BIAS"},'
         ' {"name": "out/master_bias.fits", "category": "X"}]', "lists master_bias.fits more than once"),
        ('[{"name": "../../../etc/passwd", "category": "MASTER_BIAS"}]', "lists passwd, which does not"),
    ],
    ids=["no list", "empty", "cut", "no list but a number", "no category", "nothing", "twice",
         "elsewhere"],
)  # fmt: skip
def test_a_list_of_products_is_not_believed(done, content, words):
    call, job, _ = done
    listing = job / "out" / "products.json"
    if content is None:
        listing.unlink()
    else:
        listing.write_text(content)
    assert words in complaint(call, job)


def unterminated(path, keyword):
    """Make the value of a keyword a text that never ends."""
    content = path.read_bytes()
    at = content.index(f"HIERARCH {keyword}".encode())
    at = content.index(b"=", at) + 1
    path.write_bytes(content[:at] + b" 'x".ljust(10) + content[at + 10 :])


@pytest.mark.parametrize(
    ("keyword", "read"),
    [
        ("ESO PRO DATANCOM", lambda _, products: verify.combined_count(products)),
        ("ESO QC BIAS LEVEL",
         lambda call, products: quality.doubts_about(call, products, verify.reading_product)),
    ],
    ids=["count of frames", "QC"],
)  # fmt: skip
def test_a_card_of_a_product_that_cannot_be_read_is_the_products_fault(done, keyword, read):
    call, job, product = done
    unterminated(product, keyword)
    products = verify.check_products(call, job)
    words = r"Product master_bias\.fits cannot be read"
    with pytest.raises(verify.UnusableError, match=words) as error:
        read(dataclasses.replace(call, qc=("QC BIAS LEVEL",)), products)
    assert error.value.kind == Kind.PRODUCT


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("reader", ["read_fits", "read_hdus"])
def test_a_disk_that_cannot_be_read_from_is_the_machines_fault(tmp_path, monkeypatch, code, reader):
    def fail(*_given):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(verify, reader, fail)
    outcome = run(call_of(BIAS, tmp_path / "raw"), tmp_path / "job")
    assert (outcome.kind, outcome.return_code) == (Kind.ENVIRONMENT, None)
    assert os.strerror(code) in outcome.reason


def test_a_calibration_the_recipe_must_have_is_missing_not_damaged(tmp_path):
    call = call_of(BIAS, tmp_path / "raw", calibration_tags=("MASTER_DARK",))
    outcome = run(call, tmp_path / "job")
    assert (outcome.kind, outcome.reason) == (Kind.MISSING, "hcm_bias is given no MASTER_DARK.")


def test_the_list_of_products_is_json(done):
    _, job, product = done
    listed = json.loads((job / "out" / "products.json").read_text())
    assert [Path(one["name"]).name for one in listed] == [product.name]
