"""Answering item by item: the tally, claims, recusals, who may not, who came second; and nothing by waiting."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.access import actions
from release_portal.access.models import AccessRequest, Grant, RequestItem
from release_portal.access.tally import tally_of
from release_portal.access.terms import terms_asked
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.models import Letter

from .. import factories


@pytest.fixture
def rule(gpt2, mara):
    def set_rule(size, **fields):
        return actions.set_rule(by=mara, size=size, reason="For the test.", **fields)

    return set_rule


@pytest.fixture
def two(access_request, rule):
    """124M takes two approvals."""
    return rule(access_request.items.get().size, approvals=2)


def test_grant_less_than_asked_for_fewer_purposes_from_a_later_day(access_request, rita, ada, letters):
    terms = {"token_quota": 5_000, "ends_on": factories.in_days(90), "starts_on": factories.in_days(7)}
    limits = {"sample_quota": 100, "concurrent_jobs": 1, "longest_text": 64, "samples_per_prompt": 4}
    grant = factories.granted(access_request, by=rita, purposes=("belief",), **terms, **limits)
    assert (grant.token_quota, grant.last_day, grant.purposes) == (5_000, factories.in_days(90), ["belief"])
    assert (grant.starts_at.date(), grant.sample_quota, grant.longest_text) == (factories.in_days(7), 100, 64)
    assert not Grant.objects.in_force(at=timezone.now()).filter(pk=grant.pk).exists()
    assert Grant.objects.in_force(at=grant.starts_at + timedelta(seconds=1)).filter(pk=grant.pk).exists()
    assert letters(ada)[-1] == "Granted to University of Northlake: GPT-2 124M"


LESS = {
    "token_quota": (5_000, "5,000 tokens, not 100,000"),
    "ends_on": (factories.in_days(90), f"until {factories.in_days(90):%-d %B %Y}, not "),
    "purposes": (("belief",), "not for Detection of generated text"),
}


@pytest.mark.parametrize("field", LESS)
def test_grant_of_less_than_was_asked_for_says_what_and_why(ada, rita, access_request, field, client_of):
    item = access_request.items.get()
    value, words = LESS[field]
    offered = replace(terms_asked(item), **{field: value})
    with pytest.raises(Refused, match="This is less than was asked for: .*Say why") as refused:
        actions.decide_request(by=rita, request=access_request, answers=[actions.Answer(item, offered)])
    assert (refused.value.field, words in refused.value.sentence) == ("reduction_reason", True)
    assert access_request.items.get().status == "waiting"
    grant = factories.granted(
        access_request, by=rita, **{field: value, "reduction_reason": "The rest after a finding."}
    )
    text = Letter.objects.filter(to=ada.email).latest("pk").body
    assert words in text
    assert "The reason: The rest after a finding." in text
    assert ", for Human belief and credibility" in text
    for page in (access_request.get_absolute_url(), grant.get_absolute_url()):
        assert "The rest after a finding." in client_of(ada).get(page).content.decode()


def test_reason_for_less_is_refused_where_nothing_is_less(access_request, rita):
    with pytest.raises(Refused, match="Nothing here is less than was asked for") as refused:
        factories.granted(access_request, by=rita, reduction_reason="We begin with less.")
    assert refused.value.field == "reduction_reason"


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"ends_on": factories.in_days(0)}, "ends_on"),
        ({"ends_on": factories.in_days(900)}, "ends_on"),
        ({"starts_on": factories.in_days(400)}, "starts_on"),
        ({"token_quota": 0}, "token_quota"),
        ({"sample_quota": 0}, "sample_quota"),
        ({"concurrent_jobs": 1_001}, "concurrent_jobs"),
        ({"longest_text": 1_025}, "longest_text"),
        ({"purposes": ()}, "purposes"),
        ({"purposes": ("misuse",)}, "purposes"),
    ],
)
def test_grant_outside_the_limits_is_refused_and_changes_nothing(access_request, rita, details, field):
    with pytest.raises(Refused) as refused:
        factories.granted(access_request, by=rita, **details)
    assert refused.value.field == field
    assert not Grant.objects.filter(request=access_request).exists()
    assert access_request.items.get().status == "waiting"


def test_decide_size_by_size_each_with_its_own_answer(northlake, ada, rita, size_124m, size_355m, asking, letters):
    request = actions.request_access(by=ada, partner=northlake, **asking(size_124m, size_355m))
    small, large = request.items.smallest_first()
    answer = actions.Answer(small, terms_asked(small))
    actions.decide_request(by=rita, request=request, answers=[answer])
    assert (request.status, small.grant.status) == ("submitted", "active")
    no = actions.Answer(large, reason_code="need", reason="124M serves it.", note="Third such request.")
    preview = actions.preview_decision(by=rita, request=request, answers=[no])
    assert request.status == "submitted"
    actions.decide_request(by=rita, request=request, answers=[no])
    large.refresh_from_db()
    assert (request.status, large.status, large.reason_code) == ("decided", "declined", "need")
    letter = Letter.objects.filter(to=ada.email).latest("id")
    assert letter.subject == preview[0]
    assert all(line in letter.body for line in preview[1].split("\n\n"))
    assert "Third such request." not in letter.body


@pytest.mark.parametrize("wrong", [{"reason_code": "mood"}, {"reason": " "}, {"reason": "x" * (LONGEST_REASON + 1)}])
def test_decline_without_a_reason_for_the_applicant_is_refused(access_request, rita, wrong):
    details = {"reason_code": "purpose", "reason": "Too vague."} | wrong
    with pytest.raises(Refused):
        actions.decide_request(
            by=rita, request=access_request, answers=[actions.Answer(access_request.items.get(), **details)]
        )
    assert access_request.items.get().status == "waiting"


def test_second_of_two_hears_who_decided_what(access_request, rita, tom):
    answer = actions.Answer(access_request.items.get(), reason_code="purpose", reason="Too vague.")
    factories.granted(access_request, by=rita)
    with pytest.raises(Refused, match=r"GPT-2 124M is already granted by Rita Moss on \d"):
        actions.decide_request(by=tom, request=access_request, answers=[answer])


def test_decide_on_what_changed_since_it_was_opened_is_refused(access_request, rita, tom, two):
    seen = access_request.revision
    answer = actions.Answer(access_request.items.get(), terms_asked(access_request.items.get()))
    actions.decide_request(by=rita, request=access_request, answers=[answer], seen=seen)
    with pytest.raises(Refused, match="changed since you opened it"):
        actions.decide_request(by=tom, request=access_request, answers=[answer], seen=seen)


@pytest.mark.parametrize("who", ["ada", "ben", "cleo", "otto"])
def test_decide_without_the_right_is_forbidden(access_request, who, request):
    by = request.getfixturevalue(who)
    item = access_request.items.get()
    for call in (
        lambda: factories.granted(access_request, by=by),
        lambda: actions.claim_request(by=by, request=access_request),
        lambda: actions.recuse(by=by, request=access_request, reason="Mine."),
        lambda: actions.return_request(by=by, request=access_request, reason_code="team", reason="Who?"),
        lambda: actions.set_rule(by=by, size=item.size, reason="Mine."),
    ):
        with pytest.raises(Forbidden):
            call()
    assert AccessRequest.objects.get(pk=access_request.pk).status == "submitted"


def test_decide_for_ones_own_organisation_is_refused(access_request, rita):
    factories.MembershipFactory(user=rita, partner=access_request.partner, roles=["viewer"])
    with pytest.raises(Refused, match="You belong to University of Northlake"):
        factories.granted(access_request, by=rita)


def test_decide_after_stepping_aside_is_refused(access_request, rita, tom):
    actions.recuse(by=rita, request=access_request, reason="I advise their project.")
    with pytest.raises(Refused, match="You stepped aside"):
        factories.granted(access_request, by=rita)
    assert factories.granted(access_request, by=tom).is_held


def test_step_aside_takes_ones_approval_back(access_request, rita, tom, two):
    approve(access_request, rita)
    actions.recuse(by=rita, request=access_request, reason="I advise their project.")
    approve(access_request, tom)
    assert access_request.items.get().status == "waiting"


def test_claimed_request_is_left_alone_until_the_claim_ends(access_request, rita, tom):
    actions.claim_request(by=rita, request=access_request)
    for call in (
        lambda: actions.claim_request(by=tom, request=access_request),
        lambda: factories.granted(access_request, by=tom),
        lambda: actions.release_request(by=tom, request=access_request),
    ):
        with pytest.raises(Refused, match="claimed this request"):
            call()
    past = timezone.now() - timedelta(seconds=1)
    AccessRequest.objects.filter(pk=access_request.pk).update(claimed_until=past)
    assert factories.granted(access_request, by=tom).is_held


def test_release_gives_the_request_back(access_request, rita, tom):
    actions.claim_request(by=rita, request=access_request)
    actions.release_request(by=rita, request=access_request)
    actions.claim_request(by=tom, request=access_request)
    assert access_request.claimed_by == tom


def test_two_approvals_on_the_same_terms_grant(access_request, rita, tom, mara, two):
    approve(access_request, rita)
    assert access_request.items.get().status == "waiting"
    approve(access_request, rita)
    assert access_request.items.get().status == "waiting", "one person counts once"
    approve(access_request, tom, token_quota=10)
    assert access_request.items.get().status == "waiting", "other terms set the earlier approval aside"
    approve(access_request, mara, token_quota=10)
    assert access_request.items.get().grant.token_quota == 10


def test_two_declines_decline_where_two_approvals_are_needed(access_request, rita, tom, two):
    factories.declined(access_request, by=rita)
    assert access_request.items.get().status == "waiting"
    factories.declined(access_request, by=tom)
    assert access_request.items.get().status == "declined"


def test_veto_declines_alone_and_only_named_roles_approve(access_request, rita, tom, mara, rule):
    size = access_request.items.get().size
    rule(size, approvals=2, roles=["reviewer"], veto_roles=["release-manager"])
    approve(access_request, mara)
    approve(access_request, rita)
    item = access_request.items.get()
    assert (item.status, tally_of(item, at=timezone.now()).sentence) == ("waiting", "1 of 2 approvals by reviewer")
    factories.declined(access_request, by=mara)
    assert access_request.items.get().status == "declined"


def test_largest_size_always_takes_two_people(northlake, gpt2, ada, rita, tom, asking):
    request = actions.request_access(by=ada, partner=northlake, **asking(gpt2.sizes.get(name="1558M")))
    approve(request, rita)
    assert not Grant.objects.filter(request=request).exists()
    approve(request, tom)
    assert Grant.objects.filter(request=request).exists()


def test_steps_before_a_size_are_asked_for_or_waived_in_words(grant, ada, rita, size_355m, asking, rule):
    rule(size_355m, after_size=grant.size, after_days=60, findings=1)
    request = actions.request_access(by=ada, partner=grant.partner, **asking(size_355m))
    sentence = r"GPT-2 355M comes after 60 days of GPT-2 124M \(0 so far\) and 1 accepted finding \(0 so far\)"
    with pytest.raises(Refused, match=sentence):
        approve(request, rita)
    factories.with_terms(grant, starts_at=timezone.now() - timedelta(days=61))
    finding = actions.report_finding(by=ada, partner=grant.partner, size=grant.size, title="Bias", text="We found it.")
    with pytest.raises(Refused, match=r"60 days of GPT-2 124M \(61 so far\) and 1 accepted finding \(0 so far\)"):
        approve(request, rita)
    actions.accept_finding(by=rita, finding=finding)
    assert factories.granted(request, by=rita).waiver == ""


def test_waiver_is_kept_with_the_grant_and_a_later_rule_does_not_end_it(grant, ada, rita, size_355m, asking, rule):
    rule(size_355m, after_size=grant.size, after_days=60)
    request = actions.request_access(by=ada, partner=grant.partner, **asking(size_355m))
    waived = factories.granted(request, by=rita, waiver="They studied it elsewhere.")
    rule(grant.size, approvals=2)
    now = timezone.now()
    assert set(Grant.objects.in_force(at=now).filter(partner=grant.partner)) == {grant, waived}


def test_late_request_is_escalated_once_and_never_approved(access_request, mara, letters):
    late = access_request.promised_at + timedelta(days=300)
    assert (actions.escalate_requests(by=None, at=late) >= 1, actions.escalate_requests(by=None, at=late)) == (True, 0)
    assert letters(mara)[-1] == "Late: GPT-2 124M for University of Northlake"
    access_request.refresh_from_db()
    assert (access_request.status, access_request.items.get().status) == ("submitted", "waiting")
    assert not Grant.objects.filter(request=access_request).exists()


def approve(request: AccessRequest, by, **terms) -> None:
    item = request.items.get(status=RequestItem.Status.WAITING)
    factories.approved(item, by=by, **terms)
