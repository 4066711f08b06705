from django.db import migrations, models

import release_portal.partners.models.partner
from release_portal.lib.text import folded

LONGEST = 400


def fold(apps, schema_editor):
    partners = apps.get_model("partners", "Partner").objects.using(schema_editor.connection.alias)
    for pk, name in partners.values_list("pk", "legal_name"):
        partners.filter(pk=pk).update(folded_name=folded(name)[:LONGEST] or name)  # none was refused before


class Migration(migrations.Migration):
    dependencies = [("partners", "0010_cached")]
    operations = [
        migrations.AddField(
            model_name="partner",
            name="folded_name",
            field=release_portal.partners.models.partner.ComparedField(
                default="", editable=False, help_text="as names are compared", max_length=LONGEST
            ),
            preserve_default=False,
        ),
        migrations.RunPython(fold, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="partner",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["admitted", "suspended"])),
                fields=("folded_name",),
                name="one_organisation_here_of_a_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="partner",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["applied", "returned"])),
                fields=("applied_by", "folded_name"),
                name="one_application_of_a_name_by_a_person",
            ),
        ),
    ]
