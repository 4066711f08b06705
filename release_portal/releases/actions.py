"""Adding families and sizes, opening components, and noting which weights workers hold."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.reasons import checked_reason
from release_portal.lib.text import one_line
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from .models import Artefact, Audience, Component, Family, ModelSize, Opening

LONGEST_REASON_OF_OPENING = 300  # characters


@transaction.atomic
def add_family(
    *, by: User | None, slug: str, name: str, summary: str, description: str = "", licence: str = ""
) -> Family:
    """Add a family, or return it as it is where it exists."""
    family, made = Family.objects.get_or_create(
        slug=slug, defaults={"name": name, "summary": summary, "description": description, "licence": licence}
    )
    if made:
        record("family.added", f"Family {family} was added", family, by=by)
    return family


@transaction.atomic
def add_size(
    *, by: User | None, family: Family, name: str, parameters: int, context_tokens: int, hub_id: str = ""
) -> ModelSize:
    """Add a size, closed in every component, or return it as it is where it exists."""
    size, made = ModelSize.objects.get_or_create(
        family=family,
        name=name,
        defaults={"parameters": parameters, "context_tokens": context_tokens, "hub_id": hub_id},
    )
    if made:
        record("size.added", f"Size {size} was added", size, family, by=by)
    return size


@transaction.atomic
def open_component(
    *,
    by: User | None,
    size: ModelSize,
    component: Component,
    audience: Audience,
    reason: str,
    at: datetime | None = None,
) -> Opening:
    """From `at` (default now) on, the component of the size is for the audience."""
    if by is not None:
        require(by, Permission.SIZE_OPEN)
    sentence = "Say why: the reason is shown on the size's page."
    reason = checked_reason(one_line(reason), sentence, longest=LONGEST_REASON_OF_OPENING)
    opening = Opening.objects.create(
        size=size, component=component, audience=audience, at=at or timezone.now(), by=by, reason=reason
    )
    sentence = f"{component.label} of {size} became “{audience.label.lower()}”"
    record("component.opened", sentence, size, size.family, opening, by=by)
    return opening


@transaction.atomic
def note_weights(*, by: User | None, size: ModelSize, manifest_sha256: str, worker: str) -> None:
    """A worker holds these weights of the size. The first time, it is written in the book."""
    artefact, made = Artefact.objects.get_or_create(
        size=size,
        manifest_sha256=manifest_sha256,
        defaults={"first_seen_at": timezone.now(), "first_seen_on": worker},
    )
    if made:
        detail = {"manifest_sha256": manifest_sha256, "worker": worker}
        record("weights.found", f"Weights of {size} were found on a worker", size, artefact, by=by, detail=detail)
