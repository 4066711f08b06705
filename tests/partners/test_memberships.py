"""What members may do, and their going; an owner is always left."""

import pytest

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions
from release_portal.partners.models import Membership, Role
from release_portal.partners.permissions import Permission


def roles(*codes: str) -> list[Role]:
    return list(Role.objects.filter(code__in=codes))


def test_change_roles_gives_these_instead_of_those_before(northlake, ada, ben, letters):
    actions.change_roles(by=ada, membership=Membership.objects.get(user=ben), roles=roles("investigator", "viewer"))
    assert ben.may(Permission.ACCESS_REQUEST, northlake)
    assert letters(ben) == ["Your roles at University of Northlake have changed"]
    event = Event.objects.about(northlake).get(kind="member.roles_changed")
    assert event.detail == {"before": ["researcher"], "after": ["investigator", "viewer"]}


def test_change_roles_leaves_an_owner(northlake, ada, ben):
    mine = Membership.objects.get(user=ada)
    with pytest.raises(Refused, match="Ada Lowell is the last owner of University of Northlake. Make somebody else"):
        actions.change_roles(by=ada, membership=mine, roles=roles("viewer"))
    actions.change_roles(by=ada, membership=Membership.objects.get(user=ben), roles=roles("owner"))
    actions.change_roles(by=ben, membership=mine, roles=roles("viewer"))
    assert not ada.may(Permission.MEMBER_INVITE, northlake)


@pytest.mark.parametrize(
    ("codes", "sentence"), [([], "Choose at least one role"), (["reviewer"], "“Reviewer” is a role at the lab")]
)
def test_change_roles_to_none_or_to_those_of_the_lab_is_refused(northlake, ada, ben, codes, sentence):
    with pytest.raises(Refused, match=sentence) as refused:
        actions.change_roles(by=ada, membership=Membership.objects.get(user=ben), roles=roles(*codes))
    assert refused.value.field == "roles"
    assert ben.may(Permission.JOB_SUBMIT, northlake)


def test_change_roles_without_the_right_or_of_who_left_is_refused(northlake, ada, ben, cleo):
    membership = Membership.objects.get(user=ben)
    for by in (ben, cleo):
        with pytest.raises(Forbidden):
            actions.change_roles(by=by, membership=membership, roles=roles("owner"))
    actions.remove_member(by=ada, membership=membership)
    with pytest.raises(Refused, match="Ben Hart has already left"):
        actions.change_roles(by=ada, membership=membership, roles=roles("viewer"))


# --- leave


def test_leave_ends_ones_own_membership_and_tells_the_owners(northlake, ada, ben, letters):
    actions.leave(by=ben, partner=northlake)
    membership = Membership.objects.get(user=ben)
    assert (membership.ended_by, ben.may(Permission.PARTNER_READ, northlake)) == (ben, False)
    assert letters(ada)[-1] == "Ben Hart left University of Northlake"
    with pytest.raises(Refused, match="You do not belong to University of Northlake"):
        actions.leave(by=ben, partner=northlake)


def test_leave_as_the_last_owner_is_refused(northlake, ada, ben):
    with pytest.raises(Refused, match="Make somebody else owner first"):
        actions.leave(by=ada, partner=northlake)
    assert ada.may(Permission.MEMBER_INVITE, northlake)
