"""The events of made-up requests and grants, as their verbs would have recorded them."""

from typing import Any

from django.db.models import Model

from release_portal.access.actions.requests import PROMISED
from release_portal.access.models import AccessRequest, Grant, RequestItem, Suspension
from release_portal.partners.models import Partner

from .organisations import Home
from .world import World


def tell_of(
    world: World,
    home: Home,
    requests: list[AccessRequest],
    items: list[RequestItem],
    grants: list[Grant],
    suspensions: list[Suspension],
) -> None:
    """The events of one organisation's requests and grants."""
    for request in requests:
        _tell_of_request(world, home, request, [item for item in items if item.request is request])
    for grant in grants:
        _tell_of_grant(world, home.partner, grant)
    for suspension in suspensions:
        sentence = f"The grant of {suspension.grant} was suspended"
        world.happened(suspension.at, "suspension.began", sentence, suspension, home.partner, by=suspension.by)


def _tell_of_request(world: World, home: Home, request: AccessRequest, items: list[RequestItem]) -> None:
    partner = home.partner
    names = ", ".join(str(item) for item in items)
    sizes = [item.size for item in items]
    if request.submitted_at:
        sentence, by = f"{partner} requested {names}", request.submitted_by
        world.happened(request.submitted_at, "access.requested", sentence, request, partner, *sizes, by=by)
    if request.returned_at:
        sentence, by = "The request was returned for changes", request.returned_by
        world.happened(request.returned_at, "access.returned", sentence, request, partner, by=by)
    if request.status == AccessRequest.Status.WITHDRAWN:
        at = world.between(request.created_at, min(request.created_at + PROMISED, world.at))
        by = home.investigator
        world.happened(at, "access.withdrawn", "The request was withdrawn", request, partner, by=by)
    for item in items:
        if item.status == RequestItem.Status.DECLINED and item.decided_at:
            sentence = f"The request of {partner} for {item} was declined"
            detail: dict[str, Any] = {"by": item.decided_by, "item": item.pk, "reason": item.reason_code}
            world.happened(item.decided_at, "access.declined", sentence, request, partner, item.size, **detail)


def _tell_of_grant(world: World, partner: Partner, grant: Grant) -> None:
    sentence = f"{grant.what} was granted to {partner}"
    about: tuple[Model, ...] = (grant.request, grant, partner, grant.size)
    world.happened(grant.starts_at, "access.granted", sentence, *about, by=grant.granted_by, item=grant.item_id)
    if grant.ended_at and grant.status != Grant.Status.REPLACED:
        word = {"expired": "ended", "revoked": "was revoked"}[grant.status]
        sentence = f"The grant of {grant.what} to {partner} {word}"
        about = (grant, grant.request, partner, grant.size)
        world.happened(grant.ended_at, f"access.{grant.status}", sentence, *about, by=grant.ended_by)
