"""Disabling a person: by every door they are out at once, and they come in again as before; and the way back of
somebody who lost their second factors."""

from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions
from release_portal.partners.models import Letter, User
from release_portal.partners.permissions import Permission

from .. import factories

OWN, NEXT = "eleven harbour lamps keep still", "nine copper gates swing at dusk"
STOLEN = "Their laptop was stolen."


@pytest.fixture
def nils(db) -> User:
    user = User.objects.create_user("nils@elsewhere.example", OWN, name="Nils Holm")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def sign_in(client: Client, user: User) -> Client:
    client.post("/accounts/login/", {"login": user.email, "password": OWN})
    return client


def is_in(client: Client) -> bool:
    """By a page that is open to somebody who still has to set up a factor, too."""
    return client.get(reverse("mfa_index")).status_code == 200


def test_disable_ends_sessions_and_tokens_at_once(nils, mara):
    listed, unlisted = sign_in(Client(), nils), Client()
    unlisted.force_login(nils, backend="allauth.account.auth_backends.AuthenticationBackend")
    _, secret = actions.create_token(by=nils, name="laptop")
    assert is_in(listed)
    assert is_in(unlisted)
    actions.disable_person(by=mara, person=nils, reason=f" {STOLEN} ")
    assert not is_in(listed)
    assert not is_in(unlisted)
    assert actions.read_token(secret=secret) is None
    nils.refresh_from_db()
    assert (nils.is_active, nils.decided_by, nils.reason) == (False, mara, STOLEN)


def test_disabled_person_signs_in_neither_by_password_nor_by_mail(nils, mara, letters):
    actions.disable_person(by=mara, person=nils, reason=STOLEN)
    assert not is_in(sign_in(Client(), nils))
    Client().post("/accounts/login/code/", {"email": nils.email})
    Client().post("/accounts/password/reset/", {"email": nils.email})
    assert (
        letters(nils)
        == ["Your Release Portal account was disabled"] + ["No Release Portal account has this address"] * 2
    )


def test_disabled_person_asked_for_a_code_before_and_is_not_let_in_by_it(nils, mara):
    """The same step ends a sign-in by passkey, and one that waits for its second factor."""
    client = Client()
    client.post("/accounts/login/code/", {"email": nils.email})
    code = next(
        line for line in Letter.objects.get(to=nils.email).body.splitlines() if line.count("-") or len(line) == 6
    )
    actions.disable_person(by=mara, person=nils, reason=STOLEN)
    client.post("/accounts/login/code/confirm/", {"code": code})
    assert not is_in(client)


def test_enable_lets_the_person_in_again_with_their_tokens(nils, mara):
    before = sign_in(Client(), nils)
    _, secret = actions.create_token(by=nils, name="laptop")
    actions.disable_person(by=mara, person=nils, reason=STOLEN)
    actions.enable_person(by=mara, person=nils, reason="It was found.")
    assert not is_in(before)
    assert is_in(sign_in(Client(), nils))
    assert actions.read_token(secret=secret) == nils


def test_disable_and_enable_write_to_the_person_and_in_the_book(nils, mara, letters):
    actions.disable_person(by=mara, person=nils, reason=STOLEN)
    actions.enable_person(by=mara, person=nils, reason="It was subjects.")
    subjects = ["Your Release Portal account was disabled", "Your Release Portal account was enabled again"]
    assert letters(nils) == subjects
    assert STOLEN in Letter.objects.get(to=nils.email, subject=subjects[0]).body
    events = Event.objects.about(nils).order_by("id")
    assert [(event.kind, event.by) for event in events] == [("person.disabled", mara), ("person.enabled", mara)]
    assert not any(STOLEN in event.sentence for event in events)


