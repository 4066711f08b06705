from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("partners", "0009_enrol_workers")]
    operations = [
        migrations.CreateModel(
            name="Cached",
            fields=[
                ("key", models.CharField(max_length=250, primary_key=True, serialize=False)),
                ("value", models.TextField(help_text="JSON")),
                ("expires_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddIndex(
            model_name="cached",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)), fields=["expires_at"], name="cached_by_end"
            ),
        ),
    ]
