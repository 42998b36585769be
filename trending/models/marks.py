"""What people decided about values and scores. A decision ends, and is never overwritten."""

from django.db import models
from django.db.models import Q

from .facts import FactQuerySet
from .qc1 import QC1Row, Series


class MarkKind(models.TextChoices):
    """Why a row or a value does not count. In the order in which they show."""

    REJECTED = "rejected", "of a rejected block"
    HIDDEN = "hidden", "hidden"
    EXCLUDED = "excluded", "left out of statistics"


class Mark(models.Model):
    """A row, or one value of it, that does not count; who said so, why, and until when."""

    row = models.ForeignKey(QC1Row, models.CASCADE, related_name="marks")
    series = models.ForeignKey(
        Series, models.CASCADE, null=True, related_name="marks", help_text="empty: the whole row"
    )
    kind = models.CharField(max_length=8, choices=MarkKind.choices)
    reason = models.TextField()
    author = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    end_reason = models.TextField(blank=True)

    objects = FactQuerySet.as_manager()

    class Meta:
        ordering = ["-recorded_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["row", "kind"],
                condition=Q(superseded_at=None, series=None),
                name="mark_of_row_once",
            ),
            models.UniqueConstraint(
                fields=["row", "series", "kind"],
                condition=Q(superseded_at=None, series__isnull=False),
                name="mark_of_value_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.row_id} {self.kind}"


class ActKind(models.TextChoices):
    RESCORE = "rescore", "scored again"
    REMOVE = "remove", "scores removed"
    OVERRIDE = "override", "called OK"


class ScoreAct(models.Model):
    """A person's correction of the scores of a block's run, or of one value of it.

    Removing and overriding stand above the rule until they are taken back; scoring again leaves a
    trace only.
    """

    kind = models.CharField(max_length=8, choices=ActKind.choices)
    attempt = models.ForeignKey(
        "pipelines.Attempt", models.PROTECT, null=True, related_name="score_acts"
    )
    row = models.ForeignKey(QC1Row, models.CASCADE, null=True, related_name="score_acts")
    series = models.ForeignKey(Series, models.CASCADE, null=True, related_name="score_acts")
    reason = models.TextField()
    author = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)
    end_reason = models.TextField(blank=True)

    objects = FactQuerySet.as_manager()

    class Meta:
        ordering = ["-recorded_at", "-pk"]
        constraints = [
            # Of a block's run, or of one value: never of both, never of nothing.
            models.CheckConstraint(
                condition=Q(attempt__isnull=False, row=None, series=None)
                | Q(attempt=None, row__isnull=False, series__isnull=False),
                name="score_act_has_one_subject",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.attempt_id or (self.row_id, self.series_id)}"
