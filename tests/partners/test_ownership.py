"""Accounts that cannot be taken before their owner has them."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from django.test import Client

from release_portal.partners import actions
from release_portal.partners.models import ApiToken, Letter, User

from .. import factories
from ..conftest import BACKEND

pytestmark = pytest.mark.usefixtures("db")

OF_THE_ATTACKER = "lantern gravel otter sixpence"
OF_THE_OWNER = "the harbour keeps eleven lamps"
RITA = "rita.moss@lab.example"


def sign_up(client: Client) -> None:
    form = {"email": RITA, "name": "Rita Moss", "password1": OF_THE_ATTACKER, "password2": OF_THE_ATTACKER}
    client.post("/accounts/signup/", form)


def mailed(containing: str) -> str:
    """The path of the newest link in a mail to Rita."""
    body = Letter.objects.filter(to=RITA, body__contains=containing).latest("id").body
    return re.search(rf"https?://[^/]+(\S*{containing}\S*)", body)[1]


def can_sign_in(password: str) -> bool:
    client = Client()
    client.post("/accounts/login/", {"login": RITA, "password": password})
    return "_auth_user_id" in client.session or "account_login" in client.session


def set_password(client: Client, path: str) -> None:
    page = client.get(path, follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": OF_THE_OWNER, "password2": OF_THE_OWNER})


def test_appointed_address_that_another_signed_up_with_is_theirs_no_longer():
    attacker = Client()
    sign_up(attacker)
    user = User.objects.get(email=RITA)
    factories.give_factor(user)
    token, _ = actions.create_token(by=user, name="kept for later")
    attacker.force_login(user, backend=BACKEND)
    actions.appoint(by=None, email=RITA, name="Rita Moss", roles=["reviewer"])
    assert attacker.get("/review/").status_code == 302
    assert not user.authenticator_set.exists()
    assert ApiToken.objects.get(pk=token.pk).revoked_at
    owner = Client()
    owner.post(mailed("/confirm-email/"))
    assert not can_sign_in(OF_THE_ATTACKER)
    set_password(Client(), mailed("/accounts/password/reset/key/"))
    assert not can_sign_in(OF_THE_ATTACKER)
    assert can_sign_in(OF_THE_OWNER)


def test_appointed_account_that_was_confirmed_keeps_its_password(letters):
    rita = factories.UserFactory(email=RITA)
    rita.set_password(OF_THE_OWNER)
    rita.save()
    actions.appoint(by=None, email=RITA, name="Rita Moss", roles=["reviewer"])
    assert can_sign_in(OF_THE_OWNER)
    assert letters(rita) == []


def test_confirming_what_another_browser_signed_up_sets_a_new_password():
    sign_up(Client())
    owner = Client()
    answer = owner.post(mailed("/confirm-email/"))
    assert not can_sign_in(OF_THE_ATTACKER)
    assert "perhaps by somebody else" in owner.get(answer["location"], follow=True).content.decode()
    set_password(owner, answer["location"])
    assert can_sign_in(OF_THE_OWNER)


def test_confirming_in_the_browser_that_signed_up_keeps_the_password():
    owner = Client()
    sign_up(owner)
    owner.post(mailed("/confirm-email/"))
    assert can_sign_in(OF_THE_ATTACKER)


def test_confirming_a_further_address_keeps_the_password(rf):
    rita = factories.UserFactory(email=RITA)
    rita.set_password(OF_THE_OWNER)
    rita.save()
    further = EmailAddress.objects.create(user=rita, email="rita@elsewhere.example")
    with request_context(rf.get("/")):
        further.send_confirmation(rf.get("/"), signup=False)
    key = Letter.objects.get(to=further.email).body.partition("/confirm-email/")[2].split("/")[0]
    Client().post(f"/accounts/confirm-email/{key}/")
    assert can_sign_in(OF_THE_OWNER)


def test_owner_who_signs_in_by_mail_leaves_the_password_of_another_behind():
    sign_up(Client())
    owner = Client()
    owner.post("/accounts/login/code/", {"email": RITA})
    code = re.search(r"^([A-Z0-9-]{6,})$", Letter.objects.filter(to=RITA).latest("id").body, re.MULTILINE)[1]
    owner.post("/accounts/login/code/confirm/", {"code": code})
    assert owner.get("/account/tokens/").status_code == 200
    assert not can_sign_in(OF_THE_ATTACKER)


def test_further_address_that_was_confirmed_appoints_its_owner(ben):
    EmailAddress.objects.create(user=ben, email=RITA, verified=True, primary=False)
    assert actions.appoint(by=None, email=RITA.upper(), name="Rita Moss", roles=["reviewer"]) == ben
    assert not User.objects.filter(email=RITA).exists()


def test_taking_all_roles_away_begins_nothing_new(letters):
    user = factories.UserFactory(email=RITA)
    user.emailaddress_set.update(verified=False)
    actions.appoint(by=None, email=RITA, name="Rita Moss", roles=[])
    assert letters(user) == []


def test_address_is_confirmed_by_the_mail_that_sets_its_password():
    actions.appoint(by=None, email=RITA, name="Rita Moss", roles=["reviewer"])
    set_password(Client(), mailed("/accounts/password/reset/key/"))
    assert EmailAddress.objects.get(email=RITA).verified
    assert can_sign_in(OF_THE_OWNER)


def test_new_password_ends_every_other_session(ben):
    ben.set_password(OF_THE_ATTACKER)
    ben.save()
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/accounts/login/", {"login": ben.email, "password": OF_THE_ATTACKER})
        assert client.get("/account/tokens/").status_code == 200
    form = {"oldpassword": OF_THE_ATTACKER, "password1": OF_THE_OWNER, "password2": OF_THE_OWNER}
    here.post("/accounts/password/change/", form)
    assert here.get("/account/tokens/").status_code == 200
    assert elsewhere.get("/account/tokens/").status_code == 302


def test_new_password_asks_which_tokens_to_keep(ben, northlake):
    ben.set_password(OF_THE_ATTACKER)
    ben.save()
    (known, secret), (unknown, _) = (actions.create_token(by=ben, name=name) for name in ("study", "somebody's"))
    client = Client()
    client.post("/accounts/login/", {"login": ben.email, "password": OF_THE_ATTACKER})
    form = {"oldpassword": OF_THE_ATTACKER, "password1": OF_THE_OWNER, "password2": OF_THE_OWNER}
    client.post("/accounts/password/change/", form)
    page = client.get("/jobs/", follow=True)
    assert page.redirect_chain == [("/account/tokens/keep/", 302)]
    assert actions.read_token(secret=secret) == ben
    answer = client.post("/account/tokens/keep/", {"keep": [known.pk]}, follow=True)
    assert "1 token revoked; the others go on." in answer.content.decode()
    known.refresh_from_db()
    unknown.refresh_from_db()
    assert (known.revoked_at, bool(unknown.revoked_at)) == (None, True)
    assert client.get("/jobs/").status_code == 200


def test_new_password_of_somebody_without_tokens_asks_nothing(ben):
    ben.set_password(OF_THE_ATTACKER)
    ben.save()
    client = Client()
    client.post("/accounts/login/", {"login": ben.email, "password": OF_THE_ATTACKER})
    form = {"oldpassword": OF_THE_ATTACKER, "password1": OF_THE_OWNER, "password2": OF_THE_OWNER}
    client.post("/accounts/password/change/", form)
    assert client.get("/jobs/").status_code == 200
