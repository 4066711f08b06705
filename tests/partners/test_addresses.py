"""An address that no mail server could take is refused where it is typed; one mailbox has one address at every door."""

from importlib import import_module

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from release_portal.jobs import actions as jobs
from release_portal.lib.states import Refused
from release_portal.partners import actions, addresses
from release_portal.partners.addresses import canonical, check_deliverable
from release_portal.partners.models import Invitation, Letter, Partner, Role, User

from .. import factories

UNSENDABLE = f"zed@{'ü' * 60}.example"
SENTENCE = "No mail server can be called"


@pytest.mark.parametrize("address", ["ada@northlake.example", "ada@münchen.example", f"a@{'b' * 63}.example"])
def test_address_that_a_server_can_take_stays_as_it_is(address):
    check_deliverable(address)
    assert canonical(address) == address


@pytest.mark.parametrize(
    "address", [UNSENDABLE, "a@b..example", f"a@{'.'.join(['ü' * 50] * 5)}.example", "İ@b.example"]
)
def test_address_that_no_server_can_take_is_refused(address):
    with pytest.raises(ValidationError):
        check_deliverable(address)


def test_sign_up_with_an_address_that_no_server_can_take_is_refused(db):
    password = "a long way through the snow"
    form = {"name": "Zed", "email": UNSENDABLE, "password1": password, "password2": password}
    page = Client().post("/accounts/signup/", form).content.decode()
    assert SENTENCE in page
    assert not User.objects.filter(name="Zed").exists()


def test_invitation_of_an_address_that_no_server_can_take_is_refused(northlake, ada, client_of, api_of):
    details = {"email": UNSENDABLE, "roles": ["viewer"]}
    assert SENTENCE in client_of(ada).post(f"/organisations/{northlake.slug}/members/", details).content.decode()
    path = f"/api/v1/organisations/{northlake.slug}/invitations"
    answer = api_of(ada).post(path, details, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, "email")
    assert SENTENCE in answer.json()["detail"]
    assert not Invitation.objects.filter(partner=northlake).exists()


def test_invitation_of_an_address_that_grows_in_lower_case_is_refused(northlake, ada, client_of):
    details = {"email": f"{'İ' * 200}@b.example", "roles": ["viewer"]}
    page = client_of(ada).post(f"/organisations/{northlake.slug}/members/", details)
    assert "a mail server takes only the letters a to z" in page.content.decode()


def test_application_with_a_contact_that_no_server_can_take_is_refused(ada, client_of, application):
    details = application(contact_email=UNSENDABLE)
    assert SENTENCE in client_of(ada).post("/organisations/apply/", details).content.decode()


def test_application_under_nothing_but_breaks_is_refused(ada, application):
    with pytest.raises(Refused, match="Legal name is missing"):
        actions.apply(by=ada, **application(legal_name="\n\x07"))


def test_mail_about_a_job_of_a_name_with_breaks_goes(submit, ben, settings):
    settings.CARRIER_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Letter.objects.all().delete()
    jobs.end(by=None, job=submit(name="a\nb"), status="failed")
    assert actions.deliver_letters() == 1


ONE_MAILBOX = [
    "zed\u200b@elsewhere.example",
    "zed@else\u200bwhere.example",
    "zed@elsewhere\u2060.example",
    "zed@else\u00adwhere.example",
    "\ufeffzed@elsewhere.example",
    "zed@else\u200dwhere.example",
    "ZED@Elsewhere.EXAMPLE",
    "zed＠elsewhere.example",
    "zed@elsewhere。example",
    "ｚｅｄ@elsewhere.example",
]
PLAIN = "zed@elsewhere.example"
PASSWORD = "a long way through the snow"


@pytest.mark.parametrize("address", ONE_MAILBOX)
def test_one_mailbox_is_one_address_however_it_is_typed(address):
    assert canonical(address) == PLAIN


def test_domain_reads_the_same_from_either_form():
    assert canonical("ada@xn--mnchen-3ya.example") == canonical("ada@MÜNCHEN.example") == "ada@münchen.example"


def test_domain_that_reads_in_no_way_has_one_form_too():
    """“xn--fa-hia” is a name of IDNA 2008; Python's codec, of 2003, writes it and does not read it."""
    as_typed = ("a@münchen.xn--fa-hia.de", "a@xn--mnchen-3ya.xn--fa-hia.de", "a@mün\u200bchen.XN--FA-HIA.de")
    assert {canonical(address) for address in as_typed} == {"a@münchen.xn--fa-hia.de"}


def test_address_that_is_far_too_long_is_refused_before_its_letters_are_looked_at(monkeypatch):
    """Python's IDNA takes half a minute for 8,000 letters."""
    long = "a@" + "".join(chr(0x4E00 + n * 7 % 20_000) for n in range(8_000))
    monkeypatch.setattr(addresses, "visible", lambda text: pytest.fail("it was looked at"))
    assert canonical(long) == long
    with pytest.raises(ValidationError, match="at most 254 characters; this has 8,002"):
        check_deliverable(long)


def test_address_in_quotes_is_no_second_one(db):
    assert _signs_up(None, '"zed"@elsewhere.example') == []


