"""What is to be scored again because an event or a reference has come or gone."""

from django.db import models
from django.db.models import Q

from .qc1 import QC1Row, QC1Table, RowQuerySet


class Rescoring(models.Model):
    """The current rows of a table that are still to be scored again: from an instant on.

    One a table. It is written with what makes it necessary, in one transaction, moves on with every
    lot of rows, and is deleted with the last: whoever ends in between leaves the rest to another.
    """

    table = models.OneToOneField(QC1Table, models.CASCADE, related_name="rescoring")
    mjd_from = models.FloatField(help_text="of what is left, the first instant")
    after_row = models.BigIntegerField(
        default=0, help_text="rows of that instant up to it are done"
    )
    asked_at = models.DateTimeField()
    busy_until = models.DateTimeField(null=True, help_text="a worker is at it, or was until then")

    class Meta:
        ordering = ["asked_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(mjd_from__gte=0, mjd_from__lt=200000), name="rescoring_mjd_is_finite"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_id} from MJD {self.mjd_from}"

    def rows(self) -> RowQuerySet:
        """Return the rows that are left, in order of time."""
        is_left = Q(mjd_obs__gt=self.mjd_from) | Q(mjd_obs=self.mjd_from, pk__gt=self.after_row)
        return QC1Row.objects.filter(
            is_left, table=self.table_id, is_current=True, mjd_obs__gte=self.mjd_from
        ).order_by("mjd_obs", "pk")
