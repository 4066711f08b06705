"""Nothing is published or signed without an event."""

from django.db import migrations

from release_portal.audit.ledger import decided
from release_portal.lib.append_only import kept, unfrozen


class Migration(migrations.Migration):
    dependencies = [("agreements", "0003_append_only"), ("audit", "0009_book")]
    operations = [
        unfrozen("agreements_agreement", "partner_id", "version_id", "starts_at", "ends_at"),
        kept("agreements_agreement", once=("ended_at", "ended_by_id")),
        decided("agreements.agreementversion"),
        decided("agreements.agreement", "ended_at"),
        decided("agreements.signature"),
    ]
