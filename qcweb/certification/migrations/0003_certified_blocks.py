from django.db import migrations


def mark_certified_blocks(apps, schema_editor):
    """Blocks say themselves whether their products are certified: associations ask that often."""
    blocks = apps.get_model("pipelines", "AssociationBlock")
    latest = {}
    for entry in apps.get_model("certification", "Certification").objects.order_by("number"):
        latest[entry.block_id] = entry
    certified = {
        pk: entry.attempt_id
        for pk, entry in latest.items()
        if entry.decision in {"AUTO", "ACCEPTED"}
    }
    for pk, attempt in certified.items():
        blocks.objects.filter(
            pk=pk, current_attempt=attempt, process_status="SUCCESSFUL"
        ).update(is_certified=True)


class Migration(migrations.Migration):

    dependencies = [
        ('certification', '0002_append_only'),
        ('pipelines', '0004_roots_rules_nights_rounds'),
    ]

    operations = [
        migrations.RunPython(mark_certified_blocks, migrations.RunPython.noop),
    ]
