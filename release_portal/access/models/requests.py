"""AccessRequest and its items."""

from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorExact
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from release_portal.lib.states import Stateful, all_or_none
from release_portal.partners.conflicts import Authorship, partners_of
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

from .vocabulary import DeclineReason, Purpose, ReturnReason, Right

WORDS = "simple"  # PostgreSQL's text search that takes words as they are, in whatever language
STUDY = SearchVector("purpose", config=WORDS)


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def awaiting_review(self) -> "AccessRequestQuerySet":
        return self.filter(status=AccessRequest.Status.SUBMITTED).order_by("submitted_at", "id")

    def sent(self) -> "AccessRequestQuerySet":
        """Those that were submitted once: what reviewers see."""
        return self.filter(submitted_at__isnull=False)

    def open(self) -> "AccessRequestQuerySet":
        """Those that still can lead to a decision, drafts included."""
        return self.filter(status__in=AccessRequest.OPEN)

    def about(self, word: str) -> "AccessRequestQuerySet":
        """Those whose study has a word that begins like this one."""
        quoted = word.replace("\\", " ").replace("'", " ")
        begins = SearchQuery(f"'{quoted}':*", search_type="raw", config=WORDS)
        return self.filter(SearchVectorExact(STUDY, begins))

    def newest_first(self) -> "AccessRequestQuerySet":
        return self.with_items().order_by("-created_at", "-id")

    def with_items(self) -> "AccessRequestQuerySet":
        """With everything that a row or a page about a request shows, in two queries."""
        items = RequestItem.objects.smallest_first()
        return self.select_related("partner", "submitted_by", "decided_by", "claimed_by", "previous").prefetch_related(
            models.Prefetch("items", items)
        )

    def barred_to(self, user: User) -> "AccessRequestQuerySet":
        """Those that the person does not decide: where they have a conflict of interest, their recusals, appeals of
        their decisions, and those that they answered already."""
        own = Q(partner__in=partners_of(user, at=timezone.now())) | Q(submissions__by=user) | Q(created_by=user)
        answered = Q(items__status="waiting", items__reviews__reviewer=user, items__reviews__is_current=True)
        appealed = Q(kind="appeal", previous__items__reviews__reviewer=user)
        return self.filter(own | Q(recusals__reviewer=user) | answered | appealed)

    def overdue(self, *, at: datetime) -> "AccessRequestQuerySet":
        """Those that wait beyond the day on which an answer was promised."""
        return self.awaiting_review().filter(AccessRequest.is_overdue(at=at))

    def claimed(self, *, at: datetime, by: User | None = None) -> "AccessRequestQuerySet":
        return self.filter(AccessRequest.is_claimed(at=at, by=by))


