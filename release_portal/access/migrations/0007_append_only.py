"""What was said, asked and reviewed stays as it was: PostgreSQL refuses to change it."""

from django.db import migrations

from release_portal.lib.append_only import append_only, frozen


class Migration(migrations.Migration):
    dependencies = [("access", "0006_items_alone")]

    operations = [
        *(append_only(f"access_{table}") for table in ("submission", "remark", "recusal", "sizerule")),
        frozen("access_review", "item_id", "reviewer_id", "verdict", "terms", "reason_code", "reason", "note", "at"),
    ]
