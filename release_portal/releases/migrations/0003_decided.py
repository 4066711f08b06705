"""Nothing is opened without an event."""

from django.db import migrations

from release_portal.audit.ledger import decided


class Migration(migrations.Migration):
    dependencies = [("releases", "0002_append_only"), ("audit", "0009_book")]
    operations = [decided("releases.opening")]
