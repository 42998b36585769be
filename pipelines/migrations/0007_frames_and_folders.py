import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def ask_again_for_checksums(apps, schema_editor):
    """A frame that was away once was never asked again."""
    apps.get_model("pipelines", "RawFile").objects.filter(checksum="missing").update(checksum="")


class Migration(migrations.Migration):

    dependencies = [
        ('pipelines', '0006_one_rule_set_in_force'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(ask_again_for_checksums, migrations.RunPython.noop),
        migrations.AddField(
            model_name='instrument',
            name='folder',
            field=models.TextField(blank=True, help_text='where it was loaded from'),
        ),
        migrations.AddField(
            model_name='nightevent',
            name='raw_file',
            field=models.ForeignKey(help_text='that was hidden', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='pipelines.rawfile'),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='checksum_tried_at',
            field=models.DateTimeField(help_text='when it could not be had: the file was not what was registered', null=True),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='file_size',
            field=models.PositiveBigIntegerField(default=0, help_text='bytes on disk when it was read'),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='is_undated',
            field=models.BooleanField(default=False, help_text='a table without MJD-OBS; mjd_obs is when it was registered'),
        ),
        migrations.AlterField(
            model_name='nightevent',
            name='kind',
            field=models.CharField(choices=[('CLOSED', 'closed'), ('REOPENED', 'reopened'), ('CALIBRATED', 'daytime calibrations finished'), ('HIDDEN', 'frame hidden'), ('SHOWN', 'frame shown again')], max_length=10),
        ),
        migrations.AddIndex(
            model_name='rawfile',
            index=models.Index(condition=models.Q(('gone_at', None), _negated=True), fields=['night'], name='raw_file_gone'),
        ),
    ]
