import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from release_portal.lib.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0004_failures"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SecurityEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("account.signed_in", "Signed in"),
                            ("account.signed_out", "Signed out"),
                            ("account.sign_in_failed", "Sign-in failed"),
                            ("account.sign_in_stopped", "Sign-in stopped after too many tries"),
                            ("account.password_changed", "Password changed"),
                            ("account.password_reset", "Password reset"),
                            ("account.address_changed", "E-mail address changed"),
                            ("texts.read", "Texts downloaded"),
                            ("access.refused", "Refused"),
                        ],
                        max_length=60,
                    ),
                ),
                ("sentence", models.TextField()),
                ("at", models.DateTimeField()),
                (
                    "about",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), size=None),
                ),
                ("detail", models.JSONField(default=dict)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(fields=["about"], name="audit_secur_about_256b92_gin"),
                    models.Index(fields=["kind", "-id"], name="audit_secur_kind_97c00c_idx"),
                    models.Index(fields=["by", "-id"], name="audit_secur_by_id_ebf456_idx"),
                ],
            },
        ),
        append_only("audit_securityevent"),
    ]
