"""Asking: drafts, submissions, corrections, the thread, and what follows a decision."""

import pytest
from django.utils import timezone

from release_portal.access import actions
from release_portal.access.changes import changes_of
from release_portal.access.forms import AccessRequestForm
from release_portal.access.models import AccessRequest, Grant, RequestItem, Right
from release_portal.audit.models import Event
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.models import Letter

from .. import factories

RETURN = {"reason_code": "team", "reason": "Name the two people."}


def test_request_waits_and_tells_both_sides(access_request, ada, rita, letters):
    assert (access_request.status, access_request.submissions.count()) == ("submitted", 1)
    assert (access_request.promised_at - access_request.submitted_at).days == 10
    assert letters(rita)[-1] == "University of Northlake requests GPT-2 124M"
    assert letters(ada)[-1] == "We received your request for GPT-2 124M"


@pytest.fixture
def every_right_served(monkeypatch):
    """As once the portal hands out weights and log-probabilities too."""
    monkeypatch.setattr(Right, "served", classmethod(list))


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"wanted": []}, "wanted"),
        ({"purposes": []}, "purposes"),
        ({"purposes": ["world peace"]}, "purposes"),
        ({"purpose": "Study."}, "purpose"),
        ({"purpose": "x" * 4_001}, "purpose"),
        ({"team": "x" * 2_001}, "team"),
        ({"until_wanted": None}, "until_wanted"),
        ({"until_wanted": factories.in_days(0)}, "until_wanted"),
        ({"until_wanted": factories.in_days(900)}, "until_wanted"),
        ({"tokens": 0}, "tokens_wanted"),
        ({"tokens": 10**12 + 1}, "tokens_wanted"),
    ],
)
def test_request_outside_the_limits_names_the_field_and_stores_nothing(
    northlake, ada, size_124m, asking, details, field
):
    with pytest.raises(Refused) as refused:
        actions.request_access(by=ada, partner=northlake, **asking(size_124m, **details))
    assert refused.value.field == field
    assert not northlake.access_requests.exists()


@pytest.mark.parametrize(("right", "tokens"), [("generation", 10**19), ("generation", -1), ("weights", 5)])
def test_draft_keeps_no_quota_that_could_never_be_granted(northlake, ada, size_124m, every_right_served, right, tokens):
    wanted = [actions.Wanted(size_124m, Right(right), tokens)]
    with pytest.raises(Refused) as refused:
        actions.start_request(by=ada, partner=northlake, wanted=wanted)
    assert (refused.value.field, refused.value.given) == ("tokens_wanted", tokens)
    assert not AccessRequest.objects.filter(partner=northlake).exists()


def test_draft_may_leave_its_quota_out(northlake, ada, size_124m):
    draft = actions.start_request(by=ada, partner=northlake, wanted=[actions.Wanted(size_124m, Right.GENERATION)])
    assert draft.items.get().tokens_wanted == 0


def test_request_tokens_for_a_right_that_generates_nothing_is_refused(
    northlake, ada, size_124m, asking, every_right_served
):
    wanted = [actions.Wanted(size_124m, Right.WEIGHTS, 5)]
    with pytest.raises(Refused, match="Weights download has no quota of tokens"):
        actions.request_access(by=ada, partner=northlake, **asking(wanted=wanted))


@pytest.mark.parametrize("right", [Right.LOGPROBS, Right.WEIGHTS])
def test_right_that_nothing_serves_can_be_neither_asked_for_nor_granted(
    northlake, ada, rita, size_124m, asking, monkeypatch, every_right_served, right
):
    asked = asking(wanted=[actions.Wanted(size_124m, right)])
    earlier = actions.request_access(by=ada, partner=northlake, **asked)
    draft = actions.start_request(by=ada, partner=northlake, **asked)
    monkeypatch.setattr(Right, "served", classmethod(lambda cls: [Right.GENERATION]))

    with pytest.raises(Refused, match="cannot be had yet: nothing here serves it") as refused:
        actions.request_access(by=ada, partner=northlake, **asked)
    assert (refused.value.field, refused.value.given) == ("wanted", right)
    with pytest.raises(Refused, match="cannot be had yet"):
        factories.granted(earlier, by=rita)
    with pytest.raises(Refused, match="cannot be had yet"):
        actions.start_request(by=ada, partner=northlake, **asked)
    with pytest.raises(Refused, match="cannot be had yet"):
        actions.submit_request(by=ada, request=draft)
    assert right not in str(AccessRequestForm()[f"rights_{size_124m.pk}"])


def test_request_several_sizes_and_rights_at_once(northlake, ada, size_124m, size_355m, asking, every_right_served):
    wanted = [
        actions.Wanted(size_355m, Right.GENERATION, 10),
        actions.Wanted(size_124m, Right.WEIGHTS),
        actions.Wanted(size_124m, Right.LOGPROBS),
    ]
    request = actions.request_access(by=ada, partner=northlake, **asking(wanted=wanted))
    assert request.summary == "GPT-2 124M (log-probabilities), GPT-2 124M (weights download), GPT-2 355M"


