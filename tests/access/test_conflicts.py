"""Separation of duties: every verb of the lab refuses everybody who was involved with the organisation."""

import inspect
import re
from datetime import timedelta

import pytest
from django.utils import timezone

import agreements.actions
import release_portal.access.actions
import release_portal.jobs.actions
import release_portal.partners.actions
import release_portal.releases.actions
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Review
from release_portal.access.tally import tally_of
from release_portal.access.terms import terms_asked
from release_portal.jobs import actions as jobs
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.partners.conflicts import impartial, involvements, partners_of
from release_portal.partners.models import Invitation, Membership, Partner, Role, User

from .. import factories
from ..tables import undone

pytestmark = pytest.mark.usefixtures("db")

LONG_AGO = timedelta(days=731)  # a membership of before no longer bars


@pytest.fixture
def insider(tom) -> User:
    """Tom, who holds every role at the lab."""
    tom.lab_roles.set(Role.objects.filter(at_lab=True))
    return tom


# --- the ways to be involved


def member(user: User, partner: Partner) -> None:
    factories.MembershipFactory(user=user, partner=partner, roles=["researcher"])


def former_member(user: User, partner: Partner) -> None:
    now = timezone.now()
    factories.MembershipFactory(user=user, partner=partner, ended_at=now - timedelta(days=700), ended_by=user)


def applicant(user: User, partner: Partner) -> None:
    details = {"applied_by": user, "applied_at": partner.applied_at - 10 * LONG_AGO}
    Partner.objects.filter(pk=partner.pk).update(**details)


def corrector(user: User, partner: Partner) -> None:
    details = {"corrected_by": user, "corrected_at": partner.applied_at - 10 * LONG_AGO}
    Partner.objects.filter(pk=partner.pk).update(**details)


def inviter(user: User, partner: Partner) -> None:
    factories.InvitationFactory(partner=partner, invited_by=user, status=Invitation.Status.ACCEPTED)


def invited(user: User, partner: Partner) -> None:
    factories.InvitationFactory(partner=partner, email=user.email, status=Invitation.Status.WITHDRAWN)


WAYS = {
    "belong to": member,
    "belonged to": former_member,
    "applied for": applicant,
    "corrected the application of": corrector,
    "invited somebody to": inviter,
    "were invited to": invited,
}


# --- the verbs of the lab that concern an organisation, each in the world that it needs


def _suspended(cast, subject):
    mara = cast("mara")
    mara.lab_roles.set(Role.objects.filter(at_lab=True))
    return access.suspend(by=mara, subject=subject, reason_code="risk", reason="A leak.")


def _answers(request):
    return [access.Answer(item, terms_asked(item)) for item in request.items.waiting()]


def _claim(cast):
    request = cast("access_request")
    return lambda by: access.claim_request(by=by, request=request)


def _return(cast):
    request = cast("access_request")
    return lambda by: access.return_request(by=by, request=request, reason_code="team", reason="Who are they?")


def _decide(cast):
    request = cast("access_request")
    return lambda by: access.decide_request(by=by, request=request, answers=_answers(request))


def _preview(cast):
    request = cast("access_request")
    return lambda by: access.preview_decision(by=by, request=request, answers=_answers(request))


def _note(cast):
    request = cast("access_request")
    return lambda by: access.say(by=by, request=request, text="Between us.", internal=True)


def _accept(cast):
    grant, ada = cast("grant"), cast("ada")
    details = {"size": grant.size, "title": "Found", "text": "It repeats itself."}
    finding = access.report_finding(by=ada, partner=grant.partner, **details)
    return lambda by: access.accept_finding(by=by, finding=finding)


def _suspend_partner(cast):
    northlake = cast("northlake")
    return lambda by: access.suspend(by=by, subject=northlake, reason_code="risk", reason="A leak.")


def _suspend_grant(cast):
    grant = cast("grant")
    return lambda by: access.suspend(by=by, subject=grant, reason_code="risk", reason="A leak.")


