"""Grants: revoked, warned of, ended; and the limits that each job keeps to."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.access import actions
from release_portal.access.models import AccessRequest, Grant
from release_portal.jobs import actions as jobs
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.models import Letter

from .. import factories

WHY = {"reason_code": "key", "reason": "A key was shared."}


def test_grant_begins_now_and_ends_with_the_day(access_request, rita):
    grant = factories.granted(access_request, by=rita, ends_on=factories.in_days(30), token_quota=5_000)
    midnight = datetime.combine(factories.in_days(31), time.min, tzinfo=UTC)
    assert (grant.ends_at, grant.last_day, grant.token_quota) == (midnight, factories.in_days(30), 5_000)
    assert timezone.now() - grant.starts_at < timedelta(minutes=1)


def test_revoke_says_who_when_and_why_and_wakes_dispatch(grant, rita, ada, letters, wire):
    with wire:
        actions.revoke_grant(by=rita, grant=grant, **WHY)
    assert (grant.status, grant.ended_by, grant.end_code, grant.end_reason) == ("revoked", rita, "key", WHY["reason"])
    assert letters(ada)[-1] == "Access to GPT-2 124M was revoked"
    assert "jobs.dispatch" in wire.names


@pytest.mark.parametrize("wrong", [{"reason_code": "mood"}, {"reason": " "}])
def test_revoke_without_a_reason_is_refused(grant, rita, wrong):
    with pytest.raises(Refused):
        actions.revoke_grant(by=rita, grant=grant, **WHY | wrong)


def test_revoke_twice_is_refused(grant, rita, mara):
    actions.revoke_grant(by=rita, grant=grant, **WHY)
    with pytest.raises(Refused, match="This grant is already revoked by Rita Moss on"):
        actions.revoke_grant(by=mara, grant=Grant.objects.get(pk=grant.pk), **WHY)


@pytest.mark.parametrize("who", ["ada", "ben", "cleo", "otto"])
def test_revoke_without_the_right_is_forbidden(grant, who, request):
    with pytest.raises(Forbidden):
        actions.revoke_grant(by=request.getfixturevalue(who), grant=grant, **WHY)


def test_expire_ends_grants_whose_time_is_over_once(no_other_grants, grant, southbank_grant, ada, letters):
    factories.with_terms(southbank_grant, ends_at=grant.ends_at + timedelta(days=1))
    assert actions.expire_grants(by=None, at=grant.ends_at) == 1
    assert actions.expire_grants(by=None, at=grant.ends_at) == 0
    grant.refresh_from_db()
    assert (grant.status, grant.ended_at) == ("expired", grant.ends_at)
    assert letters(ada)[-1] == "Access to GPT-2 124M has ended"


def test_end_is_announced_60_30_and_7_days_before_once_each(no_other_grants, grant, ada, letters):
    def warned(days: float) -> int:
        return actions.warn_of_ends(by=None, at=grant.ends_at - timedelta(days=days))

    assert [warned(days) for days in (61, 60, 59, 45, 30, 29, 8, 7, 6, 1)] == [0, 1, 0, 0, 1, 0, 0, 1, 0, 0]
    assert letters(ada)[-1] == f"GPT-2 124M for University of Northlake ends on {grant.last_day:%-d %B %Y}"


@pytest.mark.parametrize(("days", "left"), [(60, "60 days"), (30, "30 days"), (7, "7 days"), (1, "1 day")])
@pytest.mark.parametrize("late", [0, 1, 3_600])
def test_announcement_says_the_days_that_are_left_however_late_the_clock_is(no_other_grants, grant, days, left, late):
    actions.warn_of_ends(by=None, at=grant.ends_at - timedelta(days=days) + timedelta(seconds=late))
    assert f"ends in {left}, with" in Letter.objects.latest("pk").body


def test_end_of_a_short_grant_is_announced_once_for_what_is_left(no_other_grants, grant):
    at = grant.ends_at - timedelta(days=5)
    assert (actions.warn_of_ends(by=None, at=at), actions.warn_of_ends(by=None, at=at)) == (1, 0)


def test_database_refuses_a_second_held_grant_of_a_right(grant):
    with pytest.raises(IntegrityError, match="one_held_grant_per_right"), transaction.atomic():
        factories.GrantFactory(partner=grant.partner, size=grant.size)


def test_database_refuses_an_ended_grant_without_its_end(grant):
    with pytest.raises(IntegrityError, match="ended_grant_has_end"), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(status="revoked")


def test_running_job_goes_on_under_the_grant_that_replaced_its_own(order, job, grant, ada, rita):
    renewed(grant, ada, rita)
    jobs.dispatch(by=None)
    jobs.receive_report(by=None, report=factories.report_on(order))
    job.refresh_from_db()
    grant.refresh_from_db()
    assert (job.status, job.grant, grant.tokens_used, grant.tokens_reserved) == ("finished", grant, 10, 0)
    assert (grant.samples_used, grant.samples_reserved) == (2, 0)


def test_job_of_a_replaced_grant_stops_when_the_successor_is_revoked(order, job, grant, ada, rita):
    newer = renewed(grant, ada, rita)
    actions.revoke_grant(by=rita, grant=newer, **WHY)
    jobs.dispatch(by=None)
    job.refresh_from_db()
    grant.refresh_from_db()
    assert (job.status, grant.tokens_reserved, grant.samples_reserved) == ("stopped", 0, 0)


def test_job_names_a_purpose_that_the_grant_allows(submit, grant):
    assert submit().purpose == "belief"
    assert submit(purpose="detection").purpose == "detection"
    with pytest.raises(Refused, match="“Bias and fairness” is not among the purposes granted") as refused:
        submit(purpose="bias")
    assert refused.value.field == "purpose"


@pytest.mark.parametrize(
    ("limit", "details", "field"),
    [
        ({"longest_text": 8}, {"max_new_tokens": 9}, "max_new_tokens"),
        ({"samples_per_prompt": 2}, {"samples": 3}, "samples"),
        ({"sample_quota": 3}, {"samples": 2}, "quota"),
    ],
)
def test_job_beyond_a_limit_of_the_grant_is_refused_and_reserves_nothing(submit, grant, limit, details, field):
    factories.with_terms(grant, **limit)
    with pytest.raises(Refused) as refused:
        submit(**details)
    assert refused.value.field == field
    grant.refresh_from_db()
    assert (grant.tokens_reserved, grant.samples_reserved) == (0, 0)


def test_job_beyond_the_number_at_a_time_waits_for_one_to_end(submit, grant, ben):
    factories.with_terms(grant, concurrent_jobs=1)
    first = submit()
    with pytest.raises(Refused, match="allows 1 jobs? at a time, and 1 (is|are) queued or running"):
        submit()
    jobs.cancel(by=ben, job=first)
    assert submit().pk


def renewed(grant, ada, rita) -> Grant:
    draft = actions.change_grant(by=ada, grant=grant, kind=AccessRequest.Kind.RENEWAL)
    wanted = [actions.Wanted(grant.size, tokens=1_000)]
    actions.save_request(by=ada, request=draft, wanted=wanted, use_summary="A paper.")
    actions.submit_request(by=ada, request=draft)
    return factories.granted(draft, by=rita)
