"""A corrected size is public."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0012_one_trigger"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="event",
            name="public_events",
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    ("kind__in", ("component.opened", "family.added", "size.added", "size.corrected", "weights.found"))
                ),
                fields=["-id"],
                name="public_events",
            ),
        ),
    ]
