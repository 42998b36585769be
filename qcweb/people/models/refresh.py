"""What somebody has asked to be looked at again, before the hourly round would."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Refresh(models.Model):
    """A forced refresh of an instrument; the sweep takes it and asks for the rounds it needs."""

    instrument = models.ForeignKey("pipelines.Instrument", models.CASCADE, related_name="refreshes")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            # Asked for twice before anything has happened it is the same.
            models.UniqueConstraint(
                fields=["instrument"], name="refresh_asked_once", condition=Q(taken_at=None)
            ),
            models.CheckConstraint(
                condition=Q(taken_at=None) | Q(taken_at__gte=F("asked_at")),
                name="refresh_taken_after_it_was_asked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.asked_at:%Y-%m-%d %H:%M}"
