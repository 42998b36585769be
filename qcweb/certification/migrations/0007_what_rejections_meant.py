"""A rejection says what it meant so far: BADQUAL."""

from django.db import migrations


def say_what_it_meant(apps, editor):
    """Until now a rejected block was none for the calibration plan."""
    editor.execute("UPDATE certification_seal SET is_open = 1")
    editor.execute(
        "UPDATE certification_certification SET is_badqual = %s WHERE decision = 'REJECTED'", [True]
    )
    editor.execute("UPDATE certification_seal SET is_open = 0")
    blocks = apps.get_model("pipelines", "AssociationBlock")
    blocks.objects.filter(is_withdrawn=True).update(is_badqual=True)


class Migration(migrations.Migration):
    dependencies = [("certification", "0006_badqual_and_reasons")]
    operations = [migrations.RunPython(say_what_it_meant, migrations.RunPython.noop)]
