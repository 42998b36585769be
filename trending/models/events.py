"""What happened to an instrument, and the references that hold since then."""

import datetime as dt

from django.db import models
from django.db.models import F, Q

from .facts import FactQuerySet
from .qc1 import FINITE, FINITE_MAX, QC1Parameter, QC1Table


class EventKind(models.TextChoices):
    INTERVENTION = "intervention", "intervention"
    DEFINITION = "definition", "change of a definition"
    ENVIRONMENT = "environment", "earthquake, power cut"
    NOTE = "note", "note"


class QualityEvent(models.Model):
    """Something after which values may be others: an epoch begins, statistics start anew."""

    instrument = models.ForeignKey(
        "pipelines.Instrument", models.PROTECT, related_name="quality_events"
    )
    table = models.ForeignKey(
        QC1Table, models.PROTECT, null=True, related_name="events", help_text="empty: all"
    )
    parameter = models.ForeignKey(
        QC1Parameter, models.PROTECT, null=True, related_name="events", help_text="empty: all"
    )
    kind = models.CharField(max_length=12, choices=EventKind.choices)
    mjd = models.FloatField(help_text="from when on")
    begins_epoch = models.BooleanField(default=True, help_text="statistics never reach over it")
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    author = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    end_reason = models.TextField(blank=True)

    objects = FactQuerySet.as_manager()

    class Meta:
        ordering = ["-mjd", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(mjd__gt=0, mjd__lt=200000), name="quality_event_mjd_is_finite"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def happened_at(self) -> dt.datetime:
        from pipelines.domain.times import mjd_to_datetime

        return mjd_to_datetime(self.mjd)


class ReferenceValue(models.Model):
    """What a parameter is expected to be during an epoch; rules may lay their limits around it."""

    parameter = models.ForeignKey(QC1Parameter, models.PROTECT, related_name="references")
    setup = models.JSONField(default=dict, help_text="values the setup must have; empty: any")
    detector = models.CharField(max_length=32, blank=True, help_text="empty: any")
    value = models.FloatField()
    sigma = models.FloatField(null=True, help_text="robust scatter of what it was taken from")
    n = models.PositiveIntegerField(help_text="points it was taken from")
    event = models.ForeignKey(QualityEvent, models.PROTECT, null=True, related_name="references")
    valid_from_mjd = models.FloatField()
    valid_until_mjd = models.FloatField(null=True)
    author = models.CharField(max_length=150)
    reason = models.TextField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True, help_text="who took it back")
    end_reason = models.TextField(blank=True)

    objects = FactQuerySet.as_manager()

    class Meta:
        ordering = ["parameter", "valid_from_mjd"]
        constraints = [
            models.CheckConstraint(condition=Q(**FINITE), name="reference_is_finite"),
            models.CheckConstraint(
                condition=Q(sigma=None) | Q(sigma__gte=0, sigma__lte=FINITE_MAX),
                name="reference_sigma_is_finite",
            ),
            models.CheckConstraint(
                condition=Q(valid_until_mjd=None) | Q(valid_until_mjd__gt=F("valid_from_mjd")),
                name="reference_valid_from_before_until",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.parameter_id}: {self.value}"
