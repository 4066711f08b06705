"""No organisation applies, is decided on or closes, and no intake is paused, without an event."""

from django.db import migrations

from release_portal.audit.ledger import decided


class Migration(migrations.Migration):
    dependencies = [("partners", "0014_key_mark"), ("audit", "0009_book")]
    operations = [decided("partners.partner", "status"), decided("partners.pause")]
