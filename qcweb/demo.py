"""The demo's work: history, three simulated nights, and whether they ended as they should."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, Q
from django.utils import timezone

from pipelines.models import (
    AssociationBlock,
    Completeness,
    Instrument,
    NextStep,
    ProcessStatus,
    Runner,
)
from pipelines.recipes import esorex
from pipelines.services.ingest import find_frames, ingest
from pipelines.simulator.history import write_history
from pipelines.simulator.nights import Night, demo_nights, write_night
from pipelines.simulator.templates import Expectation
from pipelines.simulator.truth import read_expectations
from qcweb.certification.services.record import latest, standing
from qcweb.people.models import Role
from qcweb.people.services.rights import give
from qcweb.tasks import ask
from trending.models import BlockScore, QC1Row, QC1Table
from trending.services.delay import TABLE as DELAY_TABLE
from trending.services.import_rows import import_file

Say = Callable[[str], None]


@dataclass(frozen=True)
class Login:
    name: str
    password: str
    role: Role | None
    """None: an administrator."""


# For a server on this machine's loopback address, and nowhere else.
LOGINS = (
    Login("quinn", "quinn-certifies", Role.SCIENTIST),
    Login("vera", "vera-watches", Role.STAFF),
    Login("ada", "ada-gives-rights", None),
)


def make_logins() -> None:
    for login in LOGINS:
        user, is_new = User.objects.get_or_create(username=login.name)
        if is_new:
            user.first_name = login.name.capitalize()
            user.set_password(login.password)
            user.is_superuser = login.role is None
            user.save()
            if login.role is not None:
                give(user, login.role, None, "demo", timezone.now())


def what_is_missing() -> list[str]:
    """Return what this machine cannot run, in words."""
    return [
        f"EsoRex with the {instrument.pipeline} pipeline is not installed: "
        f"{instrument.name} is left out, the native instruments run alone."
        for instrument in Instrument.objects.exclude(name__in=_runnable())
    ]


def _runnable() -> list[str]:
    return [
        instrument.name
        for instrument in Instrument.objects.all()
        if instrument.runner == Runner.NATIVE or esorex.is_available(instrument.pipeline)
    ]


def first_night(at: dt.datetime) -> dt.date:
    """Return the first of the demo's nights: three before now, and the same at the next start."""
    kept = settings.HCM_DATA_DIR / "demo.json"
    if kept.exists():
        return dt.date.fromisoformat(json.loads(kept.read_text())["first_night"])
    night = (at - dt.timedelta(hours=21)).date() - dt.timedelta(days=3)
    kept.write_text(json.dumps({"first_night": night.isoformat()}))
    return night


def import_history(first: dt.date, say: Say) -> None:
    known = set(QC1Table.objects.values_list("name", flat=True))
    for path in write_history(settings.HCM_DATA_DIR / "history", first):
        if path.stem in known:
            say(f"  {import_file(path, timezone.now(), by='demo', is_simulated=True)}")


def ingest_nights(first: dt.date, say: Say) -> list[Night]:
    nights = list(demo_nights(first))
    runnable = _runnable()
    for night in nights:
        folder = settings.HCM_DATA_DIR / "raw" / night.label.isoformat()
        write_night(night, folder)
        paths = [path for path in find_frames(folder) if _instrument(path) in runnable]
        report = ingest(paths, timezone.now(), settings.HCM_DATA_DIR / "raw")
        ask(report.to_advance)
        say(f"Night {night.label}: {len(paths)} frames, {report.new_blocks} new blocks")
    return nights


def _instrument(path: Path) -> str:
    return path.name.partition(".")[0]


@dataclass(frozen=True)
class Progress:
    n_done: int
    n_open: int
    n_failed: int

    def __str__(self) -> str:
        return f"  {self.n_done} blocks done, {self.n_open} to do, {self.n_failed} failed"


def progress() -> Progress:
    counts = AssociationBlock.objects.aggregate(
        all=Count("pk"),
        open=Count("pk", filter=~Q(next_step=NextStep.REST)),
        failed=Count("pk", filter=Q(process_status=ProcessStatus.FAILED)),
    )
    return Progress(counts["all"] - counts["open"], counts["open"], counts["failed"])


def summarise(nights: Sequence[Night], seconds: float) -> dict[str, float]:
    blocks = AssociationBlock.objects.filter(night__in=[night.label for night in nights])
    scores = BlockScore.objects.standing().filter(block__in=blocks)
    return {
        "nights": blocks.values("night").distinct().count(),
        "blocks": blocks.count(),
        "successful": blocks.filter(process_status=ProcessStatus.SUCCESSFUL).count(),
        "failed": blocks.filter(process_status=ProcessStatus.FAILED).count(),
        "incomplete": blocks.filter(completeness=Completeness.INCOMPLETE).count(),
        "scored": scores.filter(n_scored__gt=0).count(),
        "nok": scores.filter(n_nok__gt=0).count(),
        "certified": sum(
            standing(block) is not None
            for block in blocks.filter(certifications__isnull=False).distinct()
        ),
        # What the system measures of itself is not the night's.
        "qc1_rows": QC1Row.objects.current().exclude(table__name=DELAY_TABLE).count(),
        "seconds": round(seconds, 1),
    }


def surprises(nights: Sequence[Night]) -> list[str]:
    """Compare every block with what its simulated night says of it; return the differences."""
    runnable = _runnable()
    wrong: list[str] = []
    for night in nights:
        folder = settings.HCM_DATA_DIR / "raw" / night.label.isoformat()
        expected = {
            key: expectation
            for key, expectation in read_expectations(folder).items()
            if key[0] in runnable
        }
        found = {
            (block.instrument.name, block.raw_type, _tpl_start(block)): block
            for block in AssociationBlock.objects.filter(night=night.label).select_related(
                "instrument", "current_attempt"
            )
        }
        wrong += [
            f"{night.label} {key}: no block was made" for key in expected.keys() - found.keys()
        ]
        wrong += [f"{found[key]}: nobody expected it" for key in found.keys() - expected.keys()]
        for key in expected.keys() & found.keys():
            wrong += _differences(found[key], expected[key])
    return wrong


def _tpl_start(block: AssociationBlock) -> str:
    frame = block.block_frames.select_related("raw_file").first()
    return str(frame.raw_file.keywords.get("TPL.START", "")) if frame else ""


def _differences(block: AssociationBlock, expected: Expectation) -> list[str]:
    ran = block.process_status in {ProcessStatus.SUCCESSFUL, ProcessStatus.FAILED}
    score = BlockScore.objects.standing().filter(block=block).first()
    entry = standing(block)
    facts = {
        "process": (block.process_status if ran else "NONE", expected.process),
        "completeness": (block.completeness, expected.completeness),
        "degraded": (block.is_degraded, expected.degraded),
        "score": (_score_word(score), expected.score),
        "certification": (entry.decision if entry else "OPEN", expected.certification),
    }
    # What a person has decided, or taken back, meanwhile is no surprise.
    last = latest(block)
    if last is not None and last.decided_by_id is not None:
        del facts["certification"]
    return [
        f"{block}: {name} is {is_}, expected {should}. {block.reason}".strip()
        for name, (is_, should) in facts.items()
        if is_ != should
    ]


def _score_word(score: BlockScore | None) -> str:
    if score is None:
        return "NONE"
    if not score.n_scored:
        return "GREY"
    return "NOK" if score.n_nok else "OK"
