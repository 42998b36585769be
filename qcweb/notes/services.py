"""Writing comments and news, and withdrawing them."""

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User

from pipelines.models import AssociationBlock, Instrument, RawFile

from .models import Comment, News, Note, Scope, Subject

MOST_SIGNS = 5000


class NoteError(Exception):
    """A note that cannot be written or withdrawn; for people."""


@dataclass(frozen=True)
class About:
    """What a comment is on: one of these."""

    instrument: Instrument
    night: dt.date | None = None
    block: AssociationBlock | None = None
    frame: RawFile | None = None
    report: str = ""
    plot: str = ""

    @property
    def subject(self) -> Subject:
        if self.block is not None:
            return Subject.BLOCK
        if self.frame is not None:
            return Subject.FRAME
        return Subject.PLOT if self.report else Subject.NIGHT


def write_comment(about: About, text: str, by: User, at: dt.datetime) -> Comment:
    """Write a comment.

    Raises
    ------
    NoteError
        There is no text, or too much of it.
    """
    return Comment.objects.create(
        subject=about.subject, instrument=about.instrument, night=about.night, block=about.block,
        frame=about.frame, report=about.report, plot=about.plot, text=_checked(text), author=by,
        written_at=at,
    )  # fmt: skip


@dataclass(frozen=True)
class Readers:
    """Who news is for: everybody, readers of an instrument, or of one of its reports."""

    instrument: Instrument | None = None
    report: str = ""

    @property
    def scope(self) -> Scope:
        if self.report:
            return Scope.REPORT
        return Scope.INSTRUMENT if self.instrument else Scope.GENERAL


def write_news(
    readers: Readers, text: str, by: User, at: dt.datetime, until: dt.date | None = None
) -> News:
    """Write news; `until` is the last day that it is shown.

    Raises
    ------
    NoteError
        There is no text, too much of it, or its last day is over.
    """
    if until is not None and until < at.date():
        raise NoteError(f"{until} is over: nobody would see it.")
    return News.objects.create(
        scope=readers.scope, instrument=readers.instrument, report=readers.report, until=until,
        text=_checked(text), author=by, written_at=at,
    )  # fmt: skip


def _checked(text: str) -> str:
    text = text.strip()
    if not text:
        raise NoteError("There is nothing written yet.")
    if len(text) > MOST_SIGNS:
        raise NoteError(f"It has {len(text)} characters; at most {MOST_SIGNS} are kept.")
    return text


def withdraw(note: Note, by: User, at: dt.datetime) -> None:
    """Show a note no more: by its author, or by whoever may do more than write.

    Raises
    ------
    NoteError
        It is withdrawn already.
    """
    changed = (
        type(note)._default_manager.filter(pk=note.pk, withdrawn_at=None)
        .update(withdrawn_at=at, withdrawn_by=by)
    )  # fmt: skip
    if not changed:
        raise NoteError("It is withdrawn already.")
