"""Who may have what: components are opened to wider audiences, and closed again where they can be."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import Audience, Component, Family, ModelSize, Opening
from .places import check_place

LONGEST_REASON_OF_OPENING = 300  # characters


@transaction.atomic
def open_component(
    *,
    by: User | None,
    of: ModelSize | Family,
    component: Component,
    audience: Audience,
    reason: str,
    at: datetime | None = None,
) -> Opening:
    """From `at` (default now) on, the component of the size or family is for the audience."""
    if by is not None:
        require(by, Permission.SIZE_OPEN)
    sentence = "Say why: the reason is shown on the size's page."
    reason = checked_reason(one_line(reason), sentence, longest=LONGEST_REASON_OF_OPENING)
    family = of if isinstance(of, Family) else of.family
    Family.objects.select_for_update(no_key=True).get(pk=family.pk)  # of two at once, the second sees the first
    _refuse_what_cannot_be(of, component, audience, at or timezone.now())
    place = {"family": of} if isinstance(of, Family) else {"size": of}
    opening = Opening.objects.create(
        **place, component=component, audience=audience, at=at or timezone.now(), by=by, reason=reason
    )
    sentence = f"{component.label} of {of} became “{audience.label.lower()}”"
    record("component.opened", sentence, *opening.concerns, opening, by=by)
    return opening


def _refuse_what_cannot_be(of: ModelSize | Family, component: Component, audience: Audience, at: datetime) -> None:
    check_place(of=of, component=component)
    now = of.openings.holding(at=at).filter(component=component).first()
    if now is None or component.words.is_hosted or now.audience != Audience.OPEN:
        return
    if audience != Audience.OPEN:
        since = f"{now.at:%-d %B %Y}"
        sentence = (
            f"{component.label} of {of}: everybody may have a copy since {since}, and no copy can be called back."
        )
        raise Refused(sentence, field="audience", given=audience.value)
