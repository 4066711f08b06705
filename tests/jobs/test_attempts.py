"""What is given up: workers that die, with whatever they have in hand, on a clock of the test's own."""

import random
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from inference.contract import Report, Text
from inference.tracker import OrderTracker
from release_portal.jobs import actions
from release_portal.jobs.models import Completion, Job

from .. import factories
from ..patience import AT_LENGTH

DEADLY = " (deadly)"
pytestmark = pytest.mark.slow


def work_until_it_dies(orders, at, chance):
    """A worker begins what its tracker lets it and ends it in any order; it dies of an order that has a deadly text."""
    tracker = OrderTracker(engine=None, worker="worker-1", send=None)
    in_hand = [tracker.take(order) for order in orders]

    def tell(held, **fields):
        report = Report(held.order.id, held.order.token, "worker-1", **fields)
        actions.receive_report(by=None, report=report, at=at)

    while in_hand:
        begun = [held for held in in_hand if held.begun]
        ready = [held for held in in_hand if not held.begun and tracker._may_begin(held)]
        if ready and (not begun or chance.random() < 0.5):
            held = chance.choice(ready)
            held.begun = True
            tell(held)
            continue
        held = chance.choice(begun)
        if any(DEADLY in sequence.prompt for sequence in held.order.sequences):
            for other in in_hand:
                tell(other, waiting=not other.begun)
            return
        tell(held, texts=tuple(Text(one.key, "x", 1, 1, "stop") for one in held.order.sequences), ended=True)
        tracker._forget(held)
        in_hand.remove(held)


@pytest.mark.parametrize("seed", range(8 if AT_LENGTH else 2))
def test_only_what_brings_workers_down_is_given_up(submit, wire, seed):
    """Jobs in both queues, several deadly texts, a worker started again after each death."""
    chance = random.Random(seed)
    for texts in (3, 16, 30):
        prompts = [f"Prompt {number}" for number in range(texts)]
        prompts[chance.randrange(texts)] += DEADLY
        submit(prompts)
    at = timezone.now()
    while Job.objects.live().exists():
        at += timedelta(seconds=settings.LEASE_SECONDS + 1)
        factories.beat(at=at)
        with wire:
            actions.dispatch(by=None, at=at)
        work_until_it_dies(chance.sample(wire.orders, len(wire.orders)), at, chance)
    given_up = Completion.objects.filter(finish_reason="failed")
    assert set(given_up) == set(Completion.objects.filter(prompt__text__endswith=DEADLY))
    assert Completion.objects.unfinished().count() == 0
