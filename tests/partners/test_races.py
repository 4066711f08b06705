"""Two owners at the same moment: real threads, real transactions, many times over."""

import pytest

from release_portal.lib.states import Refused
from release_portal.partners import actions
from release_portal.partners.models import Membership, Partner, Role
from release_portal.partners.permissions import Permission

from .. import factories
from ..patience import AT_LENGTH

TIMES = 15 if AT_LENGTH else 5
pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def owned(committed):
    """An organisation of its own with two owners, as often as one asks."""

    def by_two() -> tuple[Partner, list[Membership]]:
        partner = factories.PartnerFactory()
        both = [factories.MembershipFactory(partner=partner, roles=["owner"]) for _ in range(2)]
        return partner, both

    return by_two


def assert_one_owner_is_left(partner: Partner, ends: list) -> None:
    assert sum(isinstance(end, Refused) for end in ends) == 1
    assert Membership.objects.current().filter(partner=partner).may(Permission.MEMBER_INVITE).count() == 1


def test_two_owners_remove_each_other_at_once(race, owned):
    for _ in range(TIMES):
        partner, (one, other) = owned()
        ends = race(
            lambda one=one, other=other: actions.remove_member(by=one.user, membership=other),
            lambda one=one, other=other: actions.remove_member(by=other.user, membership=one),
        )
        assert_one_owner_is_left(partner, ends)


def test_two_owners_leave_at_once(race, owned):
    for _ in range(TIMES):
        partner, both = owned()
        ends = race(*(lambda by=one.user, partner=partner: actions.leave(by=by, partner=partner) for one in both))
        assert_one_owner_is_left(partner, ends)


def test_an_owner_leaves_while_the_other_steps_down(race, owned):
    viewer = list(Role.objects.filter(code="viewer"))
    for _ in range(TIMES):
        partner, (one, other) = owned()
        ends = race(
            lambda one=one, partner=partner: actions.leave(by=one.user, partner=partner),
            lambda other=other: actions.change_roles(by=other.user, membership=other, roles=viewer),
        )
        assert_one_owner_is_left(partner, ends)
