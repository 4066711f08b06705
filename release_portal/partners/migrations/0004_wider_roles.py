from django.db import migrations
from django.db.models import F

GAINS = [
    # code, explanation, permissions it gains
    ("reviewer", "Admits organisations, decides requests, suspends and revokes.", ["access.suspend"]),
    ("release-manager", "Opens sizes, decides requests, suspends and revokes, sets the rules of review.",
     ["request.decide", "access.suspend", "rule.set", "request.oversee"]),
    ("owner", "Invites and removes members, corrects the application, closes the organisation.", ["partner.edit"]),
]  # fmt: skip


def widen_roles(apps, schema_editor):
    roles = apps.get_model("partners", "Role").objects.using(schema_editor.connection.alias)
    for code, explanation, gained in GAINS:
        role = roles.get(code=code)
        role.permissions = [*role.permissions, *(one for one in gained if one not in role.permissions)]
        role.explanation = explanation
        role.save()


def note_admissions(apps, schema_editor):
    partners = apps.get_model("partners", "Partner").objects.using(schema_editor.connection.alias)
    partners.filter(status="admitted", admitted_at__isnull=True).update(admitted_at=F("decided_at"))


class Migration(migrations.Migration):
    dependencies = [("partners", "0003_people_and_pauses")]
    operations = [
        migrations.RunPython(widen_roles, migrations.RunPython.noop),
        migrations.RunPython(note_admissions, migrations.RunPython.noop),
    ]
