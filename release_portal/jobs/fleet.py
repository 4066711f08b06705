"""What the fleet does now: its workers, the queue of each size, and each organisation's part of what is generated.

A fixed number of queries however many workers, sizes and organisations there are; waiting texts are never loaded.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Min, OuterRef, Q, Sum
from django.utils.timesince import timesince

from release_portal.audit.models import Failure
from release_portal.releases.models import ModelSize

from .models import Completion, Drop, Job, Outage, Share, Worker, WorkOrder

PORTION_OF = timedelta(hours=1)
"""How far back an organisation's part of the tokens is counted."""
GIVEN_UP_FOR = timedelta(days=7)
MOST_GIVEN_UP = 20
MOST_GONE = 100
DROPPED_FOR = timedelta(days=7)
MOST_FAILING = 20
ACTS = {
    "partners.deliver_mail": "Sending a mail",
    "partners.send_digests": "Writing the day's digest",
    "access.expire_grants": "Ending a grant",
    "access.warn_of_ends": "Writing that a grant ends",
    "access.escalate_requests": "Telling of a late request",
    "jobs.dispatch:rule": "Holding or stopping a job",
    "jobs.dispatch:abandoned": "Taking back an order",
    "jobs.fill": "Handing out orders",
    "releases.hash_artefacts": "Hashing a file of an artefact",
    "jobs.keep_accounts": "Making a worker's account on the broker",
    "jobs.watch_fleet:begins": "Noting an outage",
    "jobs.watch_fleet:ends": "Noting the end of an outage",
}
"""By the task of a failure: what was to be done with each thing."""


@dataclass(frozen=True)
class Serving:
    """A size in a worker's list."""

    size: str
    in_memory: bool
    plain: bool
    """It runs on transformers' own cache, which is slower."""


@dataclass(frozen=True)
class Hand:
    """A worker, alive or gone, and what it has in hand."""

    worker: Worker
    serving: list[Serving]
    orders: int


@dataclass(frozen=True)
class Queue:
    """The work of one size: texts that wait, texts with workers, and who is there for them."""

    size: ModelSize
    workers: int
    waiting: int
    with_workers: int
    orders: int
    organisations: int
    oldest: str
    oldest_at: datetime | None


@dataclass(frozen=True)
class ShareOfSize:
    """An organisation at work with a size, and what it had of the last hour's tokens."""

    share: Share
    size: ModelSize
    tokens: int
    percent: float | None


@dataclass(frozen=True)
class Gap:
    """An outage that goes on."""

    outage: Outage
    size: ModelSize
    lasted: str
    texts: int


@dataclass(frozen=True)
class Failing:
    """A thing that keeps failing, and at what."""

    failure: Failure

    @property
    def act(self) -> str:
        return ACTS.get(self.failure.task, self.failure.task)


@dataclass(frozen=True)
class Fleet:
    at: datetime
    gaps: list[Gap]
    live: list[Hand]
    gone: list[Hand]
    queues: list[Queue]
    parts: list[ShareOfSize]
    given_up: list[Completion]
    drops: list[Drop]
    failing: list[Failing]
    failing_number: int

    @property
    def tokens_per_s(self) -> float:
        return sum(hand.worker.tokens_per_s for hand in self.live)

    @property
    def flagged(self) -> list[Worker]:
        """Those that said what cannot be so, and whose key holds."""
        workers = [hand.worker for hand in (*self.live, *self.gone)]
        return [worker for worker in workers if worker.flaws and worker.revoked_at is None]


def fleet_of(*, at: datetime) -> Fleet:
    sizes = {size.pk: size for size in ModelSize.objects.smallest_first()}
    workers = list(Worker.objects.lately(at=at))
    out = list(WorkOrder.objects.out().values("size", "worker").annotate(number=Count("pk")))
    queues = _queues(sizes, workers, out, at)
    hands = _hands(sizes, workers, out)
    return Fleet(
        at=at,
        gaps=_gaps(sizes, queues, at),
        live=[hand for hand in hands if hand.worker.is_alive],
        gone=sorted((hand for hand in hands if not hand.worker.is_alive), key=_last_heard, reverse=True)[:MOST_GONE],
        queues=queues,
        parts=_shares_of(sizes, at),
        given_up=list(Completion.objects.given_up(since=at - GIVEN_UP_FOR)[:MOST_GIVEN_UP]),
        drops=list(Drop.objects.filter(day__gt=(at - DROPPED_FOR).date()).order_by("-day", "reason")),
        failing=[Failing(failure) for failure in Failure.objects.most_tried_first()[:MOST_FAILING]],
        failing_number=Failure.objects.count(),
    )


def _last_heard(hand: Hand) -> datetime:
    """One that was never heard of is as old as its key."""
    return hand.worker.seen_at or hand.worker.enrolled_at


