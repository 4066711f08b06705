from django.db import migrations

ROLES = [
    # code, title, explanation, at the lab, permissions
    ("reviewer", "Reviewer", "Admits organisations and decides requests.", True,
     ["partner.admit", "request.decide", "grant.revoke", "book.read"]),
    ("release-manager", "Release manager", "Opens sizes and revokes grants.", True,
     ["size.open", "grant.revoke", "book.read"]),
    ("auditor", "Auditor", "Reads the book.", True, ["book.read"]),
    ("owner", "Owner", "Invites and removes members.", False, ["partner.read", "member.invite"]),
    ("signatory", "Signatory", "Signs agreements for the organisation.", False, ["partner.read", "agreement.sign"]),
    ("investigator", "Principal investigator", "Requests access to sizes and submits jobs.", False,
     ["partner.read", "access.request", "job.submit"]),
    ("researcher", "Researcher", "Submits jobs.", False, ["partner.read", "job.submit"]),
    ("viewer", "Viewer", "Sees what the organisation does.", False, ["partner.read"]),
]  # fmt: skip


def add_roles(apps, schema_editor):
    roles = apps.get_model("partners", "Role").objects.using(schema_editor.connection.alias)
    for rank, (code, title, explanation, at_lab, permissions) in enumerate(ROLES):
        roles.create(code=code, title=title, explanation=explanation, at_lab=at_lab, rank=rank, permissions=permissions)


class Migration(migrations.Migration):
    dependencies = [("partners", "0001_initial")]
    operations = [migrations.RunPython(add_roles, migrations.RunPython.noop)]
