"""An instrument, what its folder says of it, and the versions of its rules."""

from __future__ import annotations

import datetime as dt
from typing import Self

from django.db import models
from django.db.models import F, Q


class Runner(models.TextChoices):
    """Who runs an instrument's recipes."""

    NATIVE = "native", "native recipes"
    ESOREX = "esorex", "EsoRex"


class CertificationMode(models.TextChoices):
    """Which successful blocks of a raw type are offered to people (ESO's three modes)."""

    ALL = "ALL", "every block"
    NONZERO = "NONZERO", "blocks with a red score or none"
    RANDOM = "RANDOM", "those of NONZERO, and a sample of the green ones"


# The system itself, as an instrument: it has QC1 values, and no frames.
SYSTEM = "HCM"


class InstrumentQuerySet(models.QuerySet["Instrument"]):
    def observing(self) -> Self:
        """Those that frames come from: all but the system itself."""
        return self.exclude(name=SYSTEM)


class Instrument(models.Model):
    """One instrument, as its folder describes it."""

    name = models.CharField(max_length=32, unique=True)
    title = models.CharField(max_length=200)
    header_names = models.JSONField(default=list, help_text="values of INSTRUME")
    runner = models.CharField(max_length=16, choices=Runner.choices)
    pipeline = models.CharField(max_length=64, help_text="EsoRex: prefix of the plug-in folder")
    is_simulated = models.BooleanField(default=False)
    night_rollover_hour = models.PositiveSmallIntegerField(default=21)
    # Limits and expected products of each recipe, as in instrument.toml.
    recipes = models.JSONField(default=dict)
    # How this instrument reads what OCA leaves open, where it differs from the defaults.
    oca = models.JSONField(default=dict)
    # What a decision may be for: {"accept": ["…"], "reject": ["…"]}.
    reasons = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, help_text="sha256 of the folder's files")
    folder = models.TextField(blank=True, help_text="where it was loaded from")
    loaded_at = models.DateTimeField()

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(night_rollover_hour__lte=23), name="instrument_rollover_is_an_hour"
            )
        ]

    def __str__(self) -> str:
        return self.name


class RawType(models.Model):
    """How blocks of one raw type are set up, shown and certified."""

    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="raw_types")
    name = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    setup_keywords = models.JSONField(default=list)
    is_science = models.BooleanField(default=False)
    certification = models.CharField(
        max_length=8, choices=CertificationMode.choices, default=CertificationMode.NONZERO
    )
    sample_percent = models.FloatField(default=10.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "name"], name="raw_type_once"),
            models.CheckConstraint(
                condition=Q(sample_percent__gte=0, sample_percent__lte=100),
                name="raw_type_sample_is_a_percentage",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.name}"


class Flavour(models.TextChoices):
    """What a rule set asks for: masters, or the raw frames they are made of."""

    RAW2MASTER = "raw2master", "raw to master"
    RAW2RAW = "raw2raw", "raw to raw"


class RuleSetQuerySet(models.QuerySet["RuleSet"]):
    def in_force(self, night: dt.date, flavour: str = Flavour.RAW2MASTER) -> Self:
        """Rules that hold for a night, best first: of those begun, the one begun last."""
        return self.filter(
            Q(valid_from=None) | Q(valid_from__lte=night), flavour=flavour, superseded_at=None
        ).order_by(F("valid_from").desc(nulls_last=True), "-version")


class RuleSet(models.Model):
    """One version of an instrument's OCA rules for nights from a date on.

    A version is superseded when the folder says something else for that date, never changed.
    """

    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="rule_sets")
    version = models.PositiveIntegerField()
    flavour = models.CharField(max_length=10, choices=Flavour.choices, default=Flavour.RAW2MASTER)
    valid_from = models.DateField(null=True, help_text="first night; empty: from the beginning")
    text = models.TextField()
    levels = models.TextField(blank=True, help_text="levels.toml: windows in time, breakpoints")
    digest = models.CharField(max_length=64)
    source = models.CharField(max_length=255, blank=True, help_text="the file it was read from")
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    objects = RuleSetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "version"], name="rule_set_version_once"),
            models.UniqueConstraint(
                fields=["instrument", "flavour", "valid_from"],
                name="rule_set_one_in_force",
                condition=Q(superseded_at=None),
            ),
            # In a database two empty dates are not equal.
            models.UniqueConstraint(
                fields=["instrument", "flavour"],
                name="rule_set_one_from_the_beginning",
                condition=Q(superseded_at=None, valid_from=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} rules version {self.version}"
