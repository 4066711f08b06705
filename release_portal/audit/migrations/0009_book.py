from django.db import migrations, models

from release_portal.audit.ledger import BOOK, LINES, UNBOOK, UNLINES

AT = models.DateTimeField(help_text="by PostgreSQL's clock, whatever an INSERT says")


class Migration(migrations.Migration):
    """PostgreSQL sets the time of events, looks at their person, and links each to those before it."""

    dependencies = [("audit", "0008_whom")]
    operations = [
        *(migrations.AlterField(name, "at", AT) for name in ("event", "securityevent")),
        migrations.RunSQL(LINES, UNLINES),
        migrations.RunSQL(BOOK, UNBOOK),
    ]
