"""The one access rule, asked in its two ways: `decide()` for one person and size, `in_force()` for a list of grants."""

from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.access import actions
from release_portal.access.models import Grant, Right
from release_portal.access.models.vocabulary import Behaviour
from release_portal.access.rule import decide
from release_portal.partners import actions as partners
from release_portal.partners.models import Membership

from .. import factories


def ask(grant_or_partner, size=None, **more):
    partner = getattr(grant_or_partner, "partner", grant_or_partner)
    return decide(partner=partner, size=size or grant_or_partner.size, at=more.pop("at", timezone.now()), **more)


def codes(decision) -> list[str]:
    return [missing.code for missing in decision.missing]


def test_decide_allows_with_the_grant_that_allows_it(grant, ben):
    decision = ask(grant, user=ben, tokens=100_000)
    assert (decision.allowed, decision.grant, decision.missing) == (True, grant, ())
    assert (decision.grant.tokens_left, decision.sentence) == (100_000, "")


def test_decide_takes_one_query(grant, ben, django_assert_num_queries):
    with django_assert_num_queries(1):
        ask(grant, user=ben, tokens=10)
    Grant.objects.filter(pk=grant.pk).update(status="revoked", ended_at=timezone.now(), end_reason="A key was shared.")
    with django_assert_num_queries(1):
        assert ask(grant, user=ben).sentence


def test_right_that_nobody_wired_is_refused_and_never_taken_for_generation(grant, monkeypatch):
    at = timezone.now()
    assert Grant.objects.in_force(at=at).filter(pk=grant.pk).exists()
    monkeypatch.setattr(Right.GENERATION, "behaviour", Behaviour())
    assert not Grant.objects.in_force(at=at).filter(pk=grant.pk).exists()


def test_decide_tells_everything_that_is_missing_at_once(applied, cleo, size_124m):
    decision = ask(applied, size_124m, user=cleo)
    assert codes(decision) == ["member", "admitted", "agreed", "granted"]
    assert [missing.who for missing in decision.missing] == [
        "an owner",
        "the lab",
        "a signatory of University of Northlake",
        "an investigator of University of Northlake",
    ]
    assert decision.sentence == " ".join(missing.sentence for missing in decision.missing)
    assert all(missing.url.startswith("/organisations/university-of-northlake/") for missing in decision.missing)


def test_decide_before_admission(applied, size_124m):
    assert "University of Northlake is not admitted yet." in ask(applied, size_124m).sentence


def test_decide_before_signing(admitted, size_124m):
    decision = ask(admitted, size_124m)
    assert codes(decision) == ["agreed", "granted"]
    assert decision.missing[0].sentence == "University of Northlake has no model-sharing agreement in force."
    assert decision.missing[0].url.endswith("/agreement/")


def test_decide_before_a_grant(northlake, size_124m):
    decision = ask(northlake, size_124m)
    assert codes(decision) == ["granted"]
    assert decision.grant is None
    assert decision.sentence == "GPT-2 124M has not been granted to University of Northlake."


def test_decide_for_another_size(grant, size_355m):
    assert codes(ask(grant, size_355m)) == ["granted"]


def test_decide_for_another_organisation(grant, southbank):
    assert codes(ask(southbank, grant.size)) == ["granted"]


def test_decide_after_the_agreement_ended(grant, ada):
    grant.partner.agreements.update(ended_at=timezone.now(), ended_by=ada)
    assert codes(ask(grant)) == ["agreed"]


def test_decide_after_the_organisation_closed(grant, ada):
    partners.close(by=ada, partner=grant.partner)
    decision = ask(grant)
    assert codes(decision) == ["admitted"]
    assert "closed by Ada Lowell" in decision.sentence


def test_decide_after_the_grant_was_revoked_says_when_and_why(grant, mara):
    actions.revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    decision = ask(grant)
    assert codes(decision) == ["not_ended"]
    assert decision.sentence == f"The grant of GPT-2 124M was revoked on {timezone.now():%-d %B %Y}: A key was shared."


@pytest.mark.parametrize("written", [False, True])
def test_decide_after_the_grant_ended(grant, written):
    """From the moment that its time is over, whether or not the clock has written it."""
    factories.with_terms(grant, ends_at=grant.starts_at + timedelta(days=30))  # well within the agreement's year
    if written:
        actions.expire_grants(by=None, at=grant.ends_at)
    assert ask(grant, at=grant.ends_at - timedelta(seconds=1)).allowed
    decision = ask(grant, at=grant.ends_at)
    assert codes(decision) == ["not_over"]
    assert "The grant of GPT-2 124M ended on" in decision.sentence


def test_decide_before_the_grant_begins(grant):
    early = grant.starts_at - timedelta(hours=1)
    assert "begun" in codes(ask(grant, at=early))


def test_decide_when_the_quota_is_too_small_says_how_much_is_left(grant, ben):
    actions.reserve(grant=grant, tokens=99_000)
    assert ask(grant, tokens=1_000).allowed
    decision = ask(grant, tokens=1_001)
    assert codes(decision) == ["quota"]
    assert decision.sentence == (
        "This needs up to 1,001 tokens and 1,000 are left of the 100,000 granted for GPT-2 124M."
    )


def test_decide_for_a_person_without_a_role_that_submits(grant, ada, ben, cleo, rita):
    viewer = factories.UserFactory()
    factories.MembershipFactory(user=viewer, partner=grant.partner, roles=["viewer", "signatory", "owner"])
    assert ask(grant, user=ada).allowed
    for person in (viewer, cleo, rita):
        assert codes(ask(grant, user=person)) == ["member"]
    Membership.objects.filter(user=ben).update(ended_at=timezone.now(), ended_by=ada)
    assert codes(ask(grant, user=ben)) == ["member"]


def test_decide_prefers_the_active_grant_to_a_later_one_that_ended(grant):
    later = timezone.now() + timedelta(minutes=1)
    factories.GrantFactory(
        partner=grant.partner, size=grant.size, starts_at=later, status=Grant.Status.REVOKED, ended_at=later
    )
    assert ask(grant).grant == grant
