"""Failures get their present names: apart from the changes of the tables, which PostgreSQL refuses
while rows of the same transaction are still being checked.
"""

from django.db import migrations, models

OLD = ("resource", "setup", "lost")
ABORTED = 134


def rename_kinds(apps, schema_editor):
    """Each row once: an aborted run was mostly one without memory, all else was the machine."""
    attempts = apps.get_model("pipelines", "Attempt").objects
    blocks = apps.get_model("pipelines", "AssociationBlock").objects
    aborted = attempts.filter(failure_kind="resource", return_code=ABORTED)
    latest = aborted.filter(number=models.F("block__attempt")).values("block")
    blocks.filter(failure_kind="resource", pk__in=latest).update(failure_kind="memory")
    blocks.filter(failure_kind__in=OLD).update(failure_kind="environment")
    aborted.update(failure_kind="memory")
    attempts.filter(failure_kind__in=OLD).update(failure_kind="environment")


def give_times(apps, schema_editor):
    blocks = apps.get_model("pipelines", "AssociationBlock").objects
    blocks.filter(status_at=None).update(status_at=models.F("changed_at"))


class Migration(migrations.Migration):
    dependencies = [("pipelines", "0008_work_under_control")]

    operations = [
        migrations.RunPython(rename_kinds, migrations.RunPython.noop),
        migrations.RunPython(give_times, migrations.RunPython.noop),
    ]
