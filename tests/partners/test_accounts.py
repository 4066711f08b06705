"""Signing up and in: nobody learns who has an account, nobody guesses for long, and no password is easy."""

import re
from unittest.mock import patch

import pytest
import redis
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory
from django.utils.module_loading import import_string

from release_portal.audit.models import SecurityEvent
from release_portal.partners import passwords
from release_portal.partners.adapter import AccountAdapter
from release_portal.partners.models import Letter, User
from release_portal.partners.passwords import GuessValidator

GOOD = "lantern gravel otter sixpence"
UNKNOWN = "nobody@elsewhere.example"


@pytest.fixture
def hashes():
    """How often a password was hashed."""
    encode = PBKDF2PasswordHasher.encode
    with patch.object(PBKDF2PasswordHasher, "encode", autospec=True, side_effect=encode) as counted:
        yield counted


def sign_up(email: str, password: str = GOOD, name: str = "Nils Holm"):
    form = {"email": email, "name": name, "password1": password, "password2": password}
    return Client().post("/accounts/signup/", form)


def sign_in(email: str, password: str = "something else"):
    return Client().post("/accounts/login/", {"login": email, "password": password})


def reset(email: str):
    return Client().post("/accounts/password/reset/", {"email": email})


def seen(response, email: str) -> tuple:
    """All that an answer tells who sent it, without what they typed and what is drawn by lot."""
    cookies = {name: (cookie["max-age"], cookie["path"]) for name, cookie in response.cookies.items()}
    headers = {name for name, _ in response.items()}
    next_page = page_of(response.client.get(response["location"]), email) if response.status_code == 302 else ""
    return response.status_code, response.get("location"), headers, cookies, page_of(response, email), next_page


def page_of(response, email: str) -> str:
    lines = response.content.decode().replace(email, "…").splitlines()
    return "\n".join(line for line in lines if "csrf" not in line.lower())


def code_by_mail(email: str):
    return Client().post("/accounts/login/code/", {"email": email})


@pytest.mark.parametrize(
    ("who", "page"),
    [
        ("rita", "/review/"),
        ("otto", "/review/book/"),
        ("ada", "/organisations/"),
    ],
)
def test_people_land_where_their_work_is(request, rf, northlake, who, page):
    asked = rf.get("/accounts/login/")
    asked.user = request.getfixturevalue(who)
    assert AccountAdapter(asked).get_login_redirect_url(asked) == page


@pytest.mark.parametrize("act", [sign_up, sign_in, reset, code_by_mail])
def test_known_and_unknown_address_get_the_same_answer_and_the_same_work(ada, hashes, letters, act):
    ada.set_password("the harbour keeps eleven lamps")
    ada.save()
    hashes.reset_mock()
    answers, work = [], []
    for email in (ada.email, UNKNOWN):
        answers.append(seen(act(email), email))
        work.append((hashes.call_count, len(letters(email))))
        hashes.reset_mock()
    assert answers[0] == answers[1]
    assert work[0] == work[1]


@pytest.mark.parametrize("who", ["without a password", "not active", "not verified"])
def test_sign_in_to_an_account_of_any_kind_fails_alike(ada, hashes, who):
    ada.set_password("the harbour keeps eleven lamps")
    if who == "without a password":
        ada.set_unusable_password()
    ada.is_active = who != "not active"
    ada.save()
    EmailAddress.objects.filter(user=ada).update(verified=who != "not verified")
    hashes.reset_mock()
    assert seen(sign_in(ada.email), ada.email) == seen(sign_in(UNKNOWN), UNKNOWN)
    assert hashes.call_count == 2


def test_sign_up_again_leaves_the_account_as_it_was(ada, letters):
    before = (ada.password, User.objects.count())
    sign_up("ADA@northlake.example")
    ada.refresh_from_db()
    assert (ada.password, User.objects.count()) == before
    assert letters(ada) == ["You already have a Release Portal account"]


