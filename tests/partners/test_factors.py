"""Second factors, and showing again that it is oneself before anything that binds."""

import time

import pytest
from allauth.core.context import request_context
from allauth.mfa.models import Authenticator
from django.urls import reverse

from release_portal.audit.models import SecurityEvent
from release_portal.demo.factors import code_of
from release_portal.partners import actions as partners
from release_portal.partners.factors import lacks_factor, needs_factor

from .. import factories, test_routes
from ..conftest import show_again
from ..test_routes import ROWS, send

pytestmark = pytest.mark.usefixtures("db")
clients, world = test_routes.clients, test_routes.world

PASSWORD = "lantern gravel otter sixpence"
ROUTINE = {
    "review:claim": "a claim binds nobody",
    "review:say": "a message decides nothing",
    "review:saved": "how a person sees their own desk",
    "review:columns": "how a person sees their own desk",
}
BINDING = {"agreements:sign", "partners:tokens", "partners:service_account", "partners:create_service_account"}


def without_factor(user):
    user.authenticator_set.all().delete()
    return user


@pytest.mark.parametrize("person", ["rita", "ada"])
def test_staff_and_signatories_do_nothing_before_they_have_a_factor(person, request, northlake, client_of):
    user = without_factor(request.getfixturevalue(person))
    client = client_of(user)
    for path in ("/", "/organisations/", "/review/", "/account/tokens/", "/jobs/new/"):
        assert client.get(path)["location"] == reverse("mfa_index")
    assert "Your roles need a second factor" in client.get(reverse("mfa_index")).content.decode()
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    factories.give_factor(user)
    assert client.get("/account/tokens/").status_code == 200


def test_program_of_somebody_without_the_factor_they_need_is_refused(rita, api_of):
    client = api_of(rita)
    without_factor(rita)
    answer = client.get("/api/v1/me")
    assert answer.status_code == 403
    assert "Your roles need a second factor." in answer.json()["detail"]


def test_researchers_and_applicants_need_no_factor(northlake, ben, applied, cleo, application):
    without_factor(cleo)
    partners.apply(by=cleo, **application("Southbank Institute", "southbank.example"))
    assert not needs_factor(ben)
    assert not lacks_factor(cleo)


def test_signatory_needs_a_factor_once_their_organisation_is_admitted(applied, ada, rita):
    without_factor(ada)
    assert not lacks_factor(ada)
    partners.admit(by=rita, partner=applied)
    assert lacks_factor(ada)


def test_last_factor_of_somebody_who_needs_one_is_not_removed(rita, client_of):
    answer = client_of(rita).post(reverse("mfa_deactivate_totp"))
    assert "this is your last. Add another first." in answer.content.decode()
    assert rita.authenticator_set.filter(type=Authenticator.Type.TOTP).exists()


def test_key_of_an_app_stands_sealed_in_the_database(rita):
    secret = rita.authenticator_set.get().data["secret"]
    assert secret.startswith("gAAAA")


def sign_in(client, user, code: str):
    user.set_password(PASSWORD)
    user.save()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    return client.post(reverse("mfa_authenticate"), {"code": code})


def test_code_signs_in_once(rita, client, client_of):
    key = factories.give_factor(without_factor(rita))
    code = code_of(key, time.time())
    assert sign_in(client, rita, code).status_code == 302
    client.post("/accounts/logout/")
    assert "was used before" in sign_in(client, rita, code).content.decode()
    noted = SecurityEvent.objects.order_by("-id")[0]
    assert (noted.kind, noted.text) == ("account.code_failed", "A wrong code was typed for Rita Moss")


def test_factors_that_come_and_go_are_noted(ben, client_of, rf, django_capture_on_commit_callbacks):
    """allauth tells of a new one once it is committed, within the request."""
    client = client_of(ben)
    client.get(reverse("mfa_activate_totp"))
    key = client.session["mfa.totp.secret"]
    with request_context(rf.get("/")), django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("mfa_activate_totp"), {"code": code_of(key, time.time())})
    client.post(reverse("mfa_deactivate_totp"))
    noted = SecurityEvent.objects.filter(by=ben, kind__startswith="account.factor")
    assert {event.sentence for event in noted} == {
        "Set up an authenticator app",
        "Set up recovery codes",
        "Removed an authenticator app",
        "Removed recovery codes",
    }


# --- showing again that it is oneself


def is_asked(answer) -> bool:
    return answer.status_code == 302 and answer["location"].startswith(reverse("account_reauthenticate"))


def test_everything_that_binds_asks_a_stale_session(clients, world, subtests, settings, request):
    people = {name: request.getfixturevalue(name) for name in clients if name != "zoe"}
    for name, user in people.items():
        user.set_password(PASSWORD)
        user.save()
        clients[name].force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        show_again(clients[name], user, seconds_ago=settings.REAUTHENTICATION_SECONDS + 1)
    asked = 0
    for row in ROWS:
        binds = (row.route.startswith("review:") and row.route not in ROUTINE) or row.route in BINDING
        if row.method != "POST" or not binds:
            continue
        who = next((name for name, expected in row.expected.items() if expected in {"200", "302"}), None)
        with subtests.test(row.route):
            assert who, "somebody may do it"
            assert is_asked(send(clients[who], row, world))
            asked += 1
    assert asked > 15


def test_what_was_sent_is_done_once_the_password_is_shown(applied, rita, client_of, settings):
    rita.set_password(PASSWORD)
    rita.save()
    client = client_of(rita)
    show_again(client, rita, seconds_ago=settings.REAUTHENTICATION_SECONDS + 1)
    path = f"/review/organisations/{applied.slug}/"
    answer = client.post(path, {"decline": "1", "reason": "Say who reads the texts."})
    assert is_asked(answer)
    applied.refresh_from_db()
    assert applied.status == "applied"
    client.post(answer["location"], {"password": "not this one"})
    applied.refresh_from_db()
    assert applied.status == "applied"
    client.post(answer["location"], {"password": PASSWORD})
    applied.refresh_from_db()
    assert (applied.status, applied.reason) == ("declined", "Say who reads the texts.")


def test_change_of_address_asks_a_stale_session(ben, client_of, settings):
    ben.set_password(PASSWORD)
    ben.save()
    client = client_of(ben)
    show_again(client, ben, seconds_ago=settings.REAUTHENTICATION_SECONDS + 1)
    assert is_asked(client.post("/accounts/email/", {"action_add": "", "email": "new@northlake.example"}))
    assert is_asked(client.get(reverse("mfa_activate_totp")))