class AccessRequest(Stateful):
    """An organisation asks for rights on sizes, each of them an item; reviewers answer item by item."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        SUBMITTED = "submitted", "Waiting for review"
        RETURNED = "returned", "Returned for changes"
        DECIDED = "decided", "Decided"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Kind(models.TextChoices):
        NEW = "new", "Request"
        AMENDMENT = "amendment", "Amendment"
        RENEWAL = "renewal", "Renewal"
        APPEAL = "appeal", "Appeal"

    OPEN: ClassVar = frozenset({Status.DRAFT, Status.SUBMITTED, Status.RETURNED})
    EDITABLE: ClassVar = frozenset({Status.DRAFT, Status.RETURNED})
    COMES_FROM = {
        Status.SUBMITTED: EDITABLE,
        Status.RETURNED: {Status.SUBMITTED},
        Status.DECIDED: {Status.SUBMITTED},
        Status.WITHDRAWN: OPEN,
    }

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="access_requests")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.NEW)
    previous = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="followers")
    purposes = ArrayField(models.CharField(max_length=20, choices=Purpose), default=list)
    purpose = models.TextField("what you will study", max_length=4000, blank=True)
    team = models.TextField("who will use it", max_length=2000, blank=True)
    ethics_reference = models.CharField("ethics reference", max_length=200, blank=True)
    until_wanted = models.DateField("access wanted until", null=True)
    use_summary = models.TextField("what was done so far", max_length=4000, blank=True)
    grounds = models.TextField("grounds of the appeal", max_length=4000, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    revision = models.PositiveIntegerField(default=0, help_text="counts every act on the request")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    submitted_at = models.DateTimeField(null=True)
    promised_at = models.DateTimeField(null=True, help_text="by when an answer was promised")
    escalated_at = models.DateTimeField(null=True)
    claimed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    claimed_until = models.DateTimeField(null=True)
    returned_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    returned_at = models.DateTimeField(null=True)
    return_code = models.CharField(max_length=20, choices=ReturnReason, blank=True)
    return_reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    conflict = ""
    """Why the person who reads it does not decide it: set by the door, never stored."""

    objects = AccessRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "request"
        constraints = [
            all_or_none("submitted_by", "submitted_at", "promised_at"),
            all_or_none("claimed_by", "claimed_until"),
            all_or_none("returned_by", "returned_at"),
            all_or_none("decided_by", "decided_at"),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "withdrawn"]) | Q(submitted_at__isnull=False),
                name="request_was_submitted",
            ),
            models.UniqueConstraint(
                fields=["previous"], condition=Q(kind="appeal") & ~Q(status="withdrawn"), name="one_appeal"
            ),
        ]
        indexes = [
            models.Index(fields=["submitted_at", "id"], condition=Q(status="submitted"), name="requests_waiting"),
            models.Index(fields=["partner", "-created_at"]),
            models.Index(fields=["submitted_at", "id"], name="requests_oldest_first"),
            GinIndex(STUDY, name="requests_by_study"),
        ]

    @staticmethod
    def is_overdue(*, at: datetime) -> Q:
        """That it waits beyond the day on which an answer was promised."""
        return Q(status=AccessRequest.Status.SUBMITTED, promised_at__lt=at)

    @staticmethod
    def is_claimed(*, at: datetime, by: User | None = None) -> Q:
        """That a reviewer has taken it on, or this one has, and the time for it is not over."""
        return Q(claimed_until__gt=at) & (Q(claimed_by=by) if by else Q())

    def claimant(self, *, at: datetime) -> User | None:
        """The reviewer who has taken it on and whose time is not over."""
        return self.claimed_by if self.claimed_until and self.claimed_until > at else None

    def __str__(self) -> str:
        return f"{self.summary} for {self.partner}"

    def get_absolute_url(self) -> str:
        return reverse("access:request", args=[self.partner.slug, self.pk])

    @property
    def summary(self) -> str:
        """What is asked for, in a few words: "GPT-2 355M, GPT-2 774M (log-probabilities)"."""
        return ", ".join(str(item) for item in self.items.all() if item.is_asked) or "an empty request"

    @property
    def purpose_labels(self) -> list[str]:
        return [Purpose(purpose).label for purpose in self.purposes]

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {"submitted": "wait", "returned": "wait", "decided": "good"}
        return {"word": self.get_status_display(), "tone": tones.get(self.status, "off")}

    def authors(self) -> list[Authorship]:
        """Who wrote it, from its draft on."""
        sent = [(submission.by_id, submission.at) for submission in self.submissions.all()]
        return [(self.created_by_id, self.created_at), (self.submitted_by_id, self.submitted_at), *sent]

    def waiting_before(self) -> int:
        """How many requests wait for longer than this one."""
        if self.status != self.Status.SUBMITTED:
            return 0
        return AccessRequest.objects.awaiting_review().filter(submitted_at__lt=self.submitted_at).count()

    @property
    def is_editable(self) -> bool:
        return self.status in self.EDITABLE

    @property
    def status_text(self) -> str:
        word = self.get_status_display().lower()
        if self.status == self.Status.RETURNED and self.returned_at:
            return f"returned for changes by {self.returned_by} on {self.returned_at:%-d %B %Y}"
        if self.decided_by is None or self.decided_at is None:
            return word
        return f"{word} by {self.decided_by} on {self.decided_at:%-d %B %Y}"


class RequestItemQuerySet(models.QuerySet["RequestItem"]):
    def waiting(self) -> "RequestItemQuerySet":
        return self.filter(status=RequestItem.Status.WAITING)

    def smallest_first(self) -> "RequestItemQuerySet":
        return self.select_related("size__family", "decided_by", "replaces").order_by(
            "size__family__name", "size__parameters", "right"
        )


class RequestItem(Stateful):
    """One right on one size, as asked in a request, and the answer to it."""

    class Status(models.TextChoices):
        ASKED = "asked", "Not submitted yet"
        WAITING = "waiting", "Waiting for a decision"
        GRANTED = "granted", "Granted"
        DECLINED = "declined", "Declined"
        DROPPED = "dropped", "Withdrawn"

    COMES_FROM = {
        Status.ASKED: {Status.WAITING},
        Status.WAITING: {Status.ASKED},
        Status.GRANTED: {Status.WAITING},
        Status.DECLINED: {Status.WAITING},
        Status.DROPPED: {Status.ASKED, Status.WAITING},
    }

    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="items")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="request_items")
    right = models.CharField(max_length=12, choices=Right)
    tokens_wanted = models.BigIntegerField("tokens wanted", default=0)
    replaces = models.ForeignKey("access.Grant", on_delete=models.PROTECT, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.ASKED)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason_code = models.CharField(max_length=20, choices=DeclineReason, blank=True)
    reason = models.TextField(blank=True, help_text="for the applicant to read")
    note = models.TextField(blank=True, help_text="for reviewers alone")

    objects = RequestItemQuerySet.as_manager()

    class Meta:
        verbose_name = "item"
        constraints = [
            all_or_none("decided_by", "decided_at"),
            models.UniqueConstraint(
                fields=["request", "size", "right"], condition=~Q(status="dropped"), name="item_once_in_request"
            ),
            models.UniqueConstraint(
                fields=["partner", "size", "right"], condition=Q(status="waiting"), name="one_waiting_item_per_right"
            ),
        ]

    def __str__(self) -> str:
        return Right(self.right).of(self.size)

    @property
    def is_metered(self) -> bool:
        return Right(self.right).is_metered

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {"waiting": "wait", "granted": "good", "declined": "bad"}
        return {"word": self._word, "tone": tones.get(self.status, "off")}

    @property
    def _word(self) -> str:
        """What was returned for changes is to be sent again; a draft was never sent."""
        is_returned = self.status == self.Status.ASKED and self.request.status == AccessRequest.Status.RETURNED
        return "Returned for changes" if is_returned else str(self.get_status_display())

    @property
    def is_asked(self) -> bool:
        return self.status != self.Status.DROPPED

    @property
    def status_text(self) -> str:
        word = self._word.lower()
        if self.decided_by is None or self.decided_at is None:
            return word
        return f"{word} by {self.decided_by} on {self.decided_at:%-d %B %Y}"
