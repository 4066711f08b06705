"""People: who has an account; disabling one, enabling it again, and removing factors that were lost."""

from datetime import datetime
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Schema
from ninja.pagination import paginate

from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.schemas import Body, Word
from release_portal.partners import actions
from release_portal.partners.factors import FACTORS
from release_portal.partners.models import ApiToken, User
from release_portal.partners.permissions import Permission
from release_portal.partners.sessions import sessions_of
from release_portal.partners.shortcuts import SignedIn

from ..decorators import staff

router = Router(tags=["review"])


class AccountReason(Body):
    reason: str = Field(max_length=LONGEST_REASON, description="for the person to read")


class PersonSummary(Schema):
    id: int = Field(alias="pk")
    name: str
    email: str
    is_active: bool
    lab_roles: list[str]

    @staticmethod
    def resolve_lab_roles(person: User) -> list[str]:
        return [role.code for role in person.lab_roles.all()]


class PersonOut(PersonSummary):
    organisations: list[str]
    has_factor: bool = Field(description="whether a second factor is set up: an app or a passkey")
    sessions: int
    tokens: int = Field(
        description="API tokens that have not ended and are not revoked; a disabled person's never work"
    )
    decided_by: str | None
    decided_at: datetime | None
    reason: str = Field(description="why the person was last disabled or enabled")

    @staticmethod
    def resolve_organisations(person: User) -> list[str]:
        current = person.memberships.current().select_related("partner")
        return [membership.partner.slug for membership in current.order_by("partner__legal_name")]

    @staticmethod
    def resolve_has_factor(person: User) -> bool:
        return bool(is_mfa_enabled(person, types=FACTORS))

    @staticmethod
    def resolve_sessions(person: User) -> int:
        return sessions_of(person).count()

    @staticmethod
    def resolve_tokens(person: User) -> int:
        return ApiToken.objects.valid(at=timezone.now()).filter(user=person).count()

    @staticmethod
    def resolve_decided_by(person: User) -> str | None:
        return person.decided_by.name if person.decided_by else None


@router.get("/people", response=list[PersonSummary], summary="People by name, or by words of name and address")
@paginate
@staff(Permission.PERSON_DISABLE)
def list_people(request: SignedIn, q: Word = "") -> Any:
    return User.objects.people(q.strip()).prefetch_related("lab_roles")


@router.get("/people/{int:pk}", response=PersonOut, summary="One person")
@staff(Permission.PERSON_DISABLE)
def get_person(request: SignedIn, pk: int) -> Any:
    return _person(pk)


@router.post("/people/{int:pk}/disable", response=PersonOut, summary="Keep a person out, at once")
@staff(Permission.PERSON_DISABLE)
def disable_person(request: SignedIn, pk: int, body: AccountReason) -> Any:
    actions.disable_person(by=request.user, person=_person(pk), reason=body.reason)
    return _person(pk)


@router.post("/people/{int:pk}/enable", response=PersonOut, summary="Let a disabled person in again")
@staff(Permission.PERSON_DISABLE)
def enable_person(request: SignedIn, pk: int, body: AccountReason) -> Any:
    actions.enable_person(by=request.user, person=_person(pk), reason=body.reason)
    return _person(pk)


@router.post(
    "/people/{int:pk}/remove-factors", response=PersonOut, summary="Help a person who lost their second factors"
)
@staff(Permission.PERSON_DISABLE)
def remove_factors(request: SignedIn, pk: int, body: AccountReason) -> Any:
    actions.remove_factors(by=request.user, person=_person(pk), reason=body.reason)
    return _person(pk)


def _person(pk: int) -> User:
    return get_object_or_404(User.objects.people().select_related("decided_by"), pk=pk)
