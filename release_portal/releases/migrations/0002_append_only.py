from django.db import migrations

from release_portal.lib.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("releases", "0001_initial")]
    operations = [append_only("releases_opening")]
