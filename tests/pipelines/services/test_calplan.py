"""The calibration plan: OK, NOK, MISS, pending, and nothing green without a calibration."""

import dataclasses
import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, strategies as st

from pipelines.domain.calselector import Mode
from pipelines.models import AssociationBlock, Instrument, NightEvent, RawFile
from pipelines.services.calplan import PlanState, newest_night, plan_matrix, worst
from pipelines.services.trees import tree_of
from tests.frames import BIAS, FLAT, later, taken

NIGHT = dt.date(2026, 3, 1)
SCIENCE = dataclasses.replace(
    BIAS, kind="SCIENCE", n_frames=1, exptime_s=300.0, filter_name="V",
    start=BIAS.start - dt.timedelta(hours=5), expectation=None,
)  # fmt: skip
DAY_OVER = dt.datetime(2026, 3, 2, 21, 0, tzinfo=dt.UTC)
MORNING = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def matrix(take, tmp_path):
    """Take frames, and work the plan out as of a moment."""

    def made(*templates, at=DAY_OVER, n_nights=7):
        take(taken(tmp_path, *templates))
        camera = Instrument.objects.get(name="CCDCAM")
        return plan_matrix(camera, NIGHT, n_nights, at)

    return made


def states(matrix):
    [row] = matrix.rows
    return {need.label: str(need.state) for need in row.newest.needs}


def test_science_with_all_it_needs_is_ok(matrix):
    found = matrix(SCIENCE, BIAS, FLAT)
    assert states(found) == {"MASTER_BIAS": "OK", "MASTER_FLAT": "OK", "MASTER_DARK": "none"}
    assert (found.state, found.rows[0].setup, found.total_science) == ("OK", "SLOW_1x1_V", 1)
    assert found.rows[0].newest.lacking == []


def test_what_is_not_there_is_missed(matrix):
    found = matrix(SCIENCE, BIAS)
    assert states(found)["MASTER_FLAT"] == "MISS"
    assert found.state == "MISS"
    assert [need.label for need in found.rows[0].newest.lacking] == ["MASTER_FLAT"]


@pytest.mark.parametrize(("days", "state"), [(0, "OK"), (-1, "NOK"), (-20, "NOK")])
def test_what_is_too_old_is_outdated(matrix, days, state):
    found = matrix(SCIENCE, BIAS, later(FLAT, days), later(BIAS, days or 1))
    assert states(found)["MASTER_FLAT"] == state
    need = next(one for one in found.rows[0].newest.needs if one.label == "MASTER_FLAT")
    assert need.found.producer.raw_type == "FLAT"
    assert (need.delta_days or 0) == pytest.approx(days + 0.29, abs=0.1)


FAST = dataclasses.replace(
    SCIENCE, read_mode="FAST", start=SCIENCE.start + dt.timedelta(minutes=30)
)


@pytest.mark.parametrize("order", [[SCIENCE, FAST], [FAST, SCIENCE]], ids=["slow", "fast"])
def test_each_template_of_a_setup_is_judged_and_the_worst_is_shown(matrix, order):
    first, second = order
    later_one = dataclasses.replace(second, start=first.start + dt.timedelta(hours=1))
    before = matrix(first, later_one, BIAS, FLAT)
    RawFile.objects.filter(is_science=True).update(setup="ONE")
    found = plan_matrix(before.instrument, NIGHT, 7, DAY_OVER)
    assert states(found) == {"MASTER_BIAS": "MISS", "MASTER_FLAT": "OK", "MASTER_DARK": "none"}
    assert (found.state, len(found.rows[0].newest.frames)) == ("MISS", 2)
    [need] = found.rows[0].newest.lacking
    assert (need.label, need.found) == ("MASTER_BIAS", None)
    expiry = next(one for one in found.expiries if one.label == "MASTER_BIAS")
    assert (expiry.found, expiry.at) == (None, None)
    assert len(found.expiries) == 2


def test_another_filter_does_not_count(matrix):
    found = matrix(SCIENCE, BIAS, dataclasses.replace(FLAT, filter_name="R"))
    assert states(found)["MASTER_FLAT"] == "MISS"


def test_nothing_is_missed_before_the_days_calibrations_are_finished(matrix, quinn):
    pending = matrix(SCIENCE, BIAS, at=MORNING)
    assert (pending.state, pending.finished[NIGHT]) == ("pending", False)
    assert "not finished" in pending.rows[0].newest.lacking[0].reason
    NightEvent.objects.create(
        instrument=pending.instrument, night=NIGHT, kind="CALIBRATED", decided_by=quinn,
        decided_at=MORNING,
    )  # fmt: skip
    assert plan_matrix(pending.instrument, NIGHT, 7, MORNING).state == "MISS"


def test_products_of_incomplete_and_rejected_blocks_do_not_count(matrix):
    found = matrix(SCIENCE, BIAS, FLAT)
    AssociationBlock.objects.filter(raw_type="FLAT").update(is_withdrawn=True, is_badqual=True)
    assert plan_matrix(found.instrument, NIGHT, 7, DAY_OVER).state == "MISS"
    # Rejected, but nobody needs to take another one.
    AssociationBlock.objects.filter(raw_type="FLAT").update(is_badqual=False)
    assert plan_matrix(found.instrument, NIGHT, 7, DAY_OVER).state == "OK"
    AssociationBlock.objects.filter(raw_type="FLAT").update(
        is_withdrawn=False, is_badqual=False, completeness="INCOMPLETE", incomplete_reason="MASTER_BIAS 0 of 1",
        next_step="REST",
    )  # fmt: skip
    again = plan_matrix(found.instrument, NIGHT, 7, DAY_OVER)
    assert (again.state, [one.raw_type for one in again.cal4cal]) == ("MISS", ["FLAT"])


