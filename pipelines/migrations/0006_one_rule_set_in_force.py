import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('pipelines', '0005_paths_below_roots'),
    ]

    operations = [
        migrations.AlterField(
            model_name='rawfile',
            name='root',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='raw_files', to='pipelines.root'),
        ),
        migrations.AddConstraint(
            model_name='ruleset',
            constraint=models.UniqueConstraint(condition=models.Q(('superseded_at', None)), fields=('instrument', 'flavour', 'valid_from'), name='rule_set_one_in_force'),
        ),
        migrations.AddConstraint(
            model_name='ruleset',
            constraint=models.UniqueConstraint(condition=models.Q(('superseded_at', None), ('valid_from', None)), fields=('instrument', 'flavour'), name='rule_set_one_from_the_beginning'),
        ),
    ]
