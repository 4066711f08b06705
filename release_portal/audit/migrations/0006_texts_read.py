from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_security")]

    operations = [
        migrations.AlterField(
            model_name="securityevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("account.signed_in", "Signed in"),
                    ("account.signed_out", "Signed out"),
                    ("account.sign_in_failed", "Sign-in failed"),
                    ("account.sign_in_stopped", "Sign-in stopped after too many tries"),
                    ("account.password_changed", "Password changed"),
                    ("account.password_reset", "Password reset"),
                    ("account.address_changed", "E-mail address changed"),
                    ("texts.read", "Texts read"),
                    ("access.refused", "Refused"),
                ],
                max_length=60,
            ),
        ),
    ]
