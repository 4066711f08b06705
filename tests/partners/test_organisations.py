import re

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from release_portal.lib.states import Forbidden, Refused
from release_portal.lib.text import one_line
from release_portal.partners import actions
from release_portal.partners.models import Membership, Partner, Role
from release_portal.partners.permissions import Permission

from .. import factories


def roles_of(user, partner) -> set[str]:
    return set(Role.objects.filter(membership__user=user, membership__partner=partner).values_list("code", flat=True))


def test_apply_makes_the_applicant_owner_investigator_and_signatory(ada, applied):
    assert applied.status == Partner.Status.APPLIED
    assert applied.applied_by == ada
    assert roles_of(ada, applied) == {"owner", "investigator", "signatory"}


def test_apply_without_authority_to_sign_makes_no_signatory(ada, application):
    partner = actions.apply(by=ada, **application(will_sign=False))
    assert roles_of(ada, partner) == {"owner", "investigator"}
    assert not ada.may(Permission.AGREEMENT_SIGN, partner)


def test_apply_tells_the_applicant_and_the_reviewers(rita, tom, mara, applied, letters):
    assert letters("ada@northlake.example") == ["We received the application of University of Northlake"]
    assert letters(rita) == letters(tom) == ["University of Northlake applied"]
    assert letters(mara) == []


SAME_NAMES = [
    "UNIVERSITY of northlake",
    "University  of\u00a0Northlake",
    "University of North\u200blake",
    "Ｕniversity of Northlake",
]


@pytest.mark.parametrize("name", SAME_NAMES)
def test_apply_again_under_ones_own_name_is_refused_by_name(applied, ada, application, name):
    with pytest.raises(Refused, match="You already applied for University of Northlake: it is waiting") as refused:
        actions.apply(by=ada, **application(name))
    assert (refused.value.field, refused.value.given) == ("legal_name", one_line(name))


def test_apply_for_ones_own_organisation_is_refused(northlake, ben, application):
    with pytest.raises(Refused, match="You already belong to University of Northlake: it is admitted by Rita Moss"):
        actions.apply(by=ben, **application())


@pytest.mark.parametrize("name", SAME_NAMES)
def test_admit_a_second_organisation_of_one_name_is_refused(admitted, cleo, tom, application, name):
    again = actions.apply(by=cleo, **application(name))
    with pytest.raises(Refused, match="is here: University of Northlake, admitted by Rita Moss on .* or decline it"):
        actions.admit(by=tom, partner=again)
    again.refresh_from_db()
    assert (again.status, again.decided_by) == ("applied", None)


def test_database_refuses_a_second_organisation_of_one_name(admitted):
    with pytest.raises(DatabaseError, match="one_organisation_here_of_a_name"), transaction.atomic():
        factories.PartnerFactory(legal_name="UNIVERSITY of Northlake")


def test_slug_does_not_tell_of_others_of_the_name(ada, cleo, application):
    """Each has its own mark, the first one too."""
    slugs = [actions.apply(by=by, **application()).slug for by in (ada, cleo)]
    assert all(re.fullmatch(r"university-of-northlake-[0-9a-f]{6}", slug) for slug in slugs)
    assert slugs[0] != slugs[1]


def test_apply_again_after_a_decline_is_accepted(applied, ada, rita, application):
    actions.decline(by=rita, partner=applied, reason="Say more about the purpose.")
    again = actions.apply(by=ada, **application())
    assert again.status == "applied"


def test_admit_says_who_and_when_and_tells_the_organisation(applied, ada, rita, letters):
    before = timezone.now()
    actions.admit(by=rita, partner=applied)
    applied.refresh_from_db()
    assert (applied.status, applied.decided_by) == ("admitted", rita)
    assert before <= applied.decided_at <= timezone.now()
    assert letters(ada)[-1] == "University of Northlake is admitted"


def test_decline_keeps_the_reason_and_tells_it(applied, ada, rita, letters):
    actions.decline(by=rita, partner=applied, reason="  Say more about the purpose. ")
    applied.refresh_from_db()
    assert (applied.status, applied.reason) == ("declined", "Say more about the purpose.")
    assert letters(ada)[-1] == "The application of University of Northlake was declined"


def test_decline_without_a_reason_is_refused(applied, rita):
    with pytest.raises(Refused, match="a reason is needed") as refused:
        actions.decline(by=rita, partner=applied, reason="  ")
    assert refused.value.field == "reason"
    applied.refresh_from_db()
    assert applied.status == "applied"


def test_decide_what_another_reviewer_decided_names_them(applied, rita, tom, letters):
    actions.admit(by=rita, partner=applied)
    with pytest.raises(Refused, match="This organisation is already admitted by Rita Moss on"):
        actions.decline(by=tom, partner=applied, reason="Too vague.")
    assert not any("declined" in subject for subject in letters("ada@northlake.example"))


@pytest.mark.parametrize("who", ["ada", "mara", "otto"])
def test_admit_without_the_right_is_forbidden(applied, who, request):
    with pytest.raises(Forbidden, match="“Admit or decline organisations” needs a role"):
        actions.admit(by=request.getfixturevalue(who), partner=applied)


def test_admit_ones_own_organisation_is_refused(applied, rita, tom):
    factories.MembershipFactory(user=rita, partner=applied, roles=["viewer"])
    with pytest.raises(Refused, match="You belong to University of Northlake, so another person has to decide"):
        actions.admit(by=rita, partner=applied)
    actions.admit(by=tom, partner=applied)


def test_partners_are_visible_to_their_members_alone(northlake, southbank, ada, ben, cleo, rita):
    seen = {user.name: list(Partner.objects.visible_to(user)) for user in (ada, ben, cleo, rita)}
    assert seen == {"Ada Lowell": [northlake], "Ben Hart": [northlake], "Cleo Marsh": [southbank], "Rita Moss": []}


def test_person_who_left_sees_the_organisation_no_longer(northlake, ada, ben):
    actions.remove_member(by=ada, membership=Membership.objects.get(user=ben))
    assert not Partner.objects.visible_to(ben).exists()
    assert not ben.may(Permission.JOB_SUBMIT, northlake)
