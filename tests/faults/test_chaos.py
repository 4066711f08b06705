"""Faults in a seeded order under a steady load; afterwards the books of every job are read.

The short form meets the nemeses that have no test of their own. `make faults` meets all of them until a thousand jobs
have ended, and measures how fast texts come before each fault and after it.
"""

import os
import random
import signal
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import Grant
from release_portal.audit.models import Event
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Completion, Job, Share, WorkOrder
from release_portal.partners.models import User

from ..live import Portal
from ..patience import AT_LENGTH, PATIENCE, assert_within, until, within
from . import deadly, nemeses

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("FAULTS_SEED", "2019"))
JOBS = 1_000 if AT_LENGTH else 0
WAITING_JOBS = 6
"""The load: as many jobs are always there."""
RECOVERED_WITHIN = 35  # seconds until texts come again
WINDOW = 4.0  # seconds over which a rate is measured
WINDOWS = 5
BACK_WITHIN = 60  # seconds until a window is as fast as before
STOPPED_WITHIN = 2  # seconds from a revocation until nothing of it runs


def steadfast(call: Callable[[], Any]) -> Any:
    """Ask again while the database is away: what was refused for that is not accepted yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Load:
    """Jobs of a few texts, submitted as fast as they end; the client sends the same again until it is taken."""

    def __init__(self, new_grant: Callable[[], Grant], reviewer: User, seed: int) -> None:
        self._new_grant = new_grant
        self._reviewer = reviewer
        self._grant = new_grant()
        self._random = random.Random(seed)
        self.accepted: list[uuid.UUID] = []

    def keep_up(self) -> None:
        """Submit until as many jobs are there as always are."""
        while steadfast(lambda: Job.objects.live().filter(pk__in=self.accepted[-200:]).count()) < WAITING_JOBS:
            self.submit([f"Prompt {number}" for number in range(self._random.randint(2, 40))])

    def submit(self, prompts: list[str]) -> Job:
        """Have a job of these prompts accepted."""
        partner = self._grant.partner
        details = {"by": partner.applied_by, "partner": partner, "size": self._grant.size, "seed": 5}
        details |= {"max_new_tokens": self._random.choice([8, 16, 24]), "idempotency_key": uuid.uuid4().hex}
        job = steadfast(lambda: jobs.submit(prompts=prompts, **details))
        self.accepted.append(job.pk)
        return job

    def revoke_grant(self, portal: Portal) -> None:
        """In the middle of it: all that runs under the grant stops, and the load goes on under another."""
        assert_within(within(STOPPED_WITHIN), self._seconds_to_revoke_grant)

    def _seconds_to_revoke_grant(self) -> float:
        while not Completion.objects.unfinished().filter(job__grant=self._grant, order__isnull=False).exists():
            self.keep_up()
        details = {"reason_code": "misuse", "reason": "The study ended early."}
        access.revoke_grant(by=self._reviewer, grant=self._grant, **details)
        began, left = time.monotonic(), Job.objects.live().filter(grant=self._grant)
        until(lambda: not left.exists(), what="what ran under the grant to stop")
        seconds = time.monotonic() - began
        self._grant = self._new_grant()
        return seconds

    def submit_poison(self, portal: Portal) -> None:
        """A prompt that kills the worker that takes it, in whose place another comes each time."""
        portal.kill("generate", signal.SIGTERM)
        portal.start("generate", worker="tests.faults.deadly")
        job = self.submit(["Prompt", f"Prompt{deadly.WORD}"] + ["Prompt"] * 20)
        deadline = time.monotonic() + 2 * PATIENCE
        while Job.objects.live().filter(pk=job.pk).exists():
            assert time.monotonic() < deadline, "the deadly prompt is not given up"
            self.keep_up()
            time.sleep(0.1)
        portal.kill("generate", signal.SIGTERM)
        portal.start("generate")

    def tokens_in(self, seconds: float) -> int:
        """Tokens of the texts that were stored in the last seconds."""
        since = timezone.now() - timedelta(seconds=seconds)
        texts = Completion.objects.filter(job__in=self.accepted[-300:], finished_at__gt=since)
        return steadfast(lambda: texts.aggregate(tokens=Sum("tokens"))["tokens"] or 0)

    def go_on(self, seconds: float) -> float:
        """Keep up for so long; returns the tokens per second meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.keep_up()
            time.sleep(0.2)
        return self.tokens_in(seconds) / seconds

    def usual_rate(self) -> float:
        """Tokens per second of the middle one of some windows: they differ by half, as the jobs in them do."""
        return statistics.median(self.go_on(WINDOW) for _ in range(WINDOWS))


