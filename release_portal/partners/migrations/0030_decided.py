"""No organisation applies, is decided on or closes, and no intake is paused, without an event."""

from django.db import migrations

from release_portal.audit.ledger import decided


class Migration(migrations.Migration):
    dependencies = [("partners", "0012_security"), ("audit", "0008_book")]
    operations = [decided("partners.partner", "status"), decided("partners.pause")]
