"""Notices: who owns an account hears of every change to what opens it, at the address of before."""

import time

import pytest
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from django.urls import reverse

from release_portal.demo.factors import code_of
from release_portal.partners.models import Letter

pytestmark = pytest.mark.usefixtures("db")

OLD, NEW = "lantern gravel otter sixpence", "the harbour keeps eleven lamps"
ELSEWHERE = "ben@elsewhere.example"


@pytest.fixture
def client(ben, client_of):
    ben.set_password(OLD)
    ben.save()
    return client_of(ben)


@pytest.fixture
def heard(ben, rf, django_capture_on_commit_callbacks):
    """What was written meanwhile: to whom, and what about. Each says what to do where it was somebody else."""

    def of(act) -> list[tuple[str, str]]:
        before = set(Letter.objects.values_list("pk", flat=True))
        with request_context(rf.get("/")), django_capture_on_commit_callbacks(execute=True):
            act()
        letters = Letter.objects.exclude(pk__in=before).order_by("id")
        assert all("If this was not you, set a new password now" in letter.body for letter in letters)
        return [(letter.to, letter.subject) for letter in letters]

    return of


def test_new_password_is_announced(client, ben, heard):
    form = {"oldpassword": OLD, "password1": NEW, "password2": NEW}
    subjects = heard(lambda: client.post(reverse("account_change_password"), form))
    assert subjects == [(ben.email, "Your Release Portal password was changed")]


def test_new_address_is_announced_at_the_one_of_before(client, ben, heard):
    EmailAddress.objects.create(user=ben, email=ELSEWHERE, verified=True)
    form = {"action_primary": "", "email": ELSEWHERE}
    subjects = heard(lambda: client.post(reverse("account_email"), form))
    assert subjects == [("ben@northlake.example", "Release Portal now writes to another address")]


def test_removed_address_is_announced(client, ben, heard):
    EmailAddress.objects.create(user=ben, email=ELSEWHERE, verified=True)
    form = {"action_remove": "", "email": ELSEWHERE}
    subjects = heard(lambda: client.post(reverse("account_email"), form))
    assert subjects == [(ben.email, "A mail address was removed from Release Portal")]


def test_factors_that_come_and_go_are_announced(client, ben, heard):
    client.get(reverse("mfa_activate_totp"))
    code = code_of(client.session["mfa.totp.secret"], time.time())
    set_up = heard(lambda: client.post(reverse("mfa_activate_totp"), {"code": code}))
    assert set_up == [(ben.email, "An authenticator app was set up for your account")]
    made = heard(lambda: client.post(reverse("mfa_generate_recovery_codes")))
    assert made == [(ben.email, "New recovery codes were made for your account")]
    removed = heard(lambda: client.post(reverse("mfa_deactivate_totp")))
    assert removed == [(ben.email, "Your authenticator app was removed")]
