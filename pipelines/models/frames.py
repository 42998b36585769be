"""Frames as they arrived, the directories they lie in, and the files that could not be taken."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from .instruments import Instrument, RuleSet


class Root(models.Model):
    """A directory of frames by its name: paths are stored relative to it, so it may move."""

    name = models.SlugField(max_length=64, unique=True)
    path = models.TextField(unique=True, help_text="absolute")
    is_followed = models.BooleanField(
        default=False, help_text="each round looks for new frames below it"
    )
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RawFileQuerySet(models.QuerySet["RawFile"]):
    def of_night(self, instrument: Instrument, night: dt.date) -> Self:
        return self.filter(instrument=instrument, night=night)

    def masters(self) -> Self:
        """Calibrations on disk: products and static tables that no block here has made."""
        return self.exclude(pro_catg="")

    def usable(self) -> Self:
        return self.filter(hidden_at=None, gone_at=None, problem="")


class RawFile(models.Model):
    """A frame as it arrived: raw, or a calibration on disk (`pro_catg` is set).

    Its identity is the size and header digest of its uncompressed content.
    """

    class Compression(models.TextChoices):
        NONE = "", "plain"
        GZIP = "gz", ".gz"
        LZW = "Z", ".Z"
        FPACK = "fz", ".fz"

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="raw_files")
    name = models.CharField(max_length=255, help_text="ARCFILE, or the file's own name")
    root = models.ForeignKey(Root, models.PROTECT, related_name="raw_files")
    path = models.TextField(help_text="where it was found, below its root")
    size = models.PositiveBigIntegerField(help_text="bytes, uncompressed")
    file_size = models.PositiveBigIntegerField(
        default=0, help_text="bytes on disk when it was read"
    )
    header_digest = models.CharField(max_length=64)
    checksum = models.CharField(max_length=64, blank=True, help_text="sha256 of the file")
    checksum_tried_at = models.DateTimeField(
        null=True, help_text="when it could not be had: the file was not what was registered"
    )
    compression = models.CharField(
        max_length=2, choices=Compression.choices, default=Compression.NONE, blank=True
    )
    night = models.DateField()
    mjd_obs = models.FloatField()
    is_undated = models.BooleanField(
        default=False, help_text="a table without MJD-OBS; mjd_obs is when it was registered"
    )
    exptime_s = models.FloatField(null=True)
    raw_type = models.CharField(max_length=64, blank=True, help_text="empty: no rule classified it")
    do_catg = models.CharField(max_length=64, blank=True, help_text="its tag for the recipe")
    dpr_catg = models.CharField(max_length=64, blank=True)
    dpr_type = models.CharField(max_length=64, blank=True)
    dpr_tech = models.CharField(max_length=64, blank=True)
    pro_catg = models.CharField(max_length=64, blank=True, help_text="set: a calibration on disk")
    setup = models.CharField(max_length=255, blank=True)
    program_id = models.CharField(max_length=64, blank=True)
    ob_id = models.CharField(max_length=32, blank=True)
    target = models.CharField(max_length=64, blank=True)
    # Keywords the rules read and assigned, by their OCA names.
    keywords = models.JSONField(default=dict)
    # Which rules fired (lines) and what each overwrote: {"fired": [], "overwritten": [], "assigned": {}}.
    trace = models.JSONField(default=dict)
    rule_set = models.ForeignKey(
        RuleSet, models.PROTECT, null=True, related_name="+", help_text="that classified it"
    )
    is_science = models.BooleanField(default=False)
    problem = models.CharField(max_length=255, blank=True, help_text="e.g. truncated")
    modified_ns = models.BigIntegerField(default=0, help_text="the file's time when it was read")
    # Empty until its night has been organised with it: an ingest that was ended in between is
    # made good by the next one.
    organised_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True, help_text="when it was first found missing on disk")
    # Hidden: used for nothing any more. The reason is for those who look for it.
    hidden_at = models.DateTimeField(null=True)
    hidden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    hidden_reason = models.CharField(max_length=255, blank=True)
    recorded_at = models.DateTimeField()

    objects = RawFileQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["instrument", "night"], name="raw_file_of_night"),
            models.Index(fields=["header_digest"], name="raw_file_by_digest"),
            models.Index(fields=["path"], name="raw_file_by_path"),
            models.Index(fields=["name"], name="raw_file_by_name"),
            models.Index(fields=["-mjd_obs"], name="raw_file_newest_first"),
            models.Index(fields=["instrument", "-mjd_obs"], name="raw_file_of_instrument"),
            models.Index(fields=["night"], name="raw_file_gone", condition=~Q(gone_at=None)),
            models.Index(
                fields=["instrument", "pro_catg"],
                name="raw_file_master",
                condition=~Q(pro_catg=""),
            ),
            models.Index(
                fields=["instrument", "night"],
                name="raw_file_to_organise",
                condition=Q(organised_at=None),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["size", "header_digest"], name="raw_file_identity_once"
            ),
            models.CheckConstraint(
                condition=Q(mjd_obs__gt=0, mjd_obs__lt=200000), name="raw_file_mjd_is_finite"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def full_path(self) -> Path:
        """Where the file is now; needs `root`, so select it with the frame."""
        return Path(self.root.path) / self.path

    @property
    def is_hidden(self) -> bool:
        return self.hidden_at is not None


class RefusedFile(models.Model):
    """A file that could not be registered: what is wrong with it, and what to do."""

    path = models.TextField(unique=True)
    reason = models.CharField(max_length=255)
    advice = models.CharField(max_length=255)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
