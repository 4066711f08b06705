"""Requests as time brings them to each organisation, with their reviews and the grants that follow."""

from datetime import UTC, datetime, time, timedelta

from release_portal.access.actions.requests import PROMISED, content_of
from release_portal.access.models import (
    AccessRequest,
    DeclineReason,
    Grant,
    Purpose,
    RequestItem,
    ReturnReason,
    Review,
    RevokeReason,
    Right,
    Submission,
    SuspendReason,
    Suspension,
)
from release_portal.access.terms import Terms
from release_portal.partners.models import User

from .events import tell_of
from .organisations import Home
from .phrases import REASONS, STUDIES, TEAMS
from .world import World

Status, Kind = AccessRequest.Status, AccessRequest.Kind
RECENT = timedelta(days=40)
USE = "We generated texts and read them; a report follows."
QUOTAS = (50_000, 200_000, 1_000_000, 5_000_000)
Key = tuple[int, str]


class Story:
    """What one organisation asked for so far, and the rows that tell it."""

    def __init__(self, world: World, home: Home) -> None:
        self.world, self.home, self.random = world, home, world.random
        self.requests: list[AccessRequest] = []
        self.items: list[RequestItem] = []
        self.grants: list[Grant] = []
        self.reviews: list[Review] = []
        self.suspensions: list[Suspension] = []
        self.follows: list[tuple[AccessRequest, AccessRequest]] = []
        self.replaces: list[tuple[RequestItem, Grant]] = []
        self.replaced: list[tuple[Grant, Grant]] = []
        self._held: dict[Key, Grant] = {}
        self._waiting: set[Key] = set()
        self._declined: tuple[AccessRequest, list[Key]] | None = None

    def ask(self, at: datetime) -> None:
        """One more request, sent at that time."""
        items = self._items()
        held = next((self._held[key] for key in items if key in self._held and self._held[key].ends_at > at), None)
        kind, followed = Kind.NEW, self._appealed(at)
        if held:
            kind = self.random.choice([Kind.RENEWAL, Kind.AMENDMENT])
            items = [(held.size_id, held.right)]
        elif followed:
            kind, items = Kind.APPEAL, followed[1]
        status = self._status(at, items)
        request = self._request(at, kind, status)
        if followed and kind == Kind.APPEAL:
            self.follows.append((request, followed[0]))
            self._declined = None
        rows = [self._item(request, key) for key in items]
        if held:
            self.replaces.append((rows[0], held))
        self._end(request, rows, held)

    def settle(self) -> None:
        """What became of the grants until now."""
        over = [old for old, _ in self.replaced]
        for grant in self.grants:
            if grant in over:
                continue
            chance = self.random.random()
            if grant.ends_at <= self.world.at:
                grant.status, grant.ended_at = Grant.Status.EXPIRED, grant.ends_at
                grant.end_reason = "Its time was over."
            elif chance < 0.05:
                grant.status, grant.ended_at = Grant.Status.REVOKED, self.world.between(grant.starts_at, self.world.at)
                grant.ended_by, grant.end_code = grant.granted_by, self.random.choice(RevokeReason.values)
                grant.end_reason = self.random.choice(REASONS)
            elif chance < 0.1:
                grant.status = Grant.Status.SUSPENDED
                self.suspensions.append(self._suspension(grant))

    def _appealed(self, at: datetime) -> tuple[AccessRequest, list[Key]] | None:
        """The last request that had something declined before that time, now and then."""
        last = self._declined
        decided = last and last[0].kind != Kind.APPEAL and last[0].decided_at
        return last if decided and decided < at and self.random.random() < 0.3 else None

    def _items(self) -> list[Key]:
        """Sizes and rights, smaller sizes more often."""
        sizes = self.world.sizes
        chosen = {min(self.random.randrange(len(sizes)), self.random.randrange(len(sizes))) for _ in range(2)}
        return [(sizes[index].pk, Right.GENERATION) for index in sorted(chosen)]

    def _status(self, at: datetime, items: list[Key]) -> str:
        free = not self._waiting.intersection(items)
        if at > self.world.at - RECENT:
            names, weights = [Status.SUBMITTED, Status.DRAFT, Status.RETURNED, Status.DECIDED], [50 * free, 12, 13, 25]
        else:
            names, weights = [Status.DECIDED, Status.WITHDRAWN, Status.RETURNED], [86, 9, 5]
        return self.random.choices(names, weights)[0]

    def _request(self, at: datetime, kind: str, status: str) -> AccessRequest:
        random, home = self.random, self.home
        request = AccessRequest(
            partner=home.partner,
            kind=kind,
            purposes=sorted(random.sample(Purpose.values, random.randint(1, 3))),
            purpose=random.choice(STUDIES),
            team=random.choice(TEAMS),
            ethics_reference=random.choice(["", f"2026/{random.randint(10, 999)}"]),
            until_wanted=(at + timedelta(days=random.randint(90, 365))).date(),
            use_summary=USE if kind in (Kind.RENEWAL, Kind.AMENDMENT) else "",
            grounds="The smaller size was not enough for our readers." if kind == Kind.APPEAL else "",
            status=status,
            created_by=home.investigator,
            created_at=at,
        )
        if status != Status.DRAFT:
            request.submitted_by, request.submitted_at, request.revision = home.investigator, at, 1
            request.promised_at = at + PROMISED
        if status == Status.SUBMITTED and random.random() < 0.1:
            request.claimed_by = random.choice(self.world.reviewers)
            request.claimed_until = self.world.at + timedelta(minutes=20)
        if status == Status.RETURNED:
            request.returned_by = random.choice(self.world.reviewers)
            request.returned_at = self.world.between(at, min(at + PROMISED, self.world.at))
            request.return_code, request.return_reason = random.choice(ReturnReason.values), random.choice(REASONS)
            request.revision = 2
        self.requests.append(request)
        return request

    def _item(self, request: AccessRequest, key: Key) -> RequestItem:
        size, right = key
        item = RequestItem(
            request=request,
            partner=self.home.partner,
            size=next(one for one in self.world.sizes if one.pk == size),
            right=right,
            tokens_wanted=self.random.choice(QUOTAS) if Right(right).is_metered else 0,
        )
        self.items.append(item)
        return item

    def _end(self, request: AccessRequest, items: list[RequestItem], held: Grant | None) -> None:
        """What became of the request."""
        if request.status == Status.WITHDRAWN:
            for item in items:
                item.status = RequestItem.Status.DROPPED
        elif request.status == Status.SUBMITTED:
            for item in items:
                item.status = RequestItem.Status.WAITING
                self._waiting.add((item.size_id, item.right))
                if item.size_id in self.world.for_two and self.random.random() < 0.5:
                    reviewer = self.random.choice(self.world.reviewers)
                    self._review(item, self.world.at, reviewer, self._terms(item, self.world.at))
        elif request.status == Status.DECIDED and request.submitted_at:
            at = self.world.between(request.submitted_at, min(request.submitted_at + 1.4 * PROMISED, self.world.at))
            request.decided_by, request.decided_at = self.random.choice(self.world.reviewers), at
            request.revision = 2
            declined = [(item.size_id, item.right) for item in items if not self._decide(item, at, held)]
            if declined:
                self._declined = (request, declined)

    def _decide(self, item: RequestItem, at: datetime, held: Grant | None) -> bool:
        grants = self.random.random() < 0.72
        old = self._held.get((item.size_id, item.right))
        if old and old.ends_at > at and (old is not held or old.starts_at >= at):
            grants = False
        item.decided_by, item.decided_at = item.request.decided_by, at
        if not grants:
            item.status = RequestItem.Status.DECLINED
            item.reason_code, item.reason = self.random.choice(DeclineReason.values), self.random.choice(REASONS)
            self._review(item, at, item.decided_by, None)
            return False
        item.status, terms = RequestItem.Status.GRANTED, self._terms(item, at)
        if item.size_id in self.world.for_two:
            others = [one for one in self.world.reviewers if one != item.decided_by]
            self._review(item, at, self.random.choice(others), terms)
        self._review(item, at, item.decided_by, terms)
        self._give(item, terms, at, old if old and old.ends_at > at else None)
        return True

    def _terms(self, item: RequestItem, at: datetime) -> Terms:
        """What was asked, or half of its tokens."""
        asked = item.request
        ends = max(asked.until_wanted or at.date(), at.date() + timedelta(days=30))
        quota = item.tokens_wanted // self.random.choice([1, 1, 2])
        reason = "Half of it first; the rest once findings are in." if quota < item.tokens_wanted else ""
        return Terms(ends, quota, purposes=tuple(asked.purposes), reduction_reason=reason)

    def _review(self, item: RequestItem, at: datetime, reviewer: User | None, terms: Terms | None) -> None:
        review = Review(
            item=item,
            reviewer=reviewer,
            verdict=Review.Verdict.APPROVE if terms else Review.Verdict.DECLINE,
            terms=terms.to_json() if terms else None,
            reason_code=item.reason_code,
            reason=item.reason,
            at=at,
        )
        self.reviews.append(review)

    def _give(self, item: RequestItem, terms: Terms, at: datetime, old: Grant | None) -> None:
        grant = Grant(
            partner=self.home.partner,
            size=item.size,
            right=item.right,
            request=item.request,
            item=item,
            starts_at=at,
            ends_at=datetime.combine(terms.ends_on + timedelta(days=1), time.min, tzinfo=UTC),
            token_quota=terms.token_quota,
            purposes=list(terms.purposes),
            reduction_reason=terms.reduction_reason,
            granted_by=item.decided_by,
        )
        if old:
            old.status, old.ended_at, old.end_reason = Grant.Status.REPLACED, at, "Another took its place."
            self.replaced.append((old, grant))
        self._held[(item.size_id, item.right)] = grant
        self.grants.append(grant)

    def _suspension(self, grant: Grant) -> Suspension:
        began = self.world.between(max(grant.starts_at, self.world.at - RECENT), self.world.at)
        return Suspension(
            level=Suspension.Level.GRANT,
            grant=grant,
            status=Suspension.Status.ACTIVE,
            reason_code=self.random.choice(SuspendReason.values),
            reason="Texts of this grant were found in a public forum.",
            by=self.random.choice(self.world.reviewers),
            at=began,
            begins_at=began,
        )


