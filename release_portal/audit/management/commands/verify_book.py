"""manage.py verify_book: read the whole book, and name the first event that is not what was written."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from release_portal.audit.chain import verify


class Command(BaseCommand):
    help = "Read the book and recompute every hash; exits with 1 and names the first event that does not fit."

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify()
        if verdict.flaw:
            raise CommandError(verdict.flaw.sentence)
        self.stdout.write(f"{verdict.events:,} events; every hash fits.")