@pytest.mark.parametrize("act", [actions.disable_person, actions.enable_person, actions.remove_factors])
def test_disable_without_the_right_or_a_reason_is_refused(act, nils, rita, mara):
    with pytest.raises(
        Forbidden, match="“Disable people, enable them again, and remove factors that they lost” needs a role"
    ):
        act(by=rita, person=nils, reason=STOLEN)
    with pytest.raises(Refused, match="Say why, for the person to read"):
        act(by=mara, person=nils, reason="  ")
    with pytest.raises(Refused, match="Nobody may [a-z ]+ their own account; ask somebody else who may"):
        act(by=mara, person=mara, reason=STOLEN)


def test_disable_twice_and_enable_twice_are_refused(nils, mara):
    with pytest.raises(Refused, match="Nils Holm is not disabled"):
        actions.enable_person(by=mara, person=nils, reason=STOLEN)
    actions.disable_person(by=mara, person=nils, reason=STOLEN)
    with pytest.raises(Refused, match="Nils Holm is already disabled"):
        actions.disable_person(by=mara, person=nils, reason=STOLEN)


def test_disable_a_service_account_is_refused(northlake, ada, mara):
    viewer = actions.create_service_account(by=ada, partner=northlake, name="Nightly", roles=[role_called("viewer")])
    with pytest.raises(Refused, match="is a service account; it is closed on the page"):
        actions.disable_person(by=mara, person=viewer, reason=STOLEN)


def role_called(code: str):
    return User.lab_roles.rel.model.objects.get(code=code)


def test_disabled_manager_disables_nobody(mara, nils, client_of):
    """So that of two who disable each other one is left: the second is no longer among those who may."""
    other = User.objects.create_user("olga@lab.example", name="Olga Brandt")
    other.lab_roles.set(mara.lab_roles.all())
    actions.disable_person(by=other, person=mara, reason=STOLEN)
    with pytest.raises(Forbidden, match="Your account was disabled a moment ago"):
        actions.disable_person(by=mara, person=other, reason=STOLEN)
    assert other.may(Permission.PERSON_DISABLE)


# --- the pages and the API


@pytest.fixture
def manager(mara, client_of) -> Client:
    return client_of(mara)


def test_search_finds_people_by_name_and_by_any_address(manager, nils, ada, northlake):
    EmailAddress.objects.create(user=nils, email="holm@second.example", verified=True)
    for words in ("nils h", "NILS@", "second.example"):
        page = manager.get("/review/people/", {"q": words}).content.decode()
        assert "Nils Holm" in page
        assert "Ada Lowell" not in page
    assert "Nobody has this" in manager.get("/review/people/", {"q": "xyzzy"}).content.decode()


@pytest.mark.parametrize("words", ["m\u00fcnchen.example", "xn--mnchen-3ya.example", "ZED@M\u00dcN\u200bCHEN.example"])
def test_search_finds_an_address_however_it_is_typed(words, db):
    zed = factories.UserFactory(email="zed@m\u00fcnchen.example")
    assert list(User.objects.people(words)) == [zed]


def test_service_accounts_are_not_among_the_people(manager, northlake, ada):
    actions.create_service_account(by=ada, partner=northlake, name="Nightly run", roles=[role_called("viewer")])
    assert "Nightly run" not in manager.get("/review/people/").content.decode()


def test_list_takes_the_same_queries_for_many_people(manager, django_assert_max_num_queries):
    for number in range(60):
        User.objects.create_user(f"person-{number}@elsewhere.example", name=f"Person {number:02}")
    with django_assert_max_num_queries(14):
        assert "Page 1 of 2" in manager.get("/review/people/").content.decode()


def test_page_shows_what_a_person_has_and_disables_them(manager, ben, northlake):
    actions.create_token(by=ben, name="laptop")
    path = f"/review/people/{ben.pk}/"
    page = manager.get(path).content.decode()
    assert "University of Northlake" in page
    assert "An API token was created" in page
    assert "error-summary" in manager.post(path, {"reason": ""}).content.decode()
    page = manager.post(path, {"reason": STOLEN}, follow=True).content.decode()
    assert "The account of Ben Hart was disabled." in page
    assert STOLEN in page
    assert "Enable the account again" in page
    ben.refresh_from_db()
    assert not ben.is_active


