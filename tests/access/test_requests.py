from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.access import actions
from release_portal.access.models import AccessRequest, Grant
from release_portal.access.rule import decide
from release_portal.access.standing import checklist_of, ladders_of
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions as partners

from .. import factories


def test_request_waits_and_tells_both_sides(access_request, ada, rita, letters):
    assert access_request.status == AccessRequest.Status.SUBMITTED
    assert AccessRequest.objects.awaiting_review().contains(access_request)
    assert letters(rita)[-1] == "University of Northlake requests GPT-2 124M"
    assert letters(ada)[-1] == "We received your request for GPT-2 124M"


@pytest.mark.parametrize(
    ("told", "field", "sentence"),
    [
        ({"purpose": "Because."}, "purpose", "in at least 20 characters; this has 8."),
        ({"tokens_wanted": 0}, "tokens_wanted", "from 1 to 1,000,000,000,000 tokens; you gave 0."),
        ({"tokens_wanted": 10**12 + 1}, "tokens_wanted", "you gave 1,000,000,000,001."),
        ({"until_wanted": factories.in_days(0)}, "until_wanted", "Access ends after today and by"),
        ({"until_wanted": factories.in_days(731)}, "until_wanted", "Access ends after today and by"),
    ],
)
def test_request_outside_the_limits_says_limit_and_what_was_given(
    northlake, ada, size_124m, asking, told, field, sentence
):
    with pytest.raises(Refused, match=sentence) as refused:
        actions.request_access(by=ada, partner=northlake, size=size_124m, **asking(**told))
    assert refused.value.field == field
    assert refused.value.limit
    assert not AccessRequest.objects.filter(partner=northlake).exists()


def test_request_before_admission_is_refused(applied, ada, size_124m, asking):
    with pytest.raises(Refused, match="is waiting for review; only an admitted organisation can request access"):
        actions.request_access(by=ada, partner=applied, size=size_124m, **asking())


def test_request_before_signing_is_accepted(admitted, ada, size_124m, asking):
    assert actions.request_access(by=ada, partner=admitted, size=size_124m, **asking()).pk


def test_request_twice_is_refused(access_request, ada, asking):
    with pytest.raises(Refused, match="already has an open request for GPT-2 124M") as refused:
        actions.request_access(by=ada, partner=access_request.partner, size=access_request.size, **asking())
    assert refused.value.field == "size"


def test_request_for_what_is_granted_is_refused(grant, ada, asking):
    with pytest.raises(Refused, match="already has a grant of GPT-2 124M"):
        actions.request_access(by=ada, partner=grant.partner, size=grant.size, **asking())


@pytest.mark.parametrize("who", ["ben", "cleo", "rita"])
def test_request_without_the_right_is_forbidden(northlake, size_124m, asking, who, request):
    with pytest.raises(Forbidden, match="“Request access to sizes” needs a role"):
        actions.request_access(by=request.getfixturevalue(who), partner=northlake, size=size_124m, **asking())


def test_grant_begins_now_and_ends_with_the_day(access_request, rita, ada, letters):
    before = timezone.now()
    day = factories.in_days(9)
    grant = actions.grant_request(by=rita, request=access_request, ends_on=day, token_quota=5_000)
    grant.refresh_from_db()
    access_request.refresh_from_db()
    assert (grant.status, grant.granted_by, grant.token_quota, grant.tokens_left) == ("active", rita, 5_000, 5_000)
    assert before <= grant.starts_at <= timezone.now()
    assert grant.ends_at.date() == day + timedelta(days=1)
    assert (grant.ends_at.hour, grant.ends_at.minute) == (0, 0)
    assert (access_request.status, access_request.decided_by) == ("granted", rita)
    assert letters(ada)[-1] == "GPT-2 124M is granted to University of Northlake"


