"""Where rules do not say what a block will make, what it has made is offered to others."""

import re

import pytest
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    Completeness,
    ProcessStatus,
    Product,
    RuleSet,
)
from pipelines.services.inputs import links_of, plan_call, product_of
from pipelines.services.publish import offer_products
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, later, taken, write_header
from tests.pipelines.services.oca_site import MJD, Site, blocks

pytestmark = pytest.mark.django_db


@pytest.fixture
def silent_rules(instruments):
    """Rules without any product statement, like ESO's for events."""
    rules = RuleSet.objects.get(instrument__name="CCDCAM")
    rules.text, n = re.subn(r"product \w+ \{[^}]*\}", "", rules.text)
    assert n == 9
    rules.save()


def block_of(raw_type):
    return AssociationBlock.objects.get(raw_type=raw_type)


def test_a_dark_waits_for_a_bias_nobody_has_promised(silent_rules, take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    dark = block_of("DARK")
    assert (dark.completeness, dark.incomplete_reason) == (
        Completeness.INCOMPLETE,
        "MASTER_BIAS 0 of 1",
    )
    run_to_rest()
    dark = block_of("DARK")
    assert (dark.completeness, dark.process_status) == (
        Completeness.COMPLETE,
        ProcessStatus.SUCCESSFUL,
    )
    assert dark.calibrations.get().producer == block_of("BIAS")
    (offered,) = block_of("BIAS").virtual_products
    assert offered["label"] == "MASTER_BIAS"
    assert offered["keywords"]["PRO.CATG"] == "MASTER_BIAS"


def test_a_dark_that_comes_later_finds_it(silent_rules, take, tmp_path):
    take(taken(tmp_path / "one", BIAS))
    run_to_rest()
    take(taken(tmp_path / "two", later(DARK, 0.1)))
    assert block_of("DARK").completeness == Completeness.COMPLETE


def test_offering_twice_changes_nothing(silent_rules, take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    run_to_rest()
    bias = block_of("BIAS")
    assert offer_products(bias.current_attempt, timezone.now()) == []
    assert block_of("BIAS").virtual_products == bias.virtual_products
    assert block_of("DARK").process_status == ProcessStatus.SUCCESSFUL


def test_what_nobody_promised_need_not_be_made_again(silent_rules, take, tmp_path):
    take(taken(tmp_path, BIAS))
    run_to_rest()
    bias = block_of("BIAS")
    bias.instrument.recipes["hcm_bias"]["products"] = []
    assert bias.virtual_products
    assert plan_call(bias, []).expected_products == ()


def test_where_the_rules_say_it_nothing_is_added(take, tmp_path):
    take(taken(tmp_path, BIAS))
    promised = block_of("BIAS").virtual_products
    run_to_rest()
    assert block_of("BIAS").virtual_products == promised
    assert offer_products(block_of("BIAS").current_attempt, timezone.now()) == []


ARMS = """
select execute(s) from inputFiles where RAW.TYPE=="S" group by TPL.START;
select execute(f) from inputFiles where RAW.TYPE=="F" group by TPL.START;
action s { recipe s; }
action f { minRet=1; maxRet=1;
  select file as M from calibFiles where PRO.CATG=="M" and inputFile.INS.ARM==INS.ARM; recipe f; }
"""


@pytest.mark.parametrize(("arm", "name"), [("RED", "z.fits"), ("BLUE", "a.fits")])
def test_of_two_products_of_one_category_the_right_one_is_handed_over(
    tmp_path, settings, arm, name
):
    settings.HCM_DATA_DIR = tmp_path / "data"
    site = Site(tmp_path / "raw", ARMS)
    site.put("S", MJD, TPL_START="s")
    site.put("F", MJD + 0.01, TPL_START="f", INS_ARM=arm)
    site.take()
    [maker] = blocks(raw_type="S")
    at = timezone.now()
    attempt = Attempt.objects.create(block=maker, number=1, recipe="s", started_at=at)
    for nth, (made, its_arm) in enumerate([("z.fits", "RED"), ("a.fits", "BLUE")]):
        cards: dict[str, str | float] = {"INSTRUME": "CAM", "MJD-OBS": MJD, "INS.ARM": its_arm}
        write_header(settings.HCM_DATA_DIR / made, cards)
        Product.objects.create(
            attempt=attempt, pro_catg="M", name=made, path=made, size=nth, recorded_at=at
        )
    AssociationBlock.objects.filter(pk=maker.pk).update(
        process_status="SUCCESSFUL", next_step="EXTRACT", attempt=1, current_attempt=attempt
    )
    offer_products(attempt, at)
    [link] = links_of(blocks(raw_type="F")[0])
    assert product_of(link).name == name
