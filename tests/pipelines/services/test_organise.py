"""A night organised again and again: every group has its block, and every block its group."""

import datetime as dt

import pytest
from django.utils import timezone

from pipelines.domain.times import mjd_to_datetime
from pipelines.models import AssociationBlock, RawFile
from pipelines.services.associate import group_of
from pipelines.services.hiding import hide_frame, show_frame
from pipelines.services.organise import PATIENCE, organise_nights
from pipelines.services.rounds import run_round
from tests.pipelines.services.oca_site import MJD, Site, blocks, names

pytestmark = pytest.mark.django_db

ACTION = 'action a { recipe r; product M { PRO.CATG="M"; } }'
ALONE = f'select execute(a) from inputFiles where RAW.TYPE=="X"; {ACTION}'
BY_TEMPLATE = f'select execute(a) from inputFiles where RAW.TYPE=="X" group by TPL.START; {ACTION}'
EVENTS = f'select execute(a) from inputFiles where RAW.TYPE=="X" and SIG.TEMPLATE==1; {ACTION}'


def test_rules_without_group_by_make_a_block_of_every_file(tmp_path):
    site = Site(tmp_path, ALONE)
    for n in range(3):
        site.put("X", MJD + n / 100)
    site.take()
    assert [names(block) for block in blocks()] == [["X.0001"], ["X.0002"], ["X.0003"]]
    before = {block.pk: names(block) for block in blocks()}
    organise_nights(RawFile.objects.values_list("instrument", "night").distinct(), timezone.now())
    assert {block.pk: names(block) for block in blocks()} == before
    # One that comes later and was taken earlier leaves the others alone.
    site.put("X", MJD - 0.01)
    site.take()
    assert [names(one) for one in blocks()] == [["X.0004"], ["X.0001"], ["X.0002"], ["X.0003"]]
    assert before.items() <= {block.pk: names(block) for block in blocks()}.items()


def test_files_of_no_template_stay_alone_when_rules_wait_for_templates(tmp_path):
    site = Site(tmp_path, EVENTS)
    for n in range(2):
        site.put("X", MJD + n / 100)
    site.take()
    site.put("X", MJD - 0.01)
    site.take()
    assert [names(block) for block in blocks()] == [["X.0003"], ["X.0001"], ["X.0002"]]


def test_two_selects_of_one_action_make_two_blocks_that_stay_apart(tmp_path):
    site = Site(
        tmp_path,
        'select execute(a) from inputFiles where RAW.TYPE=="X" group by TPL.START as (ALL,a);'
        'select execute(a) from inputFiles where RAW.TYPE=="X" and LAMP=="ON" group by TPL.START'
        f" as (ON,b); {ACTION}",
    )
    site.put("X", MJD, TPL_START="t", LAMP="ON")
    site.put("X", MJD + 0.01, TPL_START="t", LAMP="OFF")
    site.take()
    assert {one.event: names(one) for one in blocks()} == {
        "ALL": ["X.0001", "X.0002"],
        "ON": ["X.0001"],
    }
    site.put("X", MJD + 0.02, TPL_START="t", LAMP="ON")
    site.take()
    assert {one.event: names(one) for one in blocks()} == {
        "ALL": ["X.0001", "X.0002", "X.0003"],
        "ON": ["X.0001", "X.0003"],
    }


def test_a_first_frame_that_comes_last_gives_its_block_time_and_products(tmp_path):
    site = Site(tmp_path, BY_TEMPLATE)
    site.put("X", MJD + 0.02, TPL_START="t", INS_MODE="B")
    site.take()
    site.put("X", MJD, TPL_START="t", INS_MODE="A")
    site.take()
    [block] = blocks()
    assert (block.mjd_obs, names(block)) == (MJD, ["X.0002", "X.0001"])
    assert block.virtual_products[0]["keywords"]["MJD-OBS"] == MJD


def test_a_first_frame_that_is_hidden_takes_its_time_with_it(tmp_path, quinn):
    site = Site(tmp_path, BY_TEMPLATE)
    for n in range(2):
        site.put("X", MJD + n / 100, TPL_START="t")
    site.take()
    first = RawFile.objects.get(name="X.0001.fits")
    hide_frame(first, quinn, "clouds", timezone.now())
    [block] = blocks()
    assert block.virtual_products[0]["keywords"]["MJD-OBS"] == block.mjd_obs == MJD + 0.01
    first.refresh_from_db()
    show_frame(first, quinn, timezone.now())
    assert blocks()[0].mjd_obs == MJD


