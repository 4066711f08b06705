"""Grants: their terms, their meters, and the way to another."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Status
from ninja.pagination import paginate

from release_portal.partners.shortcuts import SignedIn

from .. import actions
from ..models import AccessRequest, Grant, Right
from ..rule import decide
from .requests import RequestOut
from .schemas import MissingOut, TermsOut, partner_of

router = Router(tags=["access"])


class GrantOut(TermsOut):
    id: int
    url: str = Field(alias="get_absolute_url")
    organisation: str = Field(alias="partner.slug")
    size: str = Field(alias="size.path")
    right: str
    request: int = Field(alias="request_id")
    status: str
    status_text: str
    tokens_used: int
    tokens_reserved: int
    tokens_left: int
    samples_left: int | None
    granted_by: str = Field(alias="granted_by.name")
    ended_at: datetime | None
    end_code: str
    end_reason: str
    replaced_by: int | None = Field(alias="replaced_by_id")


class OneGrantOut(GrantOut):
    missing: list[MissingOut] = Field([], description="what keeps a grant that is held from being used now")

    @staticmethod
    def resolve_missing(grant: Grant) -> Any:
        if not grant.is_held:
            return []
        return decide(partner=grant.partner, size=grant.size, right=Right(grant.right), at=timezone.now()).missing


@router.get("/{slug:slug}/grants", response=list[GrantOut], summary="Grants, newest first")
@paginate
def list_grants(request: SignedIn, slug: str) -> Any:
    return Grant.objects.filter(partner=partner_of(request, slug)).latest_first()


@router.get("/{slug:slug}/grants/{int:pk}", response=OneGrantOut, summary="One grant, and what keeps it from use")
def get_grant(request: SignedIn, slug: str, pk: int) -> Any:
    return _grant(request, slug, pk)


@router.post("/{slug:slug}/grants/{int:pk}/amendment", response={201: RequestOut}, summary="The draft of an amendment")
def amend_grant(request: SignedIn, slug: str, pk: int) -> Any:
    return _changed(request, slug, pk, AccessRequest.Kind.AMENDMENT)


@router.post("/{slug:slug}/grants/{int:pk}/renewal", response={201: RequestOut}, summary="The draft of a renewal")
def renew_grant(request: SignedIn, slug: str, pk: int) -> Any:
    return _changed(request, slug, pk, AccessRequest.Kind.RENEWAL)


def _grant(request: SignedIn, slug: str, pk: int) -> Grant:
    related = Grant.objects.latest_first().select_related("item")
    return get_object_or_404(related, partner=partner_of(request, slug), pk=pk)


def _changed(request: SignedIn, slug: str, pk: int, kind: str) -> Any:
    return Status(201, actions.change_grant(by=request.user, grant=_grant(request, slug, pk), kind=kind))
