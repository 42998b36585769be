"""A rejection says what it meant so far: BADQUAL."""

from django.db import migrations


def say_what_it_meant(apps, editor):
    """Until now a rejected block was none for the calibration plan."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT max(is_open) FROM certification_seal")
        [is_open] = cursor.fetchone()
        cursor.execute("UPDATE certification_seal SET is_open = 1")
        cursor.execute(
            "UPDATE certification_certification SET is_badqual = %s WHERE decision = 'REJECTED'",
            [True],
        )
        cursor.execute("UPDATE certification_seal SET is_open = %s", [is_open])
    blocks = apps.get_model("pipelines", "AssociationBlock")
    blocks.objects.filter(is_withdrawn=True).update(is_badqual=True)


class Migration(migrations.Migration):
    dependencies = [("certification", "0006_badqual_and_reasons")]
    operations = [migrations.RunPython(say_what_it_meant, migrations.RunPython.noop)]