@pytest.fixture
def load(portal, grant_of, rita_of_the_lab) -> Load:
    load = Load(lambda: grant_of("124M"), rita_of_the_lab, SEED)
    load.go_on(8)
    return load


def seconds_until_texts_come(load: Load) -> float:
    """From now until a text is stored that was not there."""
    began = time.monotonic()
    since = timezone.now()
    while not steadfast(
        lambda: Completion.objects.filter(job__in=load.accepted[-300:], finished_at__gt=since).exists()
    ):
        assert time.monotonic() - began < within(RECOVERED_WITHIN), "no text comes any more"
        load.keep_up()
        time.sleep(0.1)
    return time.monotonic() - began


def seconds_until_as_fast(load: Load, rate: float) -> float:
    """From now until a window is as fast as before, and what was begun and not ended has been tried again."""
    began = time.monotonic()
    while load.go_on(WINDOW if rate else 0.5) < 0.95 * rate or steadfast(tried_before(load).exists):
        assert time.monotonic() - began < within(BACK_WITHIN), f"it never came back to {rate:.0f} tokens/s"
    return time.monotonic() - began


def tried_before(load: Load) -> Any:
    return Completion.objects.unfinished().filter(job__in=load.accepted, attempts__gt=0)


def test_no_fault_loses_or_doubles_anything(portal: Portal, load: Load, capsys: pytest.CaptureFixture[str]):
    order = random.Random(SEED)

    def tell(sentence: str) -> None:
        with capsys.disabled():
            print(f"\n  {sentence}", end="", flush=True)

    tell(f"seed {SEED}")
    faults = (*(nemeses.ALL if AT_LENGTH else nemeses.IN_SHORT), load.revoke_grant, load.submit_poison)
    met = 0
    while met < len(faults) or len(load.accepted) < JOBS:
        for nemesis in order.sample(faults, len(faults)):
            rate = load.usual_rate() if AT_LENGTH else 0.0
            nemesis(portal)
            tell(f"{nemesis.__name__}: texts after {seconds_until_texts_come(load):.1f} s")
            fast = seconds_until_as_fast(load, rate)
            if AT_LENGTH:
                tell(f"    {rate:.0f} tokens/s as before after {fast:.1f} s")
            met += 1
    the_end_of_all(load)
    assert_books(load)
    tell(f"{met} faults, {len(load.accepted):,} jobs, each ended once; one text a sequence; each charged once\n")


def the_end_of_all(load: Load) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while live := steadfast(lambda: Job.objects.live().filter(pk__in=load.accepted).count()):
        assert time.monotonic() < deadline, f"{live} jobs never ended"
        time.sleep(0.5)


def assert_books(load: Load) -> None:
    """Every accepted job ended once, one text per sequence, each charged once, nothing left in anybody's hands.

    Only what was revoked stopped early, and nothing of it came afterwards; only deadly prompts were given up.
    """
    ended = Job.objects.filter(pk__in=load.accepted)
    assert ended.count() == len(load.accepted)
    revoked = Q(grant__status=Grant.Status.REVOKED)
    assert set(ended.exclude(revoked).values_list("status", flat=True)) == {"finished"}
    assert set(ended.filter(revoked).values_list("status", flat=True)) <= {"finished", "stopped"}
    texts = Completion.objects.filter(job__in=ended)
    assert not texts.filter(finished_at__isnull=True).exclude(job__status="stopped").exists()
    assert not texts.filter(finished_at__gt=F("job__ended_at")).exists()
    assert not texts.filter(text=nemeses.FORGED).exists()
    given_up = texts.filter(finish_reason="failed")
    assert set(given_up) == set(texts.filter(prompt__text__contains=deadly.WORD))
    delivered = Q(completions__finish_reason__in=["stop", "length"])
    for job in ended.annotate(
        rows=Count("completions"), texts=Count("completions", delivered), tokens=Sum("completions__tokens")
    ):
        assert (job.rows, job.texts, job.tokens or 0) == (
            job.sequences,
            job.texts_done - job.texts_refused,
            job.tokens_done,
        )
        assert Event.objects.about(job).filter(kind__in=["job.finished", "job.stopped"]).count() == 1
    for grant in Grant.objects.filter(jobs__in=ended).distinct():
        used = Job.objects.filter(grant=grant).aggregate(
            tokens=Sum("tokens_done"), texts=Sum("texts_done") - Sum("texts_refused")
        )
        grant.refresh_from_db()
        assert (grant.tokens_used, grant.tokens_reserved) == (used["tokens"], 0)
        assert (grant.samples_used, grant.samples_reserved) == (used["texts"], 0)
    assert not WorkOrder.objects.out().filter(completions__job__in=ended).exists()
    assert set(Share.objects.filter(partner__job__in=ended).values_list("handed_out", flat=True)) == {0}
