"""Cascades in the database: whose products count, how deep they go, and what cuts them."""

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from pipelines.domain.times import mjd_to_datetime
from pipelines.models import AssociationBlock, CalibrationLink, RawFile
from pipelines.services.associate import associate_blocks, reassociate
from pipelines.services.hiding import hide_frame, show_frame
from pipelines.services.nights import close_night, state_of, what_is_left
from pipelines.services.process import process_block
from pipelines.services.rounds import run_round
from tests.pipelines.services.oca_site import MJD, Site, blocks, given

pytestmark = pytest.mark.django_db

BIAS = """
select execute(bias) from inputFiles where RAW.TYPE=="BIAS" group by TPL.START;
action bias { recipe b; product MASTER_BIAS { PRO.CATG="MASTER_BIAS"; } }
"""
FLAT = """
select execute(flat) from inputFiles where RAW.TYPE=="FLAT" group by TPL.START;
action flat { minRet=1; maxRet=1; select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS";
  recipe f; product MASTER_FLAT { PRO.CATG="MASTER_FLAT"; } }
"""


def block(raw_type):
    [found] = blocks(raw_type=raw_type)
    return found


def test_a_series_of_any_length_is_a_cascade(tmp_path):
    site = Site(
        tmp_path,
        """select execute(dark) from inputFiles where RAW.TYPE=="DARK" group by ARCFILE;
        action dark { minRet=0; maxRet=1;
          select file as D from calibFiles where PRO.CATG=="DARK" and MJD-OBS<inputFile.MJD-OBS;
          recipe d; product D { PRO.CATG="DARK"; } }""",
    )
    n = 1100
    for place in range(n):
        site.put("DARK", MJD + place / 10_000)
    site.take(mjd_to_datetime(MJD + 1))
    assert [one.cascade_level for one in blocks()] == list(range(n))


RING = """
select execute(noise) from inputFiles where RAW.TYPE=="NOISE" group by TPL.START;
select execute(flat) from inputFiles where RAW.TYPE=="FLAT" group by TPL.START;
select execute(last) from inputFiles where RAW.TYPE=="LAST" group by TPL.START;
action noise { minRet=1; maxRet=1; select file as CONF from calibFiles where PRO.CATG=="CONF";
  recipe n; product N { PRO.CATG="NOISE"; } }
action flat { minRet=1; maxRet=1; select file as NOISE from calibFiles where PRO.CATG=="NOISE";
  recipe f; product C { PRO.CATG="CONF"; } }
action last { minRet=1; maxRet=1; select file as CONF from calibFiles where PRO.CATG=="CONF";
  recipe l; }
"""


def ring(tmp_path):
    site = Site(tmp_path, RING)
    for n, kind in enumerate(["NOISE", "FLAT", "LAST"]):
        site.put(kind, MJD + n / 100, TPL_START=kind)
    return site


def test_what_hangs_on_a_circle_does_not_wait_for_it(tmp_path):
    ring(tmp_path).take()
    assert {one.raw_type: one.incomplete_reason for one in blocks()} == {
        "NOISE": "CONF: FLAT.0002.ab needs this block itself",
        "FLAT": "NOISE 0 of 1",
        "LAST": "CONF 0 of 1",
    }


def test_a_circle_is_harmless_where_a_master_on_disk_stands_in(tmp_path):
    site = ring(tmp_path)
    site.put_master("CONF", MJD - 100)
    site.take()
    assert {one.raw_type: one.incomplete_reason for one in blocks()} == {
        "NOISE": "",
        "FLAT": "",
        "LAST": "",
    }
    assert given(block("NOISE")) == [("CONF", "CONF.0004", 0)]
    assert given(block("FLAT")) == [("NOISE", "NOISE.0001", 0)]


LACKING_BIAS = BIAS.replace(
    "{ recipe b;",
    '{ minRet=1; maxRet=1; select file as MAP from calibFiles where PRO.CATG=="MAP"'
    " and inputFile.LAMP==LAMP; recipe b;",
)


