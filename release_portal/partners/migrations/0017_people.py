import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

GAINING = ("operator", "release-manager")
DISABLE = "person.disable"


def allow_disabling(apps, schema_editor):
    roles = apps.get_model("partners", "Role").objects.using(schema_editor.connection.alias)
    for role in roles.filter(code__in=GAINING).exclude(permissions__contains=[DISABLE]):
        role.permissions = [*role.permissions, DISABLE]
        role.save()


class Migration(migrations.Migration):
    dependencies = [("partners", "0016_tokens_in_question")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="decided_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="decided_at",
            field=models.DateTimeField(help_text="when the account was last disabled or enabled again", null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="reason",
            field=models.TextField(blank=True, default="", verbose_name="why it was, for the person to read"),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="partners_user_decided_by_together",
            ),
        ),
        migrations.AlterField(
            model_name="role",
            name="permissions",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("partner.admit", "Admit or decline organisations"),
                        ("request.decide", "Decide access requests"),
                        ("grant.revoke", "Suspend and revoke grants"),
                        ("access.suspend", "Suspend organisations, sizes, or everything"),
                        ("rule.set", "Set review rules and pause intake"),
                        ("request.oversee", "Is told of requests past their promise"),
                        ("size.open", "Open components of sizes"),
                        ("fleet.see", "See the workers, and is told when a size has none"),
                        ("worker.enroll", "Enrol workers and revoke their keys"),
                        ("share.set", "Set the weight of an organisation at a size"),
                        ("failure.retry", "Have what keeps failing tried again at once"),
                        ("person.disable", "Disable people and enable them again"),
                        ("book.read", "Read the book"),
                        ("security.read", "Read the security events"),
                        ("partner.read", "See the organisation"),
                        ("partner.edit", "Correct the application and close the organisation"),
                        ("member.invite", "Invite and remove members"),
                        ("agreement.sign", "Sign agreements"),
                        ("access.request", "Request access to sizes"),
                        ("job.submit", "Submit and cancel generation jobs"),
                    ],
                    max_length=30,
                ),
                size=None,
            ),
        ),
        migrations.RunPython(allow_disabling, migrations.RunPython.noop),
    ]
