"""Whose turn it is: shares of the tokens over time, worked through by the verbs on a clock of the test's own."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from inference import contract
from release_portal.access.models import Grant
from release_portal.jobs import actions
from release_portal.jobs.models import Job, Share, WorkOrder

from .. import factories
from ..patience import AT_LENGTH

pytestmark = pytest.mark.slow
TOKENS_PER_SECOND = 200


@pytest.fixture
def organisations(quiet, size_124m, settings):
    """Five of them, each with a grant of 124M that is never used up."""
    settings.ORDER_SEQUENCES = 64
    grants = []
    for _ in range(5):
        agreement = factories.AgreementFactory(signed=True)
        grants.append(factories.GrantFactory(partner=agreement.partner, size=size_124m, token_quota=10**9))
        user = agreement.partner.applied_by
        factories.MembershipFactory(user=user, partner=agreement.partner, roles=["researcher"])
    return [grant.partner for grant in grants]


def submit(partner, texts, longest):
    """A job, named by its place among the organisation's."""
    grant, name = Grant.objects.get(partner=partner), str(Job.objects.filter(partner=partner).count())
    details = {"by": partner.applied_by, "partner": partner, "size": grant.size, "max_new_tokens": longest, "seed": 1}
    details["name"] = name
    job = actions.submit(prompts=["x"] * texts, **details)
    connection.check_constraints()  # as at a commit; at the end of the test it would take minutes
    return job


def length_of(text, seed):
    """How long a text becomes: drawn for the text itself, so that it is the same in whatever order texts are read."""
    job = text.job
    return random.Random(f"{seed} {job.max_new_tokens} {job.name} {text.index}").randint(1, job.max_new_tokens)


def work(seconds, at, seed):
    """One worker carries out orders for so long, or until none is left; returns tokens by organisation, and when."""
    used, until = Counter(), at + timedelta(seconds=seconds)
    while at < until:
        factories.beat(at=at)
        actions.dispatch(by=None, at=at)
        order = WorkOrder.objects.out().order_by("handed_out_at", "pk").first()
        if order is None:
            break
        texts = []
        for text in order.completions.unfinished().select_related("job"):
            tokens = length_of(text, seed)
            used[text.job.partner_id] += tokens
            texts.append(contract.Text(str(text.pk), "x", 1, tokens, "stop"))
        at += timedelta(seconds=sum(text.tokens for text in texts) / TOKENS_PER_SECOND)
        report = contract.Report(str(order.pk), order.token, "worker-1", texts=tuple(texts), ended=True)
        actions.receive_report(by=None, report=report, at=at)
        connection.check_constraints()
    return used, at


def shares_of(used):
    return [used[key] / used.total() for key in sorted(used)]


def test_five_organisations_of_equal_weight_get_equal_shares(organisations):
    """Whatever their jobs are like: few long texts or many short ones, in one job or in several."""
    minutes = 10 if AT_LENGTH else 6
    for partner, (jobs, texts, longest) in zip(
        organisations, [(1, 500, 16), (1, 200, 64), (3, 60, 128), (1, 60, 256), (10, 30, 32)], strict=True
    ):
        for _ in range(jobs):
            submit(partner, texts * minutes, longest)
    used, _ = work(60 * minutes, timezone.now(), 1)
    assert used.total() > 60 * minutes * TOKENS_PER_SECOND
    for share in shares_of(used):
        assert abs(share - 0.2) <= 0.2 * 0.05, shares_of(used)


def test_organisation_that_weighs_twice_gets_twice_as_much(organisations):
    heavy, *others = organisations[:3]
    for partner in organisations[:3]:
        submit(partner, 3_000, 64)
    Share.objects.filter(partner=heavy).update(weight=2)
    used, _ = work(240, timezone.now(), 2)
    assert used[heavy.pk] / used.total() == pytest.approx(0.5, rel=0.05)
    for partner in others:
        assert used[partner.pk] / used.total() == pytest.approx(0.25, rel=0.05)


def test_one_who_was_away_neither_owes_nor_is_owed(organisations):
    """The first works alone for a minute, then the second for a minute; from then on they are level."""
    first, second = organisations[:2]
    alone = submit(first, 5_000, 64)
    _, at = work(60, timezone.now(), 3)
    actions.cancel(by=first.applied_by, job=alone)
    submit(second, 5_000, 64)
    _, at = work(60, at, 3)
    submit(first, 5_000, 64)
    used, _ = work(120, at, 3)
    assert used[first.pk] / used.total() == pytest.approx(0.5, abs=0.05)


def test_places_are_settled_once_all_is_done(organisations, grant):
    for partner in organisations:
        submit(partner, 40, 16)
    at = timezone.now()
    while Job.objects.live().exists():
        _, at = work(1, at, 4)
    assert set(Share.objects.filter(partner__in=organisations).values_list("handed_out", flat=True)) == {0}
    for partner in organisations:
        used = sum(Job.objects.filter(partner=partner).values_list("tokens_done", flat=True))
        assert Grant.objects.get(partner=partner).tokens_used == used > 0
