"""The QC1 database: tables as data, one narrow row a value.

A table has filter columns; their values make a `Setup`. A parameter of one setup and one detector
is a `Series`, and a series is what a plot draws and a rule judges.
"""

import datetime as dt
from functools import cached_property
from typing import Self

from django.db import models
from django.db.models import Q

# Holds Inf and NaN out on both databases: SQLite stores NaN as NULL, PostgreSQL orders it above
# every number.
FINITE_MAX = 1.7976931348623157e308
FINITE = {"value__gte": -FINITE_MAX, "value__lte": FINITE_MAX}


class ParameterClass(models.TextChoices):
    KPI = "KPI", "instrument performance"
    HC = "HC", "instrument health"
    CAL = "CAL", "calibration quality"
    ENG = "ENG", "engineering"


class ColumnType(models.TextChoices):
    FLOAT = "float", "number"
    TEXT = "text", "text"
    FLAG = "flag", "yes or no"


class ColumnRole(models.TextChoices):
    VALUE = "", "value"
    FILTER = "filter", "filter: part of the setup"


class Origin(models.TextChoices):
    PIPELINE = "pipeline", "measured by a recipe here"
    IMPORT = "import", "imported"


class ValueState(models.IntegerChoices):
    """Whether a value counts. Kept in the value so that a plot needs no join."""

    CURRENT = 0, "current"
    HIDDEN = 1, "hidden"
    SUPERSEDED = 2, "superseded by a later run"
    REJECTED = 3, "of a rejected block"
    EXCLUDED = 4, "left out of statistics"


# A value that a person has taken out of the statistics is still a value: it is drawn and listed.
STANDING = (ValueState.CURRENT, ValueState.EXCLUDED)


class QC1Table(models.Model):
    """One table an instrument and data type, e.g. ``uves_bias``; its definition is data."""

    instrument = models.ForeignKey(
        "pipelines.Instrument", models.PROTECT, related_name="qc1_tables"
    )
    name = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    raw_types = models.JSONField(default=list)
    # [{"pro_catg", "extensions": "primary"|"each", "detector"}]
    products = models.JSONField(default=list)
    facts_at = models.DateTimeField(null=True, help_text="time of its newest fact")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def active_parameters(self) -> list["QC1Parameter"]:
        """Its columns that are still in the definition, read once."""
        return list(self.parameters.filter(is_active=True))


class QC1Parameter(models.Model):
    """A column of a QC1 table."""

    table = models.ForeignKey(QC1Table, models.CASCADE, related_name="parameters")
    name = models.CharField(max_length=64)
    keywords = models.JSONField(default=list, help_text="in the product; the first one present")
    unit = models.CharField(max_length=32, blank=True)
    type = models.CharField(max_length=8, choices=ColumnType.choices)
    role = models.CharField(max_length=8, choices=ColumnRole.choices, blank=True, default="")
    parameter_class = models.CharField(
        max_length=4, choices=ParameterClass.choices, default=ParameterClass.ENG
    )
    description = models.CharField(max_length=255)
    ucd = models.CharField(max_length=64, blank=True)
    missing_values = models.JSONField(default=list, help_text="sentinels, e.g. -999")
    order = models.PositiveSmallIntegerField()
    is_default_x = models.BooleanField(default=False)
    is_default_y = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True, help_text="no longer in the definition: kept")

    class Meta:
        ordering = ["table", "order"]
        constraints = [models.UniqueConstraint(fields=["table", "name"], name="parameter_once")]

    def __str__(self) -> str:
        return f"{self.table_id}.{self.name}"


class Setup(models.Model):
    """The values of a table's filter columns, and their canonical string."""

    table = models.ForeignKey(QC1Table, models.CASCADE, related_name="setups")
    text = models.CharField(max_length=255)
    values = models.JSONField(default=dict)

    class Meta:
        ordering = ["text"]
        constraints = [models.UniqueConstraint(fields=["table", "text"], name="setup_once")]

    def __str__(self) -> str:
        return self.text


class Series(models.Model):
    """One parameter of one setup and one detector over time."""

    parameter = models.ForeignKey(QC1Parameter, models.CASCADE, related_name="series")
    setup = models.ForeignKey(Setup, models.CASCADE, related_name="series")
    detector = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(fields=["parameter", "setup", "detector"], name="series_once")
        ]

    def __str__(self) -> str:
        return f"{self.parameter_id} / {self.setup_id} / {self.detector}"


