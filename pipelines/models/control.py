"""What people ask of the work itself: to hold it, to cancel it, to do it first; and who asked."""

from django.conf import settings
from django.db import models


class HoldScope(models.TextChoices):
    POOL = "POOL", "everything"
    INSTRUMENT = "INSTRUMENT", "an instrument"
    BLOCK = "BLOCK", "a block"


class Hold(models.Model):
    """While it stands, no new recipe starts for its subject; what runs already ends."""

    scope = models.CharField(max_length=10, choices=HoldScope.choices)
    # Key of the instrument or block; 0 for the pool.
    subject = models.PositiveBigIntegerField(default=0)
    reason = models.TextField(blank=True)
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    held_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "subject"], name="hold_once"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject}"


class ActKind(models.TextChoices):
    HOLD = "HOLD", "held"
    RELEASE = "RELEASE", "released"
    CANCEL = "CANCEL", "cancelled"
    FIRST = "FIRST", "run first"
    REPROCESS = "REPROCESS", "run again"
    PARAMETERS = "PARAMETERS", "parameters changed"
    CURRENT = "CURRENT", "made the current one"
    REPLACE = "REPLACE", "run again with the next best calibration"
    HAND_OVER = "HAND_OVER", "handed over"
    PRUNE = "PRUNE", "pruned"


class Act(models.Model):
    """One entry in the record of what people asked of the work; added, never edited."""

    kind = models.CharField(max_length=10, choices=ActKind.choices)
    block = models.ForeignKey(
        "pipelines.AssociationBlock", models.PROTECT, null=True, related_name="acts"
    )
    instrument = models.ForeignKey(
        "pipelines.Instrument", models.PROTECT, null=True, related_name="+"
    )
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="empty: the command line",
    )
    done_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    # What it was about: parameters, the attempt, the blocks.
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["-done_at"], name="act_newest_first")]

    def __str__(self) -> str:
        return f"{self.kind} {self.done_at:%Y-%m-%d %H:%M}"
