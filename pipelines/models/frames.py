"""Raw frames as they arrived, and the files that could not be taken."""

from django.db import models
from django.db.models import Q

from .instruments import Instrument


class RawFile(models.Model):
    """A raw frame. Its identity is the size and header digest of its uncompressed content."""

    class Compression(models.TextChoices):
        NONE = "", "plain"
        GZIP = "gz", ".gz"
        LZW = "Z", ".Z"
        FPACK = "fz", ".fz"

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="raw_files")
    name = models.CharField(max_length=255, help_text="ARCFILE, or the file's own name")
    path = models.TextField(help_text="where it was found")
    size = models.PositiveBigIntegerField(help_text="bytes, uncompressed")
    header_digest = models.CharField(max_length=64)
    checksum = models.CharField(max_length=64, blank=True, help_text="sha256 of the file")
    compression = models.CharField(
        max_length=2, choices=Compression.choices, default=Compression.NONE, blank=True
    )
    night = models.DateField()
    mjd_obs = models.FloatField()
    exptime_s = models.FloatField(null=True)
    raw_type = models.CharField(max_length=64, blank=True, help_text="empty: no rule classified it")
    do_catg = models.CharField(max_length=64, blank=True, help_text="its tag for the recipe")
    dpr_catg = models.CharField(max_length=64, blank=True)
    dpr_type = models.CharField(max_length=64, blank=True)
    dpr_tech = models.CharField(max_length=64, blank=True)
    # Keywords the rules read and assigned, by their OCA names.
    keywords = models.JSONField(default=dict)
    is_science = models.BooleanField(default=False)
    problem = models.CharField(max_length=255, blank=True, help_text="e.g. truncated")
    modified_ns = models.BigIntegerField(default=0, help_text="the file's time when it was read")
    # Empty until its night has been organised with it: an ingest that was ended in between is
    # made good by the next one.
    organised_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["instrument", "night"], name="raw_file_of_night"),
            models.Index(fields=["header_digest"], name="raw_file_by_digest"),
            models.Index(fields=["path"], name="raw_file_by_path"),
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


class RefusedFile(models.Model):
    """A file that could not be registered: what is wrong with it, and what to do."""

    path = models.TextField(unique=True)
    reason = models.CharField(max_length=255)
    advice = models.CharField(max_length=255)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
