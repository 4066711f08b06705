"""What all parts of the filling share: chance, the moment, the lab's people, and the events, written at the end."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from django.db import models, reset_queries

from agreements.models import AgreementVersion
from release_portal.audit.models import Event, key_of
from release_portal.lib.states import Refused
from release_portal.partners.models import Role, User
from release_portal.releases.models import ModelSize

SPAN = timedelta(days=730)
BATCH = 2_000
REVIEWERS = ("Rita Moss", "Tom Ash", "Mara Voss")


class World:
    """The state of one filling."""

    def __init__(self, random: Random, at: datetime, tell: Callable[[str], None]) -> None:
        self.random, self.at, self.tell = random, at, tell
        self.sizes = list(ModelSize.objects.smallest_first())
        version = AgreementVersion.objects.order_by("-number").first()
        if not self.sizes or version is None:
            raise Refused("There are no sizes and no agreement yet. Run `manage.py first_records` first.")
        self.version = version
        self.for_two = {size.pk for size in self.sizes if size.is_largest()}
        self.reviewers = [self._reviewer(name) for name in REVIEWERS]
        self._events: list[tuple[datetime, str, str, User | None, list[str], dict[str, Any]]] = []

    def between(self, start: datetime, end: datetime) -> datetime:
        """A moment between two others."""
        return start + (end - start) * self.random.random()

    def happened(
        self, at: datetime, kind: str, sentence: str, *about: models.Model, by: User | None, **detail: Any
    ) -> None:
        """Keep an event for the book, which is written in the order of time."""
        self._events.append((at, kind, sentence, by, [key_of(thing) for thing in about], detail))

    def write_events(self) -> None:
        self._events.sort(key=lambda event: event[0])
        events = (
            Event(at=at, kind=kind, sentence=sentence, by=by, about=about, detail=detail)
            for at, kind, sentence, by, about, detail in self._events
        )
        self.write("events", len(self._events), events)

    def write(self, things: str, total: int, rows: Any) -> None:
        """Write rows in batches, and tell how far that is."""
        rows, done = iter(rows), 0
        while batch := list(islice(rows, BATCH)):
            self.add(batch)
            done += len(batch)
            if done % (10 * BATCH) == 0 or done == total:
                self.tell(f"{things}: {done:,} of {total:,}")

    def add(self, rows: Sequence[models.Model]) -> None:
        """Write rows without a word."""
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            type(batch[0])._base_manager.bulk_create(batch)
            reset_queries()  # where DEBUG is on, Django keeps the text of each

    def _reviewer(self, name: str) -> User:
        email = f"{name.split()[0].lower()}@lab.example"
        user, made = User.objects.get_or_create(email=email, defaults={"name": name})
        if made:
            user.set_unusable_password()
            user.save()
            user.lab_roles.set(Role.objects.filter(pk="reviewer"))
        return user
