"""What a suspension or a closed component reaches, counted before and after: people, tokens, jobs, texts."""

from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from release_portal.access.models import Grant, Right, Suspension
from release_portal.access.models.grants import GrantQuerySet, tokens_left
from release_portal.jobs.models import Job
from release_portal.partners.models import Membership
from release_portal.partners.permissions import Permission
from release_portal.releases.models import Component, ModelSize


@dataclass(frozen=True)
class Blast:
    organisations: int
    people: int
    tokens_left: int
    running: int
    queued: int
    held: int
    texts: int


def blast_of(suspension: Suspension) -> Blast:
    return blast_among(Grant.objects.under(suspension))


def blast_of_component(size: ModelSize, component: Component) -> Blast:
    """Whom it would reach to close a component of a size, or to open it again."""
    rights = [right for right in Right if right.component is component]
    return blast_among(Grant.objects.held().filter(size=size, right__in=rights))


def blast_among(grants: GrantQuerySet) -> Blast:
    """Three queries, whatever the number of grants."""
    sums = grants.aggregate(left=Sum(tokens_left()), organisations=Count("partner", distinct=True))
    members = Membership.objects.current().filter(partner__in=grants.values("partner")).may(Permission.JOB_SUBMIT)
    number = {
        "running": Count("pk", filter=Q(status=Job.Status.RUNNING)),
        "queued": Count("pk", filter=Q(status=Job.Status.QUEUED)),
        "held": Count("pk", filter=Q(status=Job.Status.HELD)),
        "texts": Sum("texts_done"),
    }
    jobs = Job.objects.filter(grant__in=grants).aggregate(**number)
    return Blast(
        organisations=sums["organisations"],
        people=members.values("user").distinct().count(),
        tokens_left=sums["left"] or 0,
        running=jobs["running"],
        queued=jobs["queued"],
        held=jobs["held"],
        texts=jobs["texts"] or 0,
    )
