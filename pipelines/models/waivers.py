"""Waivers: what is known to be missing, or to fail, and need not be looked at every day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from .instruments import Instrument

if TYPE_CHECKING:
    from .blocks import AssociationBlock


class WaiverKind(models.TextChoices):
    """What a waiver is for."""

    MISSING = "MISSING", "known to be incomplete"
    FAILING = "FAILING", "known to fail"


class WaiverQuerySet(models.QuerySet["Waiver"]):
    def open(self) -> Self:
        return self.filter(withdrawn_at=None)

    def of_outer_block(self, kind: WaiverKind) -> Exists:
        """Whether one of a kind stands for the block of the outer query."""
        of_setup = Q(setup="") | Q(setup=OuterRef("setup"))
        return Exists(
            self.open().filter(
                of_setup, kind=kind, instrument=OuterRef("instrument"),
                raw_type=OuterRef("raw_type"), first_night__lte=OuterRef("night"),
                last_night__gte=OuterRef("night"),
            )
        )  # fmt: skip


class Waiver(models.Model):
    """Blocks of a raw type, of some nights, need nobody although they are incomplete or failed.

    They stay what they are: nothing becomes green, certified or complete by it.
    """

    instrument = models.ForeignKey(Instrument, models.CASCADE, related_name="waivers")
    raw_type = models.CharField(max_length=64)
    setup = models.CharField(max_length=255, blank=True, help_text="empty: every set-up")
    kind = models.CharField(max_length=7, choices=WaiverKind.choices)
    reason = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    first_night = models.DateField()
    last_night = models.DateField(help_text="it ends with this night")
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)

    objects = WaiverQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["instrument", "raw_type"],
                name="waiver_open",
                condition=Q(withdrawn_at=None),
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(first_night__lte=F("last_night")), name="waiver_ends_after_it_begins"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="waiver_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.raw_type} {self.setup} {self.get_kind_display()}"

    def covers_night(self, night: dt.date) -> bool:
        return self.first_night <= night <= self.last_night

    def covers(self, block: AssociationBlock) -> bool:
        """Whether it stands for a block as it is now; the question of the query, to one block."""
        is_so = (
            block.completeness == "INCOMPLETE"
            if self.kind == WaiverKind.MISSING
            else block.process_status == "FAILED"
        )
        return (
            is_so and self.withdrawn_at is None and self.instrument_id == block.instrument_id
            and self.raw_type == block.raw_type and self.setup in {"", block.setup}
            and self.covers_night(block.night)
        )  # fmt: skip
