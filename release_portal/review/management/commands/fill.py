"""manage.py fill: a large made-up site, to look at and to measure. Not for production."""

from time import monotonic
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from release_portal.lib.owner import as_owner
from release_portal.lib.states import Refused
from release_portal.review.fill import fill


class Command(BaseCommand):
    help = "Add made-up organisations, requests and jobs: a large site to look at and to measure."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organisations", type=int, default=500)
        parser.add_argument("--requests", type=int, default=10_000)
        parser.add_argument("--jobs", type=int, default=100_000)
        parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same site")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Made-up rows do not belong in production: `fill` runs only where DEBUG is on.")
        numbers = {name: options[name] for name in ("organisations", "requests", "jobs")}
        if wrong := next((name for name, number in numbers.items() if number < 1), None):
            raise CommandError(f"--{wrong} is a number from 1; you gave {numbers[wrong]}.")
        if "owner" not in settings.DATABASES:
            raise CommandError("Only the owner of the tables may write of the past: set DATABASE_OWNER_URL for `fill`.")
        began = monotonic()
        try:
            with as_owner():
                fill(**numbers, seed=options["seed"], at=timezone.now(), tell=self.stdout.write)
        except Refused as refused:
            raise CommandError(refused.sentence) from None
        self.stdout.write(f"Done in {monotonic() - began:.0f} s.")
