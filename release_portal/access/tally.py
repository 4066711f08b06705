"""What a size's rule asks for before an item is decided, and how far its reviews have come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Value

from release_portal.partners.conflicts import impartial
from release_portal.partners.guards import people_who
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from .conditions import STEPS, with_rule_facts
from .models import RequestItem, Review, SizeRule
from .sentences import steps_in_words
from .terms import Terms, terms_asked


@dataclass(frozen=True)
class Tally:
    """How many approvals an item needs and has, and whether it is decided."""

    needed: int
    approvals: tuple[Review, ...]
    declines: tuple[Review, ...]
    roles: tuple[str, ...]
    steps_missing: str
    decided: str = ""

    @property
    def sentence(self) -> str:
        whose = f" by {' or '.join(self.roles)}" if self.roles else ""
        return f"{len(self.approvals)} of {self.needed} approvals{whose}"


def terms_offered(item: RequestItem, tally: Tally) -> Terms:
    """What a reviewer finds before them: the terms that another offers, else what was asked for."""
    offered = tally.approvals[-1].terms if tally.approvals else None
    return Terms.from_json(offered) if offered else terms_asked(item)


def rule_of(item: RequestItem, *, at: datetime) -> SizeRule:
    """The rule that holds for the item's size; without one, a single approval is enough."""
    rule = SizeRule.objects.filter(size=item.size).holding(at=at).select_related("after_size__family").first()
    return rule or SizeRule(size=item.size, at=at)


def tally_of(item: RequestItem, *, at: datetime) -> Tally:
    """Count the reviews of an item by the rule of its size: those of people who still may decide it.

    The largest size of a family is never granted by one person alone. As many declines as the rule asks approvals
    decline an item, or one of somebody with a veto.
    """
    rule = rule_of(item, at=at)
    needed = rule.approvals_needed(is_largest=item.size.is_largest())
    may_decide = impartial(people_who(Permission.REQUEST_DECIDE), item.partner, at=at)
    current = list(item.reviews.current().filter(reviewer__in=may_decide).prefetch_related("reviewer__lab_roles"))
    approvals = tuple(
        review
        for review in current
        if review.verdict == Review.Verdict.APPROVE and _has(review.reviewer, rule.roles or None)
    )
    declines = tuple(review for review in current if review.verdict == Review.Verdict.DECLINE)
    decided = ""
    if len(declines) >= rule.approvals or any(_has(review.reviewer, rule.veto_roles) for review in declines):
        decided = Review.Verdict.DECLINE
    elif len(approvals) >= needed:
        decided = Review.Verdict.APPROVE
    return Tally(needed, approvals, declines, tuple(rule.roles), steps_missing_of(item, at=at), decided)


def steps_missing_of(item: RequestItem, *, at: datetime) -> str:
    """The steps before the item's size that its organisation has not done, in words; nothing where all are."""
    rows = type(item.partner).objects.filter(pk=item.partner_id)
    rows = with_rule_facts(rows, at=at, partner=F("pk"), size=Value(item.size_id), right=Value(item.right), grant=None)
    steps = rows.values(**{f"step_{name}": F(name) for name in STEPS}).get()
    steps = {name: steps[f"step_{name}"] for name in STEPS}
    if steps["after_name"] is None:
        return ""
    held, found = steps["days_held"] >= timedelta(days=steps["after_days"]), steps["findings_sent"]
    return "" if held and found >= steps["after_findings"] else steps_in_words(steps)


def _has(person: User, roles: list[str] | None) -> bool:
    return roles is None or any(role.code in roles for role in person.lab_roles.all())
