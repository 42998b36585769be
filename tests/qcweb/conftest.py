"""A night that ran, for pages, API and certification."""

import pytest

from pipelines.models import AssociationBlock
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, FAST_BIAS, taken, with_defect


@pytest.fixture
def night(take, tmp_path):
    """A green bias, a red one (read noise of CHIP2), a dark that used the green one.

    | raw type | setup    | score | certification |
    | BIAS     | SLOW_1x1 | OK    | AUTO          |
    | BIAS     | FAST_1x1 | NOK   | open          |
    | DARK     | SLOW_1x1 | OK    | AUTO          |
    """
    red = with_defect(FAST_BIAS, chip="CHIP2", ron_factor=1.35)
    take(taken(tmp_path / "night", BIAS, red, DARK))
    run_to_rest()
    return {
        "green": AssociationBlock.objects.get(raw_type="BIAS", setup="SLOW_1x1"),
        "red": AssociationBlock.objects.get(raw_type="BIAS", setup="FAST_1x1"),
        "dark": AssociationBlock.objects.get(raw_type="DARK"),
    }
