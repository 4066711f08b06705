"""Where an organisation stands: its checklist, and its rungs on each ladder."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.urls import reverse
from django.utils.timesince import timesince

from agreements.models import Agreement
from release_portal.lib.links import page_url
from release_portal.partners.guards import people_who
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.releases.ladder import Rung, Yours, ladder_of
from release_portal.releases.models import Family

from .models import AccessRequest, Grant, RequestItem, Right, Suspension
from .rule import decide

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
    usable = Grant.objects.in_force(at=at).filter(partner=partner, right=Right.GENERATION)
    grants = {grant.size_id: grant for grant in usable}
    held = {grant.size_id: grant for grant in partner.grants.held().filter(right=Right.GENERATION).latest_first()}
    items = RequestItem.objects.filter(partner=partner, right=Right.GENERATION, request__submitted_at__isnull=False)
    latest = {item.size_id: item for item in items.select_related("request__partner").order_by("request__created_at")}
    ladders = []
    for family in Family.objects.all():
        ladder = ladder_of(family, at=at)
        for rung in ladder:
            rung.yours = _yours(partner, rung.size.pk, grants, held, latest, at)
        ladders.append((family, ladder))
    return ladders


def _stops(partner: Partner, *, at: datetime) -> list[Step]:
    """The suspensions that stop the whole organisation."""
    stops = Suspension.objects.in_force(at=at).filter(Q(partner=partner) | Q(level=Suspension.Level.EVERYTHING))
    sentence = "{} Jobs wait and texts are held; all of it goes on once the lab lifts this."
    return [
        Step("Suspended", "waiting", THE_LAB, stop.begins_at, detail=sentence.format(stop.reason)) for stop in stops
    ]


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
        names = ", ".join(f"{grant.what} until {grant.last_day:%-d %B %Y}" for grant in granted)
        return Step("Access granted", "done", str(granted[0].granted_by), granted[0].starts_at, detail=names)
    if paused := _paused(partner, at=at):
        names = ", ".join(grant.what for grant in paused)
        return Step("Access suspended", "waiting", THE_LAB, detail=f"{names}. It goes on once the lab lifts this.")
    pending = partner.access_requests.filter(status__in=AccessRequest.OPEN).with_items().order_by("-created_at").first()
    if pending:
        return _pending(pending)
    if partner.status != Partner.Status.ADMITTED:
        return Step("Access to a size", "todo", detail="To be requested once the organisation is admitted.")
    ask = reverse("access:new", args=[partner.slug])
    since = agreement.starts_at if agreement else partner.decided_at
    return Step("Access to a size", "todo", "an investigator", since, url=ask, action="Request access")


def _paused(partner: Partner, *, at: datetime) -> list[Grant]:
    """The grants that would be in force but for a suspension."""
    held = partner.grants.held().filter(starts_at__lte=at, ends_at__gt=at).latest_first()
    return [
        grant for grant in held if decide(partner=partner, size=grant.size, right=Right(grant.right), at=at).is_paused
    ]


def _pending(request: AccessRequest) -> Step:
    """Where the newest open request stands."""
    url, label = request.get_absolute_url(), f"Access to {request.summary}"
    if request.status == AccessRequest.Status.SUBMITTED:
        sent, promised = request.submitted_at, request.promised_at
        return Step(label, "waiting", THE_LAB, sent, promised, url=url, action="See the request")
    if request.status == AccessRequest.Status.RETURNED:
        detail = f"{request.returned_by} asks for changes: {request.return_reason}"
        return Step(label, "todo", "you", request.returned_at, detail=detail, url=url, action="Correct the request")
    detail = "A draft: nobody at the lab sees it yet."
    return Step(label, "todo", "you", request.created_at, detail=detail, url=url, action="Go on with the draft")


def _first_job(partner: Partner, *, at: datetime) -> Step:
    if partner.grants.filter(tokens_used__gt=0).exists():
        return Step("First texts generated", "done")
    if Grant.objects.in_force(at=at).filter(partner=partner).exists():
        return Step("Generate texts", "todo", "a researcher", url=page_url("new_job"), action="New job")
    return Step("Generate texts", "todo", detail="Possible once a size is granted and the agreement is signed.")


def _yours(
    partner: Partner,
    size: int,
    grants: dict[int, Grant],
    held: dict[int, Grant],
    latest: dict[int, RequestItem],
    at: datetime,
) -> Yours:
    item = latest.get(size)
    if grant := grants.get(size):
        detail = f"{grant.tokens_left:,} of {grant.token_quota:,} tokens left"
        generate = f"{page_url('new_job')}?grant={grant.pk}"
        return Yours(f"Yours until {grant.last_day:%-d %b %Y}", "granted", detail, generate, "New job")
    if grant := held.get(size):
        word = "Suspended" if grant.status == Grant.Status.SUSPENDED else "Granted, not usable now"
        return Yours(word, "requested", "", grant.get_absolute_url(), "See why")
    if item and item.status == RequestItem.Status.WAITING and item.request.submitted_at:
        detail = f"{timesince(item.request.submitted_at, at)} ago"
        return Yours("Requested", "requested", detail, item.request.get_absolute_url(), "See the request")
    if item and item.status == RequestItem.Status.ASKED:
        return Yours("Returned for changes", "requested", "", item.request.get_absolute_url(), "Correct the request")
    if item and item.status == RequestItem.Status.DECLINED:
        return Yours("Declined", "declined", "", item.request.get_absolute_url(), "Read why")
    if item and item.status == RequestItem.Status.GRANTED:
        return Yours("No longer in force", "ended", "", item.request.get_absolute_url(), "See the grant")
    if partner.status != Partner.Status.ADMITTED:
        return Yours("Not requested", "none")
    ask = f"{reverse('access:new', args=[partner.slug])}?size={size}"
    return Yours("Not requested", "none", "", ask, "Request access")
