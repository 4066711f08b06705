"""How often something may be done: each limit of the table is reached, refused, and is over in time."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.lib.network import current_network
from release_portal.lib.states import Refused, TooMany
from release_portal.partners import actions, rates
from release_portal.partners.models import Invitation, Letter, Role

from .. import factories
from ..patience import PATIENCE

GOOD = "lantern gravel otter sixpence"


def roles(*codes: str) -> list[Role]:
    return list(Role.objects.filter(code__in=codes))


@contextmanager
def from_network(address: str):
    token = current_network.set(address)
    try:
        yield
    finally:
        current_network.reset(token)


@pytest.fixture
def later(monkeypatch):
    """Lets time pass for the limits."""

    def by(passed: timedelta) -> None:
        at = timezone.now() + passed
        monkeypatch.setattr(rates.timezone, "now", lambda: at)

    return by


def counted(what: str, by: str) -> dict:
    """What `count` is called with so that this limit alone applies."""
    return {
        "person": lambda: {"by": factories.UserFactory()},
        "organisation": lambda: {"partner": factories.PartnerFactory()},
        "address": lambda: {"address": "dora@northlake.example"},
        "network": dict,
    }[by]()


LIMITS = [(what, by, rate) for what, each in rates.read_table().items() for by, rate in each.items()]


@pytest.mark.parametrize(("what", "by", "rate"), LIMITS, ids=[f"{what}-{by}" for what, by, _ in LIMITS])
def test_count_reaches_every_limit_of_the_table_and_works_again_in_time(db, later, what, by, rate):
    later(timedelta())
    arguments = counted(what, by)
    with from_network("203.0.113.7" if by == "network" else ""):
        for _ in range(rate.amount):
            rates.count(what, **arguments)
        with pytest.raises(TooMany, match=f"There are at most {rate.amount} ") as refused:
            rates.count(what, **arguments)
        assert (refused.value.limit, refused.value.given) == (rate.amount, rate.amount + 1)
        assert rate.seconds <= refused.value.seconds <= rate.seconds + 60
        later(timedelta(seconds=rate.seconds - 1))
        with pytest.raises(TooMany):
            rates.count(what, **arguments)
        later(timedelta(seconds=rate.seconds + 1))
        rates.count(what, **arguments)


def test_invite_too_often_is_refused_and_says_when(northlake, southbank, ada, cleo, later):
    """60 invitations in 5 seconds, 16 of them to one address."""
    for number in range(20):
        actions.invite(by=ada, partner=northlake, email=f"{number}@x.example", roles=roles("viewer"))
    with pytest.raises(TooMany, match=r"at most 20 invitations by one person in an hour\. The next is possible at "):
        actions.invite(by=ada, partner=northlake, email="21@x.example", roles=roles("viewer"))
    assert not Invitation.objects.filter(email="21@x.example").exists()
    assert not Letter.objects.filter(to="21@x.example").exists()
    actions.invite(by=cleo, partner=southbank, email="21@x.example", roles=roles("viewer"))
    later(timedelta(hours=1, seconds=1))
    actions.invite(by=ada, partner=northlake, email="21@x.example", roles=roles("viewer"))


def test_invite_one_address_again_and_again_is_refused(northlake, southbank, ada, cleo):
    invitation = actions.invite(by=ada, partner=northlake, email="dora@x.example", roles=roles("viewer"))
    actions.resend_invitation(by=ada, invitation=invitation)
    actions.invite(by=cleo, partner=southbank, email="dora@x.example", roles=roles("viewer"))
    with pytest.raises(TooMany, match="at most 3 invitations for one address in a day"):
        actions.invite(by=ada, partner=northlake, email="DORA@x.example", roles=roles("viewer"))
    with pytest.raises(TooMany, match="at most 3 invitations for one address in a day"):
        actions.resend_invitation(by=ada, invitation=invitation)


def test_apply_for_many_organisations_is_refused(ada, cleo, application, settings):
    """One person sent 20 applications."""
    settings.OPEN_APPLICATIONS = 30
    for number in range(3):
        actions.apply(by=ada, **application(f"Institute {number}"))
    with pytest.raises(TooMany, match="at most 3 applications by one person in a day"):
        actions.apply(by=ada, **application("Institute 4"))
    actions.apply(by=cleo, **application("Institute 4"))


def test_apply_while_as_many_wait_as_may_is_refused(ada, rita, application, later):
    waiting = [actions.apply(by=ada, **application(f"Institute {number}")) for number in range(3)]
    later(timedelta(days=2))
    with pytest.raises(Refused, match="You have 3 applications that wait for an answer") as refused:
        actions.apply(by=ada, **application("Institute 4"))
    assert (refused.value.limit, refused.value.given) == (3, 4)
    actions.decline(by=rita, partner=waiting[0], reason="Not research.")
    actions.apply(by=ada, **application("Institute 4"))


def verbs(northlake, ada, grant, asking, size_355m):
    """Each verb of the table, as often as one asks, with the entry that limits it."""
    request = access.request_access(by=ada, partner=northlake, **asking(size_355m))
    return {
        "say": lambda: access.say(by=ada, request=request, text="When?"),
        "report": lambda: access.report_finding(by=ada, partner=northlake, size=grant.size, title="A", text="B"),
        "token": lambda: actions.create_token(by=ada, name="laptop"),
        "service_account": lambda: actions.create_service_account(
            by=ada, partner=northlake, name=uuid.uuid4().hex, roles=roles("viewer")
        ),
        "request": lambda: access.start_request(by=ada, partner=northlake),
    }


@pytest.mark.parametrize("what", ["say", "report", "token", "service_account", "request"])
def test_verb_is_counted_and_refused(settings, northlake, ada, grant, asking, size_355m, what):
    verb = verbs(northlake, ada, grant, asking, size_355m)[what]
    by = "organisation" if what == "service_account" else "person"
    settings.RATE_LIMITS = {f"{what}.{by}": "3/d"}
    done = 2 if what == "request" else 0  # that of the grant, and the one that is talked about
    for _ in range(3 - done):
        verb()
    with pytest.raises(TooMany, match=f"at most 3 {rates.TABLE[what].done} by one {by} in a day"):
        verb()


@pytest.mark.parametrize("act", ["copy", "change"])
def test_drafts_after_a_request_are_counted_too(settings, ada, northlake, grant, act):
    settings.RATE_LIMITS = {"request.person": "1/d"}  # that of the grant
    with pytest.raises(TooMany):
        if act == "copy":
            access.copy_request(by=ada, request=grant.request)
        else:
            access.change_grant(by=ada, grant=grant, kind="renewal")


def test_correct_application_too_often_is_refused(settings, applied, ada, rita, application):
    settings.RATE_LIMITS = {"correct.person": "1/d"}
    details = {name: value for name, value in application().items() if name != "will_sign"}
    actions.return_application(by=rita, partner=applied, reason="Tell more.")
    actions.correct_application(by=ada, partner=applied, **details)
    applied.refresh_from_db()
    actions.return_application(by=rita, partner=applied, reason="Tell more.")
    with pytest.raises(TooMany, match="at most 1 corrected applications"):
        actions.correct_application(by=ada, partner=applied, **details)


def test_act_that_is_refused_counts_nothing(settings, northlake, ada):
    settings.RATE_LIMITS = {"invite.person": "1/d"}
    for _ in range(3):
        with pytest.raises(Refused, match="Choose at least one role"):
            actions.invite(by=ada, partner=northlake, email="dora@x.example", roles=[])
    actions.invite(by=ada, partner=northlake, email="dora@x.example", roles=roles("viewer"))


def test_api_answers_429_and_when_to_come_back(settings, northlake, ada, api_of):
    settings.RATE_LIMITS = {"invite.person": "1/h"}
    client, path = api_of(ada), f"/api/v1/organisations/{northlake.slug}/invitations"
    answers = [
        client.post(path, {"email": f"{name}@x.example", "roles": ["viewer"]}, content_type="application/json")
        for name in ("dora", "emil")
    ]
    assert [answer.status_code for answer in answers] == [201, 429]
    problem = answers[1].json()
    assert problem["title"] == "Too often"
    assert problem["detail"].startswith("There are at most 1 invitations by one person in an hour.")
    assert 3_500 < int(answers[1]["Retry-After"]) <= 3_660


def test_page_says_that_it_was_too_often(settings, northlake, ada, client_of):
    settings.RATE_LIMITS = {"invite.person": "1/h"}
    client, path = client_of(ada), f"/organisations/{northlake.slug}/members/"
    client.post(path, {"email": "dora@x.example", "roles": ["viewer"]})
    page = client.post(path, {"email": "emil@x.example", "roles": ["viewer"]}).content.decode()
    assert "There are at most 1 invitations by one person in an hour." in page
    assert 'value="emil@x.example"' in page


def test_page_without_a_form_answers_429_and_when_to_come_back(settings, northlake, ada, client_of):
    settings.RATE_LIMITS = {"invite.person": "1/h"}
    invitation = actions.invite(by=ada, partner=northlake, email="dora@x.example", roles=roles("viewer"))
    answer = client_of(ada).post(f"/organisations/{northlake.slug}/invitations/{invitation.pk}/resend/")
    assert answer.status_code == 429
    assert "Retry-After" in answer


def test_network_is_that_of_the_request(settings, northlake, ada, client_of):
    settings.RATE_LIMITS = {"invite.network": "1/h"}
    client, path = client_of(ada), f"/organisations/{northlake.slug}/members/"
    for address, seen in (("2001:db8::1", False), ("2001:db8::2", True), ("2001:db9::1", False)):
        details = {"email": f"{uuid.uuid4().hex}@x.example", "roles": ["viewer"]}
        page = client.post(path, details, REMOTE_ADDR=address, follow=True).content.decode()
        assert ("invitations from one network" in page) is seen, address


# --- accounts


def sign_up(email: str, name: str = "Nils Holm", **headers):
    form = {"email": email, "name": name, "password1": GOOD, "password2": GOOD}
    return Client().post("/accounts/signup/", form, **headers)


def test_sign_up_with_one_address_again_and_again_is_refused(ada):
    """From ever other networks, and whether or not it has an account."""
    for email in (ada.email, "new@elsewhere.example"):
        for number in range(3):
            assert sign_up(email, REMOTE_ADDR=f"203.0.113.{number}").status_code == 302
        answer = sign_up(email, REMOTE_ADDR="203.0.113.9")
        assert "at most 3 mails to confirm an address for one address in a day" in answer.content.decode()
        assert Letter.objects.filter(to=email).count() <= 3


def test_reset_of_one_address_again_and_again_is_refused(ada):
    for email in (ada.email, "nobody@elsewhere.example"):
        for number in range(6):
            details = {"email": email}
            answer = Client().post("/accounts/password/reset/", details, REMOTE_ADDR=f"203.0.113.{number}")
            assert ("at most 5 mails to set a password for one address" in answer.content.decode()) == (number == 5)
        assert Letter.objects.filter(to=email).count() == 5


def test_sign_ups_of_one_network_are_limited(settings, db):
    settings.RATE_LIMITS = {"confirm.network": "2/h"}
    answers = [sign_up(f"{uuid.uuid4().hex}@elsewhere.example", REMOTE_ADDR="203.0.113.7") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [302, 302, 200]
    assert sign_up(f"{uuid.uuid4().hex}@elsewhere.example", REMOTE_ADDR="203.0.113.8").status_code == 302


def test_addresses_that_an_account_adds_are_limited(ada, client_of):
    for number in range(4):
        email = "victim@elsewhere.example"
        answer = client_of(factories.UserFactory()).post("/accounts/email/", {"email": email, "action_add": ""})
        assert ("mails to confirm an address for one address" in answer.content.decode()) == (number == 3)


# --- settings


def test_limit_is_changed_and_switched_off_by_setting(settings, northlake, ada):
    settings.RATE_LIMITS = {"invite.person": "off", "invite.organisation": "2/d"}
    for name in ("dora", "emil"):
        actions.invite(by=ada, partner=northlake, email=f"{name}@x.example", roles=roles("viewer"))
    with pytest.raises(TooMany, match="at most 2 invitations by one organisation in a day"):
        actions.invite(by=ada, partner=northlake, email="fred@x.example", roles=roles("viewer"))
    settings.RATE_LIMITS_OFF = True
    actions.invite(by=ada, partner=northlake, email="fred@x.example", roles=roles("viewer"))


@pytest.mark.parametrize("wrong", [{"invite.persons": "1/h"}, {"invite.person": "1/y"}, {"invite.person": "0/h"}])
def test_setting_that_is_none_stops_the_start(settings, wrong):
    settings.RATE_LIMITS = wrong
    with pytest.raises(ImproperlyConfigured, match="RATE_LIMITS"):
        call_command("check")


# --- at the same moment


@pytest.mark.usefixtures("committed")
def test_eight_at_once_pass_exactly_as_many_as_may(settings):
    settings.RATE_LIMITS = {"invite.person": "3/h"}
    partner = factories.PartnerFactory()
    owner = factories.MembershipFactory(partner=partner, roles=["owner"]).user
    viewer, start = roles("viewer"), threading.Barrier(8)

    def one(number: int) -> bool:
        start.wait(PATIENCE)
        try:
            actions.invite(by=owner, partner=partner, email=f"{uuid.uuid4().hex}@x.example", roles=viewer)
        except TooMany:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as threads:
        passed = list(threads.map(one, range(8)))
    assert sum(passed) == 3
    assert partner.invitations.count() == 3
