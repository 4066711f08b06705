"""Suspending at every level, lifting, and what both do to work and to texts that are there."""

import pytest
from django.utils import timezone

from inference import contract
from release_portal.access import actions
from release_portal.access.checklist import checklist_of
from release_portal.access.models import Grant, Suspension
from release_portal.access.rule import decide
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.models import Letter, Partner
from release_portal.releases.actions import open_component
from release_portal.releases.models import Audience, Component

from .. import factories

WHY = {"reason_code": "key", "reason": "A token was found in a public file."}


def codes(grant: Grant) -> list[str]:
    return [missing.code for missing in decide(partner=grant.partner, size=grant.size, at=timezone.now()).missing]


@pytest.mark.parametrize(("level", "code"), [("grant", "grant_on"), ("partner", "partner_on"), ("size", "size_on")])
def test_suspend_stops_use_at_once_and_lifting_brings_it_back(grant, rita, tom, level, code):
    subject = grant if level == "grant" else getattr(grant, level)
    suspension = actions.suspend(by=rita, subject=subject, **WHY)
    assert codes(grant) == [code]
    assert not Grant.objects.in_force(at=timezone.now()).filter(pk=grant.pk).exists()
    actions.lift_suspension(by=tom, suspension=suspension, reason="The token was revoked.")
    assert codes(grant) == []
    assert Grant.objects.in_force(at=timezone.now()).filter(pk=grant.pk).exists()


@pytest.mark.parametrize("of", ["partner", "size", "grant"])
def test_suspended_organisation_is_not_asked_to_request_access(grant, rita, of):
    actions.suspend(by=rita, subject={"partner": grant.partner, "size": grant.size, "grant": grant}[of], **WHY)
    steps = {step.label: step for step in checklist_of(grant.partner, at=timezone.now())}
    assert steps["Access suspended"].detail == "GPT-2 124M. It goes on once the lab lifts this."
    assert "Access to a size" not in steps


def test_suspend_moves_the_status_and_lifting_moves_it_back(grant, rita):
    on_grant = actions.suspend(by=rita, subject=grant, **WHY)
    on_partner = actions.suspend(by=rita, subject=grant.partner, **WHY)
    assert Grant.objects.get(pk=grant.pk).status == "suspended"
    assert Partner.objects.get(pk=grant.partner_id).status == "suspended"
    for suspension in (on_grant, on_partner):
        actions.lift_suspension(by=rita, suspension=Suspension.objects.get(pk=suspension.pk), reason="Checked.")
    assert Grant.objects.get(pk=grant.pk).status == "active"
    assert Partner.objects.get(pk=grant.partner_id).status == "admitted"


@pytest.mark.parametrize("what", ["everything", "the largest size"])
def test_suspend_the_gravest_waits_for_a_second_person(grant, gpt2, rita, tom, letters, what):
    subject = None if what == "everything" else gpt2.sizes.get(name="1558M")
    suspension = actions.suspend(by=rita, subject=subject, **WHY)
    assert suspension.status == "proposed"
    assert codes(grant) == []
    assert letters(tom)[-1] == f"Confirm the {suspension}"
    with pytest.raises(Refused, match="a second person has to confirm it"):
        actions.confirm_suspension(by=rita, suspension=suspension)
    actions.confirm_suspension(by=tom, suspension=suspension)
    assert (suspension.status, suspension.confirmed_by) == ("active", tom)
    assert codes(grant) == (["everything_on"] if subject is None else [])


def test_drop_a_proposed_suspension_stops_nothing_and_makes_room(grant, rita, tom):
    suspension = actions.suspend(by=rita, subject=None, **WHY)
    actions.drop_suspension(by=tom, suspension=suspension)
    assert codes(grant) == []
    assert actions.suspend(by=tom, subject=None, **WHY).status == "proposed"


def test_suspend_twice_is_refused_and_says_who_and_when(grant, rita, tom):
    actions.suspend(by=rita, subject=grant.partner, **WHY)
    with pytest.raises(Refused, match=r"already in force since .* by Rita Moss"):
        actions.suspend(by=tom, subject=grant.partner, **WHY)
    assert Suspension.objects.filter(partner=grant.partner).count() == 1


@pytest.mark.parametrize("wrong", [{"reason": " "}, {"reason_code": "mood"}])
def test_suspend_without_a_reason_is_refused(grant, rita, wrong):
    with pytest.raises(Refused):
        actions.suspend(by=rita, subject=grant.partner, **(WHY | wrong))
    assert codes(grant) == []


@pytest.mark.parametrize("who", ["ada", "cleo", "otto"])
def test_suspend_confirm_and_lift_without_the_right_are_forbidden(request, grant, rita, tom, who):
    by = request.getfixturevalue(who)
    proposed = actions.suspend(by=rita, subject=None, **WHY)
    active = actions.suspend(by=rita, subject=grant, **WHY)
    for act in (
        lambda: actions.suspend(by=by, subject=grant.partner, **WHY),
        lambda: actions.confirm_suspension(by=by, suspension=proposed),
        lambda: actions.drop_suspension(by=by, suspension=proposed),
        lambda: actions.lift_suspension(by=by, suspension=active, reason="Mine."),
    ):
        with pytest.raises(Forbidden):
            act()
    assert codes(grant) == ["grant_on"]


