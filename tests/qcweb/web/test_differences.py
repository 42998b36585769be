"""A product's picture beside the last certified one of its kind, and the difference of the two."""

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from pipelines.models import AssociationBlock, Preview, Product
from pipelines.services.differences import difference
from pipelines.services.previews import last_certified, make_previews, previous_certified
from pipelines.services.quicklook import NoPictureError
from tests.conftest import run_to_rest
from tests.frames import BIAS, later, taken


@pytest.fixture
def reader(client, vera):
    client.force_login(vera)
    return client


@pytest.fixture
def pair(night, take, tmp_path, settings):
    """A certified bias, and one of the next day; both have pictures, made before it was compared."""
    # The keys of products come again from test to test.
    for kept in Path(settings.HCM_DATA_DIR).glob("previews/*/*/*-minus-*.png"):
        kept.unlink()
    take(taken(tmp_path / "later", later(BIAS, 1)))
    run_to_rest()
    newest = AssociationBlock.objects.order_by("mjd_obs").last()
    assert newest is not None
    assert newest.current_attempt is not None
    AssociationBlock.objects.filter(pk=night["green"].pk).update(is_certified=False)
    make_previews(newest.current_attempt)
    make_previews(night["green"].current_attempt)
    AssociationBlock.objects.filter(pk=night["green"].pk).update(is_certified=True)
    return night["green"].current_attempt.products.get(), newest.current_attempt.products.get()


def address(product, reference, hdu=1):
    return f"/products/{product.pk}/look/{hdu}/difference.png?from={reference.pk}"


def first(product):
    return Preview.objects.filter(product=product).order_by("hdu").first()


def write(product, pixels, settings):
    """Put other pixels into a product's first image, under a path of its own."""
    below = f"products/of-a-test/{product.pk}.fits"
    path = Path(settings.HCM_DATA_DIR) / below
    path.parent.mkdir(parents=True, exist_ok=True)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels)])
    hdus.writeto(path, overwrite=True)
    Product.objects.filter(pk=product.pk).update(path=below)


def test_the_page_sets_three_pictures_side_by_side(reader, pair):
    before, now = pair
    page = reader.get(f"/blocks/{now.attempt.block.ab_name}/").content.decode()
    hdu = first(now).hdu
    assert f"/products/{now.pk}/look/{hdu}/image.png" in page
    assert f"/products/{before.pk}/look/{hdu}/image.png" in page
    assert address(now, before, hdu) in page
    answer = reader.get(address(now, before, hdu))
    assert answer["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size[0] > 50


def test_a_difference_is_made_once(reader, pair, monkeypatch):
    before, now = pair
    png = reader.get(address(now, before)).content

    def fail(*_args):
        raise AssertionError("made again")

    monkeypatch.setattr("pipelines.services.differences._subtracted", fail)
    assert reader.get(address(now, before)).content == png


def test_a_step_in_one_of_them_is_seen_in_spite_of_pixels_without_a_value(pair, settings):
    before, now = pair
    flat = np.full((100, 100), 7.0, np.float32)
    step = flat.copy()
    step[:, 50:] += 3.0
    step[:10] = np.nan
    flat[-10:] = np.inf
    write(before, flat, settings)
    write(now, step, settings)
    preview = first(Product.objects.get(pk=now.pk))
    png = difference(preview, Product.objects.get(pk=before.pk))
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    assert pixels.shape == (100, 100)
    # The first row of the image is the last one of the picture.
    assert (pixels[20:80, :50] == 0).all()
    assert (pixels[20:80, 50:] == 255).all()
    assert (pixels[-10:] == 0).all()


@pytest.mark.parametrize("shape", [(100, 90), (2, 100, 100)], ids=["narrower", "cube"])
def test_of_another_shape_nothing_is_subtracted(pair, settings, reader, shape):
    before, now = pair
    write(before, np.ones((100, 100), np.float32), settings)
    write(now, np.ones(shape, np.float32), settings)
    answer = reader.get(address(now, before))
    assert answer.status_code == 404
    assert b"not images of one shape" in answer.content
    preview = first(now)
    preview.facts["shape"] = list(shape)
    Preview.objects.filter(product=now).update(facts=preview.facts)
    page = reader.get(f"/blocks/{now.attempt.block.ab_name}/").content.decode()
    assert "of another shape" in page
    assert "difference.png" not in page


def test_images_without_a_finite_difference_have_no_picture(pair, settings, reader):
    before, now = pair
    write(before, np.full((50, 50), np.nan, np.float32), settings)
    answer = reader.get(address(now, before))
    assert answer.status_code == 404
    write(now, np.full((50, 50), np.nan, np.float32), settings)
    answer = reader.get(address(now, before))
    assert b"No pixel has a value" in answer.content


@pytest.mark.parametrize("what", ["0", "x", "", "99999999999999999999", "itself"])
def test_no_other_pair_is_subtracted(reader, pair, what):
    before, now = pair
    wanted = str(now.pk) if what == "itself" else what
    there = f"/products/{now.pk}/look/1/difference.png?from={wanted}"
    assert reader.get(there).status_code == 404
    assert reader.get(address(before, now)).status_code == 404
    assert reader.get(address(now, before, 77)).status_code == 404


@pytest.mark.parametrize("path", ["../secret.fits", "products/../secret.fits", "/etc/hostname"])
def test_nothing_outside_the_products_is_read(pair, settings, reader, path):
    before, now = pair
    secret = Path(settings.HCM_DATA_DIR) / "secret.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.eye(50))]).writeto(secret, overwrite=True)
    try:
        Product.objects.filter(pk=now.pk).update(path=path)
        with pytest.raises(NoPictureError, match="not among the products"):
            difference(first(Product.objects.get(pk=now.pk)), before)
        assert reader.get(address(now, before)).status_code == 404
    finally:
        secret.unlink()


def test_a_product_that_is_gone_has_no_difference(pair, reader):
    before, now = pair
    Product.objects.filter(pk=before.pk).update(path="products/gone.fits")
    answer = reader.get(address(now, before))
    assert answer.status_code == 404
    assert b"cannot be read" in answer.content


def test_the_last_certified_one_is_found_with_two_queries_for_all_products(pair):
    before, now = pair
    block = now.attempt.block
    with CaptureQueriesContext(connection) as queries:
        assert last_certified(block, [now] * 20) == {now.pk: before}
    assert len(queries) == 2
    Product.objects.filter(pk=before.pk).update(pro_catg="OTHER")
    assert previous_certified(block, now) is None


def test_a_block_without_a_certified_one_before_it_says_so(reader, pair):
    before, _ = pair
    page = reader.get(f"/blocks/{before.attempt.block.ab_name}/").content.decode()
    assert "no picture of an earlier certified one" in page
