"""A worker may know a size by an earlier name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0014_queues"),
    ]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="names",
            field=models.JSONField(default=dict, help_text="what it calls sizes that have another name now"),
        ),
    ]
