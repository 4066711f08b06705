from django.db import IntegrityError, migrations, transaction

from release_portal.partners.models.partner import LONGEST_FOLDED, ComparedField, compared_forms

COLUMNS = {"name_skeleton": "as names look", "domain_skeleton": "as the web site's host name looks"}


def compare(apps, schema_editor):
    """A folded name that another has by now stays as it was: nobody is closed by this."""
    alias = schema_editor.connection.alias
    partners = apps.get_model("partners", "Partner").objects.using(alias)
    for pk, legal_name, website in partners.values_list("pk", "legal_name", "website").iterator():
        forms = compared_forms(legal_name, website)
        partners.filter(pk=pk).update(**{column: forms[column] for column in COLUMNS})
        try:
            with transaction.atomic(using=alias):
                partners.filter(pk=pk).update(folded_name=forms["folded_name"])
        except IntegrityError:
            print(f"Organisation {pk} keeps its folded name: another has “{forms['folded_name']}”.")


def add(column, help_text):
    field = ComparedField(default="", db_index=True, editable=False, help_text=help_text, max_length=LONGEST_FOLDED)
    return migrations.AddField(model_name="partner", name=column, field=field, preserve_default=False)


class Migration(migrations.Migration):
    dependencies = [("partners", "0018_permission_label")]
    operations = [
        *(add(column, help_text) for column, help_text in COLUMNS.items()),
        migrations.RunPython(compare, migrations.RunPython.noop),
    ]
