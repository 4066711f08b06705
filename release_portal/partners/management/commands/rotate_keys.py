"""manage.py rotate_keys"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from release_portal.partners import actions
from release_portal.partners.models import ApiToken


class Command(BaseCommand):
    help = "Seal under SECRET_KEY what was sealed under SECRET_KEY_FALLBACKS, and say what still needs a key of before."

    def handle(self, *args: Any, **options: Any) -> None:
        result = actions.reseal_secrets(by=None)
        self.stdout.write(
            f"Sealed again: {len(result.resealed):,}. Sealed under the present key already: {result.already:,}."
        )
        for thing in result.unreadable:
            self.stdout.write(f"No key that is set reads what {thing} has sealed. A worker is then enrolled again.")
        self._tell_of_tokens()
        days = settings.SESSION_COOKIE_AGE // (24 * 3600)
        self.stdout.write(
            f"Sessions and mailed links of a key of before work until they end: sessions within {days} days."
        )

    def _tell_of_tokens(self) -> None:
        """A token is hashed, not sealed: it can be hashed again only when somebody shows it."""
        earlier = ApiToken.objects.in_force(at=timezone.now()).of_earlier_keys().order_by("-expires_at")
        last = earlier.first()
        if last is None:
            self.stdout.write("Every token in force is of the present key.")
            return
        self.stdout.write(
            f"Tokens in force that may be of a key of before: {earlier.count():,}; the last of them ends on "
            f"{last.expires_at:%-d %B %Y}. Each is hashed again when it is next used."
        )
