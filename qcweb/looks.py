"""How each state looks: colour, shape and word together, in one place."""

import datetime as dt
from dataclasses import dataclass, replace

from django.contrib.auth.models import User

from pipelines.models import AssociationBlock, Completeness, NextStep, ProcessStatus, Waiver
from qcweb.certification.models import Certification, Decision
from qcweb.people.models import ApiToken, TokenState
from trending.models import BlockScore


@dataclass(frozen=True)
class Look:
    """A state on a page. `css` is the class after ``st-``, `glyph` the symbol after ``g-``."""

    css: str
    glyph: str
    word: str
    title: str = ""


PROCESS: dict[str, Look] = {
    ProcessStatus.CREATED: Look("created", "created", "created", "Not queued"),
    ProcessStatus.QUEUED: Look("queued", "queued", "queued", "Waits for a worker"),
    ProcessStatus.BLOCKED: Look("blocked", "blocked", "blocked", "Waits for another block"),
    ProcessStatus.RUNNING: Look("running", "running", "running", "A worker is at it"),
    ProcessStatus.SUCCESSFUL: Look("ok", "ok", "OK", "The recipe made its products"),
    ProcessStatus.FAILED: Look("failed", "failed", "NOK failed", "No products"),
}
DEGRADED = Look("incomplete", "warn", "OK, degraded", "Made, but not as planned: see the reason")
COMPLETENESS: dict[str, Look] = {
    Completeness.COMPLETE: Look("plain", "ok", "compl.", "All frames and calibrations are there"),
    Completeness.INCOMPLETE: Look("incomplete", "warn", "incompl.", "Something is missing"),
}
DECISIONS: dict[str, Look] = {
    Decision.AUTO: Look("plain", "auto", "AUTO", "Green, and certified by the system"),
    Decision.ACCEPTED: Look("accepted", "accepted", "accepted", "Accepted by a person"),
    Decision.REJECTED: Look("rejected", "rejected", "rejected", "Rejected by a person"),
    Decision.REOPENED: Look("open", "open", "taken back", "The decision was taken back"),
}
WAIVED = Look("waived", "waived", "waived", "Known, and need not be looked at until it ends")
REVIEW = Look("open", "open", "review", "Waits for a person")
NOTHING_YET = Look("plain", "", "–", "Nothing to certify yet")
NOT_SCORED = Look("grey", "grey", "not scored")
NO_DATA = Look("nodata", "nodata", "no data")
TOKENS: dict[str, Look] = {
    TokenState.ACTIVE: Look("ok", "ok", "active", "Whoever brings it is let in"),
    TokenState.EXPIRED: Look("stale", "stale", "expired", "Its time is over"),
    TokenState.REVOKED: Look("rejected", "rejected", "revoked", "Taken back by a person"),
}
CLOSED = Look("blocked", "blocked", "account closed", "Its account is closed or deleted")
ACCOUNT = Look("ok", "ok", "open", "It logs in")
ADMINISTRATOR = Look("ok", "ok", "administrator", "It may everything, and gives rights")
OK = Look("ok", "ok", "OK")
NOK = Look("nok", "nok", "NOK")


_STEPS: dict[str, str] = {
    NextStep.REST: "done",
    NextStep.PROCESS: "again",
    NextStep.EXTRACT: "QC1",
    NextStep.CERTIFY: "certif",
}


def process(block: AssociationBlock) -> Look:
    if block.is_degraded:
        return DEGRADED
    return PROCESS[block.process_status]


def queue_word(block: AssociationBlock, at: dt.datetime) -> str:
    """Return what the batch queue has to do with a block."""
    if block.process_status == ProcessStatus.BLOCKED and block.blocked_by:
        return "waits"
    if block.process_status == ProcessStatus.FAILED and block.next_try_at:
        return f"retry {block.next_try_at:%H:%M}"
    if block.process_status == ProcessStatus.CREATED:
        return "cancelled" if block.is_cancelled else "not queued"
    if block.process_status in {ProcessStatus.SUCCESSFUL, ProcessStatus.FAILED}:
        return _STEPS[block.next_step]
    return block.get_process_status_display()


def tally(n_nok: int, n_scored: int, grey: str = "") -> Look:
    """Return the look of n NOK of N; nothing scored is never green."""
    if n_scored == 0:
        return Look("grey", "grey", "not scored", grey)
    if n_nok:
        return Look("nok", "nok", f"{n_nok}/{n_scored} NOK", f"{n_nok} of {n_scored} outside")
    return Look("ok", "ok", f"0/{n_scored}", f"none of {n_scored} outside the limits")


def score(found: BlockScore | None) -> Look | None:
    if found is None:
        return None
    return tally(found.n_nok, found.n_scored, found.get_grey_reason_text())


def result(value: int | None) -> Look:
    if value is None:
        return NOT_SCORED
    return NOK if value else OK


def certification(
    entry: Certification | None, *, needs_person: bool, waiver: Waiver | None = None
) -> Look:
    if entry is not None:
        return DECISIONS[entry.decision]
    if waiver is not None:
        until = f"until the night {waiver.last_night}"
        return replace(WAIVED, title=f"{waiver.reason} ({waiver.author.get_username()}, {until})")
    return REVIEW if needs_person else NOTHING_YET


def token(found: ApiToken, at: dt.datetime) -> Look:
    state = found.state(at)
    is_closed = found.user is None or not found.user.is_active
    return CLOSED if is_closed and state == TokenState.ACTIVE else TOKENS[state]


def account(user: User) -> Look:
    if not user.is_active:
        return CLOSED
    return ADMINISTRATOR if user.is_superuser else ACCOUNT
