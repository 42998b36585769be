"""The database refuses nonsense about instruments, frames, blocks and runs."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Attempt,
    BlockFrame,
    CalibrationLink,
    Instrument,
    Product,
    RawFile,
    RawType,
    Root,
    RuleSet,
)

pytestmark = pytest.mark.django_db

NIGHT = dt.date(2026, 3, 1)
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def make(db):
    """Make a valid row of a model; each test spoils one thing."""
    at = timezone.now()
    instrument = Instrument.objects.create(
        name="CAM", title="Camera", runner="native", pipeline="hcm", digest="-", loaded_at=at
    )
    rules = RuleSet.objects.create(
        instrument=instrument, version=1, text="", digest="-", recorded_at=at
    )
    root = Root.objects.create(name="raw", path="/raw", recorded_at=at)
    block = {
        "instrument": instrument, "night": NIGHT, "ab_name": "one.ab", "raw_type": "BIAS",
        "action": "A", "group_key": "[1]", "rule_set": rules, "mjd_obs": 61101.5,
        "mjd_mid": 61101.5, "completeness": "COMPLETE", "created_at": at, "changed_at": at,
    }  # fmt: skip
    valid = {
        Instrument: {
            "name": "SPEC", "title": "Spectrograph", "runner": "native", "pipeline": "hcm",
            "digest": "-", "loaded_at": at,
        },
        RawType: {"instrument": instrument, "name": "BIAS", "title": "Bias"},
        RuleSet: {
            "instrument": instrument, "version": 2, "text": "", "digest": "-", "recorded_at": at,
            "valid_from": NIGHT,
        },
        RawFile: {
            "instrument": instrument, "name": "a.fits", "root": root, "path": "a.fits", "size": 2880,
            "header_digest": "d", "night": NIGHT, "mjd_obs": 61101.5, "recorded_at": at,
        },
        AssociationBlock: block,
        Attempt: {"number": 1, "recipe": "hcm_bias", "worker": "w", "started_at": at},
        Product: {"pro_catg": "MASTER_BIAS", "name": "m.fits", "path": "m.fits", "size": 1,
                  "recorded_at": at},
        BlockFrame: {},
        CalibrationLink: {"label": "BIAS", "pro_catg": "MASTER_BIAS", "delta_days": 0.0},
    }  # fmt: skip

    def create(model, **changes):
        with transaction.atomic():
            return model.objects.create(**(valid[model] | changes))

    return create


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"completeness": "INCOMPLETE", "incomplete_reason": "no bias", "next_step": "PROCESS"},
         "block_incomplete_is_never_queued"),
        ({"completeness": "INCOMPLETE"}, "block_incomplete_says_why"),
        ({"process_status": "RUNNING"}, "block_running_has_a_lease"),
        ({"process_status": "FAILED", "is_degraded": True}, "block_degraded_is_successful"),
        ({"process_status": "CREATED", "is_degraded": True}, "block_degraded_is_successful"),
    ],
    ids=["incomplete but queued", "incomplete without a reason", "running without a lease",
         "degraded but failed", "degraded before it ran"],
)  # fmt: skip
def test_a_block_is_refused_whose_states_contradict_each_other(make, fields, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        make(AssociationBlock, **fields)


@pytest.mark.parametrize(
    ("model", "fields", "constraint"),
    [
        (Instrument, {"night_rollover_hour": 24}, "instrument_rollover_is_an_hour"),
        (RawType, {"sample_percent": 101}, "raw_type_sample_is_a_percentage"),
        (RawType, {"sample_percent": -1}, "raw_type_sample_is_a_percentage"),
        (RawType, {"sample_percent": NAN}, "raw_type_sample_is_a_percentage|sample_percent"),
        (RawFile, {"mjd_obs": 0}, "raw_file_mjd_is_finite"),
        (RawFile, {"mjd_obs": INF}, "raw_file_mjd_is_finite"),
        (RawFile, {"mjd_obs": -INF}, "raw_file_mjd_is_finite"),
        # SQLite stores NaN as NULL and refuses that; PostgreSQL orders it above every number.
        (RawFile, {"mjd_obs": NAN}, "raw_file_mjd_is_finite|mjd_obs"),
        (RawFile, {"size": -1}, "size"),
    ],
)
def test_numbers_out_of_their_range_are_refused(make, model, fields, constraint):
    make(model)
    with pytest.raises(IntegrityError, match=constraint):
        make(model, **(fields | {"header_digest": "other"} if model is RawFile else fields))


@pytest.mark.parametrize(
    ("model", "same", "other"),
    [
        (Instrument, {}, {"name": "OTHER"}),
        (RawType, {}, {"name": "DARK"}),
        (RuleSet, {}, {"version": 3, "valid_from": dt.date(2026, 1, 1)}),
        (RawFile, {"path": "elsewhere.fits"}, {"size": 5760}),
        (AssociationBlock, {"group_key": "[2]"}, {"ab_name": "two.ab", "group_key": "[2]"}),
        (AssociationBlock, {"ab_name": "two.ab"}, {"ab_name": "two.ab", "action": "B"}),
    ],
    ids=["instrument", "raw type", "rule set", "frame", "block's name", "block's group"],
)
def test_the_same_thing_is_there_once(make, model, same, other):
    make(model)
    with pytest.raises(IntegrityError):
        make(model, **same)
    assert make(model, **other).pk


def test_a_frame_is_in_a_block_once_and_may_be_in_two(make):
    frame, block = make(RawFile), make(AssociationBlock)
    make(BlockFrame, block=block, raw_file=frame)
    with pytest.raises(IntegrityError):
        make(BlockFrame, block=block, raw_file=frame)
    other = make(AssociationBlock, ab_name="two.ab", action="B")
    assert make(BlockFrame, block=other, raw_file=frame).pk


def test_a_block_is_no_calibration_of_itself_and_none_twice(make):
    block, bias = make(AssociationBlock), make(AssociationBlock, ab_name="b.ab", group_key="[2]")
    with pytest.raises(IntegrityError, match="calibration_of_another_block"):
        make(CalibrationLink, block=block, producer=block)
    make(CalibrationLink, block=block, producer=bias)
    with pytest.raises(IntegrityError):
        make(CalibrationLink, block=block, producer=bias)


def test_an_attempt_that_ended_says_when_and_its_number_is_there_once(make):
    block = make(AssociationBlock)
    make(Attempt, block=block)
    with pytest.raises(IntegrityError):
        make(Attempt, block=block)
    for outcome in ("SUCCESSFUL", "DEGRADED", "FAILED", "LOST"):
        with pytest.raises(IntegrityError, match="attempt_ended_has_a_time"):
            make(Attempt, block=block, number=2, outcome=outcome)


def test_an_attempt_has_a_product_of_a_name_once(make):
    attempt = make(Attempt, block=make(AssociationBlock))
    make(Product, attempt=attempt)
    with pytest.raises(IntegrityError):
        make(Product, attempt=attempt)
    assert make(Product, attempt=attempt, name="other.fits").pk
