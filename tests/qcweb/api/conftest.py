"""A pool with some of everything, and a reader of the API in front of it."""

import copy
import datetime as dt

import pytest
from django.utils import timezone

from pipelines.models import AssociationBlock, Instrument, NightEvent, Product, RawFile
from qcweb.certification.models import Certification, Decision
from qcweb.certification.services.decisions import decide, take_back
from trending.models import (
    QC1Parameter,
    QC1Row,
    QC1Table,
    QualityEvent,
    ReferenceValue,
    Score,
    ScoreAct,
    ValueState,
)

UVES_NIGHT = dt.date(2026, 2, 20)


@pytest.fixture
def ask(client, vera):
    """Ask the API as a reader, and return what it says."""
    client.force_login(vera)

    def asked(address, status=200):
        answer = client.get(address)
        assert answer.status_code == status, (address, answer.content[:500])
        return answer.json()

    return asked


def copied(found, **fields):
    """Store another one, with other words in some of its fields."""
    new = copy.copy(found)
    new.pk, new._state = None, copy.copy(found._state)
    for name, value in fields.items():
        setattr(new, name, value)
    new.save(force_insert=True)
    return new


@pytest.fixture
def pool(states, quinn):
    """The night of `states`, decided on, and beside it a block, frames and a night of UVES."""
    _decide(states, quinn)
    _add_frames(states["green"])
    _add_uves(states["green"], quinn)
    _add_events(states["green"].instrument)
    _correct(states)
    return states


def _decide(states, quinn):
    at = timezone.now()
    decide(states["red"], Decision.REJECTED, quinn, "noisy read-out", seen=0, at=at)
    decide(states["degraded"], Decision.ACCEPTED, quinn, "a frame less", seen=0, at=at)
    decide(states["grey"], Decision.ACCEPTED, quinn, "as ever", seen=0, at=at)
    take_back(states["grey"], quinn, "too quick", seen=1, at=at)
    AssociationBlock.objects.filter(pk=states["failed"].pk).update(failure_kind="input")


def _add_frames(block):
    frame = block.block_frames.first().raw_file
    odd: dict[str, dict[str, object]] = {
        "science": {"is_science": True, "dpr_catg": "SCIENCE", "dpr_type": "OBJECT",
                    "dpr_tech": "IMAGE,DIRECT", "raw_type": "SCIENCE", "program_id": "110.A-0001(A)",
                    "target": "Secret star", "do_catg": "SCIENCE", "setup": "FAST_2x2_V"},
        "master": {"pro_catg": "MASTER_BIAS", "raw_type": "", "dpr_catg": ""},
        "unclassified": {"raw_type": ""},
        "damaged": {"problem": "truncated"},
        "gone": {"gone_at": timezone.now()},
        "hidden": {"hidden_at": timezone.now(), "hidden_reason": "a satellite"},
    }  # fmt: skip
    for n, (name, fields) in enumerate(odd.items(), 1):
        copied(
            frame, name=f"{name}.fits", header_digest=f"digest {name}",
            mjd_obs=frame.mjd_obs + n / 100, **fields,
        )  # fmt: skip


def _add_uves(block, quinn):
    uves = Instrument.objects.get(name="UVES")
    other = {"instrument": uves, "night": UVES_NIGHT, "mjd_obs": 61092.4}
    copied(
        block.block_frames.first().raw_file, name="UVES.fits", header_digest="uves",
        raw_type="BIAS_BLUE", **other,
    )  # fmt: skip
    new = copied(
        AssociationBlock.objects.get(pk=block.pk), ab_name="UVES.2026-02-21T09:36:00.000_tpl.ab",
        raw_type="BIAS_BLUE", setup="50kHz/2x2", recipe="uves_cal_mbias", group_key="x",
        current_attempt=None, process_status="QUEUED", next_step="PROCESS", is_certified=False,
        attempt=0, **other,
    )  # fmt: skip
    NightEvent.objects.create(
        instrument=uves, night=UVES_NIGHT, kind="CLOSED", decided_by=quinn,
        decided_at=timezone.now(), comment="done", left={"failed": 1},
    )  # fmt: skip
    run = copied(block.current_attempt, block=new, recipe="uves_cal_mbias", number=1)
    product = copied(
        Product.objects.filter(attempt=block.current_attempt).first(), attempt=run,
        pro_catg="MASTER_BIAS_BLUE",
    )  # fmt: skip
    row = QC1Row.objects.filter(attempt=block.current_attempt).first()
    table = QC1Table.objects.get(name="uves_bias")
    parameter = QC1Parameter.objects.filter(table=table, type="float", role="").first()
    setup = copied(row.setup, table=table, text="50kHz")
    series = parameter.series.create(setup=setup, detector="EEV")
    new_row = copied(
        row, table=table, setup=setup, detector="EEV", attempt=run, product=product,
        night=UVES_NIGHT, mjd_obs=61092.4,
    )  # fmt: skip
    score = Score.objects.filter(row=row, is_current=True, result=0).first()
    copied(score, series=series, row=new_row, is_warning=True)
    Certification.objects.create(
        block=new, number=1, decision="REOPENED", decided_at=dt.datetime(2026, 2, 22, tzinfo=dt.UTC)
    )


def _add_events(ccdcam):
    uves = Instrument.objects.get(name="UVES")
    table = QC1Table.objects.get(name="ccdcam_bias")
    parameter = table.parameters.get(name="ron_raw")
    at = timezone.now()
    event = QualityEvent.objects.create(
        instrument=ccdcam, table=table, parameter=parameter, kind="intervention", mjd=61000.5,
        title="New amplifier", author="quinn", recorded_at=at,
    )  # fmt: skip
    QualityEvent.objects.create(
        instrument=uves, kind="note", mjd=61090.0, title="Nothing much", author="vera",
        begins_epoch=False, recorded_at=at, superseded_at=at, ended_by="quinn", end_reason="wrong",
    )  # fmt: skip
    ReferenceValue.objects.create(
        parameter=parameter, value=5.0, sigma=0.1, n=5, event=event, valid_from_mjd=61000.5,
        author="quinn", reason="since then", recorded_at=at,
    )  # fmt: skip


def _correct(states):
    scores = Score.objects.filter(row__attempt__block=states["green"], is_current=True)
    score = scores.order_by("pk").first()
    act = ScoreAct.objects.create(
        kind="override", row=score.row, series=score.series, reason="seen", author="quinn",
        recorded_at=timezone.now(),
    )  # fmt: skip
    Score.objects.filter(pk=score.pk).update(act=act)
    row = QC1Row.objects.filter(attempt__block=states["grey"]).first()
    QC1Row.objects.filter(pk=row.pk).update(state=ValueState.HIDDEN)
    run = states["green"].current_attempt
    former = copied(run, number=9)
    copied(Product.objects.filter(attempt=run).first(), attempt=former)
    RawFile.objects.filter(name__startswith="CCDCAM").update(program_id="60.A-9999(A)")
