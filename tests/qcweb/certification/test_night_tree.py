"""The scores of a night as a tree: the way down from the night to the parameter that is red."""

import pytest

from pipelines.models import AssociationBlock
from trending.domain.aggregate import State
from trending.models import BlockScore
from trending.services.standing import night_tree

pytestmark = pytest.mark.django_db


def test_a_night_adds_up_its_blocks_and_leads_to_the_worst(night):
    blocks = AssociationBlock.objects.select_related("instrument")
    tree = night_tree("2026-03-01", blocks)
    scores = BlockScore.objects.filter(is_current=True)
    n_nok = sum(one.n_nok for one in scores)
    assert tree.text == f"{n_nok}/{sum(one.n_scored for one in scores)}"
    assert (n_nok, tree.state) == (1, State.NOK)
    instrument, block, parameter = tree.worst_path
    assert (instrument.name, block.name) == ("CCDCAM", night["red"].ab_name)
    assert parameter.name in scores.get(block=night["red"]).summary


def test_a_night_without_scores_is_grey(night):
    assert night_tree("2026-03-02", []).state == State.GREY