def test_decline_keeps_the_reason_that_the_applicant_reads(access_request, rita, ada, letters, client_of):
    actions.decline_request(by=rita, request=access_request, reason="Say how people are recruited.")
    access_request.refresh_from_db()
    assert (access_request.status, access_request.reason) == ("declined", "Say how people are recruited.")
    assert letters(ada)[-1] == "The request for GPT-2 124M was declined"
    page = client_of(ada).get(access_request.get_absolute_url())
    assert "Say how people are recruited." in page.content.decode()


def test_decline_without_a_reason_is_refused(access_request, rita):
    with pytest.raises(Refused, match="a reason is needed to decline"):
        actions.decline_request(by=rita, request=access_request, reason=" ")


def test_decide_what_another_reviewer_decided_names_them(access_request, rita, tom):
    stale = AccessRequest.objects.get(pk=access_request.pk)
    actions.decline_request(by=rita, request=access_request, reason="Too vague.")
    with pytest.raises(Refused, match="This request is already declined by Rita Moss on"):
        actions.grant_request(by=tom, request=stale, ends_on=factories.in_days(9), token_quota=1)
    assert not Grant.objects.filter(request=access_request).exists()


@pytest.mark.parametrize("who", ["ada", "ben", "cleo", "otto"])
def test_decide_without_the_right_is_forbidden(access_request, who, request):
    by = request.getfixturevalue(who)
    with pytest.raises(Forbidden):
        actions.grant_request(by=by, request=access_request, ends_on=factories.in_days(9), token_quota=1)
    with pytest.raises(Forbidden):
        actions.decline_request(by=by, request=access_request, reason="No.")


def test_decide_for_ones_own_organisation_is_refused(access_request, rita):
    factories.MembershipFactory(user=rita, partner=access_request.partner, roles=["viewer"])
    with pytest.raises(Refused, match="another reviewer has to decide"):
        actions.grant_request(by=rita, request=access_request, ends_on=factories.in_days(9), token_quota=1)
    with pytest.raises(Refused, match="another reviewer has to decide"):
        actions.decline_request(by=rita, request=access_request, reason="No.")


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"token_quota": 0}, "token_quota"),
        ({"token_quota": -5}, "token_quota"),
        ({"ends_on": factories.in_days(0)}, "ends_on"),
        ({"ends_on": factories.in_days(731)}, "ends_on"),
    ],
)
def test_grant_outside_the_limits_is_refused(access_request, rita, told, field):
    terms = {"ends_on": factories.in_days(9), "token_quota": 1} | told
    with pytest.raises(Refused) as refused:
        actions.grant_request(by=rita, request=access_request, **terms)
    assert refused.value.field == field
    access_request.refresh_from_db()
    assert access_request.status == "submitted"


def test_withdraw_ends_the_request(access_request, ada, rita):
    actions.withdraw_request(by=ada, request=access_request)
    with pytest.raises(Refused, match="already withdrawn by Ada Lowell"):
        actions.grant_request(by=rita, request=access_request, ends_on=factories.in_days(9), token_quota=1)


def test_request_again_after_a_decline_is_accepted(access_request, ada, rita, asking):
    actions.decline_request(by=rita, request=access_request, reason="Too vague.")
    again = actions.request_access(by=ada, partner=access_request.partner, size=access_request.size, **asking())
    assert again.status == "submitted"


def test_revoke_says_who_when_and_why_and_wakes_dispatch(grant, rita, ada, letters, wire):
    with wire:
        actions.revoke_grant(by=rita, grant=grant, reason="A key was shared.")
    grant.refresh_from_db()
    assert (grant.status, grant.ended_by, grant.end_reason) == ("revoked", rita, "A key was shared.")
    assert grant.ended_at < grant.ends_at
    assert letters(ada)[-1] == "Access to GPT-2 124M was revoked"
    assert "jobs.dispatch" in wire.names


def test_revoke_without_a_reason_is_refused(grant, rita):
    with pytest.raises(Refused, match="a reason is needed to revoke"):
        actions.revoke_grant(by=rita, grant=grant, reason="")


