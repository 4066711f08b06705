"""What must be right before the site starts."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from release_portal.partners.rates import read_table


@register
def rate_limits_are_read(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """A wrong RATE_LIMITS stops the start, not the first act that it would limit."""
    read_table(tuple(settings.RATE_LIMITS.items()))
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
