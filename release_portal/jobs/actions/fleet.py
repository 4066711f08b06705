"""Watching over the fleet: letters where a size has work and no worker, or a thing keeps failing. And the weight of
an organisation."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.audit.loops import each
from release_portal.audit.models import Event, Failure
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.links import page_url
from release_portal.partners.actions import write_letter
from release_portal.partners.conflicts import require_impartial
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Letter, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from ..fleet import in_words, sizes_without_worker
from ..limits import WEIGHT
from ..models import Job, Outage, Share

UNSERVED_SECONDS = 30
"""How long a size may be without a worker before a letter goes out: a worker that restarts takes less."""
MAILED_EVERY = timedelta(hours=1)
MOST_NAMED = 20
"""Things that a letter about failures names."""


def watch_fleet(*, by: User | None, at: datetime | None = None) -> int:
    """Note where an outage begins or ends, and write to those who watch; returns how many did."""
    at = at or timezone.now()
    without = sizes_without_worker(at=at)
    late = at - timedelta(seconds=UNSERVED_SECONDS)
    unserved = [size for size, since in without.items() if since < late]
    over = Outage.objects.going_on().exclude(size__in=without).select_related("size__family")
    begun = each(unserved, lambda size: _begin(size, without[size], at, by=by), task="jobs.watch_fleet:begins", at=at)
    return begun + each(over, lambda outage: _end(outage, at, by=by), task="jobs.watch_fleet:ends", at=at)


@transaction.atomic
def tell_of_failures(*, by: User | None, at: datetime | None = None) -> int:
    """Write to those who watch the fleet about what has kept failing, once of each thing and at most once an hour;
    returns of how many things."""
    at = at or timezone.now()
    failures = list(Failure.objects.untold().most_tried_first().select_for_update(skip_locked=True))
    if not failures or Event.objects.filter(kind=Failure.MAILED, at__gt=at - MAILED_EVERY).exists():
        return 0
    Failure.objects.filter(pk__in=[failure.pk for failure in failures]).update(told_at=at)
    number = "1 thing keeps" if len(failures) == 1 else f"{len(failures):,} things keep"
    named = "\n".join(f"{failure}: {failure.error}" for failure in failures[:MOST_NAMED])
    if len(failures) > MOST_NAMED:
        named += f"\nand {len(failures) - MOST_NAMED:,} more"
    text = f"Each is tried again by itself, ever later; the others go on.\n\n{named}"
    letters = _tell(f"{number} failing", text, by=by)
    record(Failure.MAILED, f"{number} failing: a letter went to those who watch the fleet", *letters, by=by)
    return len(failures)


@transaction.atomic
def try_now(*, by: User, failure: Failure) -> None:
    """Have what keeps failing tried again at once, and not at its time. What was done meanwhile is left alone."""
    require(by, Permission.FAILURE_RETRY)
    failure.next_try_at = timezone.now()
    if not Failure.objects.filter(pk=failure.pk).update(next_try_at=failure.next_try_at):
        return
    record("failure.retried", f"{failure} is tried again at once", failure, by=by)
    send_task_on_commit(failure.wakes)


def _begin(size: ModelSize, since: datetime, at: datetime, *, by: User | None) -> bool:
    """False where the outage was there already."""
    outage, begun = Outage.objects.get_or_create(size=size, ended_at=None, defaults={"began_at": since})
    if not begun:
        return False
    record("size.unserved", f"{size} has work and no worker", size, outage, by=by)
    work = Job.objects.working().filter(size=size)
    texts = work.aggregate(left=Sum(F("sequences") - F("texts_done"), default=0))["left"]
    lasted, wait = in_words(at - since), "1 text waits" if texts == 1 else f"{texts:,} texts wait"
    sentence = f"{size} has had work and no worker for {lasted}: {wait}. Start a worker that serves {size.path}."
    _tell(f"{size} has work and no worker", sentence, by=by)
    return True


def _end(outage: Outage, at: datetime, *, by: User | None) -> bool:
    """False where another round ended it first."""
    if not Outage.objects.going_on().filter(pk=outage.pk).update(ended_at=at):
        return False
    size, lasted = outage.size, in_words(at - outage.began_at)
    left = Job.objects.working().filter(size=size).exists()
    how = "is served again" if left else "has no work any more"
    record("size.served", f"{size} {how}, after {lasted} without a worker", size, outage, by=by)
    _tell(f"{size} {how}", f"It had work and no worker for {lasted}. That is over.", by=by)
    return True


def _tell(subject: str, text: str, *, by: User | None) -> list[Letter]:
    return write_letter(
        to=people_who(Permission.FLEET_SEE),
        subject=subject,
        text=text,
        path=page_url("fleet"),
        action="See the fleet",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )


@transaction.atomic
def set_weight(*, by: User, partner: Partner, size: ModelSize, weight: float) -> Share:
    """How large an organisation's part of a size is, beside the others at work with it; 1 unless it was set."""
    require(by, Permission.SHARE_SET)
    require_impartial(by, Permission.SHARE_SET, partner)
    weight = WEIGHT.read(weight)
    share, _ = Share.objects.select_for_update().get_or_create(partner=partner, size=size)
    if share.weight == weight:
        return share
    sentence = f"The weight of {partner} at {size} was set to {weight:g}; it was {share.weight:g}"
    record("share.set", sentence, share, partner, size, by=by, detail={"weight": weight, "before": share.weight})
    share.weight = weight
    share.save(update_fields=["weight"])
    return share
