"""Where rules do not say what a block will make, what it has made is offered to others."""

import re

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Completeness, ProcessStatus, RuleSet
from pipelines.services.inputs import plan_call
from pipelines.services.publish import offer_products
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, later, taken

pytestmark = pytest.mark.django_db


@pytest.fixture
def silent_rules(instruments):
    """Rules without any product statement, like ESO's for events."""
    rules = RuleSet.objects.get(instrument__name="CCDCAM")
    rules.text, n = re.subn(r"product \w+ \{[^}]*\}", "", rules.text)
    assert n == 5
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
