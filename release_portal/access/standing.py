"""Where an organisation stands: its checklist, and its rungs on each ladder."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.urls import reverse
from django.utils.timesince import timesince

from agreements.models import Agreement
from release_portal.partners.guards import people_who
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.releases.ladder import Rung, Yours, ladder_of
from release_portal.releases.models import Family

from .models import AccessRequest, Grant, Suspension

THE_LAB = "the lab"


@dataclass(frozen=True)
class Step:
    """One step on the way to a first text: done, to do, or waiting for somebody."""

    label: str
    state: str = "todo"
    who: str = ""
    since: datetime | None = None
    promised: datetime | None = None
    detail: str = ""
    url: str = ""
    action: str = ""


def checklist_of(partner: Partner, *, at: datetime) -> list[Step]:
    """What is done, what is missing, whose turn it is, since when."""
    applied = Step("Application sent", "done", str(partner.applied_by), partner.applied_at)
    if partner.status == Partner.Status.DECLINED:
        again = reverse("partners:apply")
        reason = f"Declined by {partner.decided_by}: {partner.reason}"
        declined = Step("Admission", "todo", "you", partner.decided_at, detail=reason, url=again, action="Apply again")
        return [applied, declined]
    if partner.status == Partner.Status.RETURNED:
        correct = reverse("partners:correct", args=[partner.slug])
        asked = f"{partner.decided_by} asks for changes: {partner.reason}"
        return [
            applied,
            Step("Correct the application", "todo", "you", partner.decided_at, None, asked, correct, "Correct it"),
        ]
    agreement = Agreement.objects.in_force(at=at).filter(partner=partner).select_related("version").first()
    steps = [applied, _admission(partner), _agreement(partner, agreement)]
    return [*_stops(partner, at=at), *steps, _access(partner, agreement, at=at), _first_job(partner, at=at)]


def ladders_of(partner: Partner, *, at: datetime) -> list[tuple[Family, list[Rung]]]:
    """Every family's ladder, with what is the organisation's own."""
    grants = {grant.size_id: grant for grant in Grant.objects.in_force(at=at).filter(partner=partner)}
    latest = {
        request.size_id: request
        for request in partner.access_requests.select_related("partner").order_by("submitted_at")
    }
    ladders = []
    for family in Family.objects.all():
        ladder = ladder_of(family, at=at)
        for rung in ladder:
            rung.yours = _yours(partner, rung.size.pk, grants, latest, at)
        ladders.append((family, ladder))
    return ladders


def _stops(partner: Partner, *, at: datetime) -> list[Step]:
    """The suspensions that stop the whole organisation."""
    stops = Suspension.objects.in_force(at=at).filter(Q(partner=partner) | Q(level=Suspension.Level.EVERYTHING))
    told = "{} Jobs wait and texts are held; all of it goes on once the lab lifts this."
    return [Step("Suspended", "waiting", THE_LAB, stop.begins_at, detail=told.format(stop.reason)) for stop in stops]


def _admission(partner: Partner) -> Step:
    if partner.admitted_at:
        return Step("Admitted by the lab", "done", str(partner.decided_by), partner.admitted_at)
    detail = "A reviewer reads your application. You get a mail with the answer."
    return Step("Admission by the lab", "waiting", THE_LAB, partner.applied_at, detail=detail)


def _agreement(partner: Partner, agreement: Agreement | None) -> Step:
    page = reverse("agreements:sign", args=[partner.slug])
    if agreement:
        signature = agreement.signatures.order_by("signed_at")[0]
        detail = f"In force until {agreement.ends_at:%-d %B %Y}."
        label = f"{agreement.version} signed"
        return Step(label, "done", signature.legal_name, signature.signed_at, detail=detail, url=page, action="Read it")
    if partner.status != Partner.Status.ADMITTED:
        return Step("Model-sharing agreement", "todo", detail="To be signed once the organisation is admitted.")
    signatories = " or ".join(person.name for person in people_who(Permission.AGREEMENT_SIGN, partner).order_by("name"))
    if signatories:
        return Step(
            "Model-sharing agreement", "todo", signatories, partner.decided_at, url=page, action="Read and sign"
        )
    members = reverse("partners:members", args=[partner.slug])
    detail = "Nobody here may sign yet: invite your signatory."
    return Step("Model-sharing agreement", "todo", "an owner", partner.decided_at, None, detail, members, "Invite")


def _access(partner: Partner, agreement: Agreement | None, *, at: datetime) -> Step:
    granted = Grant.objects.in_force(at=at).filter(partner=partner).latest_first()
    if granted:
        names = ", ".join(f"{grant.size} until {grant.last_day:%-d %B %Y}" for grant in granted)
        return Step("Access granted", "done", str(granted[0].granted_by), granted[0].starts_at, detail=names)
    pending = AccessRequest.objects.awaiting_review().filter(partner=partner).select_related("size__family").first()
    if pending:
        return Step(
            f"Access to {pending.size}",
            "waiting",
            THE_LAB,
            pending.submitted_at,
            url=pending.get_absolute_url(),
            action="See the request",
        )
    if partner.status != Partner.Status.ADMITTED:
        return Step("Access to a size", "todo", detail="To be requested once the organisation is admitted.")
    ask = reverse("access:new", args=[partner.slug])
    since = agreement.starts_at if agreement else partner.decided_at
    return Step("Access to a size", "todo", "an investigator", since, url=ask, action="Request access")


def _first_job(partner: Partner, *, at: datetime) -> Step:
    if partner.grants.filter(tokens_used__gt=0).exists():
        return Step("First texts generated", "done")
    if Grant.objects.in_force(at=at).filter(partner=partner).exists():
        return Step("Generate texts", "todo", "a researcher", url=reverse("jobs:new"), action="New job")
    return Step("Generate texts", "todo", detail="Possible once a size is granted and the agreement is signed.")


def _yours(
    partner: Partner, size: int, grants: dict[int, Grant], latest: dict[int, AccessRequest], at: datetime
) -> Yours:
    grant, request = grants.get(size), latest.get(size)
    if grant:
        detail = f"{grant.tokens_left:,} of {grant.token_quota:,} tokens left"
        generate = f"{reverse('jobs:new')}?grant={grant.pk}"
        return Yours(f"Yours until {grant.last_day:%-d %b %Y}", "granted", detail, generate, "New job")
    if request and request.status == AccessRequest.Status.SUBMITTED:
        detail = f"{timesince(request.submitted_at, at)} ago"
        return Yours("Requested", "requested", detail, request.get_absolute_url(), "See the request")
    if request and request.status == AccessRequest.Status.DECLINED:
        return Yours("Declined", "declined", "", request.get_absolute_url(), "Read why")
    if request and request.status == AccessRequest.Status.GRANTED:
        return Yours("No longer in force", "ended", "", request.get_absolute_url(), "See the grant")
    if partner.status != Partner.Status.ADMITTED:
        return Yours("Not requested", "none")
    ask = f"{reverse('access:new', args=[partner.slug])}?size={size}"
    return Yours("Not requested", "none", "", ask, "Request access")
