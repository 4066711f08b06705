"""`decide()` and `in_force()` in random situations, against each other and against the rule written once more."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from django.db import connection, reset_queries, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from agreements.models import Agreement, Signature
from release_portal.access.models import (
    AccessRequest,
    Finding,
    Grant,
    Purpose,
    RequestItem,
    Right,
    SizeRule,
    Suspension,
)
from release_portal.access.rule import decide
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize, Opening

from .. import factories
from ..patience import AT_LENGTH

pytestmark = pytest.mark.slow

EXAMPLES, EACH = 25 if AT_LENGTH else 2, 400  # 10,000 situations at length
SIZES = 6
TOKENS, SAMPLES, PURPOSE = 10, 2, Purpose.BIAS
compared = {"count": 0, "allowed": 0}


def span(dice: random.Random) -> tuple[int, int]:
    start = dice.choice([-2, -1, -1, -1, 0, 1])
    return start, start + dice.choice([1, 2, 3, 4])


def runs(start: int | None, end: int | None = None) -> bool:
    return start is not None and start <= 0 and (end is None or end > 0)


@dataclass
class Shelf:
    """One size as it stands: whom it is open to, what stops it, what comes before it. Offsets are days from now."""

    row: ModelSize
    audience: str | None
    stopped: tuple[int, int | None] | None
    days: int
    findings: int
    ruled_at: int


@dataclass
class Situation:
    """One organisation and its grant of one size."""

    shelf: Shelf
    partner: Partner
    admitted: int | None
    closed: int | None
    signed: bool
    agreed: tuple[int, int]
    agreement_ended: int | None
    right: str
    granted: tuple[int, int]
    ended: int | None
    quota: int
    used: int
    sample_quota: int | None
    purposes: list[str]
    waiver: str
    held_before: int
    findings: int
    stops: list[tuple[str, tuple[int, int | None]]] = field(default_factory=list)
    grant: Grant | None = None

    def holds(self, everything: bool) -> bool:
        """The rule, written a second time in plain Python."""
        shelf = self.shelf
        ruled = shelf.days + shelf.findings > 0 and shelf.ruled_at <= self.granted[0]
        return (
            runs(self.admitted, self.closed)
            and self.signed
            and runs(*self.agreed)
            and (self.agreement_ended is None or self.agreement_ended > 0)
            and shelf.audience not in (None, "closed")
            and runs(*self.granted)
            and (self.ended is None or self.ended > 0)
            and (not ruled or bool(self.waiver) or self.steps_done())
            and not everything
            and not (shelf.stopped and runs(*shelf.stopped))
            and not any(runs(*when) for _, when in self.stops)
            and self.used + TOKENS <= self.quota
            and (self.sample_quota is None or self.sample_quota >= SAMPLES)
            and PURPOSE in self.purposes
        )

    def steps_done(self) -> bool:
        return self.held_before >= self.shelf.days and self.findings >= self.shelf.findings


def drawn(dice: random.Random, shelf: Shelf, partner: Partner) -> Situation:
    mostly = lambda often, other: often if dice.random() < 0.94 else other  # noqa: E731
    return Situation(
        shelf=shelf,
        partner=partner,
        admitted=mostly(dice.choice([-3, -2, 0]), dice.choice([None, 1])),
        closed=mostly(None, dice.choice([-1, 0, 1])),
        signed=mostly(True, False),
        agreed=mostly((-2, 2), span(dice)),
        agreement_ended=mostly(None, dice.choice([-1, 0, 1])),
        right=Right.GENERATION,
        granted=mostly((dice.choice([-2, -1, 0]), dice.choice([1, 2])), span(dice)),
        ended=mostly(None, dice.choice([-1, 0, 1])),
        quota=20,
        used=mostly(dice.choice([0, 10]), dice.choice([11, 20])),
        sample_quota=mostly(None, dice.choice([1, 2])),
        purposes=mostly([Purpose.MISUSE, PURPOSE], [Purpose.MISUSE]),
        waiver=dice.choice(["", "", "Done elsewhere."]),
        held_before=dice.choice([0, 2, 3, 3]),
        findings=dice.choice([0, 1, 1, 2]),
        stops=[(dice.choice(["partner", "grant"]), span(dice))] if dice.random() < 0.15 else [],
    )


@pytest.fixture
def before(gpt2) -> ModelSize:
    return ModelSize.objects.create(family=gpt2, name="1M", parameters=10**6, context_tokens=64)


@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32))
def situations(no_other_grants, agreement_version, before, rita, seed):
    dice, now = random.Random(seed), timezone.now()
    reset_queries()  # Django keeps the last 9,000 queries and warns at one more
    with transaction.atomic():
        everything = dice.random() < 0.1
        rows = build(dice, now, before, agreement_version, rita, everything)
        expected = {row.grant.pk: row.holds(everything) for row in rows}
        wanted = {"tokens": TOKENS, "samples": SAMPLES, "purpose": PURPOSE}
        with CaptureQueriesContext(connection) as asked:
            found = set(Grant.objects.in_force(at=now, **wanted).filter(pk__in=expected).values_list("pk", flat=True))
        assert len(asked) == 1
        assert found == {pk for pk, holds in expected.items() if holds}
        for row in rows:
            with CaptureQueriesContext(connection) as asked:
                decision = decide(partner=row.partner, size=row.shelf.row, at=now, **wanted)
            assert len(asked) == 1
            assert decision.allowed == expected[row.grant.pk] == (not decision.missing), (row, decision.sentence)
        compared["count"] += len(rows)
        compared["allowed"] += len(found)
        transaction.set_rollback(True)


def test_decide_and_in_force_agree_in_every_situation(no_other_grants, agreement_version, before, rita):
    situations(no_other_grants, agreement_version, before, rita)
    assert compared["count"] >= EXAMPLES * EACH
    assert 0.05 < compared["allowed"] / compared["count"] < 0.9, "both answers are seen often"


def build(dice, now, before, version, by: User, everything: bool) -> list[Situation]:
    def on(offset: int | None) -> datetime | None:
        return None if offset is None else now + timedelta(days=offset)

    def stop(when, **subject) -> Suspension:
        level = next(iter(subject), "everything")
        began, lifted = on(when[0]), on(when[1])
        details = {"reason_code": "risk", "reason": "A test.", "by": by, "at": began, "begins_at": began}
        status = Suspension.Status.LIFTED
        lifting = {"lifted_at": lifted or now + timedelta(days=9), "lifted_by": by}
        return Suspension(level=level, status=status, **details, **lifting, **subject)

    shelves = [shelf_of(dice, on, before, number, by) for number in range(SIZES)]
    mark = uuid.uuid4().hex[:8]
    partners = [factories.PartnerFactory.build(slug=f"s-{mark}-{n}", applied_by=by, decided_by=by) for n in range(EACH)]
    rows = [drawn(dice, dice.choice(shelves), partner) for partner in partners]
    for row in rows:
        row.closed = None if row.admitted is None else row.closed
        row.partner.status = "declined" if row.admitted is None else "admitted" if row.closed is None else "closed"
        row.partner.admitted_at = on(row.admitted)
        row.partner.closed_at, row.partner.closed_by = on(row.closed), None if row.closed is None else by
    Partner.objects.bulk_create(partners)
    agreements = Agreement.objects.bulk_create(
        Agreement(
            partner=row.partner,
            version=version,
            starts_at=on(row.agreed[0]),
            ends_at=on(row.agreed[1]),
            ended_at=on(row.agreement_ended),
            ended_by=None if row.agreement_ended is None else by,
        )
        for row in rows
    )
    Signature.objects.bulk_create(
        factories.signature_of(agreement, by) for agreement, row in zip(agreements, rows, strict=True) if row.signed
    )
    items = [item_of(row.partner, row.shelf.row, by, now) for row in rows]
    earlier = [item_of(row.partner, before, by, now) for row in rows]
    AccessRequest.objects.bulk_create(item.request for item in [*items, *earlier])
    RequestItem.objects.bulk_create([*items, *earlier])
    for row, item in zip(rows, items, strict=True):
        row.grant = grant_of(row, item, by, on)
    past = [past_grant(row, item, by, now) for row, item in zip(rows, earlier, strict=True) if row.held_before]
    Grant.objects.bulk_create([*(row.grant for row in rows), *past])
    finding = {"size": before, "title": "A finding", "text": "Text.", "sent_by": by, "sent_at": now}
    accepted = {"accepted_by": by, "accepted_at": now}
    Finding.objects.bulk_create(
        Finding(partner=row.partner, **finding, **accepted) for row in rows for _ in range(row.findings)
    )
    subjects = [(when, {level: getattr(row, level)}) for row in rows for level, when in row.stops]
    stops = [stop(when, **subject) for when, subject in subjects]
    stops += [stop(shelf.stopped, size=shelf.row) for shelf in shelves if shelf.stopped]
    stops += [stop((-1, None))] if everything else []
    Suspension.objects.bulk_create(stops)
    return rows


def shelf_of(dice, on, before, number: int, by) -> Shelf:
    row = ModelSize.objects.create(
        family=before.family, name=f"{number + 2}M", parameters=(number + 2) * 10**6, context_tokens=64
    )
    audience = None
    for day in sorted(dice.sample([-4, -3, -1, 1], dice.choice([1, 1, 2]))):
        drawn_audience = dice.choice(["partner", "partner", "partner", "open", "closed"])
        Opening.objects.create(size=row, component="generation", audience=drawn_audience, at=on(day), reason="A test.")
        audience = drawn_audience if day <= 0 else audience
    stopped = span(dice) if dice.random() < 0.15 else None
    days, findings, ruled_at = dice.choice([0, 0, 2, 3]), dice.choice([0, 1]), dice.choice([-3, -1])
    if days + findings:
        SizeRule.objects.create(
            size=row, after_size=before, after_days=days, findings=findings, at=on(ruled_at), by=by, reason="A test."
        )
    return Shelf(row, audience, stopped, days, findings, ruled_at)


def item_of(partner: Partner, size: ModelSize, by: User, now: datetime) -> RequestItem:
    decided = {"decided_by": by, "decided_at": now}
    sent = {"submitted_by": by, "submitted_at": now, "promised_at": now, "created_by": by, "created_at": now}
    request = AccessRequest(partner=partner, status="decided", **decided, **sent)
    return RequestItem(request=request, partner=partner, size=size, right="generation", status="granted", **decided)


def grant_of(row: Situation, item: RequestItem, by: User, on) -> Grant:
    ended = {"status": "revoked", "ended_at": on(row.ended), "ended_by": by, "end_reason": "A test."}
    return Grant(
        partner=row.partner,
        size=row.shelf.row,
        right=row.right,
        request=item.request,
        item=item,
        starts_at=on(row.granted[0]),
        ends_at=on(row.granted[1]),
        token_quota=row.quota,
        tokens_used=row.used,
        sample_quota=row.sample_quota,
        purposes=row.purposes,
        waiver=row.waiver,
        granted_by=by,
        **(ended if row.ended is not None else {}),
    )


def past_grant(row: Situation, item: RequestItem, by: User, now: datetime) -> Grant:
    """As many days of the size before as the situation says, over long ago."""
    start = now - timedelta(days=100)
    over = start + timedelta(days=row.held_before)
    details = {"token_quota": 1, "granted_by": by, "status": "expired", "ended_at": over}
    same = {"partner": row.partner, "size": item.size, "request": item.request, "item": item}
    return Grant(**same, right="generation", starts_at=start, ends_at=over, **details)