@pytest.mark.parametrize("verified", [True, False])
def test_add_an_address_answers_alike_whether_somebody_has_it(ada, ben, client_of, verified):
    """The page lists it as not confirmed in both cases; only who reads its mail learns more."""
    EmailAddress.objects.filter(user=ben).update(verified=verified)
    answers = []
    for email in (ben.email, UNKNOWN):
        client = client_of(ada)
        first = client.post("/accounts/email/", {"action_add": "", "email": email})
        answers.append((first.status_code, first["location"], page_of(client.get("/accounts/email/"), email)))
        EmailAddress.objects.filter(user=ada, email=email).delete()
    assert answers[0] == answers[1]


def test_invite_answers_alike_whether_somebody_has_the_address(northlake, ada, cleo, client_of):
    path = f"/organisations/{northlake.slug}/members/"
    answers = [client_of(ada).post(path, {"email": email, "roles": ["viewer"]}) for email in (cleo.email, UNKNOWN)]
    assert [(answer.status_code, answer["location"]) for answer in answers] == [(302, path)] * 2


# --- guessing


@pytest.fixture
def limits(settings):
    """The limits as they are in earnest, counted in the cache as it is in earnest."""
    assert settings.ACCOUNT_RATE_LIMITS["login_failed"] == "10/m/ip,5/5m/key"
    assert settings.ACCOUNT_RATE_LIMITS["login_failed_anywhere"] == "100/h/key"


def test_sixth_failed_sign_in_is_refused_even_once_redis_has_forgotten_it(ada, limits, settings):
    ada.set_password(GOOD)
    ada.save()
    for _ in range(5):
        assert "do not belong together" in sign_in(ada.email).content.decode()
    broker = redis.Redis.from_url(settings.REDIS_URL)
    for key in broker.scan_iter("*allauth*"):  # not all of it: portals of other tests run there
        broker.delete(key)
    answer = sign_in(ada.email, GOOD)
    assert "There were too many failed tries. Wait five minutes" in answer.content.decode()
    assert "_auth_user_id" not in answer.client.session
    assert "do not belong together" in sign_in(UNKNOWN).content.decode()


def test_sixth_failed_sign_in_is_refused_for_an_unknown_address_too(db, limits):
    answers = [sign_in(UNKNOWN) for _ in range(6)]
    assert ["too many failed tries" in answer.content.decode() for answer in answers] == [False] * 5 + [True]


def sign_in_from(address: str, email: str, password: str = "something else"):
    return Client(REMOTE_ADDR=address).post("/accounts/login/", {"login": email, "password": password})


def tried_from_everywhere(email: str, times: int) -> None:
    """A number of wrong passwords has been counted, each from another network."""
    for _ in range(times):
        ratelimit.consume(RequestFactory().post("/"), app="allauth.account", action="login_failed_anywhere", key=email)


def test_wrong_tries_of_a_stranger_do_not_lock_the_owner_out(ben, limits):
    ben.set_password(GOOD)
    ben.save()
    for _ in range(6):
        stopped = sign_in_from("203.0.113.9", ben.email)
    assert "too many failed tries" in stopped.content.decode()
    assert sign_in_from("198.51.100.7", ben.email, GOOD).status_code == 302


def test_wrong_tries_from_everywhere_leave_a_way_by_mail(ben, limits, letters):
    ben.set_password(GOOD)
    ben.save()
    answers = [sign_in_from(f"203.0.{n}.9", ben.email) for n in range(101)]
    assert "too many failed tries at this account" in answers[100].content.decode()
    assert "too many failed tries at this account" not in answers[99].content.decode()
    assert "at this account" in sign_in_from("198.51.100.7", ben.email, GOOD).content.decode()
    owner = Client(REMOTE_ADDR="198.51.100.7")
    owner.post("/accounts/login/code/", {"email": ben.email})
    assert letters(ben)[-1] == "Your code to sign in to Release Portal"
    code = re.search(r"^([A-Z0-9-]{6,})$", Letter.objects.filter(to=ben.email).latest("id").body, re.MULTILINE)[1]
    assert owner.post("/accounts/login/code/confirm/", {"code": code}).status_code == 302
    assert owner.get("/account/tokens/").status_code == 200


