"""`manage.py work`: hold, release, cancel and first, of a block, an instrument, everything."""

import io

import pytest
from django.core.management import CommandError, call_command

from pipelines.models import Act, AssociationBlock, Hold
from tests.frames import BIAS, DARK, taken

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def blocks(take, tmp_path, monkeypatch):
    monkeypatch.setattr("qcweb.management.commands.work.ask", lambda _ids: True)
    take(taken(tmp_path / "night", BIAS, DARK))
    return list(AssociationBlock.objects.order_by("mjd_obs"))


def work(*words):
    out = io.StringIO()
    call_command("work", *words, stdout=out)
    return out.getvalue().strip()


def test_everything_is_held_and_released():
    assert work("hold", "--all", "--reason", "power") == "everything: hold, 2 blocks"
    assert Hold.objects.get().reason == "power"
    with pytest.raises(CommandError, match="nothing to hold"):
        work("hold", "--all")
    assert work("release", "--all") == "everything: release, 2 blocks"
    assert not Hold.objects.exists()


def test_an_instrument_is_put_first_and_cancelled():
    assert work("first", "--instrument", "ccdcam") == "CCDCAM: first, 2 blocks"
    assert {one.priority for one in AssociationBlock.objects.all()} == {1}
    assert work("cancel", "--instrument", "ccdcam") == "CCDCAM: cancel, 2 blocks"
    assert {one.process_status for one in AssociationBlock.objects.all()} == {"CREATED"}
    assert Act.objects.filter(kind="CANCEL", done_by=None).count() == 2


def test_one_block_is_cancelled(blocks):
    bias = blocks[0]
    assert work("cancel", "--block", bias.ab_name) == f"{bias.ab_name}: cancel, 1 block"
    with pytest.raises(CommandError, match="nothing to cancel"):
        work("cancel", "--block", bias.ab_name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hold", "--block", "nonesuch"], "There is no block nonesuch"),
        (["hold", "--instrument", "nonesuch"], "There is no instrument NONESUCH. Known: CCDCAM"),
    ],
)
def test_what_is_not_there_is_said(words, said):
    with pytest.raises(CommandError, match=said):
        work(*words)
