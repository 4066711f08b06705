"""A review that counts is current, as a membership is; the rule that keeps its other columns names the column."""

from django.conf import settings
from django.db import migrations, models

from release_portal.lib.append_only import kept, unkept


class Migration(migrations.Migration):
    dependencies = [("access", "0012_metered"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        unkept("access_review", once=("is_standing",)),
        migrations.RemoveConstraint("review", "one_standing_review_each"),
        migrations.RenameField("review", "is_standing", "is_current"),
        migrations.AddConstraint(
            "review",
            models.UniqueConstraint(
                fields=["item", "reviewer"], condition=models.Q(is_current=True), name="one_current_review_each"
            ),
        ),
        kept("access_review", once=("is_current",)),
    ]