def test_password_set_by_mail_signs_in_whatever_was_tried_before(ben, limits):
    tried_from_everywhere(ben.email, 100)
    assert "at this account" in sign_in(ben.email).content.decode()
    reset(ben.email)
    link = re.search(r"(/accounts/password/reset/key/\S+)", Letter.objects.filter(to=ben.email).latest("id").body)[1]
    owner = Client(REMOTE_ADDR="198.51.100.7")
    form = owner.get(link, follow=True).redirect_chain[-1][0]
    owner.post(form, {"password1": GOOD, "password2": GOOD})
    assert sign_in_from("198.51.100.7", ben.email, GOOD).status_code == 302


def test_right_password_counts_for_no_limit(ben, limits):
    ben.set_password(GOOD)
    ben.save()
    tried_from_everywhere(ben.email, 99)
    assert all(sign_in(ben.email, GOOD).status_code == 302 for _ in range(8))


def test_sign_in_by_mail_asks_for_the_second_factor_too(rita, letters):
    client = Client()
    client.post("/accounts/login/code/", {"email": rita.email})
    code = re.search(r"^([A-Z0-9-]{6,})$", Letter.objects.filter(to=rita.email).latest("id").body, re.MULTILINE)[1]
    answer = client.post("/accounts/login/code/confirm/", {"code": code})
    assert answer["location"] == "/accounts/factors/authenticate/"


def test_limits_that_are_off_are_off(db, settings):
    settings.ACCOUNT_RATE_LIMITS = False
    assert all("do not belong together" in sign_in(UNKNOWN).content.decode() for _ in range(12))


# --- passwords


@pytest.mark.parametrize(
    "password",
    ["aaaaaaaaaaaa", "123456789012", "qwertyuiop12", "passwordpassword", "Nils Holm 1990", "portal portal portal"],
)
def test_easy_password_is_refused_at_sign_up_with_what_to_do(db, password):
    answer = sign_up("nils@elsewhere.example", password)
    assert "This password is easy to guess. Take four or more words" in answer.content.decode()
    assert not User.objects.filter(email="nils@elsewhere.example").exists()


@pytest.mark.parametrize("password", [GOOD, "x7#Kq!9zLm2p", "日本語のとても長い秘密です", "correct horse battery"])
def test_good_password_is_taken_at_sign_up(db, password):
    assert sign_up("nils@elsewhere.example", password)["location"] == "/accounts/confirm-email/"


def test_password_of_ones_own_words_is_refused(ada):
    for password in ("Ada Lowell 1990", "northlake ada ada"):
        with pytest.raises(ValidationError, match="easy to guess"):
            GuessValidator().validate(password, ada)


def test_easy_password_is_refused_at_change_reset_and_set(ada, client_of):
    ada.set_password(GOOD)
    ada.save()
    typed = {"password1": "aaaaaaaaaaaa", "password2": "aaaaaaaaaaaa"}
    change = client_of(ada).post("/accounts/password/change/", typed | {"oldpassword": GOOD})
    assert "This password is easy to guess" in change.content.decode()
    by_link = import_string("allauth.account.forms.ResetPasswordKeyForm")(typed, user=ada, temp_key="key")
    ada.set_unusable_password()
    ada.save()
    chosen = client_of(ada).post("/accounts/password/set/", typed)
    assert "This password is easy to guess" in chosen.content.decode()
    assert "This password is easy to guess" in str(by_link.errors)


def test_work_for_a_long_password_is_bounded(monkeypatch):
    looked_at = []
    monkeypatch.setattr(passwords, "zxcvbn", lambda text, **_: looked_at.append(text) or {"score": 4})
    GuessValidator().validate("x" * 1_000_000)
    assert [len(text) for text in looked_at] == [72]