def test_a_block_whose_bias_failed_is_not_given_one_that_cannot_be_made(tmp_path):
    site = Site(tmp_path, LACKING_BIAS + FLAT)
    site.put_master("MAP", MJD - 1, LAMP="A")
    site.put("BIAS", MJD, TPL_START="whole", LAMP="A")
    site.put("BIAS", MJD + 0.02, TPL_START="lacking", LAMP="B")
    site.put("FLAT", MJD + 0.01, TPL_START="flat")
    site.take()
    flat = block("FLAT")
    assert given(flat) == [("BIAS", "BIAS.0002", 0)]
    AssociationBlock.objects.filter(ab_name="BIAS.0002.ab").update(
        process_status="FAILED", next_step="REST"
    )
    assert reassociate(flat, timezone.now()) is False


def test_an_instrument_may_count_incomplete_producers_and_says_so(tmp_path):
    site = Site(tmp_path, LACKING_BIAS + FLAT, count_incomplete_producers=True)
    site.put("BIAS", MJD, TPL_START="lacking", LAMP="A")
    site.put("FLAT", MJD + 0.01, TPL_START="flat")
    site.take()
    flat = block("FLAT")
    assert flat.incomplete_reason == "BIAS comes from an incomplete block"
    assert given(flat) == [("BIAS", "BIAS.0001", 0)]


EXCHANGE = f"""
[[breakpoints]]
at = {mjd_to_datetime(MJD + 0.5):%Y-%m-%dT%H:%M:%SZ}
reason = "detector exchanged"
categories = ["MASTER_BIAS"]
"""


@pytest.mark.parametrize("category", ["MASTER_BIAS", "MASTER_BIAS_WKF"])
def test_no_association_crosses_a_breakpoint(tmp_path, category):
    rules = (BIAS + FLAT).replace('"MASTER_BIAS"', f'"{category}"')
    site = Site(tmp_path, rules, EXCHANGE)
    site.put("BIAS", MJD + 0.4, TPL_START="bias")
    for n, mjd in enumerate([MJD + 0.3, MJD + 0.6]):
        site.put("FLAT", mjd, TPL_START=f"flat {n}")
    site.take()
    assert [one.incomplete_reason for one in blocks(raw_type="FLAT")] == ["", "BIAS 0 of 1"]


def test_a_block_that_may_have_only_certified_masters_gets_one_once_it_is_certified(tmp_path):
    site = Site(tmp_path, BIAS + FLAT, certified="require")
    site.put("BIAS", MJD - 3, TPL_START="bias")
    site.put("FLAT", MJD, TPL_START="flat")
    at = mjd_to_datetime(MJD + 0.1)
    site.take(at)
    assert block("FLAT").incomplete_reason == "BIAS 0 of 1"
    AssociationBlock.objects.filter(raw_type="BIAS").update(
        is_certified=True, process_status="SUCCESSFUL", next_step="REST"
    )
    report = run_round(site.instrument.name, at)
    flat = block("FLAT")
    assert (given(flat), report.to_advance) == ([("BIAS", "BIAS.0001", 0)], [flat.pk])
    assert flat.next_step == "PROCESS"


@pytest.mark.parametrize(
    ("bias", "status"),
    [
        ({"process_status": "QUEUED", "next_step": "PROCESS"}, "BLOCKED"),
        ({"process_status": "SUCCESSFUL", "next_step": "REST"}, "RUN"),
        ({"process_status": "FAILED", "next_step": "REST"}, "RUN"),
    ],
)
def test_a_block_waits_for_an_optional_master_as_long_as_that_is_coming(
    tmp_path, monkeypatch, bias, status
):
    site = Site(tmp_path, BIAS + FLAT.replace("minRet=1", "minRet=0"))
    site.put("BIAS", MJD, TPL_START="bias")
    site.put("FLAT", MJD + 0.01, TPL_START="flat")
    site.take()
    AssociationBlock.objects.filter(raw_type="BIAS").update(**bias)
    monkeypatch.setattr(
        "pipelines.services.process.run_attempt", lambda attempt, calibrations: None
    )
    assert process_block(block("FLAT")) is (status == "RUN")
    assert block("FLAT").process_status == ("RUNNING" if status == "RUN" else status)


# --- the tricky cases of the specification that need an organiser, by their numbers

ORDERS = """
select execute(s) from inputFiles where RAW.TYPE=="S" group by TPL.START;
select execute(f) from inputFiles where RAW.TYPE=="F" group by TPL.START;
action s { recipe s; product R { PRO.CATG="REDL"; } product R { PRO.CATG="REDL"; }
           product R { PRO.CATG="REDL"; } }
action f { minRet=3; maxRet=3; select file as REDL from calibFiles where PRO.CATG=="REDL";
           recipe f; }
"""


