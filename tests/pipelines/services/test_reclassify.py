"""New rules reach nights that are there already; what they see as before keeps its result."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, RawFile
from pipelines.services.reclassify import reclassify
from tests.conftest import run_to_rest
from tests.frames import BIAS, DARK, taken

NIGHT = dt.date(2026, 3, 1)


def test_frames_seen_otherwise_make_other_blocks_and_the_rest_stays(take, tmp_path):
    take(taken(tmp_path, BIAS, DARK))
    run_to_rest()
    camera = Instrument.objects.get(name="CCDCAM")
    same = reclassify(camera, [NIGHT], timezone.now())
    assert (same.n_frames, same.n_changed, same.n_new_blocks, same.to_advance) == (6, 0, 0, [])
    rules = camera.rule_sets.get()
    rules.text = rules.text.replace('RAW.TYPE = "DARK"', 'RAW.TYPE = "NIGHT_DARK"').replace(
        'RAW.TYPE=="DARK"', 'RAW.TYPE=="NIGHT_DARK"'
    )
    rules.save()
    done = reclassify(camera, [NIGHT], timezone.now())
    assert (done.n_changed, done.n_new_blocks, len(done.to_advance)) == (3, 1, 1)
    bias = AssociationBlock.objects.get(raw_type="BIAS")
    assert (bias.process_status, bias.attempt) == ("SUCCESSFUL", 1)
    assert AssociationBlock.objects.get(raw_type="NIGHT_DARK").block_frames.count() == 3


def test_the_command_says_what_it_did_and_what_it_could_not_read(take, tmp_path):
    take(taken(tmp_path, BIAS))
    out = io.StringIO()
    call_command("reorganise", "CCDCAM", "2026-03-01", stdout=out)
    assert out.getvalue() == "CCDCAM: 3 frames, 0 seen otherwise, 0 new blocks, 1 to run\n"
    RawFile.objects.select_related("root").first().full_path.unlink()
    err = io.StringIO()
    with pytest.raises(CommandError, match="1 frames could not be read"):
        call_command("reorganise", "CCDCAM", "2026-03-01", stdout=out, stderr=err)
    assert "No such file" in err.getvalue()


@pytest.mark.parametrize("words", [("FORS2", "2026-03-01"), ("CCDCAM", "yesterday")])
def test_what_is_not_known_is_refused(instruments, words):
    with pytest.raises(CommandError, match=r"There is no instrument|is no night"):
        call_command("reorganise", *words)
