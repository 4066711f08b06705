import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WHOM = models.ForeignKey(
    null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
)


class Migration(migrations.Migration):
    """Whom an event concerns besides who acted: sentences name no people any more."""

    dependencies = [
        ("audit", "0007_factors"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.AddField(name, "whom", WHOM) for name in ("event", "securityevent")]