def test_addresses_of_before_get_their_one_form_and_collisions_stay(db, capsys):
    typed = factories.UserFactory(email="zed@xn--mnchen-3ya.example")
    first, second = (factories.UserFactory(email=f"ida@{name}.example") for name in ("straße", "strasse"))
    migration = import_module("release_portal.partners.migrations.0020_addresses")
    migration.make_canonical(apps, connection.SchemaEditorClass(connection))
    for user in (typed, first, second):
        user.refresh_from_db()
    assert typed.email == "zed@münchen.example"
    assert list(EmailAddress.objects.filter(user=typed).values_list("email", flat=True)) == ["zed@münchen.example"]
    assert (first.email, second.email) == ("ida@straße.example", "ida@strasse.example")
    assert f"User {first.pk} keeps its address" in capsys.readouterr().out


def _signs_up(request, address: str) -> list[str]:
    form = {"name": "Zed", "email": address, "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/accounts/signup/", form)
    return list(User.objects.filter(name="Zed").values_list("email", flat=True))


def _signs_in(request, address: str) -> list[str]:
    user = factories.UserFactory(email=PLAIN)
    user.set_password(PASSWORD)
    user.save()
    client = Client()
    client.post("/accounts/login/", {"login": address, "password": PASSWORD})
    return list(User.objects.filter(pk=client.session.get("_auth_user_id")).values_list("email", flat=True))


def _asks_for_a_password(request, address: str) -> list[str]:
    return _mailed(request, "/accounts/password/reset/", {"email": address})


def _asks_for_a_code(request, address: str) -> list[str]:
    return _mailed(request, "/accounts/login/code/", {"email": address})


def _mailed(request, path: str, details: dict[str, str]) -> list[str]:
    factories.UserFactory(email=PLAIN)
    Client().post(path, details)
    return list(Letter.objects.values_list("to", flat=True))


def _adds_an_address(request, address: str) -> list[str]:
    ada = request.getfixturevalue("ada")
    request.getfixturevalue("client_of")(ada).post("/accounts/email/", {"email": address, "action_add": ""})
    return list(EmailAddress.objects.filter(user=ada).exclude(email=ada.email).values_list("email", flat=True))


def _invites(door: str):
    def invites(request, address: str) -> list[str]:
        northlake, ada = request.getfixturevalue("northlake"), request.getfixturevalue("ada")
        details = {"email": address, "roles": ["viewer"]}
        if door == "page":
            path = f"/organisations/{northlake.slug}/members/"
            request.getfixturevalue("client_of")(ada).post(path, details)
        elif door == "API":
            path = f"/api/v1/organisations/{northlake.slug}/invitations"
            request.getfixturevalue("api_of")(ada).post(path, details, content_type="application/json")
        else:
            roles = list(Role.objects.filter(code="viewer"))
            actions.invite(by=ada, partner=northlake, email=address, roles=roles)
        return list(Invitation.objects.filter(partner=northlake).values_list("email", flat=True))

    return invites


def _applies(door: str):
    def applies(request, address: str) -> list[str]:
        about = request.getfixturevalue("application")("Southlake", contact_email=address)
        ada = request.getfixturevalue("ada")
        if door == "page":
            request.getfixturevalue("client_of")(ada).post("/organisations/apply/", about)
        elif door == "API":
            path = "/api/v1/organisations"
            request.getfixturevalue("api_of")(ada).post(path, about, content_type="application/json")
        else:
            actions.apply(by=ada, **about)
        return list(Partner.objects.filter(legal_name="Southlake").values_list("contact_email", flat=True))

    return applies


def _corrects(request, address: str) -> list[str]:
    ada, application = request.getfixturevalue("ada"), request.getfixturevalue("application")
    partner = actions.apply(by=ada, **application("Southlake"))
    actions.return_application(by=request.getfixturevalue("rita"), partner=partner, reason="Say more.")
    about = application("Southlake", contact_email=address)
    del about["will_sign"]
    actions.correct_application(by=ada, partner=partner, **about)
    return [Partner.objects.get(pk=partner.pk).contact_email]


def _is_appointed(request, address: str) -> list[str]:
    return [actions.appoint(by=None, email=address, name="Zed", roles=["reviewer"]).email]


@pytest.mark.parametrize("address", ONE_MAILBOX[:2])
@pytest.mark.parametrize(
    "door",
    [
        _signs_up,
        _signs_in,
        _asks_for_a_password,
        _asks_for_a_code,
        _adds_an_address,
        _invites("page"),
        _invites("API"),
        _invites("verb"),
        _applies("page"),
        _applies("API"),
        _applies("verb"),
        _corrects,
        _is_appointed,
    ],
)
def test_every_door_takes_an_address_in_its_one_form(door, address, request):
    request.getfixturevalue("db")
    assert door(request, address) == [PLAIN]


@pytest.mark.parametrize("address", ["zed", "zed@", UNSENDABLE, "a b@elsewhere.example"])
def test_verbs_refuse_an_address_that_no_mail_reaches(ada, northlake, application, address):
    roles = list(Role.objects.filter(code="viewer"))
    for verb in (
        lambda: actions.invite(by=ada, partner=northlake, email=address, roles=roles),
        lambda: actions.appoint(by=None, email=address, name="Zed", roles=["reviewer"]),
        lambda: actions.apply(by=ada, **application("Southlake", contact_email=address)),
    ):
        with pytest.raises(Refused) as refused:
            verb()
        assert refused.value.field in ("email", "contact_email")
