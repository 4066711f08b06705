"""The release manager keeps the register of families and sizes."""

import django.contrib.postgres.fields
from django.db import migrations, models

EDIT = "release.edit"


def allow_editing(apps, schema_editor):
    roles = apps.get_model("partners", "Role").objects.using(schema_editor.connection.alias)
    for role in roles.filter(code="release-manager").exclude(permissions__contains=[EDIT]):
        role.permissions = [*role.permissions, EDIT]
        role.save()


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0021_permission_labels"),
    ]

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
                        ("request.oversee", "Gets mail about requests past their promise"),
                        ("release.edit", "Add, edit and correct families and sizes"),
                        ("size.open", "Open components of sizes"),
                        ("fleet.see", "See the workers, and gets mail when a size has none"),
                        ("worker.enroll", "Enrol workers and revoke their keys"),
                        ("share.set", "Set the weight of an organisation at a size"),
                        ("failure.retry", "Have what keeps failing tried again at once"),
                        ("person.disable", "Disable people, enable them again, and remove factors that they lost"),
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
        migrations.RunPython(allow_editing, migrations.RunPython.noop),
    ]
