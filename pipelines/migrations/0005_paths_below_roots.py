from django.db import migrations
from django.db.models import Max
from django.utils import timezone


def put_frames_below_a_root(apps, schema_editor):
    """Paths were absolute: they lie below a root that is the whole disk until somebody names one.

    What is known of a frame from its stored keywords goes into its new columns; the rest comes when
    its directory is ingested again.
    """
    frames = apps.get_model("pipelines", "RawFile")
    if not frames.objects.filter(root=None).exists():
        return
    root, _ = apps.get_model("pipelines", "Root").objects.get_or_create(
        name="disk", defaults={"path": "/", "recorded_at": timezone.now()}
    )
    setups = {
        (one.instrument_id, one.name): one.setup_keywords
        for one in apps.get_model("pipelines", "RawType").objects.all()
    }
    fields = ["root", "path", "pro_catg", "setup"]
    changed = []
    for frame in frames.objects.filter(root=None).iterator(chunk_size=1000):
        frame.root, frame.path = root, frame.path.lstrip("/")
        if not frame.raw_type:
            frame.pro_catg = str(frame.keywords.get("PRO.CATG", ""))[:64]
        names = setups.get((frame.instrument_id, frame.raw_type), [])
        values = [frame.keywords[name] for name in names if name in frame.keywords]
        texts = (f"{one:g}" if isinstance(one, float) else str(one) for one in values)
        frame.setup = "_".join(texts)[:255]
        changed.append(frame)
        if len(changed) == 1000:
            frames.objects.bulk_update(changed, fields)
            changed = []
    frames.objects.bulk_update(changed, fields)


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