def test_words_of_one_person_do_not_count_for_another(ada, cleo):
    """zxcvbn keeps them in a dictionary of the process."""
    with pytest.raises(ValidationError):
        GuessValidator().validate("northlake1990", ada)
    GuessValidator().validate("northlake1990", cleo)


# --- what is noted


def kinds() -> list[str]:
    return list(SecurityEvent.objects.order_by("id").values_list("kind", flat=True))


def test_sign_in_and_out_and_failures_are_noted(ben, limits):
    ben.set_password(GOOD)
    ben.save()
    answer = sign_in(ben.email, GOOD)
    answer.client.post("/accounts/logout/")
    assert kinds() == ["account.signed_in", "account.signed_out"]
    sign_in(ben.email)
    failed = SecurityEvent.objects.latest("id")
    assert (failed.kind, failed.by, failed.text) == (
        "account.sign_in_failed",
        None,
        "A sign-in as Ben Hart failed",
    )
    assert failed.about == [f"partners.user:{ben.pk}"]
    assert failed.detail == {"address": "127.0.0.1", "door": "page"}


def test_stopped_sign_ins_are_noted_once_a_minute(ada, limits):
    for _ in range(8):
        sign_in(ada.email)
    assert kinds() == ["account.sign_in_failed"] * 5 + ["account.sign_in_stopped"]


def test_what_is_typed_never_stands_in_an_event(db):
    """People type their password where the address belongs."""
    sign_in("My-Secret-Pass@elsewhere.example", "My-Secret-Word")
    sign_in("nul\0@elsewhere.example")
    for event in SecurityEvent.objects.all():
        assert "secret" not in f"{event.sentence} {event.detail} {event.about}".lower()
    assert SecurityEvent.objects.first().sentence == "A sign-in with an address that no account has failed"


def test_new_passwords_are_noted(ada, client_of, letters):
    ada.set_password(GOOD)
    ada.save()
    new = "eleven harbour lamps keep still"
    client = client_of(ada)
    client.post("/accounts/password/change/", {"oldpassword": GOOD, "password1": new, "password2": new})
    assert kinds()[-1] == "account.password_changed"
    assert SecurityEvent.objects.latest("id").by == ada


def test_first_password_is_noted(ada, client_of):
    ada.set_unusable_password()
    ada.save()
    client_of(ada).post("/accounts/password/set/", {"password1": GOOD, "password2": GOOD})
    event = SecurityEvent.objects.latest("id")
    assert (event.kind, event.by, event.sentence) == ("account.password_changed", ada, "Changed the password")


def test_password_set_by_a_mailed_link_is_noted_without_the_link(ada):
    reset(ada.email)
    path = re.search(r"/accounts/password/reset/key/\S+", Letter.objects.get(to=ada.email).body)[0]
    client = Client()
    form = client.get(path, follow=True)
    client.post(form.redirect_chain[-1][0], {"password1": GOOD, "password2": GOOD})
    ada.refresh_from_db()
    assert ada.check_password(GOOD)
    event = SecurityEvent.objects.get(kind="account.password_reset")
    assert (event.by, event.sentence) == (ada, "Set a new password by a mailed link")
    assert path.rpartition("-")[2].strip("/") not in f"{event.sentence} {event.detail}"


def test_new_address_is_noted_without_it(ada, client_of):
    EmailAddress.objects.create(user=ada, email="ada@elsewhere.example", verified=True)
    client_of(ada).post("/accounts/email/", {"action_primary": "", "email": "ada@elsewhere.example"})
    event = SecurityEvent.objects.get(kind="account.address_changed")
    assert (event.by, event.sentence) == (ada, "Changed the address that the portal writes to")
    assert "elsewhere" not in f"{event.sentence} {event.detail}"
