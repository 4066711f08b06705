import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions
from release_portal.partners.models import Invitation, Letter, Membership, Role, User
from release_portal.partners.permissions import Permission

from .. import factories

ADDRESS = "dora@northlake.example"


@pytest.fixture
def invite(northlake, ada):
    def invited(*codes: str, email: str = ADDRESS, by=ada) -> Invitation:
        return actions.invite(by=by, partner=northlake, email=email, roles=list(Role.objects.filter(code__in=codes)))

    return invited


@pytest.fixture
def dora(db):
    """Registered, and belongs nowhere yet."""
    return factories.UserFactory(name="Dora Vale", email=ADDRESS)


def mailed_key(address: str = ADDRESS) -> str:
    body = Letter.objects.filter(to=address, subject__contains="invites").latest("id").body
    return re.search(r"/invitations/([^/\s]+)/", body)[1]


def test_invite_mails_a_link_whose_key_is_not_stored(invite):
    invitation = invite("researcher", "viewer")
    letter = Letter.objects.get(to=ADDRESS)
    assert letter.subject == "Ada Lowell invites you to University of Northlake"
    assert "as researcher and viewer" in letter.body
    assert mailed_key() not in str(vars(invitation))


def test_accept_gives_the_roles_that_were_offered(invite, northlake, ada, dora, letters):
    invitation = invite("researcher")
    membership = actions.accept_invitation(by=dora, key=mailed_key())
    assert (membership.partner, [role.code for role in membership.roles.all()]) == (northlake, ["researcher"])
    assert dora.may(Permission.JOB_SUBMIT, northlake)
    assert not dora.may(Permission.MEMBER_INVITE, northlake)
    assert letters(ada)[-1] == "Dora Vale joined University of Northlake"
    assert Event.objects.about(invitation).filter(kind="member.joined", by=dora).count() == 1


def test_accept_twice_is_refused(invite, dora):
    invite("researcher")
    actions.accept_invitation(by=dora, key=mailed_key())
    with pytest.raises(Refused, match="This invitation is already accepted"):
        actions.accept_invitation(by=dora, key=mailed_key())
    assert Membership.objects.filter(user=dora).count() == 1


def test_accept_anothers_invitation_is_refused(invite, cleo):
    invite("researcher")
    with pytest.raises(Refused, match=f"for {ADDRESS}; you are signed in as cleo@southbank.example"):
        actions.accept_invitation(by=cleo, key=mailed_key())


def test_accept_with_an_unknown_key_is_refused(dora):
    with pytest.raises(Refused, match="link is not known"):
        actions.accept_invitation(by=dora, key="guessed")


def test_accept_after_the_invitation_ended_is_refused(invite, dora):
    invitation = invite("researcher")
    ended = timezone.now() - timedelta(seconds=1)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=ended)
    with pytest.raises(Refused, match=r"ended on .* Ask Ada Lowell for a new one"):
        actions.accept_invitation(by=dora, key=mailed_key())
    assert not Invitation.objects.open(at=timezone.now()).filter(pk=invitation.pk).exists()


def test_accept_a_withdrawn_invitation_is_refused(invite, ada, dora):
    actions.withdraw_invitation(by=ada, invitation=invite("researcher"))
    with pytest.raises(Refused, match="already withdrawn"):
        actions.accept_invitation(by=dora, key=mailed_key())


def test_accept_while_already_a_member_is_refused(invite, northlake, dora):
    """Somebody who changes their mail address after joining can hold an invitation to the new one."""
    invite("researcher")
    factories.MembershipFactory(user=dora, partner=northlake, roles=["viewer"])
    with pytest.raises(Refused, match="already belong"):
        actions.accept_invitation(by=dora, key=mailed_key())


def test_invite_again_replaces_the_open_invitation(invite, dora):
    older = invite("viewer")
    key = mailed_key()
    newer = invite("researcher")
    older.refresh_from_db()
    assert (older.status, newer.status) == ("withdrawn", "sent")
    with pytest.raises(Refused, match="already withdrawn"):
        actions.accept_invitation(by=dora, key=key)
    assert actions.accept_invitation(by=dora, key=mailed_key()).roles.get().code == "researcher"


def test_invite_a_member_is_refused(invite, ben):
    with pytest.raises(Refused, match="ben@northlake.example already belongs") as refused:
        invite("viewer", email="BEN@northlake.example")
    assert refused.value.field == "email"


def test_invite_with_the_longest_names_is_accepted(rita, application):
    owner = factories.UserFactory(name="N" * 120)
    partner = actions.apply(by=owner, **application("L" * 200))
    actions.admit(by=rita, partner=partner)
    address = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 59}.example"
    roles = list(Role.objects.filter(at_lab=False))
    actions.invite(by=owner, partner=partner, email=address, roles=roles)
    invited = factories.UserFactory(name="M" * 120, email=address)
    assert actions.accept_invitation(by=invited, key=mailed_key(address)).pk


def test_invite_without_a_role_is_refused(invite):
    with pytest.raises(Refused, match="at least one role"):
        invite()


@pytest.mark.parametrize("who", ["ben", "cleo", "rita"])
def test_invite_without_the_right_is_forbidden(invite, who, request):
    with pytest.raises(Forbidden, match="“Invite and remove members” needs a role"):
        invite("viewer", by=request.getfixturevalue(who))


def test_remove_ends_the_membership_and_keeps_its_row(northlake, ada, ben, letters):
    membership = Membership.objects.get(user=ben)
    actions.remove_member(by=ada, membership=membership)
    membership.refresh_from_db()
    assert membership.ended_by == ada
    assert membership.ended_at
    assert letters(ben) == ["You no longer belong to University of Northlake"]