@pytest.mark.parametrize(
    "orders",
    [[1.0], [1.0, -9.0], [-1.0, 1.0]],
    ids=["25 one block", "25 two blocks", "25 as far before as after"],
)
def test_three_products_of_one_name_are_those_of_one_block(tmp_path, orders):
    site = Site(tmp_path, ORDERS)
    for n, days in enumerate(orders):
        site.put("S", MJD + days, TPL_START=f"s {n}")
    site.put("F", MJD, TPL_START="f")
    site.take()
    assert given(block("F")) == [("REDL", "S.0001", nth) for nth in range(3)]


def test_case_27_a_master_on_disk_lacks_the_class_that_only_products_to_come_have(tmp_path):
    rules = BIAS.replace('PRO.CATG="M', 'REFLEX.CATG="MASTER_BIAS"; PRO.CATG="M')
    site = Site(tmp_path, rules + FLAT.replace("PRO.CATG==", "REFLEX.CATG=="))
    site.put("BIAS", MJD - 1, TPL_START="bias")
    site.put_master("MASTER_BIAS", MJD)
    site.put("FLAT", MJD, TPL_START="flat")
    site.take()
    assert given(block("FLAT")) == [("BIAS", "BIAS.0001", 0)]


RESPONSE = """
if PRO.CATG=="RESPONSE" then { CALTYPE="MASTER"; }
select execute(std) from inputFiles where RAW.TYPE=="STD" group by TPL.START;
select execute(sky) from inputFiles where RAW.TYPE=="SKY" group by TPL.START;
action std { recipe s; product RESPONSE { PRO.CATG="RESPONSE"; } }
action sky {
  minRet=1; maxRet=1;
  select file as RESPONSE_m from calibFiles where PRO.CATG=="RESPONSE" and CALTYPE=="MASTER";
  minRet=1; maxRet=1; select file as RESPONSE from calibFiles where PRO.CATG=="RESPONSE";
  recipe k;
}
"""


@pytest.mark.parametrize("has_disk", [False, True])
def test_case_29_products_to_come_are_not_classified(tmp_path, has_disk):
    site = Site(tmp_path, RESPONSE)
    site.put("STD", MJD - 0.1, TPL_START="std")
    site.put("SKY", MJD, TPL_START="sky")
    if has_disk:
        site.put_master("RESPONSE", MJD - 50)
    site.take()
    sky = block("SKY")
    assert sky.incomplete_reason == ("" if has_disk else "RESPONSE_m 0 of 1")
    by_disk = [("RESPONSE_m", "RESPONSE.0003", 0)] if has_disk else []
    assert given(sky) == [*by_disk, ("RESPONSE", "STD.0001", 0)]


def test_rules_with_very_many_selects_are_one_question_to_the_database(tmp_path):
    selects = "".join(
        f'minRet=0; maxRet=1; select file as R{n} from calibFiles where DO.CATG=="LAMP {n}";'
        for n in range(1100)
    )
    site = Site(
        tmp_path,
        f"""select execute(f) from inputFiles where RAW.TYPE=="F" group by TPL.START;
        action f {{ {selects} recipe f; }}""",
    )
    site.put("F", MJD, TPL_START="f")
    site.put("LAMP 1099", MJD, DPR_CATG="CALIB")
    site.take()
    assert given(block("F")) == [("R1099", "LAMP 1099.0002", 0)]


def lacking_flat(tmp_path):
    site = Site(tmp_path, FLAT)
    site.put("FLAT", MJD, TPL_START="f")
    site.take()
    assert block("FLAT").incomplete_reason == "BIAS 0 of 1"
    return site


def test_a_static_table_of_years_ago_completes_what_was_there_before_it(tmp_path):
    site = lacking_flat(tmp_path)
    site.put_master("MASTER_BIAS", MJD - 1000)
    report = site.take()
    assert given(block("FLAT")) == [("BIAS", "MASTER_BIAS.0002", 0)]
    assert report.to_advance == [block("FLAT").pk]


def test_a_static_table_of_years_ago_that_is_hidden_leaves_who_has_not_run(tmp_path, quinn):
    site = lacking_flat(tmp_path)
    site.put_master("MASTER_BIAS", MJD - 1000)
    site.take()
    table = RawFile.objects.masters().get()
    hide_frame(table, quinn, "wrong", timezone.now())
    assert block("FLAT").incomplete_reason == "BIAS 0 of 1"
    show_frame(table, quinn, timezone.now())
    assert block("FLAT").next_step == "PROCESS"


