"""What is asked before each size is granted, and the findings that count."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.access import actions as access
from release_portal.access.actions.rules import LONGEST_RULE_REASON
from release_portal.access.api.organisation import FindingOut
from release_portal.access.models import Finding, SizeRule
from release_portal.lib.schemas import LONGEST_LIST, Body, Moment, Word
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.shortcuts import size_named

from ..decorators import staff

router = Router(tags=["review"])

LONGEST_DAYS = 3650
MOST_FINDINGS = 100


class RuleIn(Body):
    size: Word = Field(description="family/size, such as gpt2/1558M")
    approvals: int = Field(1, description="1 to 5")
    roles: list[Word] = Field(
        [], max_length=LONGEST_LIST, description="roles of the lab whose approvals count; none: all"
    )
    veto_roles: list[Word] = Field([], max_length=LONGEST_LIST, description="roles of the lab that decline alone")
    after_size: Word | None = Field(None, description="the smaller size that comes before")
    after_days: int = Field(0, ge=0, le=LONGEST_DAYS, description="days of it before")
    findings: int = Field(0, ge=0, le=MOST_FINDINGS, description="accepted findings on it before")
    reason: str = Field(max_length=LONGEST_RULE_REASON)


class RuleOut(Schema):
    size: str = Field(alias="size.path")
    approvals: int
    roles: list[str]
    veto_roles: list[str]
    after_size: str | None = None
    after_days: int
    findings: int
    at: datetime
    reason: str

    @staticmethod
    def resolve_after_size(rule: SizeRule) -> str | None:
        return rule.after_size.path if rule.after_size else None


@router.get("/rules", response=list[RuleOut], summary="The rule of each size that has one, at a time")
@paginate
@staff(Permission.RULE_SET, Permission.REQUEST_DECIDE, Permission.BOOK_READ)
def list_rules(request: SignedIn, at: Moment | None = None) -> Any:
    held = SizeRule.objects.holding(at=at or timezone.now())
    related = held.select_related("size__family", "after_size__family")
    return related.order_by("size", "-at", "-id").distinct("size")


@router.post("/rules", response={201: RuleOut}, summary="Set the rule of a size from now on")
@staff(Permission.RULE_SET)
def set_rule(request: SignedIn, body: RuleIn) -> Any:
    after = size_named(request, body.after_size, "after_size") if body.after_size else None
    rule = body.model_dump() | {"size": size_named(request, body.size), "after_size": after}
    return Status(201, access.set_rule(by=request.user, **rule))


@router.get("/findings", response=list[FindingOut], summary="Findings of every organisation, newest first")
@paginate
@staff(Permission.REQUEST_DECIDE)
def review_findings(request: SignedIn, accepted: bool | None = None) -> Any:
    found = Finding.objects.newest_first().select_related("partner")
    return found if accepted is None else found.filter(accepted_at__isnull=not accepted)


@router.post("/findings/{int:pk}/accept", response=FindingOut, summary="Count a finding towards larger sizes")
@staff(Permission.REQUEST_DECIDE)
def accept_finding(request: SignedIn, pk: int) -> Any:
    finding = get_object_or_404(Finding.objects.newest_first().select_related("partner"), pk=pk)
    access.accept_finding(by=request.user, finding=finding)
    return finding
