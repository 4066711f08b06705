from django.db import migrations

from release_portal.lib.append_only import append_only, frozen


class Migration(migrations.Migration):
    dependencies = [("agreements", "0002_initial")]
    operations = [
        append_only("agreements_agreementversion"),
        append_only("agreements_signature"),
        frozen("agreements_agreement", "partner_id", "version_id", "starts_at", "ends_at"),
    ]
