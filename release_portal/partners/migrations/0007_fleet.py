import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models import Max

GAINS = {"release-manager": ["fleet.see", "share.set"]}


def add_operator(apps, schema_editor):
    roles = apps.get_model("partners", "Role").objects.using(schema_editor.connection.alias)
    rank = roles.aggregate(last=Max("rank"))["last"] + 1
    told = {"title": "Operator", "explanation": "Keeps the workers running.", "at_lab": True, "rank": rank}
    operator, _ = roles.get_or_create(code="operator", defaults=told | {"permissions": []})
    for role, gained in [(operator, ["fleet.see"]), *((roles.get(code=code), one) for code, one in GAINS.items())]:
        role.permissions = [*role.permissions, *(one for one in gained if one not in role.permissions)]
        role.save()


class Migration(migrations.Migration):
    dependencies = [("partners", "0006_admitted_says_when")]
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
                        ("share.set", "Set the weight of an organisation at a size"),
                        ("book.read", "Read the book"),
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
        migrations.RunPython(add_operator, migrations.RunPython.noop),
    ]
