"""manage.py receive"""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from release_portal.jobs.receiver import Receiver


class Command(BaseCommand):
    help = "Read what workers report, until a signal ends it."

    def handle(self, *args: Any, **options: Any) -> None:
        receiver = Receiver()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: receiver.stop.set())
        receiver.run()
