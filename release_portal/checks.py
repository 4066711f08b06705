"""What must be right before the site starts."""

from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def worker_key_is_a_key(**kwargs: Any) -> list[CheckMessage]:
    try:
        Fernet(settings.WORKER_KEY)
    except ValueError:
        hint = 'Make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
        return [Error("WORKER_KEY is not a Fernet key.", hint=hint, id="portal.E001")]
    return []


@register(Tags.security, deploy=True)
def owner_is_another_role(**kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["owner"].get("USER") != settings.DATABASES["default"].get("USER"):
        return []
    hint = "Let DATABASE_URL name a role that owns no table, and DATABASE_OWNER_URL the one that runs migrations."
    return [
        Warning(
            "The site connects as the owner of its tables, who could drop the book's triggers.",
            hint=hint,
            id="portal.W001",
        )
    ]
