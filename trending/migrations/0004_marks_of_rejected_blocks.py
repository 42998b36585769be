"""Rows of rejected blocks get the mark that says so; until now only their state did."""

from django.db import migrations
from django.utils import timezone

REJECTED = 3


def add_marks(apps, schema_editor):
    row, mark = apps.get_model("trending", "QC1Row"), apps.get_model("trending", "Mark")
    rejected = row.objects.filter(state=REJECTED).values_list("pk", flat=True)
    at = timezone.now()
    mark.objects.bulk_create(
        (
            mark(
                row_id=pk,
                kind="rejected",
                reason="Rejected before reasons were kept here; see the block.",
                author="migration",
                recorded_at=at,
            )
            for pk in rejected.iterator()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("trending", "0003_history")]
    operations = [migrations.RunPython(add_marks, migrations.RunPython.noop)]
