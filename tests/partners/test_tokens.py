from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions
from release_portal.partners.actions.tokens import SHAPE, USE_IS_NOTED_EVERY, _checksum
from release_portal.partners.models import ApiToken


@pytest.fixture
def made(ben):
    return actions.create_token(by=ben, name="notebook")


def another(character: str) -> str:
    return "b" if character == "a" else "a"


def test_token_reads_as_its_person(made, ben):
    assert actions.read_token(secret=made[1]) == ben


def test_token_has_a_form_that_scanners_know(made):
    assert SHAPE.fullmatch(made[1])
    assert made[1].startswith("rp_")


def test_token_is_stored_as_a_hash_alone(made):
    token, secret = made
    key_id, random, _ = SHAPE.fullmatch(secret).groups()
    row = str(ApiToken.objects.filter(pk=token.pk).values().get())
    assert key_id in row
    assert random not in row


@pytest.mark.parametrize("place", [3, 20, -1])
def test_token_with_a_typing_error_is_refused_without_the_database(made, place, django_assert_num_queries):
    secret = made[1]
    place %= len(secret)
    mistyped = secret[:place] + another(secret[place]) + secret[place + 1 :]
    with django_assert_num_queries(0):
        assert actions.read_token(secret=mistyped) is None


@pytest.mark.parametrize("secret", ["", "rp_", "Bearer", "rp_" + "a" * 61, "rp_" + "a" * 12 + "_" + "a" * 49])
def test_what_is_no_token_is_nobody_without_the_database(secret):
    assert actions.read_token(secret=secret) is None


def test_token_with_anothers_secret_is_nobody(made, ada):
    """The checksum is right, the name is Ben's, the secret is not."""
    key_id, random, _ = SHAPE.fullmatch(made[1]).groups()
    other = another(random[0]) + random[1:]
    assert actions.read_token(secret=f"rp_{key_id}_{other}{_checksum(key_id + other)}") is None


def test_token_after_its_end_is_nobody(made):
    ApiToken.objects.filter(pk=made[0].pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert actions.read_token(secret=made[1]) is None


def test_token_lasts_the_days_that_were_asked(ben):
    token, _ = actions.create_token(by=ben, name="short", days=3)
    assert token.expires_at - token.created_at == timedelta(days=3)
    assert ApiToken.objects.in_force(at=token.created_at + timedelta(days=2)).contains(token)
    assert not ApiToken.objects.in_force(at=token.expires_at).contains(token)


@pytest.mark.parametrize("days", [0, -1, 366])
def test_token_for_too_long_is_refused(ben, days):
    with pytest.raises(Refused, match=rf"A token lasts from 1 to 365 days; you gave {days}\.") as refused:
        actions.create_token(by=ben, name="long", days=days)
    assert (refused.value.field, refused.value.limit, refused.value.given) == ("days", 365, days)


def test_token_revoked_is_nobody(made, ben):
    actions.revoke_token(by=ben, token=made[0])
    assert actions.read_token(secret=made[1]) is None


def test_revoke_twice_is_refused(made, ben):
    actions.revoke_token(by=ben, token=made[0])
    with pytest.raises(Refused, match="already revoked"):
        actions.revoke_token(by=ben, token=made[0])


def test_revoke_anothers_token_is_forbidden(made, ada):
    with pytest.raises(Forbidden):
        actions.revoke_token(by=ada, token=made[0])
    assert actions.read_token(secret=made[1])


def test_token_of_a_person_who_was_disabled_is_nobody(made, ben):
    type(ben).objects.filter(pk=ben.pk).update(is_active=False)
    assert actions.read_token(secret=made[1]) is None


def test_use_is_noted_at_most_once_a_minute(made, django_assert_num_queries):
    token, secret = made
    actions.read_token(secret=secret)
    token.refresh_from_db()
    assert timezone.now() - token.last_used_at < timedelta(seconds=5)
    with django_assert_num_queries(1):
        actions.read_token(secret=secret)
    earlier = timezone.now() - USE_IS_NOTED_EVERY - timedelta(seconds=1)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=earlier)
    actions.read_token(secret=secret)
    token.refresh_from_db()
    assert token.last_used_at > earlier