class QC1Import(models.Model):
    """One import of rows: all of its file, or nothing."""

    table = models.ForeignKey(QC1Table, models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    by = models.CharField(max_length=150, help_text="who started it")
    is_simulated = models.BooleanField(default=False)
    n_new = models.PositiveIntegerField(default=0)
    n_replaced = models.PositiveIntegerField(default=0)
    n_unchanged = models.PositiveIntegerField(default=0)
    recorded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.file_name} into {self.table_id}"


class RowQuerySet(models.QuerySet["QC1Row"]):
    def current(self) -> Self:
        return self.filter(is_current=True)

    def between(self, mjd_from: float | None, mjd_to: float | None) -> Self:
        rows = self if mjd_from is None else self.filter(mjd_obs__gte=mjd_from)
        return rows if mjd_to is None else rows.filter(mjd_obs__lte=mjd_to)


class QC1Row(models.Model):
    """One measurement of a product and detector. A re-run makes a new row and moves the mark."""

    table = models.ForeignKey(QC1Table, models.PROTECT, related_name="rows")
    setup = models.ForeignKey(Setup, models.PROTECT, related_name="rows")
    detector = models.CharField(max_length=32, blank=True)
    mjd_obs = models.FloatField()
    pro_catg = models.CharField(max_length=64)
    night = models.DateField()
    is_current = models.BooleanField(default=True)
    state = models.SmallIntegerField(choices=ValueState.choices, default=ValueState.CURRENT)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    is_simulated = models.BooleanField(default=False)
    attempt = models.ForeignKey(
        "pipelines.Attempt", models.PROTECT, null=True, related_name="qc1_rows"
    )
    product = models.ForeignKey(
        "pipelines.Product", models.PROTECT, null=True, related_name="qc1_rows"
    )
    product_name = models.CharField(max_length=255, blank=True)
    pipeline_version = models.CharField(max_length=64, blank=True)
    came_with = models.ForeignKey(QC1Import, models.PROTECT, null=True, related_name="rows")
    content_digest = models.CharField(max_length=64, help_text="of its values: the same twice?")
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    objects = RowQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["table", "mjd_obs", "id"], name="qc1_row_in_time"),
            models.Index(fields=["night"], name="qc1_row_of_night"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["table", "setup", "detector", "mjd_obs", "pro_catg"],
                condition=Q(is_current=True),
                name="qc1_row_current_once",
            ),
            models.CheckConstraint(
                condition=Q(mjd_obs__gt=0, mjd_obs__lt=200000), name="qc1_row_mjd_is_finite"
            ),
            models.CheckConstraint(
                condition=Q(is_current=True, superseded_at=None)
                | Q(is_current=False, superseded_at__isnull=False),
                name="qc1_row_superseded_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_id} {self.mjd_obs} {self.detector}"

    @property
    def observed_at(self) -> dt.datetime:
        from pipelines.domain.times import mjd_to_datetime

        return mjd_to_datetime(self.mjd_obs)


class QC1Value(models.Model):
    """One value of one row: a number, a text, or missing with a reason."""

    pk = models.CompositePrimaryKey("series_id", "row_id")
    # The database does not check these two: values are written with their row, by the code that has
    # just made both keys, and the check alone would cost twice the writing.
    series = models.ForeignKey(
        Series, models.CASCADE, related_name="values", db_index=False, db_constraint=False
    )
    row = models.ForeignKey(QC1Row, models.CASCADE, related_name="values", db_constraint=False)
    mjd_obs = models.FloatField(help_text="of its row: a plot reads one index")
    value = models.FloatField(null=True)
    text = models.CharField(max_length=255, blank=True)
    missing_reason = models.CharField(max_length=64, blank=True)
    # Copies of what the score and the row say, so that a plot is one range of one index.
    score_result = models.SmallIntegerField(null=True)
    state = models.SmallIntegerField(choices=ValueState.choices, default=ValueState.CURRENT)

    class Meta:
        indexes = [
            models.Index(
                fields=["series", "mjd_obs", "value", "row", "score_result", "state"],
                name="qc1_value_covered",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(value=None) | Q(**FINITE), name="qc1_value_is_finite"
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False) | ~Q(text="") | ~Q(missing_reason=""),
                name="qc1_value_missing_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series_id}: {self.text if self.value is None else self.value}"