def test_request_the_same_twice_in_one_is_refused(northlake, ada, size_124m, asking):
    with pytest.raises(Refused, match="asked for once"):
        actions.request_access(by=ada, partner=northlake, **asking(size_124m, size_124m))


def test_request_before_admission_is_refused(applied, ada, size_124m, asking):
    with pytest.raises(Refused, match="only an admitted organisation can request access"):
        actions.request_access(by=ada, partner=applied, **asking(size_124m))


def test_request_twice_is_refused_for_that_right_alone(access_request, ada, size_355m, asking):
    with pytest.raises(Refused, match="already has an open request for GPT-2 124M"):
        actions.request_access(by=ada, partner=access_request.partner, **asking(size_355m, *sizes_of(access_request)))
    assert actions.request_access(by=ada, partner=access_request.partner, **asking(size_355m)).pk


def test_request_for_what_is_granted_points_to_the_grant(grant, ada, asking):
    with pytest.raises(Refused, match="Amend or renew the grant"):
        actions.request_access(by=ada, partner=grant.partner, **asking(grant.size))


@pytest.mark.parametrize("who", ["ben", "cleo", "rita"])
def test_request_without_the_right_is_forbidden(northlake, size_124m, asking, who, request):
    with pytest.raises(Forbidden):
        actions.request_access(by=request.getfixturevalue(who), partner=northlake, **asking(size_124m))


def test_draft_is_kept_incomplete_changed_and_sent(northlake, ada, size_124m, size_355m, asking, letters):
    draft = actions.start_request(by=ada, partner=northlake, purpose="To find")
    before = len(letters(ada))
    with pytest.raises(Refused, match="Choose a size"):
        actions.submit_request(by=ada, request=draft)
    actions.save_request(by=ada, request=draft, **asking(size_124m, size_355m))
    actions.save_request(by=ada, request=draft, **asking(size_355m, tokens=7))
    assert (draft.summary, draft.submitted_at, len(letters(ada))) == ("GPT-2 355M", None, before)
    assert draft not in AccessRequest.objects.sent()
    actions.submit_request(by=ada, request=draft)
    assert [(item.status, item.tokens_wanted) for item in draft.items.exclude(status="dropped")] == [("waiting", 7)]


def test_save_what_is_under_review_is_refused(access_request, ada, size_355m, asking):
    with pytest.raises(Refused, match="can no longer be changed"):
        actions.save_request(by=ada, request=access_request, **asking(size_355m))


def test_returned_request_is_corrected_and_shows_what_changed(access_request, ada, rita, asking, letters):
    actions.return_request(by=rita, request=access_request, **RETURN)
    assert (access_request.status, access_request.items.get().status) == ("returned", "asked")
    assert letters(ada)[-1] == "Your request for GPT-2 124M needs changes"
    details = asking(*sizes_of(access_request), tokens=50_000, team="Ada and Ben.")
    actions.save_request(by=ada, request=access_request, **details)
    actions.submit_request(by=ada, request=access_request)
    assert changes_of(access_request) == [
        ("GPT-2 124M", "100,000 tokens", "50,000 tokens"),
        ("Who will use it", "", "Ada and Ben."),
    ]
    assert letters(rita)[-1] == "University of Northlake corrected its request for GPT-2 124M"
    kinds = Event.objects.about(access_request).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["access.requested", "access.returned", "access.corrected"]


@pytest.mark.parametrize("wrong", [{"reason_code": "whim"}, {"reason": " "}, {"reason": "x" * (LONGEST_REASON + 1)}])
def test_return_without_what_to_change_is_refused(access_request, rita, wrong):
    with pytest.raises(Refused):
        actions.return_request(by=rita, request=access_request, **RETURN | wrong)
    assert AccessRequest.objects.get(pk=access_request.pk).status == "submitted"


def test_withdraw_ends_the_request_and_makes_room(access_request, ada, rita, asking):
    actions.withdraw_request(by=ada, request=access_request)
    assert (access_request.status, access_request.items.get().status) == ("withdrawn", "dropped")
    with pytest.raises(Refused, match="already withdrawn"):
        factories.approved(access_request.items.get(), by=rita)
    assert actions.request_access(by=ada, partner=access_request.partner, **asking(*sizes_of(access_request))).pk


def test_messages_reach_the_other_side_and_notes_reach_nobody(access_request, ada, rita, tom, cleo, letters):
    actions.say(by=rita, request=access_request, text="Who reads the texts?")
    assert letters(ada)[-1] == "Rita Moss wrote about GPT-2 124M"
    actions.say(by=ada, request=access_request, text="Two readers.")
    assert letters(rita)[-1] == letters(tom)[-1] == "Ada Lowell wrote about GPT-2 124M"
    before = Letter.objects.count()
    actions.say(by=rita, request=access_request, text="A competitor, perhaps.", internal=True)
    assert Letter.objects.count() == before
    assert [remark.text for remark in access_request.remarks.for_applicants().oldest_first()] == [
        "Who reads the texts?",
        "Two readers.",
    ]
    for by, internal in ((ada, True), (cleo, False)):
        with pytest.raises(Forbidden):
            actions.say(by=by, request=access_request, text="Hello", internal=internal)


