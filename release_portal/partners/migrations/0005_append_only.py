from django.db import migrations

from release_portal.lib.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("partners", "0004_wider_roles")]
    operations = [append_only("partners_pause")]
