"""The JSON door for organisations. What is sent is checked by the same forms as on the pages."""

from datetime import datetime
from typing import Any

from django.forms import BaseForm
from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate
from pydantic import ConfigDict

from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.schemas import LONGEST_LIST, Body, Word
from release_portal.lib.states import Refused

from . import actions
from .forms import ApplicationForm, CorrectionForm, InvitationForm, ReasonForm, ServiceAccountForm
from .models import Membership, Partner
from .shortcuts import SignedIn

router = Router(tags=["organisations"])


class ApplicationFields(Body):
    """What an organisation tells about itself."""

    legal_name: Word = Field(description="as it stands in agreements")
    website: str = Field(max_length=300)
    country: str = Field(max_length=2, description="two letters of ISO 3166-1, such as GB")
    contact_name: str = Field(max_length=120)
    contact_email: str = Field(max_length=254)
    purpose: str = Field(max_length=4_000, description="what you want to find out, and who gains from it")
    intended_use: str = Field(max_length=4_000, description="who will use which size, and why")


class Application(ApplicationFields):
    will_sign: bool = Field(False, description="whether you are authorised to sign agreements for the organisation")


class Reason(Body):
    reason: str = Field(max_length=LONGEST_REASON, description="for the applicant to read")


class NewInvitation(Body):
    email: str = Field(max_length=254)
    roles: list[Word] = Field(max_length=LONGEST_LIST, description="owner, signatory, investigator, researcher, viewer")


class NewServiceAccount(Body):
    name: str = Field(max_length=120)
    roles: list[Word] = Field(max_length=LONGEST_LIST, description="researcher, viewer")


class PartnerOut(ApplicationFields):
    model_config = ConfigDict(extra="ignore")  # an answer is made from a row, which has more

    slug: str
    status: str
    status_text: str
    reason: str = Field(description="what the reviewer wrote when returning or declining the application")
    applied_at: datetime
    admitted_at: datetime | None
    closed_at: datetime | None
    sent_count: int = Field(description="how many times the application was sent")

    @staticmethod
    def resolve_country(partner: Partner) -> str:
        return str(partner.country.code)


class MemberOut(Schema):
    name: str = Field(alias="user.name")
    email: str
    roles: list[str]
    is_service_account: bool = Field(alias="user.is_service_account")
    started_at: datetime

    @staticmethod
    def resolve_email(membership: Membership) -> str:
        return "" if membership.user.is_service_account else membership.user.email

    @staticmethod
    def resolve_roles(membership: Membership) -> list[str]:
        return [role.code for role in membership.roles.all()]


class InvitationOut(Schema):
    email: str
    expires_at: datetime


class ServiceAccountOut(Schema):
    id: int = Field(alias="pk")
    name: str


@router.get("", response=list[PartnerOut], summary="Your organisations; all of them, for the lab's staff")
@paginate
def list_partners(request: SignedIn) -> Any:
    return Partner.objects.known_to(request.user).select_related("decided_by", "closed_by").order_by("legal_name")


@router.post("", response={201: PartnerOut}, summary="Apply for an organisation")
def apply(request: SignedIn, body: Application) -> Any:
    return Status(201, actions.apply(by=request.user, **_checked(ApplicationForm(body.dict()))))


@router.get("/{slug:slug}", response=PartnerOut, summary="One organisation")
def get_partner(request: SignedIn, slug: str) -> Any:
    return _partner(request, slug)


@router.post("/{slug:slug}/correct", response=PartnerOut, summary="Send a returned application again, corrected")
def correct(request: SignedIn, slug: str, body: ApplicationFields) -> Any:
    partner = _partner(request, slug)
    actions.correct_application(by=request.user, partner=partner, **_checked(CorrectionForm(body.dict())))
    return _partner(request, slug)


@router.post("/{slug:slug}/admit", response=PartnerOut, summary="Admit an organisation")
def admit(request: SignedIn, slug: str) -> Any:
    actions.admit(by=request.user, partner=_partner(request, slug))
    return _partner(request, slug)


@router.post("/{slug:slug}/return", response=PartnerOut, summary="Return an application for changes")
def return_application(request: SignedIn, slug: str, body: Reason) -> Any:
    actions.return_application(by=request.user, partner=_partner(request, slug), **_checked(ReasonForm(body.dict())))
    return _partner(request, slug)


@router.post("/{slug:slug}/decline", response=PartnerOut, summary="Decline an application")
def decline(request: SignedIn, slug: str, body: Reason) -> Any:
    actions.decline(by=request.user, partner=_partner(request, slug), **_checked(ReasonForm(body.dict())))
    return _partner(request, slug)


@router.get("/{slug:slug}/members", response=list[MemberOut], summary="Members and service accounts")
@paginate
def members(request: SignedIn, slug: str) -> Any:
    current = _partner(request, slug).memberships.current()
    return current.select_related("user").prefetch_related("roles").order_by("user__name", "pk")


@router.post("/{slug:slug}/invitations", response={201: InvitationOut}, summary="Invite somebody")
def invite(request: SignedIn, slug: str, body: NewInvitation) -> Any:
    partner = _partner(request, slug)
    return Status(201, actions.invite(by=request.user, partner=partner, **_checked(InvitationForm(body.dict()))))


@router.post("/{slug:slug}/service-accounts", response={201: ServiceAccountOut}, summary="Make a service account")
def create_service_account(request: SignedIn, slug: str, body: NewServiceAccount) -> Any:
    account = _checked(ServiceAccountForm(body.dict()))
    return Status(201, actions.create_service_account(by=request.user, partner=_partner(request, slug), **account))


@router.post("/{slug:slug}/leave", response={204: None}, summary="Leave an organisation")
def leave(request: SignedIn, slug: str) -> Any:
    actions.leave(by=request.user, partner=_partner(request, slug))
    return Status(204, None)


def _partner(request: SignedIn, slug: str) -> Partner:
    known = Partner.objects.known_to(request.user).select_related("decided_by", "closed_by", "applied_by")
    return get_object_or_404(known, slug=slug)


def _checked(form: BaseForm) -> dict[str, Any]:
    """What the form read, or a refusal for the first field that it could not read."""
    if not form.is_valid():
        name = next(iter(form.errors))
        label = str(form.fields[name].label or name)
        sentence = " ".join(str(error) for error in form.errors[name])
        raise Refused(f"{label}: {sentence}", field=name, given=str(form.data.get(name, "")))
    return form.cleaned_data
