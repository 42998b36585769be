"""Rules with their history, scores with their evidence."""

from typing import Self

from django.db import models
from django.db.models import F, Q

from pipelines.models import ProcessStatus
from trending.domain.scoring import GreyReason

from .facts import FactQuerySet
from .qc1 import FINITE_MAX, QC1Parameter, QC1Row, Series


def _finite_or_null(name: str) -> Q:
    finite = {f"{name}__gte": -FINITE_MAX, f"{name}__lte": FINITE_MAX}
    return Q(**{name: None}) | Q(**finite)


class AverageKind(models.TextChoices):
    MEAN = "MEAN", "mean"
    MEDIAN = "MEDIAN", "median"
    NONE = "none", "none"
    REFERENCE = "REFERENCE", "reference value"


class BaselineChoice(models.TextChoices):
    NONE = "", "none"
    ROLLING = "rolling", "rolling"
    EPOCH = "epoch", "of the epoch"


class RuleOrigin(models.TextChoices):
    FOLDER = "folder", "the instrument's folder"
    PAGE = "page", "a person, on the rule's page"


class RuleQuerySet(FactQuerySet):
    def valid_at(self, mjd: float) -> Self:
        """Versions whose validity covers data of ``mjd``."""
        return self.filter(valid_from_mjd__lte=mjd).filter(
            Q(valid_until_mjd=None) | Q(valid_until_mjd__gt=mjd)
        )


class ScoreRule(models.Model):
    """One version of one rule. A change makes a new version; the former one stays.

    Two times belong to a version. It is *valid* for data from `valid_from_mjd` until
    `valid_until_mjd`, and it was *known* from `recorded_at` until `superseded_at`. Versions of one
    key that are known at the same time are valid one after the other: each is an epoch.
    """

    parameter = models.ForeignKey(QC1Parameter, models.PROTECT, related_name="rules")
    key = models.CharField(max_length=255, help_text="parameter, setup and detector it is for")
    version = models.PositiveIntegerField()
    setup = models.JSONField(default=dict, help_text="values the setup must have; empty: any")
    detector = models.CharField(max_length=32, blank=True, help_text="empty: any")
    limits = models.CharField(max_length=64, help_text="VAL lo,hi, n%, nSIG, nMAD, OFF d, none")
    average = models.CharField(max_length=9, choices=AverageKind.choices)
    window_days = models.FloatField(null=True)
    window_points = models.PositiveIntegerField(null=True)
    min_n = models.PositiveIntegerField(default=5)
    fallback = models.CharField(max_length=64, blank=True)
    clip_sigma = models.FloatField(null=True)
    warning = models.CharField(max_length=64, blank=True)
    baseline = models.CharField(
        max_length=8, choices=BaselineChoice.choices, blank=True, default=BaselineChoice.NONE
    )
    min_effect = models.FloatField(default=0.0, help_text="limits are never closer than this")
    gap_days = models.FloatField(null=True, help_text="a longer pause begins a new epoch")
    baseline_points = models.PositiveSmallIntegerField(default=9)
    drop_repeats = models.BooleanField(default=True, help_text="a value twice is one carried over")
    run_rules = models.JSONField(default=list, help_text="names, e.g. WE1")
    is_hc = models.BooleanField(default=False)
    origin = models.CharField(max_length=8, choices=RuleOrigin.choices, default=RuleOrigin.FOLDER)
    valid_from_mjd = models.FloatField()
    valid_until_mjd = models.FloatField(null=True)
    author = models.CharField(max_length=150)
    reason = models.TextField()
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    objects = RuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="score_rule_version_once"),
            models.UniqueConstraint(
                fields=["key", "valid_from_mjd"],
                condition=Q(superseded_at=None),
                name="score_rule_current_once",
            ),
            models.CheckConstraint(
                condition=Q(valid_until_mjd=None) | Q(valid_until_mjd__gt=F("valid_from_mjd")),
                name="score_rule_valid_from_before_until",
            ),
            models.CheckConstraint(
                condition=Q(window_days=None) | Q(window_days__gt=0),
                name="score_rule_window_is_positive",
            ),
            models.CheckConstraint(
                condition=Q(min_effect__gte=0, min_effect__lte=FINITE_MAX),
                name="score_rule_min_effect_is_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} version {self.version}"


class Score(models.Model):
    """A judgement of one value, with everything it was judged by."""

    series = models.ForeignKey(Series, models.CASCADE, related_name="scores")
    row = models.ForeignKey(QC1Row, models.CASCADE, related_name="scores")
    rule = models.ForeignKey(ScoreRule, models.PROTECT, null=True, related_name="scores")
    result = models.SmallIntegerField(null=True, help_text="0 OK, 1 NOK, empty: not scored")
    grey_reason = models.CharField(max_length=32, blank=True)
    value = models.FloatField(null=True)
    lower = models.FloatField(null=True)
    upper = models.FloatField(null=True)
    average = models.FloatField(null=True)
    sigma = models.FloatField(null=True)
    n = models.PositiveIntegerField(default=0, help_text="points the statistics are of")
    used_fallback = models.BooleanField(default=False)
    is_warning = models.BooleanField(default=False)
    is_hc = models.BooleanField(default=False)
    since_mjd = models.FloatField(null=True, help_text="start of an undeclared level followed")
    is_repeat = models.BooleanField(default=False, help_text="equal to the value before it")
    act = models.ForeignKey(
        "trending.ScoreAct", models.PROTECT, null=True, related_name="scores",
        help_text="the person's decision that stands above the rule",
    )  # fmt: skip
    is_current = models.BooleanField(default=True)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    objects = FactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["series", "row"], condition=Q(is_current=True), name="score_current_once"
            ),
            models.CheckConstraint(
                condition=Q(result__in=[0, 1]) | Q(result=None), name="score_is_0_1_or_grey"
            ),
            models.CheckConstraint(
                condition=Q(result__isnull=False) | ~Q(grey_reason=""),
                name="score_grey_says_why",
            ),
            # Nothing is green without data.
            models.CheckConstraint(
                condition=Q(result=None) | Q(value__isnull=False), name="score_has_a_value"
            ),
            models.CheckConstraint(
                condition=Q(lower=None) | Q(upper=None) | Q(lower__lte=F("upper")),
                name="limits_lower_below_upper",
            ),
            # A limit at infinity would let everything pass.
            models.CheckConstraint(
                condition=_finite_or_null("value")
                & _finite_or_null("lower")
                & _finite_or_null("upper"),
                name="score_numbers_are_finite",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series_id}/{self.row_id}: {self.result}"

    @property
    def limits(self) -> tuple[float | None, float | None]:
        return self.lower, self.upper

    def get_grey_reason_text(self) -> str:
        """Return why it is not scored, in the words of every page."""
        return GreyReason(self.grey_reason).words if self.grey_reason else ""

    def verdict(self) -> str:
        """Say where the value lies: "above the upper limit"."""
        if self.value is None:
            return "missing"
        if self.upper is not None and self.value > self.upper:
            return "above the upper limit"
        if self.lower is not None and self.value < self.lower:
            return "below the lower limit"
        return "inside the limits"


