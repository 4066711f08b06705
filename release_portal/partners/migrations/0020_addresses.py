from django.db import IntegrityError, migrations, transaction

from release_portal.partners.addresses import canonical

COLUMNS = [
    ("partners", "User", "email"),
    ("account", "EmailAddress", "email"),
    ("partners", "Invitation", "email"),
    ("partners", "Partner", "contact_email"),
]


def make_canonical(apps, schema_editor):
    """Whoever signs in is looked for by the one form of an address; what another has already stays as it is."""
    alias = schema_editor.connection.alias
    for app, name, column in COLUMNS:
        rows = apps.get_model(app, name).objects.using(alias)
        other = rows.filter(**{f"{column}__regex": "[^ -~]|xn--"})
        for pk, email in other.values_list("pk", column):
            try:
                with transaction.atomic(using=alias):
                    rows.filter(pk=pk).update(**{column: canonical(email)})
            except IntegrityError:
                print(f"{name} {pk} keeps its address: another has its one form.")


class Migration(migrations.Migration):
    dependencies = [("partners", "0019_lookalikes"), ("account", "0001_initial")]
    operations = [migrations.RunPython(make_canonical, migrations.RunPython.noop)]
