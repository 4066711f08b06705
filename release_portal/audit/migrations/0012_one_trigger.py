from django.db import migrations

from release_portal.audit.ledger import ONE_TRIGGER, TWO_TRIGGERS


class Migration(migrations.Migration):
    """The time, the person, the links and the hash of an event by one trigger, in half the time of two."""

    dependencies = [("audit", "0011_public_events")]
    operations = [migrations.RunSQL(ONE_TRIGGER, TWO_TRIGGERS)]
