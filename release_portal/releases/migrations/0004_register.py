"""Names and numbers of sizes are corrected, and families have components of their own."""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from release_portal.audit.ledger import decided
from release_portal.lib.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("releases", "0003_decided"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Erratum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name_was", models.CharField(blank=True, max_length=20)),
                ("parameters_was", models.BigIntegerField(null=True)),
                ("on", models.DateField(help_text="the day on which it was announced")),
                ("reason", models.CharField(max_length=300)),
                ("at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "errata",
            },
        ),
        migrations.RemoveConstraint(
            model_name="modelsize",
            name="size_once_in_family",
        ),
        migrations.AddField(
            model_name="opening",
            name="family",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="openings", to="releases.family"
            ),
        ),
        migrations.AlterField(
            model_name="opening",
            name="component",
            field=models.CharField(
                choices=[
                    ("generation", "Hosted generation"),
                    ("logprobs", "Log-probabilities"),
                    ("weights", "Weights"),
                    ("outputs", "Output samples"),
                    ("detector", "Detector"),
                    ("card", "Model card"),
                    ("code", "Sampling code"),
                    ("training", "Training code"),
                    ("data_summary", "Data summary"),
                    ("paper", "Paper"),
                    ("report", "Technical report"),
                    ("agreement_template", "Agreement template"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="opening",
            name="size",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="openings", to="releases.modelsize"
            ),
        ),
        migrations.AddIndex(
            model_name="opening",
            index=models.Index(fields=["family", "component", "-at"], name="releases_op_family__934386_idx"),
        ),
        migrations.AddConstraint(
            model_name="modelsize",
            constraint=models.UniqueConstraint(
                models.F("family"), django.db.models.functions.text.Lower("name"), name="size_once_in_family"
            ),
        ),
        migrations.AddConstraint(
            model_name="opening",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("family__isnull", True), ("size__isnull", False)),
                    models.Q(("family__isnull", False), ("size__isnull", True)),
                    _connector="OR",
                ),
                name="opening_is_of_a_size_or_a_family",
            ),
        ),
        migrations.AddField(
            model_name="erratum",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="erratum",
            name="family",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="errata", to="releases.family"
            ),
        ),
        migrations.AddField(
            model_name="erratum",
            name="size",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="errata", to="releases.modelsize"
            ),
        ),
        migrations.AddConstraint(
            model_name="erratum",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("name_was", ""), _negated=True), ("parameters_was__isnull", False), _connector="OR"
                ),
                name="erratum_corrects_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="erratum",
            constraint=models.UniqueConstraint(
                models.F("family"),
                django.db.models.functions.text.Lower("name_was"),
                condition=models.Q(("name_was", ""), _negated=True),
                name="earlier_name_once_in_family",
            ),
        ),
        append_only("releases_erratum"),
        decided("releases.erratum"),
    ]
