"""Values of rejected blocks were marked when marks began; they are as old as the decision."""

from django.db import migrations


def date_marks(apps, schema_editor):
    mark = apps.get_model("trending", "Mark")
    decided = {}
    entries = apps.get_model("certification", "Certification").objects.order_by("number")
    for entry in entries.filter(decision="REJECTED"):
        decided[entry.attempt_id] = entry
    made = mark.objects.filter(kind="rejected", author="migration").select_related("row")
    for one in made:
        entry = decided.get(one.row.attempt_id)
        if entry is not None:
            one.recorded_at = max(entry.decided_at, one.row.recorded_at)
            one.author = entry.decided_by.username if entry.decided_by else "the system"
            one.reason = entry.comment or one.reason
            one.save()


class Migration(migrations.Migration):
    dependencies = [
        ("certification", "0004_opened_by_the_system"),
        ("trending", "0004_marks_of_rejected_blocks"),
    ]
    operations = [migrations.RunPython(date_marks, migrations.RunPython.noop)]
