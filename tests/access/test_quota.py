import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from release_portal.access.actions import reserve, revoke_grant, settle
from release_portal.access.models import Grant
from release_portal.lib.states import Refused

from .. import factories


def ledger(grant) -> tuple[int, int, int]:
    grant.refresh_from_db()
    return grant.tokens_used, grant.tokens_reserved, grant.tokens_left


def test_reserve_sets_tokens_aside(grant):
    reserve(grant=grant, tokens=30_000)
    assert ledger(grant) == (0, 30_000, 70_000)


def test_settle_charges_what_was_generated_and_gives_back_the_rest(grant):
    reserve(grant=grant, tokens=30_000)
    settle(grant=grant, reserved=30_000, used=12_345)
    assert ledger(grant) == (12_345, 0, 87_655)


def test_reserve_takes_the_quota_to_the_last_token(grant):
    reserve(grant=grant, tokens=100_000)
    assert ledger(grant) == (0, 100_000, 0)
    with pytest.raises(Refused, match="This needs up to 1 tokens and 0 are left of the 100,000"):
        reserve(grant=grant, tokens=1)


def test_reserve_more_than_is_left_changes_nothing_and_says_how_much_is(grant):
    settle(grant=grant, reserved=0, used=60_000)
    with pytest.raises(Refused) as refused:
        reserve(grant=grant, tokens=40_001)
    assert refused.value.sentence == (
        "This needs up to 40,001 tokens and 40,000 are left of the 100,000 granted for GPT-2 124M."
    )
    assert (refused.value.field, refused.value.limit, refused.value.given) == ("quota", 40_000, 40_001)
    assert ledger(grant) == (60_000, 0, 40_000)


def test_reserve_decides_by_the_row_and_not_by_a_stale_copy(grant):
    stale = Grant.objects.select_related("size__family").get(pk=grant.pk)
    reserve(grant=grant, tokens=100_000)
    with pytest.raises(Refused, match="0 are left"):
        reserve(grant=stale, tokens=1)


def test_reserve_of_a_revoked_grant_is_refused(grant, mara):
    revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    with pytest.raises(Refused):
        reserve(grant=grant, tokens=1)


@pytest.mark.parametrize("wrong", [{"tokens_used": -1}, {"tokens_reserved": -1}, {"tokens_used": 100_001}])
def test_database_keeps_the_quota(grant, wrong):
    with pytest.raises(IntegrityError, match="quota_is_kept"), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(**wrong)


def test_grant_without_a_quota_is_refused_by_the_database(db):
    with pytest.raises(IntegrityError, match="quota_is_kept"), transaction.atomic():
        factories.GrantFactory(token_quota=0)


@given(st.lists(st.tuples(st.integers(1, 60_000), st.floats(0, 1)), max_size=6))
def test_ledger_adds_up_whatever_is_asked_for(grant, jobs):
    """Each job asks for some tokens and generates a share of them; every other one is still running at the end."""
    used = reserved = 0
    with transaction.atomic():
        for number, (tokens, share) in enumerate(jobs):
            fits = tokens <= 100_000 - used - reserved
            try:
                reserve(grant=grant, tokens=tokens)
            except Refused:
                assert not fits
                continue
            assert fits
            if number % 2:
                reserved += tokens
            else:
                used += int(tokens * share)
                settle(grant=grant, reserved=tokens, used=int(tokens * share))
        assert ledger(grant) == (used, reserved, 100_000 - used - reserved)
        transaction.set_rollback(True)