def test_a_frame_that_new_rules_put_elsewhere_leaves_its_block(tmp_path):
    site = Site(tmp_path, BY_TEMPLATE)
    for n, lamp in enumerate(["ON", "OFF"]):
        site.put("X", MJD + n / 100, TPL_START="t", LAMP=lamp)
    site.take()
    [block] = blocks()
    old = block.rule_set
    AssociationBlock.objects.update(attempt=1, process_status="SUCCESSFUL", next_step="REST")
    site.put_rules(BY_TEMPLATE.replace('=="X"', '=="X" and LAMP=="ON"'))
    # The frames were read for the old rules, which did not ask for the lamp.
    for frame in RawFile.objects.all():
        frame.keywords["LAMP"] = "ON" if frame.name == "X.0001.fits" else "OFF"
        frame.save()
    site.put("X", MJD + 0.03, TPL_START="u", LAMP="ON")
    site.take()
    first, second = blocks()
    assert (names(first), first.rule_set, first.process_status) == (["X.0001"], old, "QUEUED")
    assert (names(second), second.rule_set == old) == (["X.0003"], False)


@pytest.mark.parametrize(
    ("rules", "reason"), [(EVENTS, "awaits 1 more of its template"), (BY_TEMPLATE, "")]
)
def test_only_rules_about_whole_templates_wait_for_them(tmp_path, rules, reason):
    site = Site(tmp_path, rules)
    for n in range(2):
        site.put("X", MJD + n / 100, TPL_START="t", TPL_NEXP=3, TPL_EXPNO=n + 1)
    site.take(mjd_to_datetime(MJD + 0.02))
    [block] = blocks()
    assert (block.incomplete_reason, block.next_step) == (reason, "REST" if reason else "PROCESS")


def waiting(tmp_path):
    site = Site(tmp_path, EVENTS)
    site.put("X", MJD, TPL_START="t", TPL_NEXP=2, TPL_EXPNO=1)
    site.take(mjd_to_datetime(MJD + 0.01))
    assert blocks()[0].next_step == "REST"
    return site


def test_a_template_that_is_whole_is_processed(tmp_path):
    site = waiting(tmp_path)
    site.put("X", MJD + 0.01, TPL_START="t", TPL_NEXP=2, TPL_EXPNO=2)
    site.take(mjd_to_datetime(MJD + 0.02))
    assert [(one.next_step, one.incomplete_reason) for one in blocks()] == [("PROCESS", "")]


def test_a_newer_template_ends_the_wait(tmp_path):
    site = waiting(tmp_path)
    site.put("X", MJD + 0.01, TPL_START="u", TPL_NEXP=2, TPL_EXPNO=1)
    site.take(mjd_to_datetime(MJD + 0.02))
    assert [one.next_step for one in blocks()] == ["PROCESS", "REST"]


def test_a_template_that_was_broken_off_is_processed_by_a_later_round(tmp_path):
    site = waiting(tmp_path)
    end = mjd_to_datetime(MJD) + PATIENCE
    run_round(site.instrument.name, end - dt.timedelta(minutes=1))
    assert blocks()[0].next_step == "REST"
    report = run_round(site.instrument.name, end + dt.timedelta(minutes=1))
    assert (blocks()[0].next_step, report.to_advance) == ("PROCESS", [blocks()[0].pk])


def test_rules_begin_with_a_night_not_with_an_instant(tmp_path):
    site = Site(tmp_path, BY_TEMPLATE)
    night = mjd_to_datetime(MJD).date()
    new = site.put_rules(BY_TEMPLATE, valid_from=night)
    # The night changes at 21 h UT.
    for hour in (20.99, 21.0):
        site.put("X", MJD + hour / 24, TPL_START=f"at {hour}")
    site.take()
    before, after = blocks()
    assert (before.night, before.rule_set == new) == (night - dt.timedelta(days=1), False)
    assert (after.night, after.rule_set) == (night, new)


def test_new_rules_that_group_by_more_keep_the_blocks_whose_frames_they_keep(tmp_path):
    site = Site(tmp_path, BY_TEMPLATE)
    for n, template in enumerate("tuu"):
        site.put("X", MJD + n / 100, TPL_START=template)
    site.take()
    before = [(one.pk, names(one), one.rule_set_id) for one in blocks()]
    site.put_rules(BY_TEMPLATE.replace("TPL.START", "DPR.TYPE, TPL.START"))
    site.put("X", MJD + 0.05, TPL_START="u")
    site.take()
    [first, second] = blocks()
    # The frame that came decides: its block would be another one, were it not known by its frames.
    assert (first.pk, names(first), first.rule_set_id) == before[0]
    assert (second.pk, names(second)) == (before[1][0], ["X.0002", "X.0003", "X.0004"])


def test_of_frames_of_one_instant_the_first_by_name_is_the_reference(tmp_path):
    site = Site(tmp_path, BY_TEMPLATE)
    site.put("X", MJD, TPL_START="t", INS_ARM="red")
    site.take()
    site.put("X", MJD, TPL_START="t", INS_ARM="blue").rename(tmp_path / "A.fits")
    site.take()
    [block] = blocks()
    frames = [RawFile.objects.get(pk=frame.id).name for frame in group_of(block).frames]
    assert frames == ["A.fits", "X.0001.fits"]
    assert block.virtual_products[0]["keywords"]["ARCFILE"] == "A.fits"
