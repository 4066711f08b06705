"""Watching over the fleet: who is told when a size has work and no worker. And the weight of an organisation."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum
from django.urls import reverse
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.partners.actions import write_letter
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Letter, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from ..fleet import in_words, sizes_without_worker
from ..limits import WEIGHT
from ..models import Job, Outage, Share

UNSERVED_SECONDS = 30
"""A size may be without a worker for so long before anybody is told: a worker that starts anew takes less."""


def watch_fleet(*, by: User | None, at: datetime | None = None) -> int:
    """Note where an outage begins or ends, and tell whoever watches; returns how many did."""
    at = at or timezone.now()
    without = sizes_without_worker(at=at)
    late = at - timedelta(seconds=UNSERVED_SECONDS)
    changed = sum(_begin(size, since, at, by=by) for size, since in without.items() if since < late)
    for outage in Outage.objects.going_on().exclude(size__in=without).select_related("size__family"):
        changed += _end(outage, at, by=by)
    return changed


@transaction.atomic
def _begin(size: ModelSize, since: datetime, at: datetime, *, by: User | None) -> bool:
    """False where the outage was there already."""
    _, begun = Outage.objects.get_or_create(size=size, ended_at=None, defaults={"began_at": since})
    if not begun:
        return False
    record("size.unserved", f"{size} has work and no worker", size, by=by)
    work = Job.objects.working().filter(size=size)
    texts = work.aggregate(left=Sum(F("sequences") - F("texts_done"), default=0))["left"]
    lasted, wait = in_words(at - since), "1 text waits" if texts == 1 else f"{texts:,} texts wait"
    sentence = f"{size} has had work and no worker for {lasted}: {wait}. Start a worker that serves {size.path}."
    _tell(f"{size} has work and no worker", sentence, by=by)
    return True


@transaction.atomic
def _end(outage: Outage, at: datetime, *, by: User | None) -> bool:
    """False where another round ended it first."""
    if not Outage.objects.going_on().filter(pk=outage.pk).update(ended_at=at):
        return False
    size, lasted = outage.size, in_words(at - outage.began_at)
    left = Job.objects.working().filter(size=size).exists()
    how = "is served again" if left else "has no work any more"
    record("size.served", f"{size} {how}, after {lasted} without a worker", size, by=by)
    _tell(f"{size} {how}", f"It had work and no worker for {lasted}. That is over.", by=by)
    return True


def _tell(subject: str, text: str, *, by: User | None) -> None:
    write_letter(
        to=people_who(Permission.FLEET_SEE),
        subject=subject,
        text=text,
        path=reverse("review:fleet"),
        action="See the fleet",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )


@transaction.atomic
def set_weight(*, by: User, partner: Partner, size: ModelSize, weight: float) -> Share:
    """How large an organisation's part of a size is, beside the others at work with it; 1 unless it was set."""
    require(by, Permission.SHARE_SET)
    weight = WEIGHT.read(weight)
    share, _ = Share.objects.select_for_update().get_or_create(partner=partner, size=size)
    if share.weight == weight:
        return share
    sentence = f"The weight of {partner} at {size} was set to {weight:g}; it was {share.weight:g}"
    record("share.set", sentence, share, partner, size, by=by, detail={"weight": weight, "before": share.weight})
    share.weight = weight
    share.save(update_fields=["weight"])
    return share