def fill_requests(world: World, homes: list[Home], number: int) -> list[Grant]:
    """Requests spread over the organisations and their time; returns the grants."""
    stories = [Story(world, home) for home in homes]
    chosen = world.random.choices(range(len(stories)), k=number)
    for at, index in sorted((world.between(stories[index].home.since, world.at), index) for index in chosen):
        stories[index].ask(at)
    for story in stories:
        story.settle()
    _write(world, stories)
    for story in stories:
        tell_of(world, story.home, story.requests, story.items, story.grants, story.suspensions)
    world.tell(f"requests: {number:,}")
    return [grant for story in stories for grant in story.grants]


def _write(world: World, stories: list[Story]) -> None:
    """Rows first, then the links among rows of one kind."""
    for rows in ("requests", "items", "grants", "reviews", "suspensions"):
        world.add([row for story in stories for row in getattr(story, rows)])
    for story in stories:
        for request, followed in story.follows:
            request.previous = followed
        for item, held in story.replaces:
            item.replaces = held
        for old, new in story.replaced:
            old.replaced_by = new
    AccessRequest.objects.bulk_update([one for story in stories for one, _ in story.follows], ["previous"], 500)
    RequestItem.objects.bulk_update([one for story in stories for one, _ in story.replaces], ["replaces"], 500)
    Grant.objects.bulk_update([one for story in stories for one, _ in story.replaced], ["replaced_by"], 500)
    world.add(
        [
            Submission(request=one, number=1, content=content_of(request=one), by=one.submitted_by, at=one.submitted_at)
            for story in stories
            for one in story.requests
            if one.submitted_at
        ]
    )