def test_what_reviewers_do_among_themselves_is_not_in_the_applicants_timeline(access_request, rita, client_of, ada):
    actions.claim_request(by=rita, request=access_request)
    actions.say(by=rita, request=access_request, text="A competitor, perhaps.", internal=True)
    events = Event.objects.about(access_request)
    assert {event.kind for event in events} - {event.kind for event in events.for_applicants()} == {
        "review.claimed",
        "review.noted",
    }
    page = client_of(ada).get(access_request.get_absolute_url()).content.decode()
    assert "competitor" not in page
    assert "claimed" not in page


def test_copy_says_the_same_in_a_new_draft(access_request, ada):
    copy = actions.copy_request(by=ada, request=access_request)
    assert (copy.status, copy.kind, copy.summary) == ("draft", "new", "GPT-2 124M")
    assert (copy.purpose, copy.purposes) == (access_request.purpose, access_request.purposes)


def test_appeal_once_with_grounds_and_to_another_reviewer(access_request, ada, rita, tom):
    with pytest.raises(Refused, match="An appeal follows a decision"):
        actions.appeal(by=ada, request=access_request)
    factories.declined(access_request, by=rita)
    draft = actions.appeal(by=ada, request=access_request)
    assert actions.appeal(by=ada, request=access_request) == draft
    with pytest.raises(Refused, match="Say why the decision should be another"):
        actions.submit_request(by=ada, request=draft)
    actions.save_request(by=ada, request=draft, wanted=wanted_of(draft), grounds="Readers are recruited with consent.")
    actions.submit_request(by=ada, request=draft)
    with pytest.raises(Refused, match="You decided what is appealed here"):
        factories.granted(draft, by=rita)
    assert factories.granted(draft, by=tom).is_held
    with pytest.raises(Refused, match="This decision was appealed already"):
        actions.appeal(by=ada, request=access_request)
    with pytest.raises(Refused, match="an appeal already"):
        actions.appeal(by=ada, request=AccessRequest.objects.get(pk=draft.pk))


@pytest.mark.parametrize("kind", ["renewal", "amendment"])
def test_renewed_or_amended_grant_takes_the_place_of_the_old_one(grant, ada, rita, kind):
    draft = actions.change_grant(by=ada, grant=grant, kind=AccessRequest.Kind(kind))
    assert actions.change_grant(by=ada, grant=grant, kind=AccessRequest.Kind(kind)) == draft
    with pytest.raises(Refused, match="Say what was done so far"):
        actions.submit_request(by=ada, request=draft)
    wanted = [actions.Wanted(grant.size, tokens=500_000)]
    actions.save_request(by=ada, request=draft, wanted=wanted, use_summary="60,000 tokens, one paper.")
    actions.submit_request(by=ada, request=draft)
    newer = factories.granted(draft, by=rita)
    grant.refresh_from_db()
    assert (grant.status, grant.replaced_by, newer.status, newer.token_quota) == ("replaced", newer, "active", 500_000)
    assert list(Grant.objects.held().filter(partner=grant.partner)) == [newer]


def test_amend_a_grant_that_ended_is_refused(grant, ada, rita):
    actions.revoke_grant(by=rita, grant=grant, reason_code="misuse", reason="A key was shared.")
    with pytest.raises(Refused, match="only one that is held can be amended"):
        actions.change_grant(by=ada, grant=grant, kind=AccessRequest.Kind.AMENDMENT)


def test_request_again_after_a_decline_is_accepted(access_request, ada, rita, asking):
    factories.declined(access_request, by=rita)
    assert actions.request_access(by=ada, partner=access_request.partner, **asking(*sizes_of(access_request))).pk


def test_close_organisation_ends_requests_and_grants(grant, ada, size_355m, asking, job):
    waiting = actions.request_access(by=ada, partner=grant.partner, **asking(size_355m))
    actions.close_organisation(by=ada, partner=grant.partner)
    grant.refresh_from_db()
    waiting.refresh_from_db()
    assert (grant.partner.status, grant.status, waiting.status) == ("closed", "revoked", "withdrawn")
    assert not RequestItem.objects.waiting().filter(request=waiting).exists()
    assert Grant.objects.in_force(at=timezone.now()).filter(partner=grant.partner).count() == 0


def sizes_of(request):
    return [item.size for item in request.items.smallest_first()]


def wanted_of(request):
    return [actions.Wanted(item.size, item.right, item.tokens_wanted) for item in request.items.smallest_first()]
