from django.db import migrations
from django.db.models import Max
from django.utils import timezone


def put_frames_below_a_root(apps, schema_editor):
    """Paths were absolute: they lie below a root that is the whole disk until somebody names one."""
    frames = apps.get_model("pipelines", "RawFile")
    if not frames.objects.filter(root=None).exists():
        return
    root, _ = apps.get_model("pipelines", "Root").objects.get_or_create(
        name="disk", defaults={"path": "/", "recorded_at": timezone.now()}
    )
    changed = []
    for frame in frames.objects.filter(root=None).only("pk", "path").iterator(chunk_size=1000):
        frame.root, frame.path = root, frame.path.lstrip("/")
        changed.append(frame)
        if len(changed) == 1000:
            frames.objects.bulk_update(changed, ["root", "path"])
            changed = []
    frames.objects.bulk_update(changed, ["root", "path"])


def supersede_old_rules(apps, schema_editor):
    """Until now the newest version was in force and the others were not."""
    rule_sets = apps.get_model("pipelines", "RuleSet")
    newest = rule_sets.objects.order_by().values("instrument").annotate(newest=Max("version"))
    for one in newest:
        old = rule_sets.objects.filter(instrument=one["instrument"], version__lt=one["newest"])
        old.update(superseded_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ('pipelines', '0004_roots_rules_nights_rounds'),
    ]

    operations = [
        migrations.RunPython(put_frames_below_a_root, migrations.RunPython.noop),
        migrations.RunPython(supersede_old_rules, migrations.RunPython.noop),
    ]
