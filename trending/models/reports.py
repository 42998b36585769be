"""Health Check reports as data: instrument, group, report, panel, data set."""

from django.db import models

from .qc1 import QC1Parameter
from .scores import AverageKind


class ReportGroup(models.Model):
    """A column of the first page, such as bias and dark, or lamps."""

    name = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=64)
    order = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.title


class Report(models.Model):
    instrument = models.ForeignKey("pipelines.Instrument", models.CASCADE, related_name="reports")
    group = models.ForeignKey(ReportGroup, models.PROTECT, related_name="reports")
    name = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    tutorial = models.TextField(blank=True)
    cadence_days = models.FloatField(default=1.0, help_text="how often data are expected")
    order = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["instrument", "order"]
        constraints = [models.UniqueConstraint(fields=["instrument", "name"], name="report_once")]

    def __str__(self) -> str:
        return self.title


class Panel(models.Model):
    report = models.ForeignKey(Report, models.CASCADE, related_name="panels")
    title = models.CharField(max_length=200)
    order = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["report", "order"]
        constraints = [models.UniqueConstraint(fields=["report", "order"], name="panel_once")]

    def __str__(self) -> str:
        return self.title


class Dataset(models.Model):
    """What a panel draws: one parameter, one choice of setup and detector."""

    panel = models.ForeignKey(Panel, models.CASCADE, related_name="datasets")
    parameter = models.ForeignKey(QC1Parameter, models.PROTECT, related_name="datasets")
    setup = models.JSONField(default=dict)
    detector = models.CharField(max_length=32, blank=True)
    average = models.CharField(max_length=9, choices=AverageKind.choices)
    remark = models.CharField(max_length=255, blank=True)
    order = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["panel", "order"]

    def __str__(self) -> str:
        return f"{self.parameter_id} {self.setup} {self.detector}"
