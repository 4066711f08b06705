"""Accounts of programs: tokens alone let them in, and only their organisation's owners look after them."""

import pytest
from django.db import IntegrityError, transaction

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions
from release_portal.partners.guards import people_who
from release_portal.partners.models import ApiToken, Letter, Membership, Role, User
from release_portal.partners.permissions import Permission


def roles(*codes: str) -> list[Role]:
    return list(Role.objects.filter(code__in=codes))


@pytest.fixture
def robot(northlake, ada) -> User:
    return actions.create_service_account(by=ada, partner=northlake, name="Nightly study", roles=roles("researcher"))


def test_create_makes_an_account_that_may_what_its_roles_say(robot, northlake, ada):
    assert robot.email.startswith("nightly-study-")
    assert robot.email.endswith("@service.invalid")
    assert (robot.service_of, robot.has_usable_password()) == (northlake, False)
    assert robot.may(Permission.JOB_SUBMIT, northlake)
    assert not people_who(Permission.JOB_SUBMIT, northlake).contains(robot)
    assert Event.objects.about(robot).get(kind="service.created").by == ada


@pytest.mark.parametrize("code", ["owner", "signatory", "investigator", "reviewer"])
def test_create_with_a_role_for_people_is_refused(northlake, ada, code):
    with pytest.raises(Refused, match="A service account is researcher or viewer, not") as refused:
        actions.create_service_account(by=ada, partner=northlake, name="robot", roles=roles("viewer", code))
    assert (refused.value.field, refused.value.given) == ("roles", code)


def test_create_without_a_role_or_a_name_is_refused(northlake, ada):
    with pytest.raises(Refused, match="at least one role"):
        actions.create_service_account(by=ada, partner=northlake, name="robot", roles=[])
    with pytest.raises(Refused, match="Name the service account"):
        actions.create_service_account(by=ada, partner=northlake, name="  ", roles=roles("viewer"))


def test_create_with_a_name_that_is_taken_is_refused(robot, northlake, southbank, ada, cleo):
    with pytest.raises(Refused, match="University of Northlake already has a service account “Nightly study”"):
        actions.create_service_account(by=ada, partner=northlake, name="Nightly study", roles=roles("viewer"))
    assert actions.create_service_account(by=cleo, partner=southbank, name="Nightly study", roles=roles("viewer"))


def test_database_refuses_two_service_accounts_of_one_name(robot, northlake):
    with pytest.raises(IntegrityError, match="one_service_account_of_a_name"), transaction.atomic():
        User.objects.create_user("other@service.invalid", name=robot.name, service_of=northlake)


def test_token_of_a_service_account_reads_as_it_from_every_maker(robot, ada):
    token, secret = actions.create_token(by=ada, name="cron", user=robot)
    assert actions.read_token(secret=secret) == robot
    assert Event.objects.about(robot).get(kind="token.created").by == ada
    actions.revoke_token(by=ada, token=token)
    assert actions.read_token(secret=secret) is None


def test_token_of_a_service_account_is_kept_by_owners_alone(robot, ada, ben, cleo, rita):
    token, _ = actions.create_token(by=ada, name="cron", user=robot)
    for by in (ben, cleo, rita):
        with pytest.raises(Forbidden):
            actions.create_token(by=by, name="stolen", user=robot)
        with pytest.raises(Forbidden):
            actions.revoke_token(by=by, token=token)


def test_token_of_another_person_is_forbidden(ada, ben):
    with pytest.raises(Forbidden, match="Only its owner can make or revoke a token"):
        actions.create_token(by=ada, name="stolen", user=ben)


def test_tokens_are_visible_to_their_person_and_to_members_of_their_organisation(robot, ada, ben, cleo):
    its, _ = actions.create_token(by=ada, name="cron", user=robot)
    mine, _ = actions.create_token(by=ada, name="laptop")
    assert set(ApiToken.objects.visible_to(ada)) == {its, mine}
    assert set(ApiToken.objects.visible_to(ben)) == {its}
    assert not ApiToken.objects.visible_to(cleo).exists()


def test_close_ends_the_membership_and_every_token(robot, northlake, ada):
    _, secret = actions.create_token(by=ada, name="cron", user=robot)
    actions.close_service_account(by=ada, user=robot)
    assert actions.read_token(secret=secret) is None
    assert not ApiToken.objects.filter(user=robot, revoked_at=None).exists()
    assert Membership.objects.get(user=robot).ended_by == ada
    assert Event.objects.about(robot).filter(kind="service.closed", by=ada).count() == 1
    with pytest.raises(Refused, match="already closed"):
        actions.close_service_account(by=ada, user=robot)
    with pytest.raises(Refused, match="is closed"):
        actions.create_token(by=ada, name="again", user=robot)


def test_close_frees_its_name(robot, northlake, ada):
    actions.close_service_account(by=ada, user=robot)
    again = actions.create_service_account(by=ada, partner=northlake, name="Nightly study", roles=roles("viewer"))
    assert again != robot


def test_remove_a_service_account_as_a_member_ends_its_tokens_too(robot, ada):
    _, secret = actions.create_token(by=ada, name="cron", user=robot)
    actions.remove_member(by=ada, membership=Membership.objects.get(user=robot))
    assert actions.read_token(secret=secret) is None
    assert not Letter.objects.filter(to=robot.email).exists()


def test_close_by_others_or_of_a_person_is_refused(robot, ada, ben, cleo):
    for by in (ben, cleo):
        with pytest.raises(Forbidden):
            actions.close_service_account(by=by, user=robot)
    with pytest.raises(Refused, match="Ben Hart is a person"):
        actions.close_service_account(by=ada, user=ben)


def test_change_roles_of_a_service_account_keeps_it_a_program(robot, ada):
    membership = Membership.objects.get(user=robot)
    with pytest.raises(Refused, match="not owner"):
        actions.change_roles(by=ada, membership=membership, roles=roles("owner"))
    actions.change_roles(by=ada, membership=membership, roles=roles("viewer"))
    assert not robot.may(Permission.JOB_SUBMIT, robot.service_of)


def test_service_account_does_nothing_that_is_a_persons(robot, northlake, application):
    acts = [
        lambda: actions.apply(by=robot, **application("Robots", "robots.example")),
        lambda: actions.leave(by=robot, partner=northlake),
        lambda: actions.choose_mail(by=robot, mail="daily"),
        lambda: actions.save_draft(by=robot, content={}),
        lambda: actions.accept_invitation(by=robot, key="any"),
    ]
    for act in acts:
        with pytest.raises(Forbidden, match="“Nightly study” is a service account; only a person can do this"):
            act()


# --- no other way in


def test_service_account_never_signs_in_with_a_password(robot, zoe):
    for password in ("", "a", robot.password):
        zoe.post("/accounts/login/", {"login": robot.email, "password": password})
        assert "_auth_user_id" not in zoe.session


@pytest.mark.parametrize("path", ["/accounts/password/reset/", "/accounts/signup/"])
def test_service_account_gets_no_letter_with_which_a_password_could_be_set(robot, zoe, path):
    before = Letter.objects.count()
    form = {
        "email": robot.email,
        "name": "Eve",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    zoe.post(path, form)
    assert Letter.objects.count() == before
    assert not robot.emailaddress_set.filter(verified=True).exists()


def test_password_reset_of_a_person_writes_a_letter(ada, zoe, letters):
    zoe.post("/accounts/password/reset/", {"email": ada.email})
    assert len(letters(ada)) == 1
