"""What is asked before a size is granted, and the findings that count towards it."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.links import page_url
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line
from release_portal.partners.actions import write_letter
from release_portal.partners.conflicts import partners_of, require_impartial
from release_portal.partners.guards import people_who, require, require_person
from release_portal.partners.models import Letter, Partner, Role, User
from release_portal.partners.permissions import Permission
from release_portal.partners.rates import count
from release_portal.releases.models import ModelSize

from ..models import Finding, RequestItem, SizeRule

MOST_APPROVALS = 5
LONGEST_RULE_REASON = 300  # characters
LONGEST_FINDING = 10_000  # characters


@transaction.atomic
def set_rule(
    *,
    by: User,
    size: ModelSize,
    reason: str,
    approvals: int = 1,
    roles: Sequence[str] = (),
    veto_roles: Sequence[str] = (),
    after_size: ModelSize | None = None,
    after_days: int = 0,
    findings: int = 0,
) -> SizeRule:
    """From now on this is asked before the size is granted. Grants that are there keep to the rule they began under."""
    require(by, Permission.RULE_SET)
    _refuse_interested(by, size)
    sentence = "Say why the rule changes: a reason is needed."
    reason = checked_reason(one_line(reason), sentence, longest=LONGEST_RULE_REASON)
    _refuse_reviewers(approvals, roles, veto_roles)
    _refuse_steps(size, after_size, after_days, findings)
    rule = SizeRule.objects.create(
        size=size,
        approvals=approvals,
        roles=list(roles),
        veto_roles=list(veto_roles),
        after_size=after_size,
        after_days=after_days,
        findings=findings,
        at=timezone.now(),
        by=by,
        reason=reason,
    )
    record("rule.set", f"The rule of {size} was set", rule, size, by=by)
    return rule


def _refuse_reviewers(approvals: int, roles: Sequence[str], veto_roles: Sequence[str]) -> None:
    if not 1 <= approvals <= MOST_APPROVALS:
        sentence = f"A rule asks for 1 to {MOST_APPROVALS} approvals; you gave {approvals}."
        raise Refused(sentence, field="approvals", limit=MOST_APPROVALS, given=approvals)
    known = set(Role.objects.filter(at_lab=True).values_list("code", flat=True))
    for field, given in (("roles", roles), ("veto_roles", veto_roles)):
        if unknown := set(given) - known:
            raise Refused("Choose roles of the lab.", field=field, given=sorted(unknown))


def _refuse_steps(size: ModelSize, after_size: ModelSize | None, after_days: int, findings: int) -> None:
    if after_size is None and (after_days or findings):
        raise Refused("Name the size on which days and findings are counted.", field="after_size")
    if after_size and (after_size.family_id != size.family_id or after_size.parameters >= size.parameters):
        raise Refused(f"Choose a smaller size of the same family than {size}.", field="after_size")


@transaction.atomic
def report_finding(*, by: User, partner: Partner, size: ModelSize, title: str, text: str) -> Finding:
    """Tell the lab what was found with a size."""
    require(by, Permission.JOB_SUBMIT, partner)
    require_person(by)
    title, text = one_line(title), text.strip()
    if not title or len(title) > 200:
        raise Refused(f"A title has 1 to 200 characters; this has {len(title)}.", field="title", limit=200)
    if not text or len(text) > LONGEST_FINDING:
        sentence = f"A finding has 1 to {LONGEST_FINDING:,} characters; this has {len(text):,}."
        raise Refused(sentence, field="text", limit=LONGEST_FINDING, given=len(text))
    if not partner.grants.filter(size=size).exists():
        raise Refused(f"{partner} was never granted {size}.", field="size", given=str(size))
    count("report", by=by, partner=partner)
    now = timezone.now()
    finding = Finding.objects.create(partner=partner, size=size, title=title, text=text, sent_by=by, sent_at=now)
    record("finding.sent", f"{partner} reported a finding on {size}", finding, partner, size, by=by)
    write_letter(
        to=people_who(Permission.REQUEST_DECIDE),
        subject=f"A finding on {size} from {partner}",
        text=title,
        path=page_url("lab_finding", finding.pk),
        action="Read the finding",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )
    return finding


@transaction.atomic
def accept_finding(*, by: User, finding: Finding) -> None:
    """Count a finding towards the steps of larger sizes."""
    require(by, Permission.REQUEST_DECIDE)
    require_impartial(by, Permission.REQUEST_DECIDE, finding.partner, authors=[(finding.sent_by_id, finding.sent_at)])
    now = timezone.now()
    if not Finding.objects.filter(pk=finding.pk, accepted_at__isnull=True).update(accepted_by=by, accepted_at=now):
        finding.refresh_from_db()
        raise Refused(f"{finding.accepted_by} already accepted this finding on {finding.accepted_at:%-d %B %Y}.")
    finding.refresh_from_db()
    record("finding.accepted", f"A finding on {finding.size} was accepted", finding, finding.partner, by=by)
    write_letter(
        to=[finding.sent_by],
        subject=f"Your finding on {finding.size} was accepted",
        text=f"“{finding.title}” counts towards the steps of larger sizes.",
        path=finding.partner.get_absolute_url(),
        action="See where you stand",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )


def _refuse_interested(by: User, size: ModelSize) -> None:
    """A rule is not changed by somebody whose organisation waits for an answer under it."""
    waiting = RequestItem.objects.waiting().filter(size=size).values("partner")
    for partner in partners_of(by, at=timezone.now()).filter(pk__in=waiting):
        require_impartial(by, Permission.RULE_SET, partner)