def test_an_instrument_may_count_incomplete_producers_but_is_not_green(matrix):
    found = matrix(SCIENCE, BIAS, FLAT)
    AssociationBlock.objects.filter(raw_type="FLAT").update(
        completeness="INCOMPLETE", incomplete_reason="MASTER_BIAS 0 of 1", next_step="REST"
    )
    Instrument.objects.update(oca={**found.instrument.oca, "count_incomplete_producers": True})
    camera = Instrument.objects.get(name="CCDCAM")
    again = plan_matrix(camera, NIGHT, 7, DAY_OVER)
    [need] = again.rows[0].newest.lacking
    assert (need.label, need.state, need.reason) == (
        "MASTER_FLAT", "NOK", "comes from an incomplete block",
    )  # fmt: skip
    assert need.found is not None
    assert need.found.producer.raw_type == "FLAT"
    tree = tree_of(RawFile.objects.get(is_science=True), Mode.RAW2MASTER)
    assert [one.category for one in tree.associated] == ["MASTER_BIAS", "MASTER_FLAT"]
    assert not tree.complete


def test_a_setup_without_rules_is_never_green(matrix):
    found = matrix(SCIENCE, BIAS, FLAT)
    rules = found.instrument.rule_sets.get()
    rules.text = rules.text.replace("select execute(CCDCAM_SCIENCE)", "select execute(NOBODY)")
    rules.save()
    again = plan_matrix(found.instrument, NIGHT, 7, DAY_OVER)
    assert (again.state, again.rows[0].newest.needs) == ("none", [])


def test_what_expires_next_is_known_before_it_does(matrix):
    now = dt.datetime(2026, 3, 2, 21, 0, tzinfo=dt.UTC)
    found = matrix(SCIENCE, BIAS, FLAT, at=now)
    first, second = found.expiries
    assert (first.label, second.label) == ("MASTER_FLAT", "MASTER_BIAS")
    assert (first.left_days or 0) * 24 == pytest.approx(2.0, abs=0.1)
    assert second.left_days == pytest.approx(1.0, abs=0.01)
    assert found.next_expiry == first
    outdated = plan_matrix(found.instrument, NIGHT, 7, now + dt.timedelta(days=1))
    assert (outdated.expiries[0].left_days or 0) < 0


def test_nights_without_science_are_empty_and_not_green(matrix):
    found = matrix(BIAS, FLAT)
    assert (found.rows, found.state, found.expiries) == ([], "none", [])


def test_hidden_science_asks_for_nothing(matrix, quinn):
    found = matrix(SCIENCE, BIAS)
    RawFile.objects.filter(is_science=True).update(
        hidden_at=timezone.now(), hidden_by=quinn, hidden_reason="test"
    )
    assert plan_matrix(found.instrument, NIGHT, 7, DAY_OVER).rows == []


def test_the_newest_night_is_that_of_the_newest_frame(matrix):
    found = matrix(BIAS, later(FLAT, 3))
    assert newest_night(found.instrument) == dt.date(2026, 3, 4)
    assert newest_night(Instrument.objects.get(name="UVES")) is None


def test_the_number_of_queries_does_not_grow_with_the_nights(matrix):
    early = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    nights = [later(SCIENCE, -days) for days in range(0, 50, 7)]
    found = matrix(*nights, BIAS, FLAT, at=early, n_nights=60)
    assert len(found.rows[0].cases) == 8
    counts = []
    for n_nights in (7, 60):
        with CaptureQueriesContext(connection) as queries:
            plan_matrix(found.instrument, NIGHT, n_nights, early)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_each_night_has_the_rules_that_were_in_force(matrix):
    found = matrix(SCIENCE, later(SCIENCE, -1), BIAS, FLAT)
    rules = found.instrument.rule_sets.get()
    rules.pk, rules.version, rules.digest, rules.valid_from = None, 99, "99", NIGHT
    rules.text = rules.text.replace("select execute(CCDCAM_SCIENCE)", "select execute(NOBODY)")
    rules.save()
    again = plan_matrix(found.instrument, NIGHT, 7, DAY_OVER)
    cases = again.rows[0].cases
    assert cases[NIGHT].needs == []
    assert len(cases[NIGHT - dt.timedelta(days=1)].needs) == 3
    found.instrument.rule_sets.update(superseded_at=DAY_OVER)
    none = plan_matrix(found.instrument, NIGHT, 7, DAY_OVER).rows[0].cases
    assert [case.needs for case in none.values()] == [[], []]


@given(st.lists(st.sampled_from(list(PlanState))))
def test_the_worst_state_counts_and_nothing_is_not_ok(found):
    assert (worst(found) == PlanState.OK) == (
        PlanState.OK in found and not {PlanState.NOK, PlanState.MISS, PlanState.PENDING} & {*found}
    )
    if PlanState.MISS in found:
        assert worst(found) == PlanState.MISS