class BlockScoreQuerySet(models.QuerySet["BlockScore"]):
    def standing(self) -> Self:
        """Scores that count: of blocks whose latest run, not only a former one, was successful."""
        return self.filter(is_current=True, block__process_status=ProcessStatus.SUCCESSFUL)


class BlockScore(models.Model):
    """The score of a block's run: n NOK of N scored, or grey."""

    block = models.ForeignKey(
        "pipelines.AssociationBlock", models.CASCADE, related_name="block_scores"
    )
    attempt = models.ForeignKey("pipelines.Attempt", models.CASCADE, related_name="block_scores")
    n_nok = models.PositiveIntegerField()
    n_scored = models.PositiveIntegerField()
    n_grey = models.PositiveIntegerField()
    grey_reason = models.CharField(max_length=32, blank=True, help_text="when nothing is scored")
    summary = models.CharField(max_length=255, blank=True, help_text="the values outside, in words")
    is_current = models.BooleanField(default=True)
    recorded_at = models.DateTimeField()

    objects = BlockScoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["block"], condition=Q(is_current=True), name="block_score_current_once"
            ),
            models.CheckConstraint(
                condition=Q(n_nok__lte=F("n_scored")), name="block_score_nok_within_scored"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.block_id}: {self.n_nok}/{self.n_scored}"

    def get_grey_reason_text(self) -> str:
        """Return why nothing is scored, in the words of every page."""
        return GreyReason(self.grey_reason).words if self.grey_reason else ""
