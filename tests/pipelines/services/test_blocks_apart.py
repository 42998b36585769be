"""Groups become blocks: those without a key, and several selects of one action, stay apart."""

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument
from pipelines.services.organise import organise_nights
from tests.frames import BIAS, taken

ACTION = 'action ONE { recipe hcm_bias; product M { PRO.CATG="MASTER_BIAS"; } }'
CLASSES = 'if DPR.TYPE=="BIAS" then { RAW.TYPE="BIAS"; DO.CATG="BIAS"; }\n'


@pytest.fixture
def organised(take, tmp_path):
    """Take three bias frames under some rules; return the numbers of frames of the blocks."""

    def made(selects):
        rules = Instrument.objects.get(name="CCDCAM").rule_sets.get()
        rules.text = CLASSES + selects + ACTION
        rules.save()
        take(taken(tmp_path, BIAS))
        return counts()

    return made


def counts():
    return sorted(block.block_frames.count() for block in AssociationBlock.objects.all())


def again():
    """Organise the night once more, as when a frame arrives."""
    block = AssociationBlock.objects.first()
    organise_nights([(block.instrument_id, block.night)], timezone.now())


@pytest.mark.parametrize(
    "select",
    [
        'select execute(ONE) from inputFiles where RAW.TYPE=="BIAS";',
        'select execute(ONE) from inputFiles where SIG.FRAME==1 and RAW.TYPE=="BIAS";',
        'select execute(ONE) from inputFiles where RAW.TYPE=="BIAS" group by ARCFILE;',
    ],
    ids=["no key", "each frame an event", "by file"],
)
def test_files_grouped_one_by_one_are_one_block_each(organised, select):
    assert organised(select) == [1, 1, 1]
    names = set(AssociationBlock.objects.values_list("ab_name", flat=True))
    again()
    assert counts() == [1, 1, 1]
    assert set(AssociationBlock.objects.values_list("ab_name", flat=True)) == names


def test_two_selects_of_one_action_are_two_blocks(organised):
    selects = (
        'select execute(ONE) from inputFiles where RAW.TYPE=="BIAS" group by TPL.START;\n'
        'select execute(ONE) from inputFiles where RAW.TYPE=="BIAS" and TPL.EXPNO<3'
        " group by TPL.START;\n"
    )
    assert organised(selects) == [2, 3]
    again()
    assert counts() == [2, 3]