def test_api_disables_and_enables(api_of, mara, nils):
    client = api_of(mara)
    listed = client.get("/api/v1/review/people", {"q": "holm"}).json()["items"]
    assert [(one["name"], one["is_active"]) for one in listed] == [("Nils Holm", True)]
    path = f"/api/v1/review/people/{nils.pk}"
    answer = client.post(f"{path}/disable", {"reason": STOLEN}, content_type="application/json").json()
    assert (answer["is_active"], answer["reason"], answer["decided_by"]) == (False, STOLEN, "Mara Quill")
    answer = client.post(f"{path}/enable", {"reason": "Found."}, content_type="application/json").json()
    assert answer["is_active"]
    refused = client.post(f"{path}/disable", {"reason": " "}, content_type="application/json")
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")


# --- second factors that were lost

LOST = "Her telephone fell into the sea; we met her."


def test_person_who_lost_their_factors_begins_again_by_mail_alone(rita, mara, client, client_of):
    """Neither the password of before nor an open browser is a way in, and the desk waits for a new factor."""
    rita.set_password(OWN)
    rita.save()
    inside = client_of(rita)
    actions.remove_factors(by=mara, person=rita, reason=LOST)
    letter = Letter.objects.filter(to=rita.email).latest("id")
    assert (letter.subject, letter.urgency) == ("Your Release Portal account has no second factor any more", "urgent")
    assert LOST in letter.body
    assert not is_in(inside)
    assert not is_in(sign_in(client, rita))
    answer = client.get(urlsplit(letter.url).path, follow=True)
    client.post(answer.redirect_chain[-1][0], {"password1": NEXT, "password2": NEXT})
    assert not is_in(client)
    again = Client()
    again.post("/accounts/login/", {"login": rita.email, "password": NEXT})
    assert again.get("/review/")["location"] == reverse("mfa_index")


def test_remove_factors_of_somebody_without_or_disabled_is_refused(nils, rita, mara):
    with pytest.raises(Refused, match="Nils Holm has no second factor"):
        actions.remove_factors(by=mara, person=nils, reason=LOST)
    actions.disable_person(by=mara, person=rita, reason=STOLEN)
    with pytest.raises(Refused, match="Rita Moss is disabled. Enable the account first"):
        actions.remove_factors(by=mara, person=rita, reason=LOST)


def test_page_removes_factors_and_says_what_it_does(manager, ada, nils):
    person, path = f"/review/people/{ada.pk}/", f"/review/people/{ada.pk}/factors/"
    assert path in manager.get(person).content.decode()
    assert "Make sure that it is Ada Lowell who asks" in manager.get(path).content.decode()
    assert "error-summary" in manager.post(path, {"reason": ""}).content.decode()
    page = manager.post(path, {"reason": LOST}, follow=True).content.decode()
    assert "Ada Lowell has no second factor any more, and was sent a mail to begin again." in page
    assert "The second factors of Ada Lowell were removed" in page
    assert path not in page
    assert (
        "Nils Holm has no second factor"
        in manager.post(f"/review/people/{nils.pk}/factors/", {"reason": LOST}).content.decode()
    )


def test_api_removes_factors(api_of, mara, ada):
    client, path = api_of(mara), f"/api/v1/review/people/{ada.pk}"
    assert client.get(path).json()["has_factor"]
    answer = client.post(f"{path}/remove-factors", {"reason": LOST}, content_type="application/json").json()
    assert not answer["has_factor"]


def test_operator_finds_the_people_from_the_fleet_and_a_reviewer_is_offered_no_link(nils, rita, client_of):
    factories.give_factor(nils)
    nils.lab_roles.add(role_called("operator"))
    assert 'href="/review/people/"' in client_of(nils).get("/review/fleet/").content.decode()
    assert client_of(nils).get("/review/people/").status_code == 200
    assert 'href="/review/people/"' not in client_of(rita).get("/review/").content.decode()
