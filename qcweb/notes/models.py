"""What people write beside the data: comments on one thing, news for many readers."""

import datetime as dt
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from pipelines.models import Instrument


class Subject(models.TextChoices):
    """What a comment is on."""

    NIGHT = "NIGHT", "a night"
    BLOCK = "BLOCK", "a block"
    FRAME = "FRAME", "a frame"
    PLOT = "PLOT", "a plot"


class Note(models.Model):
    """A text with its author; withdrawn, it stays, and is shown no more."""

    text = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.text[:60]}{'…' if len(self.text) > 60 else ''}"


class CommentQuerySet(models.QuerySet["Comment"]):
    def standing(self) -> Self:
        return self.filter(withdrawn_at=None).select_related("author").order_by("written_at", "pk")

    def of_night(self, instrument: Instrument, night: dt.date) -> Self:
        return self.standing().filter(subject=Subject.NIGHT, instrument=instrument, night=night)


class Comment(Note):
    """What somebody has to say on a night, a block, a frame or a plot."""

    subject = models.CharField(max_length=5, choices=Subject.choices)
    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="comments")
    night = models.DateField(null=True)
    block = models.ForeignKey(
        "pipelines.AssociationBlock", models.CASCADE, null=True, related_name="comments"
    )
    frame = models.ForeignKey(
        "pipelines.RawFile", models.CASCADE, null=True, related_name="comments"
    )
    # Reports are loaded anew from their files: a plot is known by its names there.
    report = models.CharField(max_length=64, blank=True)
    plot = models.CharField(max_length=200, blank=True)

    objects = CommentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["instrument", "night"], name="comment_of_night"),
            models.Index(fields=["instrument", "report"], name="comment_of_report"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject="NIGHT", night__isnull=False, block=None, frame=None, report="")
                | Q(subject="BLOCK", block__isnull=False, frame=None, report="")
                | Q(subject="FRAME", frame__isnull=False, block=None, report="")
                | (Q(subject="PLOT", block=None, frame=None, night=None) & ~Q(report="")),
                name="comment_is_on_one_thing",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="comment_says_something"),
        ]


class Scope(models.TextChoices):
    """Who a piece of news is for."""

    GENERAL = "GENERAL", "everybody"
    INSTRUMENT = "INSTRUMENT", "an instrument"
    REPORT = "REPORT", "a report"


class NewsQuerySet(models.QuerySet["News"]):
    def standing(self, on: dt.date) -> Self:
        still = Q(until=None) | Q(until__gte=on)
        return self.filter(still, withdrawn_at=None).select_related("author", "instrument")

    def seen_on(self, on: dt.date, instrument: str = "", report: str = "") -> Self:
        """News that a page of an instrument, or of one of its reports, shows; the newest first."""
        wanted = Q(scope=Scope.GENERAL)
        if instrument:
            wanted |= Q(scope=Scope.INSTRUMENT, instrument__name=instrument)
        if report:
            wanted |= Q(scope=Scope.REPORT, instrument__name=instrument, report=report)
        return self.standing(on).filter(wanted).order_by("-written_at")


class News(Note):
    """Something that readers of some pages should know, until a day."""

    scope = models.CharField(max_length=10, choices=Scope.choices)
    instrument = models.ForeignKey(Instrument, models.CASCADE, null=True, related_name="news")
    report = models.CharField(max_length=64, blank=True)
    until = models.DateField(null=True, help_text="the last day that it is shown")

    objects = NewsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "news"
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="GENERAL", instrument=None, report="")
                | Q(scope="INSTRUMENT", instrument__isnull=False, report="")
                | (Q(scope="REPORT", instrument__isnull=False) & ~Q(report="")),
                name="news_has_one_scope",
            ),
            models.CheckConstraint(condition=~Q(text=""), name="news_says_something"),
        ]