def _lift(subject):
    def begin(cast):
        suspension = _suspended(cast, cast(subject))
        return lambda by: access.lift_suspension(by=by, suspension=suspension, reason="It is mended.")

    return begin


def _lift_size(cast):
    suspension = _suspended(cast, cast("grant").size)
    return lambda by: access.lift_suspension(by=by, suspension=suspension, reason="It is mended.")


def _drop_everything(cast):
    cast("grant")
    suspension = _suspended(cast, None)
    return lambda by: access.drop_suspension(by=by, suspension=suspension)


def _revoke(cast):
    grant = cast("grant")
    return lambda by: access.revoke_grant(by=by, grant=grant, reason_code="misuse", reason="Spam.")


def _batch(cast):
    grant = cast("grant")

    def suspend_many(by):
        batch = access.stage_batch(by=by, verb="suspend", rows=[(grant.pk, None)], reason_code="risk", reason="A leak.")
        (result,) = access.apply_batch(by=by, batch=batch)
        if not result.done:
            raise Refused(result.sentence)

    return suspend_many


def _rule(cast):
    size = cast("access_request").items.get().size
    return lambda by: access.set_rule(by=by, size=size, approvals=1, reason="Fewer approvals.")


def _weight(cast):
    grant = cast("grant")
    return lambda by: jobs.set_weight(by=by, partner=grant.partner, size=grant.size, weight=2)


VERBS = {
    "admit": lambda cast: lambda by, it=cast("applied"): partners.admit(by=by, partner=it),
    "return_application": lambda cast: (
        lambda by, it=cast("applied"): partners.return_application(by=by, partner=it, reason="Say more.")
    ),
    "decline": lambda cast: lambda by, it=cast("applied"): partners.decline(by=by, partner=it, reason="Too vague."),
    "close": lambda cast: lambda by, it=cast("northlake"): partners.close(by=by, partner=it),
    "close_organisation": lambda cast: lambda by, it=cast("northlake"): access.close_organisation(by=by, partner=it),
    "claim_request": _claim,
    "return_request": _return,
    "decide_request": _decide,
    "preview_decision": _preview,
    "say": _note,
    "accept_finding": _accept,
    "suspend": _suspend_partner,
    "suspend a grant": _suspend_grant,
    "lift_suspension": _lift("northlake"),
    "lift_suspension of a grant": _lift("grant"),
    "lift_suspension of a size": _lift_size,
    "drop_suspension": _drop_everything,
    "revoke_grant": _revoke,
    "apply_batch": _batch,
    "set_rule": _rule,
    "set_weight": _weight,
}
FREE = {
    "stage_batch": "it puts an act together; applying it asks for each row",
    "drop_batch": "nothing of it happened",
    "choose_columns": "how a person sees their own desk",
    "save_search": "how a person sees their own desk",
    "recuse": "to step aside is what somebody involved should do",
    "release_request": "a claim is given back",
    "confirm_suspension": "only the gravest wait for a second person, and anybody may stop those",
    "pause_intake": "it concerns all organisations alike",
    "resume_intake": "it concerns all organisations alike",
    "add_licence": "licences belong to no organisation",
    "register_artefact": "files belong to no organisation",
    "open_component": "it concerns all organisations alike",
    "enroll_worker": "workers belong to no organisation",
    "revoke_worker": "workers belong to no organisation",
    "reseal_secrets": "keys belong to no organisation",
    "disable_person": "it concerns a person and no organisation",
    "enable_person": "it concerns a person and no organisation",
    "remove_factors": "it concerns a person and no organisation",
    "try_now": "what keeps failing is the portal's own",
}


@pytest.mark.parametrize("verb", VERBS)
def test_verb_of_the_lab_is_refused_to_everybody_involved(verb, request, insider, rita, subtests):
    act = VERBS[verb](request.getfixturevalue)
    rita.lab_roles.set(Role.objects.filter(at_lab=True))
    northlake = Partner.objects.get(slug="university-of-northlake")
    for words, involve in WAYS.items():
        with subtests.test(words), undone():
            involve(insider, northlake)
            why = rf"You {words} University of Northlake, so another person has to decide\. .*Rita"
            with pytest.raises(Refused, match=why):
                act(by=insider)
    act(by=rita)