def test_revoke_twice_is_refused(grant, rita, mara):
    actions.revoke_grant(by=rita, grant=grant, reason="A key was shared.")
    with pytest.raises(Refused, match="This grant is already revoked by Rita Moss"):
        actions.revoke_grant(by=mara, grant=grant, reason="Me too.")


@pytest.mark.parametrize("who", ["ada", "cleo", "otto"])
def test_revoke_without_the_right_is_forbidden(grant, who, request):
    with pytest.raises(Forbidden):
        actions.revoke_grant(by=request.getfixturevalue(who), grant=grant, reason="Mine.")


def test_expire_ends_grants_whose_time_is_over_once(no_other_grants, grant, southbank_grant, ada, letters):
    Grant.objects.filter(pk=southbank_grant.pk).update(ends_at=grant.ends_at + timedelta(days=1))
    assert actions.expire_grants(by=None, at=grant.ends_at - timedelta(seconds=1)) == 0
    assert actions.expire_grants(by=None, at=grant.ends_at) == 1
    assert actions.expire_grants(by=None, at=grant.ends_at) == 0
    grant.refresh_from_db()
    assert (grant.status, grant.ended_at) == ("expired", grant.ends_at)
    assert letters(ada).count("Access to GPT-2 124M has ended") == 1


def test_grant_again_before_the_clock_wrote_the_end_of_the_old_one(grant, ada, rita, asking):
    ended = timezone.now() - timedelta(hours=1)
    Grant.objects.filter(pk=grant.pk).update(starts_at=ended - timedelta(days=9), ends_at=ended)
    request = actions.request_access(by=ada, partner=grant.partner, size=grant.size, **asking())
    newer = actions.grant_request(by=rita, request=request, ends_on=factories.in_days(9), token_quota=1)
    grant.refresh_from_db()
    assert (grant.status, newer.status) == ("expired", "active")


def test_database_refuses_a_second_active_grant_of_a_size(grant):
    with pytest.raises(IntegrityError, match="one_held_grant_per_size"), transaction.atomic():
        factories.GrantFactory(partner=grant.partner, size=grant.size)


def test_database_refuses_an_ended_grant_without_its_end(grant):
    with pytest.raises(IntegrityError, match="ended_grant_has_end"), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(status="revoked")


def test_last_day_is_the_same_wherever_it_is_said(access_request, rita, ada, client_of):
    """A grant until 31 May is in force through that day, and no page says 1 June."""
    day = factories.in_days(40)
    grant = actions.grant_request(by=rita, request=access_request, ends_on=day, token_quota=1_000)
    assert f"{day:%-d %B %Y}" in grant.standing
    now = timezone.now()
    (step,) = [step for step in checklist_of(grant.partner, at=now) if step.label == "Access granted"]
    assert f"until {day:%-d %B %Y}" in step.detail
    (rung,) = [rung for _, ladder in ladders_of(grant.partner, at=now) for rung in ladder if rung.size == grant.size]
    assert rung.yours.word == f"Yours until {day:%-d %b %Y}"
    shown = client_of(ada).get("/jobs/new/").content.decode()
    assert f"until {day:%-d %b %Y}" in shown
    assert f"{day + timedelta(days=1):%-d %b %Y}" not in shown
    over = decide(partner=grant.partner, size=grant.size, at=grant.ends_at)
    assert over.sentence == f"The grant of GPT-2 124M ended on {day:%-d %B %Y}."


def test_request_with_the_longest_names_is_accepted(cleo, rita, application, asking):
    partner = partners.apply(by=cleo, **application("L" * 200))
    partners.admit(by=rita, partner=partner)
    size = factories.SizeFactory(family=factories.FamilyFactory(name="F" * 80), name="S" * 20)
    request = actions.request_access(by=cleo, partner=partner, size=size, **asking())
    assert actions.grant_request(by=rita, request=request, ends_on=factories.in_days(9), token_quota=10**12).pk
