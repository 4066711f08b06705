"""manage.py enroll_worker anna --file anna.env"""

from pathlib import Path
from typing import Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from release_portal.jobs import actions
from release_portal.jobs.accounts import NO_ACCOUNT, address_for, set_account
from release_portal.jobs.models import Worker
from release_portal.lib.states import Refused


class Command(BaseCommand):
    help = "Give a worker a key and an account on the broker, and write what its environment needs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--file", type=Path, required=True, help="readable for its owner alone; printed nowhere")
        parser.add_argument(
            "--again", action="store_true", help="keep the key that the file has, or replace a lost one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            with transaction.atomic():
                worker = self._enrolled(options["name"], path, again=options["again"])
                self._write(worker, path)
        except Refused as refused:
            raise CommandError(refused.sentence) from refused
        except OSError as error:
            raise CommandError(f"Nobody was enrolled: {path} cannot be written: {error.strerror}.") from error
        try:
            set_account(worker)
        except redis.RedisError as error:
            self.stderr.write(f"{NO_ACCOUNT} It said: {error}")
        self.stdout.write(f"Worker {worker} is enrolled; its environment is {path}.")

    def _enrolled(self, name: str, path: Path, *, again: bool) -> Worker:
        held = Worker.objects.enrolled().filter(name=name).first() if again else None
        if held and not self._is_in(held, path):
            actions.revoke_worker(by=None, worker=held, reason="It is enrolled again.")
            held = None
        return held or actions.enroll_worker(by=None, name=name)

    def _write(self, worker: Worker, path: Path) -> None:
        """In the transaction that enrols it: a key that cannot be written down holds nowhere."""
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(f"WORKER_NAME={worker.name}\nWORKER_KEY={worker.key}\nREDIS_URL={address_for(worker)}\n")

    def _is_in(self, worker: Worker, path: Path) -> bool:
        return worker.has_readable_key and path.is_file() and f"WORKER_KEY={worker.key}\n" in path.read_text()
