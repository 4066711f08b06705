"""An order holds texts of any jobs; an organisation has a place in the queue of a size; finished texts are numbered."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

FILL = """
UPDATE jobs_workorder SET size_id = jobs_job.size_id FROM jobs_job WHERE jobs_job.id = jobs_workorder.job_id;
UPDATE jobs_completion SET order_id = NULL FROM jobs_job
    WHERE jobs_job.id = job_id AND finished_at IS NULL AND jobs_job.status NOT IN ('queued', 'running');
UPDATE jobs_completion SET number = counted.number FROM (
    SELECT id, row_number() OVER (PARTITION BY job_id ORDER BY finished_at, index) AS number
    FROM jobs_completion WHERE finished_at IS NOT NULL
) AS counted WHERE counted.id = jobs_completion.id;
INSERT INTO jobs_share (size_id, partner_id, weight, tokens, handed_out)
    SELECT DISTINCT size_id, partner_id, 1, 0, 0 FROM jobs_job WHERE status IN ('queued', 'running', 'held');
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_items"),
        ("partners", "0006_admitted_says_when"),
        ("releases", "0002_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Share",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("weight", models.FloatField(default=1, validators=[django.core.validators.MinValueValidator(0.01)])),
                (
                    "tokens",
                    models.FloatField(default=0, help_text="used, divided by the weight; a place, not an account"),
                ),
                ("handed_out", models.BigIntegerField(default=0, help_text="the most that texts with workers can use")),
            ],
        ),
        migrations.AddField(
            model_name="completion",
            name="attempts",
            field=models.PositiveSmallIntegerField(default=0, help_text="workers that began it and did not end it"),
        ),
        migrations.AddField(
            model_name="completion",
            name="number",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="content_sha256",
            field=models.CharField(blank=True, help_text="of its prompts and settings", max_length=64),
        ),
        migrations.AddField(
            model_name="job",
            name="served_at",
            field=models.DateTimeField(help_text="when texts of it were last handed out", null=True),
        ),
        migrations.AddField(
            model_name="worker",
            name="loaded",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=100),
                default=list,
                help_text="the sizes in its memory",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="tokens",
            field=models.BigIntegerField(default=0, help_text="generated since it started"),
        ),
        migrations.AddField(
            model_name="worker",
            name="tokens_per_s",
            field=models.FloatField(default=0, help_text="between its last two introductions"),
        ),
        migrations.AddField(
            model_name="workorder",
            name="size",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="orders", to="releases.modelsize"
            ),
        ),
        migrations.AddField(
            model_name="workorder",
            name="urgent",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="completion",
            name="finish_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("stop", "Ended by the model"),
                    ("length", "Cut at the longest length"),
                    ("refused", "Refused"),
                    ("failed", "Failed"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="workorder",
            name="status",
            field=models.CharField(
                choices=[("out", "With a worker"), ("done", "Done"), ("stopped", "Stopped"), ("lost", "Given up")],
                default="out",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="outage",
            name="size",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="outages", to="releases.modelsize"
            ),
        ),
        migrations.AddField(
            model_name="share",
            name="partner",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="shares", to="partners.partner"
            ),
        ),
        migrations.AddField(
            model_name="share",
            name="size",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="shares", to="releases.modelsize"
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name="workorder",
            name="attempts",
        ),
        migrations.RemoveField(
            model_name="workorder",
            name="job",
        ),
        migrations.AlterField(
            model_name="workorder",
            name="size",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="orders", to="releases.modelsize"
            ),
        ),
        migrations.AddIndex(
            model_name="completion",
            index=models.Index(
                condition=models.Q(("attempts__gt", 0), ("finished_at__isnull", True), ("order__isnull", True)),
                fields=["job"],
                name="completions_to_try_again",
            ),
        ),
        migrations.AddConstraint(
            model_name="completion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("number__isnull", False)), fields=("job", "number"), name="completion_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="completion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("number__isnull", True)),
                    models.Q(("finished_at__isnull", False), ("number__isnull", False)),
                    _connector="OR",
                ),
                name="jobs_completion_finished_at_together",
            ),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)), fields=("size",), name="one_outage_at_a_time"
            ),
        ),
        migrations.AddConstraint(
            model_name="share",
            constraint=models.UniqueConstraint(fields=("size", "partner"), name="share_once"),
        ),
        migrations.AddConstraint(
            model_name="share",
            constraint=models.CheckConstraint(condition=models.Q(("weight__gt", 0)), name="share_weighs"),
        ),
    ]