def test_remove_twice_is_refused(northlake, ada, ben):
    membership = Membership.objects.get(user=ben)
    actions.remove_member(by=ada, membership=membership)
    with pytest.raises(Refused, match="has already left"):
        actions.remove_member(by=ada, membership=membership)


def test_remove_the_last_owner_is_refused(northlake, ada, ben):
    membership = Membership.objects.get(user=ada)
    with pytest.raises(Refused, match="Ada Lowell is the last owner"):
        actions.remove_member(by=ada, membership=membership)
    Membership.objects.get(user=ben).roles.add("owner")
    actions.remove_member(by=ada, membership=membership)


def test_remove_without_the_right_is_forbidden(northlake, ben, cleo):
    for by in (ben, cleo):
        with pytest.raises(Forbidden):
            actions.remove_member(by=by, membership=Membership.objects.get(user=ben))


def test_person_who_left_can_be_invited_back(invite, northlake, ada, ben):
    actions.remove_member(by=ada, membership=Membership.objects.get(user=ben))
    invite("viewer", email=ben.email)
    actions.accept_invitation(by=ben, key=mailed_key(ben.email))
    assert Membership.objects.filter(user=ben).count() == 2
    assert not ben.may(Permission.JOB_SUBMIT, northlake)


def test_database_refuses_two_current_memberships(northlake, ben):
    with pytest.raises(IntegrityError, match="one_current_membership"), transaction.atomic():
        factories.MembershipFactory(user=ben, partner=northlake)


# --- resend


def test_resend_mails_a_new_link_and_the_one_before_is_dead(invite, ada, dora):
    invitation = invite("researcher")
    older, first_end = mailed_key(), invitation.expires_at
    actions.resend_invitation(by=ada, invitation=invitation)
    invitation.refresh_from_db()
    assert invitation.expires_at > first_end
    with pytest.raises(Refused, match="link is not known"):
        actions.accept_invitation(by=dora, key=older)
    assert actions.accept_invitation(by=dora, key=mailed_key()).roles.get().code == "researcher"
    assert Event.objects.about(invitation).filter(kind="invitation.resent", by=ada).count() == 1


def test_resend_an_expired_invitation_opens_it_again(invite, ada, dora):
    invitation = invite("viewer")
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    actions.resend_invitation(by=ada, invitation=invitation)
    assert Invitation.objects.open(at=timezone.now() + timedelta(days=13)).contains(invitation)
    assert actions.accept_invitation(by=dora, key=mailed_key())


def test_resend_what_was_answered_is_refused(invite, ada, dora):
    accepted = invite("viewer")
    actions.accept_invitation(by=dora, key=mailed_key())
    withdrawn = invite("viewer", email="eve@northlake.example")
    actions.withdraw_invitation(by=ada, invitation=withdrawn)
    for invitation, end in ((accepted, "accepted"), (withdrawn, "withdrawn")):
        with pytest.raises(Refused, match=f"already {end}"):
            actions.resend_invitation(by=ada, invitation=invitation)


def test_resend_without_the_right_is_forbidden(invite, ben, cleo):
    invitation = invite("viewer")
    for by in (ben, cleo):
        with pytest.raises(Forbidden):
            actions.resend_invitation(by=by, invitation=invitation)


def test_roles_at_the_lab_give_nothing_in_an_organisation(northlake, rita, ada):
    assert rita.may(Permission.REQUEST_DECIDE)
    assert not rita.may(Permission.REQUEST_DECIDE, northlake)
    assert not rita.may(Permission.PARTNER_READ, northlake)
    assert not ada.may(Permission.AGREEMENT_SIGN)


def test_roles_of_the_lab_carry_what_the_rules_of_access_ask_for(rita, mara, otto):
    """Reviewers suspend; release managers also decide, set rules and oversee; auditors only read."""
    asked = (
        Permission.REQUEST_DECIDE,
        Permission.ACCESS_SUSPEND,
        Permission.GRANT_REVOKE,
        Permission.RULE_SET,
        Permission.REQUEST_OVERSEE,
        Permission.SIZE_OPEN,
    )
    carried = {user.name: [user.may(permission) for permission in asked] for user in (rita, mara, otto)}
    assert carried == {
        "Rita Moss": [True, True, True, False, False, False],
        "Mara Quill": [True, True, True, True, True, True],
        "Otto Finch": [False] * 6,
    }


def test_appoint_gives_lab_roles_instead_of_those_before(rita):
    actions.appoint(by=None, email="RITA@lab.example", name="Rita Moss", roles=["auditor"])
    assert [role.code for role in rita.lab_roles.all()] == ["auditor"]
    assert Event.objects.about(rita).get().text == "Rita Moss was appointed: auditor"


def test_appoint_a_new_person_has_them_set_a_password_by_mail(db, letters):
    person = actions.appoint(by=None, email="Nils@lab.example", name="Nils Berg", roles=["reviewer"])
    assert (person.email, person.has_usable_password()) == ("nils@lab.example", False)
    assert not person.emailaddress_set.get().verified
    assert person.is_lab_staff
    assert letters(person) == ["Your account at the lab's Release Portal"]


def test_appoint_to_an_unknown_role_is_refused(db):
    with pytest.raises(Refused, match=r"There is no role “owner” at the lab. Choose from: reviewer, release-manager"):
        actions.appoint(by=None, email="nils@lab.example", name="Nils Berg", roles=["owner"])
    assert not User.objects.filter(email="nils@lab.example").exists()
