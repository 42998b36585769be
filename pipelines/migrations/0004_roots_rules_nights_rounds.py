import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('pipelines', '0003_frames_to_organise'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='NightEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('night', models.DateField()),
                ('kind', models.CharField(choices=[('CLOSED', 'closed'), ('REOPENED', 'reopened'), ('CALIBRATED', 'daytime calibrations finished')], max_length=10)),
                ('decided_at', models.DateTimeField()),
                ('comment', models.TextField(blank=True)),
                ('left', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='Root',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.SlugField(max_length=64, unique=True)),
                ('path', models.TextField(help_text='absolute', unique=True)),
                ('is_followed', models.BooleanField(default=False, help_text='each round looks for new frames below it')),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Round',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(help_text="incoming, or an instrument's name", max_length=40)),
                ('worker', models.CharField(max_length=255)),
                ('started_at', models.DateTimeField()),
                ('lease_until', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('found', models.JSONField(default=dict)),
                ('error', models.TextField(blank=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='calibrationlink',
            name='calibration_linked_once',
        ),
        migrations.RemoveConstraint(
            model_name='calibrationlink',
            name='calibration_of_another_block',
        ),
        migrations.AddField(
            model_name='associationblock',
            name='is_certified',
            field=models.BooleanField(default=False, help_text='its present products are certified, by the system or a person'),
        ),
        migrations.AddField(
            model_name='calibrationlink',
            name='file',
            field=models.ForeignKey(help_text='a file on disk', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='used_by', to='pipelines.rawfile'),
        ),
        migrations.AddField(
            model_name='calibrationlink',
            name='nth',
            field=models.PositiveSmallIntegerField(default=0, help_text='which of several products of that category, from 0'),
        ),
        migrations.AddField(
            model_name='instrument',
            name='oca',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='gone_at',
            field=models.DateTimeField(help_text='when it was first found missing on disk', null=True),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='hidden_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='hidden_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='hidden_reason',
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='ob_id',
            field=models.CharField(blank=True, max_length=32),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='pro_catg',
            field=models.CharField(blank=True, help_text='set: a calibration on disk', max_length=64),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='program_id',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='rule_set',
            field=models.ForeignKey(help_text='that classified it', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pipelines.ruleset'),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='setup',
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='target',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='trace',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='ruleset',
            name='flavour',
            field=models.CharField(choices=[('raw2master', 'raw to master'), ('raw2raw', 'raw to raw')], default='raw2master', max_length=10),
        ),
        migrations.AddField(
            model_name='ruleset',
            name='source',
            field=models.CharField(blank=True, help_text='the file it was read from', max_length=255),
        ),
        migrations.AddField(
            model_name='ruleset',
            name='superseded_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='ruleset',
            name='valid_from',
            field=models.DateField(help_text='first night; empty: from the beginning', null=True),
        ),
        migrations.AlterField(
            model_name='calibrationlink',
            name='delta_days',
            field=models.FloatField(help_text='calibration minus block; empty: it has no date', null=True),
        ),
        migrations.AlterField(
            model_name='calibrationlink',
            name='producer',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='used_by', to='pipelines.associationblock'),
        ),
        migrations.AlterField(
            model_name='rawfile',
            name='path',
            field=models.TextField(help_text='where it was found, below its root'),
        ),
        migrations.AddConstraint(
            model_name='calibrationlink',
            constraint=models.UniqueConstraint(condition=models.Q(('file', None)), fields=('block', 'label', 'producer', 'pro_catg', 'nth'), name='calibration_linked_once'),
        ),
        migrations.AddConstraint(
            model_name='calibrationlink',
            constraint=models.UniqueConstraint(condition=models.Q(('producer', None)), fields=('block', 'label', 'file'), name='calibration_file_linked_once'),
        ),
        migrations.AddConstraint(
            model_name='calibrationlink',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('file__isnull', True), ('producer__isnull', False)), models.Q(('file__isnull', False), ('producer__isnull', True)), _connector='OR'), name='calibration_is_of_a_block_or_a_file'),
        ),
        migrations.AddConstraint(
            model_name='calibrationlink',
            constraint=models.CheckConstraint(condition=models.Q(('producer', None), models.Q(('block', models.F('producer')), _negated=True), _connector='OR'), name='calibration_of_another_block'),
        ),
        migrations.AddField(
            model_name='nightevent',
            name='decided_by',
            field=models.ForeignKey(help_text='empty: the system', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='nightevent',
            name='instrument',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='night_events', to='pipelines.instrument'),
        ),
        migrations.AddField(
            model_name='rawfile',
            name='root',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='raw_files', to='pipelines.root'),
        ),
        migrations.AddIndex(
            model_name='rawfile',
            index=models.Index(fields=['name'], name='raw_file_by_name'),
        ),
        migrations.AddIndex(
            model_name='rawfile',
            index=models.Index(fields=['-mjd_obs'], name='raw_file_newest_first'),
        ),
        migrations.AddIndex(
            model_name='rawfile',
            index=models.Index(fields=['instrument', '-mjd_obs'], name='raw_file_of_instrument'),
        ),
        migrations.AddIndex(
            model_name='rawfile',
            index=models.Index(condition=models.Q(('pro_catg', ''), _negated=True), fields=['instrument', 'pro_catg'], name='raw_file_master'),
        ),
        migrations.AddIndex(
            model_name='round',
            index=models.Index(fields=['subject', '-started_at'], name='round_newest_first'),
        ),
        migrations.AddConstraint(
            model_name='round',
            constraint=models.UniqueConstraint(condition=models.Q(('finished_at', None)), fields=('subject',), name='round_one_at_a_time'),
        ),
        migrations.AddIndex(
            model_name='nightevent',
            index=models.Index(fields=['instrument', 'night'], name='night_event_of_night'),
        ),
    ]
