"""What happened to a night beside its blocks: opened, closed; and the rounds that looked after it."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from .frames import RawFile
from .instruments import Instrument


class NightEventKind(models.TextChoices):
    CLOSED = "CLOSED", "closed"
    REOPENED = "REOPENED", "reopened"
    CALIBRATED = "CALIBRATED", "daytime calibrations finished"
    HIDDEN = "HIDDEN", "frame hidden"
    SHOWN = "SHOWN", "frame shown again"


class NightEventQuerySet(models.QuerySet["NightEvent"]):
    def of_night(self, instrument: Instrument, night: dt.date) -> Self:
        return self.filter(instrument=instrument, night=night)

    def about_closing(self) -> Self:
        return self.filter(kind__in=[NightEventKind.CLOSED, NightEventKind.REOPENED])


class NightEvent(models.Model):
    """One entry in a night's history; added, never edited. A night without an entry is open."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="night_events")
    night = models.DateField()
    kind = models.CharField(max_length=10, choices=NightEventKind.choices)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="empty: the system",
    )
    decided_at = models.DateTimeField()
    comment = models.TextField(blank=True)
    raw_file = models.ForeignKey(
        RawFile, models.PROTECT, null=True, related_name="events", help_text="that was hidden"
    )
    # What was left when it was closed: {"to review": 2, "failed": 1}.
    left = models.JSONField(default=dict)

    objects = NightEventQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["instrument", "night"], name="night_event_of_night")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.night}: {self.kind}"


class Round(models.Model):
    """One run of the hourly work on one subject: the incoming directories, or an instrument.

    A subject has one unfinished round at most; a later one ends at once while that is alive.
    """

    subject = models.CharField(max_length=40, help_text="incoming, or an instrument's name")
    worker = models.CharField(max_length=255)
    started_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # What it found and did, in numbers by word: {"registered": 12, "new blocks": 3}.
    found = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject", "-started_at"], name="round_newest_first")]
        constraints = [
            models.UniqueConstraint(
                fields=["subject"], condition=Q(finished_at=None), name="round_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.started_at:%Y-%m-%d %H:%M}"