def test_suspend_writes_at_once_even_to_those_who_get_one_mail_a_day(grant, ada, rita, letters):
    ada.mail = "daily"
    ada.save()
    actions.suspend(by=rita, subject=grant.partner, **WHY)
    assert letters(ada)[-1] == "University of Northlake was suspended"
    assert not Letter.objects.filter(to=ada.email).last().digest


def test_suspend_does_not_reach_another_organisation(grant, southbank_grant, rita):
    actions.suspend(by=rita, subject=grant.partner, **WHY)
    assert codes(southbank_grant) == []


def test_revoke_a_suspended_grant_and_lift_what_is_left(grant, rita):
    suspension = actions.suspend(by=rita, subject=grant, **WHY)
    actions.revoke_grant(by=rita, grant=grant, reason_code="misuse", reason="It was misused.")
    actions.lift_suspension(by=rita, suspension=Suspension.objects.get(pk=suspension.pk), reason="It ended anyway.")
    assert Grant.objects.get(pk=grant.pk).status == "revoked"


# --- work and texts


def test_suspend_holds_a_running_job_and_lifting_lets_it_go_on(order, job, rita, wire):
    with wire:
        suspension = actions.suspend(by=rita, subject=job.partner, **WHY)
    assert "jobs.dispatch" in wire.names
    with wire:
        jobs.dispatch(by=None)
    job = Job.objects.get(pk=job.pk)
    assert job.status == "held"
    assert wire.stops == [contract.Stop(str(order.pk), order.token)]
    assert wire.orders == []
    assert job.grant.tokens_reserved == job.tokens_reserved
    with wire:
        actions.lift_suspension(by=rita, suspension=suspension, reason="Checked.")
        jobs.dispatch(by=None)
    job.refresh_from_db()
    assert job.status == "running"
    assert len(wire.orders) == 1
    assert len(wire.orders[0].sequences) == job.sequences


def test_suspend_while_a_report_is_on_its_way_stores_nothing_of_it(order, job, rita):
    actions.suspend(by=rita, subject=job.size, **WHY)
    report = factories.report_on(order)
    jobs.receive_report(by=None, report=report)
    jobs.receive_report(by=None, report=report)
    job = Job.objects.get(pk=job.pk)
    assert (job.status, job.texts_done) == ("held", 0)


def test_revoke_while_held_stops_the_job_and_gives_its_quota_back(order, job, rita):
    grant = job.grant
    actions.suspend(by=rita, subject=grant.partner, **WHY)
    jobs.dispatch(by=None)
    actions.revoke_grant(by=rita, grant=grant, reason_code="misuse", reason="It was misused.")
    jobs.dispatch(by=None)
    assert Job.objects.get(pk=job.pk).status == "stopped"
    grant.refresh_from_db()
    assert grant.tokens_reserved == 0


def test_cancel_a_held_job(order, job, ben, rita):
    actions.suspend(by=rita, subject=job.partner, **WHY)
    jobs.dispatch(by=None)
    jobs.cancel(by=ben, job=job)
    assert Job.objects.get(pk=job.pk).status == "cancelled"


def test_texts_of_a_suspended_organisation_are_held_at_every_door(order, job, ben, rita, client_of, api_of):
    jobs.receive_report(by=None, report=factories.report_on(order))
    job = Job.objects.get(pk=job.pk)
    suspension = actions.suspend(by=rita, subject=job.partner, **WHY)
    page, program = client_of(ben), api_of(ben)
    assert " text 0" not in page.get(f"/jobs/{job.pk}/").content.decode()
    assert page.get(f"/jobs/{job.pk}/texts.jsonl").status_code == 403
    assert page.get(f"/jobs/{job.pk}/texts.csv").status_code == 403
    problem = program.get(f"/api/v1/jobs/{job.pk}/texts")
    assert problem.status_code == 403
    assert "is suspended" in problem.json()["detail"]
    actions.lift_suspension(by=rita, suspension=suspension, reason="Checked.")
    assert " text 0" in page.get(f"/jobs/{job.pk}/").content.decode()
    assert program.get(f"/api/v1/jobs/{job.pk}/texts").json()["count"] == job.sequences


# --- the past


def test_in_force_answers_for_the_past(grant, rita):
    suspension = actions.suspend(by=rita, subject=grant.partner, **WHY)
    stopped = timezone.now()
    actions.lift_suspension(by=rita, suspension=suspension, reason="Checked.")
    lifted = timezone.now()
    actions.revoke_grant(by=rita, grant=grant, reason_code="misuse", reason="It was misused.")
    over = timezone.now()

    def usable(at) -> bool:
        return Grant.objects.in_force(at=at).filter(pk=grant.pk).exists()

    assert [usable(at) for at in (grant.starts_at, stopped, lifted, over)] == [True, False, True, False]
    assert decide(partner=grant.partner, size=grant.size, at=lifted).allowed


def test_size_whose_generation_is_closed_is_used_by_nobody(grant, mara):
    details = {"audience": Audience.CLOSED, "reason": "A leak of training text was found."}
    open_component(by=mara, of=grant.size, component=Component.GENERATION, **details)
    assert codes(grant) == ["opened"]