def test_table_has_every_way_and_every_verb_of_the_lab():
    """A verb that asks for a permission at the lab stands in one of the tables above."""
    assert WAYS.keys() == involvements(at=timezone.now()).keys()
    rooms = [agreements, release_portal.access, release_portal.jobs, release_portal.partners, release_portal.releases]
    at_lab = {
        name
        for room in rooms
        for name, verb in vars(room.actions).items()
        if inspect.isfunction(verb)
        and re.search(r"require\(by, [^,\n]+\)\n|_to_review\(|, widens=", inspect.getsource(verb))
    }
    tested = {name.split()[0] for name in VERBS}
    assert at_lab - tested - FREE.keys() == set()
    assert FREE.keys() <= at_lab, "what is free asks for a permission at the lab"


# --- what somebody wrote


def test_request_is_not_decided_by_who_wrote_it_however_long_ago_they_left(access_request, insider, ada):
    AccessRequest.objects.filter(pk=access_request.pk).update(created_by=insider)
    with pytest.raises(Refused, match="You wrote this yourself, so another person has to decide"):
        factories.declined(access_request, by=insider)
    access_request.refresh_from_db()
    with pytest.raises(Refused, match="You wrote this yourself"):
        access.say(by=insider, request=access_request, text="Between us.", internal=True)


def test_submission_bars_who_sent_it_after_another_sent_it_again(access_request, insider, ada, rita):
    access_request.submissions.model.objects.create(
        request=access_request, number=9, content={}, by=insider, at=timezone.now() - 5 * LONG_AGO
    )
    with pytest.raises(Refused, match="You wrote this yourself"):
        factories.declined(access_request, by=insider)
    assert access_request in AccessRequest.objects.barred_to(insider)
    factories.declined(access_request, by=rita)


def test_finding_is_not_accepted_by_who_sent_it(grant, insider, rita):
    details = {"size": grant.size, "title": "Found", "text": "It repeats itself."}
    member(insider, grant.partner)
    finding = access.report_finding(by=insider, partner=grant.partner, **details)
    now = timezone.now()
    insider.memberships.update(started_at=now - 2 * LONG_AGO, ended_at=now - LONG_AGO, ended_by=insider)
    with pytest.raises(Refused, match="You wrote this yourself"):
        access.accept_finding(by=insider, finding=finding)
    access.accept_finding(by=rita, finding=finding)


# --- how long


@pytest.mark.parametrize("way", [former_member, invited, inviter])
def test_membership_and_invitation_bar_for_two_years(way, northlake, insider):
    way(insider, northlake)
    now = timezone.now()
    assert northlake in partners_of(insider, at=now)
    assert insider not in impartial(User.objects.all(), northlake, at=now)
    assert northlake not in partners_of(insider, at=now + LONG_AGO)
    assert insider in impartial(User.objects.all(), northlake, at=now + LONG_AGO)


def test_periods_are_set_by_the_lab(northlake, insider, settings):
    applicant(insider, northlake)
    former_member(insider, northlake)
    settings.AUTHORS_BARRED_DAYS, settings.MEMBERS_BARRED_DAYS = 365, 699
    assert northlake not in partners_of(insider, at=timezone.now())


# --- the attacks


def test_reviewer_who_applied_made_another_owner_and_left_does_not_admit(rita, tom, application):
    partner = partners.apply(by=rita, **application())
    other = factories.MembershipFactory(partner=partner, roles=["owner"])
    partners.leave(by=rita, partner=partner)
    with pytest.raises(Refused, match=f"You belonged to {partner}, so another person has to decide. Tom Reed can."):
        partners.admit(by=rita, partner=partner)
    assert other.user != rita
    partners.admit(by=tom, partner=partner)