def closed(site, night, by):
    left = what_is_left(site.instrument, night)
    close_night(site.instrument, night, by, "", left, timezone.now())


def test_a_master_of_another_night_opens_the_closed_night_it_serves(tmp_path, quinn):
    site = lacking_flat(tmp_path)
    night = block("FLAT").night
    closed(site, night, quinn)
    site.put_master("MASTER_BIAS", MJD - 5)
    site.take()
    entry = state_of(site.instrument, night).entry
    assert (entry.kind, entry.decided_by) == ("REOPENED", None)
    assert entry.comment == "1 block was associated anew: FLAT.0001.ab"
    closed(site, night, quinn)
    site.put("LAMP", MJD - 5)
    site.take()
    assert state_of(site.instrument, night).is_closed


def test_blocks_for_which_nothing_has_changed_are_not_written(
    tmp_path, django_assert_max_num_queries
):
    site = Site(tmp_path, BIAS + FLAT)
    site.put("BIAS", MJD, TPL_START="b")
    for n in range(30):
        site.put("FLAT", MJD + 0.01 + n / 1000, TPL_START=f"f {n}")
    site.take()
    before = [(one.pk, one.changed_at) for one in blocks()]
    links = list(CalibrationLink.objects.order_by("pk").values())
    night = block("BIAS").night
    with django_assert_max_num_queries(20):
        ready = associate_blocks(site.instrument, [night], timezone.now())
    assert len(ready) == 31
    assert [(one.pk, one.changed_at) for one in blocks()] == before
    assert list(CalibrationLink.objects.order_by("pk").values()) == links


def test_the_instrument_is_locked_before_its_blocks(tmp_path, monkeypatch):
    site = lacking_flat(tmp_path)
    locked = []
    locking = QuerySet.select_for_update

    def noted(self, *args, **options):
        locked.append(self.model.__name__)
        return locking(self, *args, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", noted)
    associate_blocks(site.instrument, [block("FLAT").night], timezone.now())
    reassociate(block("FLAT"), timezone.now())
    assert locked == ["Instrument", "AssociationBlock"] * 2


def test_hiding_a_frame_opens_the_closed_nights_it_concerns_and_says_so(tmp_path, quinn):
    site = Site(tmp_path, BIAS + FLAT)
    site.put("BIAS", MJD - 1, TPL_START="b")
    site.put("BIAS", MJD - 2, TPL_START="c")
    site.put("FLAT", MJD, TPL_START="f")
    site.take()
    bias = RawFile.objects.get(name="BIAS.0001.fits")
    flat = block("FLAT")
    for night in (bias.night, flat.night):
        closed(site, night, quinn)
    affected = hide_frame(bias, quinn, "clouds", timezone.now())
    assert affected.anew == ("BIAS.0001.ab", "FLAT.0003.ab")
    said = [state_of(site.instrument, night).entry.comment for night in (bias.night, flat.night)]
    assert said == [
        "BIAS.0001.fits was hidden: clouds",
        "1 block was associated anew: FLAT.0003.ab",
    ]


OPTIONAL_MAP = """
select execute(map) from inputFiles where RAW.TYPE=="MAP" group by TPL.START;
action map { recipe m; product MAP { PRO.CATG="MAP"; } }
""" + BIAS.replace(
    "{ recipe b;",
    '{ minRet=0; maxRet=1; select file as MAP from calibFiles where PRO.CATG=="MAP"; recipe b;',
)


def test_a_block_that_is_only_deeper_in_the_cascade_opens_no_night(tmp_path, quinn):
    site = Site(tmp_path, OPTIONAL_MAP + FLAT)
    site.put("BIAS", MJD - 1, TPL_START="b")
    site.put("FLAT", MJD, TPL_START="f")
    site.take()
    before = block("FLAT")
    closed(site, before.night, quinn)
    site.put("MAP", MJD - 1, TPL_START="m")
    site.take()
    after = block("FLAT")
    assert (before.cascade_level, after.cascade_level) == (1, 2)
    assert after.changed_at == before.changed_at
    assert state_of(site.instrument, after.night).is_closed