def sizes_without_worker(*, at: datetime) -> dict[ModelSize, datetime]:
    """Those with work that no live worker serves, and since when that is so."""
    oldest = dict(Job.objects.working().values_list("size").annotate(Min("submitted_at")))
    workers = list(Worker.objects.lately(at=at))
    without = {}
    for size in ModelSize.objects.smallest_first().filter(pk__in=oldest):
        serving = [worker for worker in workers if size.path in worker.sizes]
        if not any(worker.is_alive for worker in serving):
            without[size] = max([oldest[size.pk], *(worker.seen_at for worker in serving if worker.seen_at)])
    return without


@dataclass(frozen=True)
class Effect:
    """What ends with a worker's key: orders that go to others, and sizes that no other live worker serves."""

    orders: int
    texts: int
    unserved: list[str]


def effect_of_revoking(worker: Worker, *, at: datetime) -> Effect:
    orders = WorkOrder.objects.out().filter(worker=worker)
    others = Worker.objects.alive(at=at).exclude(pk=worker.pk).values_list("sizes", flat=True)
    served = {path for paths in others for path in paths}
    return Effect(
        orders=orders.count(),
        texts=Completion.objects.unfinished().filter(order__in=orders).count(),
        unserved=[path for path in worker.sizes if path not in served],
    )


def in_words(span: timedelta) -> str:
    """ "37 seconds", "4 minutes", "1 hour, 20 minutes"."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    now = datetime(2000, 1, 1)  # noqa: DTZ001 - only the distance is read
    return timesince(now - span, now).replace("\N{NO-BREAK SPACE}", " ")


def _hands(sizes: Mapping[int, ModelSize], workers: list[Worker], out: Sequence[Mapping[str, Any]]) -> list[Hand]:
    names = {size.path: str(size) for size in sizes.values()}
    orders: Counter[str] = Counter()
    for row in out:
        orders[row["worker"]] += row["number"]
    return [
        Hand(
            worker,
            [Serving(names.get(path, path), path in worker.loaded, path in worker.plain) for path in worker.sizes],
            orders[worker.name],
        )
        for worker in workers
    ]


def _queues(
    sizes: Mapping[int, ModelSize], workers: list[Worker], out: Sequence[Mapping[str, Any]], at: datetime
) -> list[Queue]:
    alive = Counter(path for worker in workers if worker.is_alive for path in worker.sizes)
    waits = Exists(Completion.objects.waiting().filter(job=OuterRef("pk")))
    rows = (
        Job.objects.working()
        .annotate(waits=waits)
        .values("size")
        .annotate(
            left=Sum(F("sequences") - F("texts_done")),
            organisations=Count("partner", distinct=True),
            oldest_at=Min("submitted_at", filter=Q(waits=True)),
        )
    )
    work = {row["size"]: row for row in rows}
    unfinished = Completion.objects.unfinished().filter(order__status=WorkOrder.Status.OUT)
    held: dict[int, int] = dict(unfinished.values_list("order__size").annotate(Count("pk")))
    orders: Counter[int] = Counter()
    for row in out:
        orders[row["size"]] += row["number"]
    return [
        Queue(
            size=size,
            workers=alive[size.path],
            waiting=max(0, work[pk]["left"] - held.get(pk, 0)),
            with_workers=held.get(pk, 0),
            orders=orders[pk],
            organisations=work[pk]["organisations"],
            oldest_at=work[pk]["oldest_at"],
            oldest=in_words(at - work[pk]["oldest_at"]) if work[pk]["oldest_at"] else "",
        )
        for pk, size in sizes.items()
        if pk in work
    ]


def _gaps(sizes: Mapping[int, ModelSize], queues: list[Queue], at: datetime) -> list[Gap]:
    texts = {queue.size.pk: queue.waiting + queue.with_workers for queue in queues}
    return [
        Gap(outage, sizes[outage.size_id], in_words(at - outage.began_at), texts.get(outage.size_id, 0))
        for outage in Outage.objects.going_on().order_by("began_at")
    ]


def _shares_of(sizes: Mapping[int, ModelSize], at: datetime) -> list[ShareOfSize]:
    """The shares at work of each size, those with the most tokens of the last hour first."""
    finished = Completion.objects.filter(finished_at__gt=at - PORTION_OF)
    rows = finished.values_list("job__size", "job__partner").annotate(Sum("tokens"))
    had = {(size, partner): tokens or 0 for size, partner, tokens in rows}
    of_size: Counter[int] = Counter()
    for (size, _), tokens in had.items():
        of_size[size] += tokens
    parts = []
    for share in Share.objects.of_those_at_work().select_related("partner"):
        tokens, whole = had.get((share.size_id, share.partner_id), 0), of_size[share.size_id]
        parts.append(ShareOfSize(share, sizes[share.size_id], tokens, 100 * tokens / whole if whole else None))
    place = {pk: index for index, pk in enumerate(sizes)}
    return sorted(parts, key=lambda part: (place[part.size.pk], -part.tokens, part.share.partner.legal_name))
