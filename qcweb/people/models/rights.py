"""Rights: who may act on which instrument, given by whom, and taken back by whom."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q


class Role(models.TextChoices):
    STAFF = "STAFF", "observatory staff"
    SCIENTIST = "SCIENTIST", "QC scientist"


class RightQuerySet(models.QuerySet["Right"]):
    def open(self) -> Self:
        return self.filter(taken_at=None)


class Right(models.Model):
    """A role of an account on one instrument, or on all there are and will be.

    It is taken back, never deleted: who could certify in a night of some year is known for good.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="rights")
    instrument = models.ForeignKey(
        "pipelines.Instrument", models.CASCADE, null=True, related_name="+", help_text="empty: all"
    )
    role = models.CharField(max_length=10, choices=Role.choices)
    # Names and not accounts: they stay when an account goes, and the command line has none.
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField()
    taken_by = models.CharField(max_length=150, blank=True)
    taken_at = models.DateTimeField(null=True)

    objects = RightQuerySet.as_manager()

    class Meta:
        ordering = ["-given_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "instrument", "role"],
                name="right_open_once",
                condition=Q(taken_at=None),
            ),
            # In a database two empty instruments are not equal.
            models.UniqueConstraint(
                fields=["user", "role"],
                name="right_for_all_open_once",
                condition=Q(taken_at=None, instrument=None),
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="right_role_is_known"),
            models.CheckConstraint(condition=~Q(given_by=""), name="right_says_who_gave_it"),
            models.CheckConstraint(
                condition=Q(taken_at=None, taken_by="")
                | (Q(taken_at__isnull=False) & ~Q(taken_by="")),
                name="right_taken_says_by_whom",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} of {self.instrument or 'all instruments'}"
