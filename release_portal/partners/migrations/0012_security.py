import django.contrib.postgres.fields
from django.db import migrations, models

READERS = ["auditor", "release-manager"]


def add_permission(apps, schema_editor):
    roles = apps.get_model("partners", "Role").objects.using(schema_editor.connection.alias)
    for role in roles.filter(code__in=READERS).exclude(permissions__contains=["security.read"]):
        role.permissions = [*role.permissions, "security.read"]
        role.save()


class Migration(migrations.Migration):
    dependencies = [("partners", "0011_folded_names")]
    operations = [
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
        migrations.RunPython(add_permission, migrations.RunPython.noop),
    ]
