"""manage.py appoint rita@lab.example --name "Rita Moss" --role reviewer"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from release_portal.lib.states import Refused
from release_portal.partners import actions


class Command(BaseCommand):
    help = "Give a person roles at the lab, instead of those they had."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True)
        parser.add_argument("--role", action="append", default=[], help="repeat for several; none takes all away")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = actions.appoint(by=None, email=options["email"], name=options["name"], roles=options["role"])
        except Refused as refused:
            raise CommandError(refused.sentence) from refused
        self.stdout.write(f"{user.email}: {', '.join(options['role']) or 'no role at the lab'}")
