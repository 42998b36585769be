"""An instrument, what its folder says of it, and the versions of its rules."""

from django.db import models
from django.db.models import Q


class Runner(models.TextChoices):
    """Who runs an instrument's recipes."""

    NATIVE = "native", "native recipes"
    ESOREX = "esorex", "EsoRex"


class CertificationMode(models.TextChoices):
    """Which successful blocks of a raw type are offered to people (ESO's three modes)."""

    ALL = "ALL", "every block"
    NONZERO = "NONZERO", "blocks with a red score or none"
    RANDOM = "RANDOM", "those of NONZERO, and a sample of the green ones"


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
    digest = models.CharField(max_length=64, help_text="sha256 of the folder's files")
    loaded_at = models.DateTimeField()

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


class RuleSet(models.Model):
    """One version of an instrument's OCA rules; the newest one is in force."""

    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="rule_sets")
    version = models.PositiveIntegerField()
    text = models.TextField()
    levels = models.TextField(blank=True, help_text="levels.toml: windows in time, breakpoints")
    digest = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "version"], name="rule_set_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} rules version {self.version}"
