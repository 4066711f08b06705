"""An artefact is any component's files, with a version and a licence; what workers reported are weights."""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from release_portal.audit.ledger import decided
from release_portal.lib.append_only import append_only, kept

# Each check at once: a table with checks that wait cannot be altered.
FILL = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE releases_artefact SET at = first_seen_at, family_id = size.family_id
FROM releases_modelsize size WHERE size.id = size_id;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("releases", "0004_register"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ArtefactFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("path", models.CharField(max_length=400)),
                ("bytes", models.BigIntegerField()),
                ("changed_ns", models.BigIntegerField(help_text="when it was last written, in nanoseconds since 1970")),
                ("sha256", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Licence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("version", models.CharField(max_length=40)),
                ("text", models.TextField()),
                ("text_sha256", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ["name", "-at"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="artefact",
            name="artefact_once",
        ),
        migrations.AddField(
            model_name="artefact",
            name="at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="artefact",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="artefact",
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
                default="weights",
                max_length=20,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="artefact",
            name="error",
            field=models.CharField(blank=True, help_text="why it could not be hashed", max_length=300),
        ),
        migrations.AddField(
            model_name="artefact",
            name="family",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="artefacts",
                to="releases.family",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="artefact",
            name="at",
            field=models.DateTimeField(),
        ),
        migrations.AlterField(
            model_name="artefact",
            name="family",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="artefacts",
                to="releases.family",
            ),
        ),
        migrations.AddField(
            model_name="artefact",
            name="folder",
            field=models.CharField(blank=True, help_text="below ARTEFACTS_ROOT", max_length=400),
        ),
        migrations.AddField(
            model_name="artefact",
            name="status",
            field=models.CharField(
                choices=[("hashing", "Being hashed"), ("ready", "Hashed"), ("failed", "Not hashed")],
                default="ready",
                max_length=8,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="artefact",
            name="version",
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AlterField(
            model_name="artefact",
            name="first_seen_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="artefact",
            name="first_seen_on",
            field=models.CharField(blank=True, help_text="the worker that reported it first", max_length=120),
        ),
        migrations.AlterField(
            model_name="artefact",
            name="manifest_sha256",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name="artefact",
            name="size",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="artefacts",
                to="releases.modelsize",
            ),
        ),
        migrations.AddField(
            model_name="artefactfile",
            name="artefact",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="files", to="releases.artefact"
            ),
        ),
        migrations.AddField(
            model_name="licence",
            name="by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="artefact",
            name="licence",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="artefacts", to="releases.licence"
            ),
        ),
        migrations.AddConstraint(
            model_name="artefact",
            constraint=models.UniqueConstraint(
                condition=models.Q(("manifest_sha256", ""), _negated=True),
                fields=("size", "manifest_sha256"),
                name="artefact_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="artefact",
            constraint=models.UniqueConstraint(
                models.F("family"),
                models.F("size"),
                models.F("component"),
                django.db.models.functions.text.Lower("version"),
                condition=models.Q(
                    models.Q(("version", ""), _negated=True), models.Q(("status", "failed"), _negated=True)
                ),
                name="version_of_component_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="artefact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "ready"), models.Q(("manifest_sha256", ""), _negated=True)),
                    models.Q(models.Q(("status", "ready"), _negated=True), ("manifest_sha256", "")),
                    _connector="OR",
                ),
                name="ready_artefact_has_its_hash",
            ),
        ),
        migrations.AddConstraint(
            model_name="artefactfile",
            constraint=models.UniqueConstraint(fields=("artefact", "path"), name="file_once_in_artefact"),
        ),
        migrations.AddConstraint(
            model_name="licence",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"),
                django.db.models.functions.text.Lower("version"),
                name="licence_once",
            ),
        ),
        append_only("releases_licence"),
        kept(
            "releases_artefact",
            changing=("status",),
            once=("manifest_sha256", "error", "first_seen_at", "first_seen_on"),
        ),
        kept("releases_artefactfile", once=("sha256",)),
        decided("releases.licence"),
        decided("releases.artefact", "status"),
    ]
