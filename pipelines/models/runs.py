"""Runs of recipes and what they made."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from .blocks import AssociationBlock, FailureKind


class Outcome(models.TextChoices):
    RUNNING = "RUNNING", "running"
    SUCCESSFUL = "SUCCESSFUL", "successful"
    DEGRADED = "DEGRADED", "successful, degraded"
    FAILED = "FAILED", "failed"
    LOST = "LOST", "lost"
    CANCELLED = "CANCELLED", "cancelled"


class Attempt(models.Model):
    """The record of one run: kept whatever came of it."""

    block = models.ForeignKey(AssociationBlock, models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.RUNNING)
    failure_kind = models.CharField(
        max_length=16, choices=FailureKind.choices, blank=True, default=FailureKind.NONE
    )
    reason = models.TextField(blank=True)
    recipe = models.CharField(max_length=64)
    pipeline_version = models.CharField(max_length=64, blank=True)
    argv = models.JSONField(default=list)
    parameters = models.JSONField(default=list, help_text="arguments the recipe was given")
    return_code = models.IntegerField(null=True)
    worker = models.CharField(max_length=255, help_text="host and process that claimed it")
    peak_mb = models.FloatField(null=True, help_text="memory of the recipe at its highest")
    # Of recipe, version, parameters and inputs: the same again would make the same products.
    input_digest = models.CharField(max_length=64, blank=True)
    reused: models.ForeignKey[Attempt | None, Attempt | None] = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        related_name="reused_by",
        help_text="whose products it took over, nothing having changed",
    )
    # Where the recipe's process group can be found and ended if the worker dies:
    # {"host", "pid", "started"}; the start time tells a reused process id.
    process = models.JSONField(default=dict)
    job_dir = models.TextField(blank=True)
    log = models.TextField(blank=True, help_text="the end of the recipe's log")
    # Which product of which block each calibration was at this run.
    inputs = models.JSONField(default=list)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    duration_s = models.FloatField(null=True, help_text="of the recipe")
    previewed_at = models.DateTimeField(null=True, help_text="when its previews were made")
    qc_duration_s = models.FloatField(null=True, help_text="of reading and scoring its QC1 values")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["block", "number"], name="attempt_number_once"),
            models.CheckConstraint(
                condition=Q(outcome="RUNNING") | Q(finished_at__isnull=False),
                name="attempt_ended_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.block_id} attempt {self.number}"


class Product(models.Model):
    """A file that a successful run made."""

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="products")
    pro_catg = models.CharField(max_length=64)
    name = models.CharField(max_length=255, help_text="the recipe's name for it")
    path = models.TextField(help_text="below the data directory")
    size = models.PositiveBigIntegerField()
    data_md5 = models.CharField(max_length=32, blank=True, help_text="DATAMD5: same data, same sum")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["attempt", "name"], name="product_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class Preview(models.Model):
    """A small look at one image of a product, made once."""

    product = models.ForeignKey(Product, models.CASCADE, related_name="previews")
    hdu = models.PositiveSmallIntegerField()
    extname = models.CharField(max_length=68, blank=True)
    # Files below the data directory by kind: image, histogram, cuts, difference.
    files = models.JSONField(default=dict)
    # What the pictures show in numbers: shape, cut levels, median, of the difference too.
    facts = models.JSONField(default=dict)
    compared_with: models.ForeignKey[Product | None, Product | None] = models.ForeignKey(
        Product,
        models.SET_NULL,
        null=True,
        related_name="+",
        help_text="the previous certified product the difference is from",
    )
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["hdu"]
        constraints = [
            models.UniqueConstraint(fields=["product", "hdu"], name="preview_once_an_image")
        ]

    def __str__(self) -> str:
        return f"{self.product_id}[{self.hdu}]"
