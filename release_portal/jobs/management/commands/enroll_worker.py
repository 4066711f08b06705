"""manage.py enroll_worker anna --file anna.env"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from release_portal.jobs import actions
from release_portal.jobs.accounts import address_for
from release_portal.jobs.models import Worker
from release_portal.lib.states import Refused


class Command(BaseCommand):
    help = "Give a worker a key and an account on the broker, and write what its environment needs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--file", type=Path, required=True, help="readable for its owner alone; printed nowhere")
        parser.add_argument("--again", action="store_true", help="a worker of this name loses the key that it has")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            worker = self._enroll(options["name"], again=options["again"])
        except Refused as refused:
            raise CommandError(refused.sentence) from refused
        path: Path = options["file"]
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(f"WORKER_NAME={worker.name}\nWORKER_KEY={worker.key}\nREDIS_URL={address_for(worker)}\n")
        self.stdout.write(f"Worker {worker} is enrolled; its environment is {path}.")

    def _enroll(self, name: str, *, again: bool) -> Worker:
        held = Worker.objects.enrolled().filter(name=name).first() if again else None
        if held:
            actions.revoke_worker(by=None, worker=held, reason="It is enrolled again.")
        return actions.enroll_worker(by=None, name=name)