def test_approval_of_a_reviewer_who_was_dismissed_does_not_complete_the_pair(northlake, ada, rita, tom, gpt2, asking):
    largest = gpt2.sizes.select_related("family").get(name="1558M")
    asked = access.request_access(by=ada, partner=northlake, **asking(largest))
    item = asked.items.get()
    factories.approved(item, by=rita)
    partners.appoint(by=None, email=rita.email, name=rita.name, roles=["auditor"])
    factories.approved(item, by=tom)
    item.refresh_from_db()
    assert item.status == item.Status.WAITING
    assert tally_of(item, at=timezone.now()).sentence == "1 of 2 approvals"


@pytest.mark.parametrize("change", ["disabled", "joined", "was dismissed"])
def test_answers_count_only_of_those_who_still_may_decide(change, access_request, rita, tom, northlake):
    item, now = access_request.items.get(), timezone.now()
    for reviewer, verdict in {rita: "approve", tom: "decline"}.items():
        Review.objects.create(item=item, reviewer=reviewer, verdict=verdict, at=now)
    tally = tally_of(item, at=now)
    assert (len(tally.approvals), len(tally.declines)) == (1, 1)
    for reviewer in (rita, tom):
        if change == "disabled":
            User.objects.filter(pk=reviewer.pk).update(is_active=False)
        elif change == "joined":
            member(reviewer, northlake)
        else:
            reviewer.lab_roles.clear()
    tally = tally_of(item, at=now)
    assert (tally.approvals, tally.declines, tally.decided) == ((), (), "")


def test_reviewers_notes_are_hidden_from_a_reviewer_involved(access_request, rita, tom, northlake, client_of, api_of):
    access.say(by=rita, request=access_request, text="A note between us.", internal=True)
    page, api = f"/review/requests/{access_request.pk}/", f"/api/v1/review/requests/{access_request.pk}"
    assert "A note between us." in client_of(tom).get(page).content.decode()
    assert [note["text"] for note in api_of(tom).get(api).json()["notes"]] == ["A note between us."]
    assert "A note was written" in client_of(tom).get("/review/book/").content.decode()
    former_member(tom, northlake)
    assert "A note was written" not in client_of(tom).get("/review/book/").content.decode()
    assert "A note was written" in client_of(rita).get("/review/book/").content.decode()
    shown, answer = client_of(tom).get(page).content.decode(), api_of(tom).get(api).json()
    assert "A note between us." not in shown
    assert "You belonged to University of Northlake, so another person has to decide. Rita Moss can." in shown
    assert "Preview the mail" not in shown
    assert (answer["notes"], answer["recusals"], answer["items"][0]["reviews"]) == ([], [], [])
    assert answer["conflict"].startswith("You belonged to University of Northlake")


# --- invitations that are turned down


def test_declined_invitation_no_longer_bars(applied, ada, tom, client_of):
    factories.InvitationFactory(partner=applied, email=tom.email, status=Invitation.Status.WITHDRAWN)
    client = client_of(tom)
    page = client.get(f"/review/organisations/{applied.slug}/").content.decode()
    assert "You were invited to University of Northlake, so another person has to decide." in page
    html = client.post(f"/organisations/{applied.slug}/invitations/decline/", follow=True).content.decode()
    assert "You declined to join University of Northlake." in html
    partners.admit(by=tom, partner=applied)


def test_decline_is_refused_after_joining_and_to_strangers(applied, ada, tom, cleo, client_of):
    with pytest.raises(Refused, match="has no invitation for you"):
        partners.decline_invitations(by=tom, partner=applied)
    factories.InvitationFactory(partner=applied, email=tom.email, status=Invitation.Status.ACCEPTED)
    with pytest.raises(Refused, match="has no invitation for you"):
        partners.decline_invitations(by=tom, partner=applied)
    assert client_of(cleo).post(f"/organisations/{applied.slug}/invitations/decline/").status_code == 404
    assert not Membership.objects.filter(user=tom).exists()
