"""manage.py revoke_worker anna --reason "Its machine was stolen." """

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from release_portal.jobs import actions
from release_portal.jobs.models import Worker
from release_portal.lib.states import Refused


class Command(BaseCommand):
    help = "End a worker's key at once: it stops, and nothing that it says counts any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        worker = Worker.objects.filter(name=options["name"]).first()
        if worker is None:
            raise CommandError(f"No worker is named {options['name']}.")
        try:
            actions.revoke_worker(by=None, worker=worker, reason=options["reason"])
        except Refused as refused:
            raise CommandError(refused.sentence) from refused
        self.stdout.write(f"The key of worker {worker} is revoked.")
