"""Who may do what, said once for every verb of every room."""

from django.db.models import QuerySet

from release_portal.lib.states import Forbidden, Refused

from .models import Membership, Partner, User
from .permissions import Permission


def require(by: User, permission: Permission, partner: Partner | None = None) -> None:
    """Raise Forbidden unless the person holds the permission, at the lab or in the organisation."""
    if not by.may(permission, partner):
        where = f"at {partner}" if partner else "at the lab"
        raise Forbidden(f"“{permission.label}” needs a role that you do not have {where}.")


def require_person(by: User) -> None:
    """Raise Forbidden for a service account: it works for its organisation and decides nothing of its own."""
    if by.is_service_account:
        raise Forbidden(f"“{by}” is a service account; only a person can do this.")


def require_going(partner: Partner) -> None:
    """Raise Refused where an organisation is over: nobody joins it any more."""
    if partner.status in (Partner.Status.DECLINED, Partner.Status.CLOSED):
        raise Refused(f"{partner} was {partner.status_text}, so nobody can be added to it.")


def people_who(permission: Permission, partner: Partner | None = None) -> QuerySet[User]:
    """Every person who holds the permission, at the lab or in the organisation."""
    people = User.objects.filter(is_active=True, service_of__isnull=True)
    if partner is None:
        return people.filter(lab_roles__permissions__contains=[permission]).distinct()
    current = Membership.objects.current().filter(partner=partner).may(permission)
    return people.filter(memberships__in=current).distinct()
