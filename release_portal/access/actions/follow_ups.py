"""What follows a request: the same again, the one appeal, the amendment and the renewal of a grant."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from release_portal.lib.states import Refused
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission
from release_portal.partners.rates import count

from ..models import AccessRequest, Grant
from .requests import Wanted, store_items

Kind = AccessRequest.Kind
A_YEAR = timedelta(days=365)


@transaction.atomic
def copy_request(*, by: User, request: AccessRequest) -> AccessRequest:
    """A new draft that says the same."""
    return _draft_after(request, Kind.NEW, by=by)


@transaction.atomic
def appeal(*, by: User, request: AccessRequest) -> AccessRequest:
    """The draft of the one appeal: for what was declined, or granted less than asked. Other reviewers decide it."""
    require(by, Permission.ACCESS_REQUEST, request.partner)
    _lock(request)
    if request.status != AccessRequest.Status.DECIDED:
        raise Refused(f"An appeal follows a decision; this request is {request.status_text}.")
    if request.kind == Kind.APPEAL:
        raise Refused("This request is an appeal already; there is one. You can send a new request.")
    appeals = request.followers.filter(kind=Kind.APPEAL)
    if earlier := appeals.exclude(status__in=[AccessRequest.Status.DRAFT, AccessRequest.Status.WITHDRAWN]).first():
        raise Refused(f"This decision was appealed already; the appeal is {earlier.status_text}.")
    return _draft_after(request, Kind.APPEAL, by=by)


@transaction.atomic
def change_grant(*, by: User, grant: Grant, kind: str) -> AccessRequest:
    """The draft of an amendment or a renewal of a grant, filled with what was asked before."""
    require(by, Permission.ACCESS_REQUEST, grant.partner)
    if not grant.is_held and kind == Kind.AMENDMENT:
        raise Refused(f"This grant is {grant.status_text}; only one that is held can be amended.")
    return _draft_after(grant.request, kind, by=by, grants=[grant])


def _draft_after(
    request: AccessRequest, kind: str, *, by: User, grants: Sequence[Grant] | None = None
) -> AccessRequest:
    """A draft that says what an earlier request said. One that is there already is given back instead."""
    require(by, Permission.ACCESS_REQUEST, request.partner)
    _lock(request)
    if kind != Kind.NEW and (same := request.followers.filter(kind=kind, status__in=AccessRequest.EDITABLE).first()):
        return same
    count("request", by=by, partner=request.partner)
    fields = {field: getattr(request, field) for field in ("purposes", "purpose", "team", "ethics_reference")}
    now = timezone.now()
    until = request.until_wanted if request.until_wanted and request.until_wanted > now.date() else now.date() + A_YEAR
    draft = AccessRequest.objects.create(
        partner=request.partner,
        kind=kind,
        previous=request,
        created_by=by,
        created_at=now,
        until_wanted=until,
        **fields,
    )
    items = [grant.item for grant in grants] if grants else [i for i in request.items.smallest_first() if i.is_asked]
    store_items(request=draft, wanted=[Wanted(item.size, item.right, item.tokens_wanted) for item in items])
    return draft


def _lock(request: AccessRequest) -> None:
    """Two clicks at once: the second waits, and finds what the first made."""
    AccessRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
