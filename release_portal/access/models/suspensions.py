"""Suspension: the stop at every level, from one grant to everything."""

from django.db import models
from django.db.models import Q

from release_portal.lib.links import page_url
from release_portal.lib.prepared import Moment
from release_portal.lib.states import Stateful, all_or_none
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

from .grants import Grant
from .vocabulary import SuspendReason

Subject = Partner | ModelSize | Grant | None


class SuspensionQuerySet(models.QuerySet["Suspension"]):
    def in_force(self, *, at: Moment) -> "SuspensionQuerySet":
        return self.filter(begins_at__lte=at).filter(Q(lifted_at__isnull=True) | Q(lifted_at__gt=at))

    def pending_or_active(self) -> "SuspensionQuerySet":
        """Those proposed or in force."""
        return self.filter(status__in=[Suspension.Status.PROPOSED, Suspension.Status.ACTIVE])

    def newest_first(self) -> "SuspensionQuerySet":
        names = ("partner", "size__family", "grant__size__family", "grant__partner", "by", "confirmed_by", "lifted_by")
        return self.select_related(*names).order_by("-at")


class Suspension(Stateful):
    """Nothing may be used at this level from `begins_at` until it is lifted. The gravest wait for a second person."""

    class Level(models.TextChoices):
        GRANT = "grant", "A grant"
        PARTNER = "partner", "An organisation"
        SIZE = "size", "A size"
        EVERYTHING = "everything", "Everything"

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Waiting for a second person"
        ACTIVE = "active", "In force"
        LIFTED = "lifted", "Lifted"
        DROPPED = "dropped", "Not confirmed"

    COMES_FROM = {
        Status.ACTIVE: {Status.PROPOSED},
        Status.LIFTED: {Status.ACTIVE},
        Status.DROPPED: {Status.PROPOSED},
    }

    level = models.CharField(max_length=10, choices=Level)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, null=True, related_name="suspensions")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, null=True, related_name="suspensions")
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, null=True, related_name="suspensions")
    status = models.CharField(max_length=10, choices=Status)
    reason_code = models.CharField(max_length=20, choices=SuspendReason)
    reason = models.TextField(help_text="for those concerned to read")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    begins_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    lifted_at = models.DateTimeField(null=True)
    lift_reason = models.TextField(blank=True)

    objects = SuspensionQuerySet.as_manager()

    class Meta:
        constraints = [
            all_or_none("lifted_by", "lifted_at"),
            models.CheckConstraint(
                condition=Q(level="grant", grant__isnull=False, partner__isnull=True, size__isnull=True)
                | Q(level="partner", partner__isnull=False, grant__isnull=True, size__isnull=True)
                | Q(level="size", size__isnull=False, grant__isnull=True, partner__isnull=True)
                | Q(level="everything", size__isnull=True, grant__isnull=True, partner__isnull=True),
                name="suspension_has_its_level",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["proposed", "dropped"], begins_at__isnull=True)
                | Q(status__in=["active", "lifted"], begins_at__isnull=False),
                name="suspension_in_force_began",
            ),
            models.CheckConstraint(
                condition=Q(status="lifted", lifted_at__isnull=False) | ~Q(status="lifted") & Q(lifted_at__isnull=True),
                name="lifted_suspension_has_end",
            ),
            models.UniqueConstraint(
                fields=["level", "partner", "size", "grant"],
                condition=Q(status__in=["proposed", "active"]),
                nulls_distinct=False,
                name="one_suspension_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"suspension of {self.subject}"

    @classmethod
    def of(cls, subject: Subject) -> "Suspension":
        """A proposed one, not stored, of a grant, an organisation, a size or, with None, of everything."""
        levels = {Partner: cls.Level.PARTNER, ModelSize: cls.Level.SIZE, Grant: cls.Level.GRANT}
        if subject is None:
            return cls(level=cls.Level.EVERYTHING, status=cls.Status.PROPOSED)
        level = levels[type(subject)]
        return cls(level=level, status=cls.Status.PROPOSED, **{level.value: subject})

    def needs_second_person(self) -> bool:
        """Whether it is so grave that one person alone does not decide it: everything, or the largest of a family."""
        return self.level == self.Level.EVERYTHING or (self.size is not None and self.size.is_largest())

    def get_absolute_url(self) -> str:
        return page_url("suspension", self.pk)

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {"proposed": "wait", "active": "bad"}
        return {"word": self.get_status_display(), "tone": tones.get(self.status, "off")}

    @property
    def subject(self) -> str:
        """What is suspended, in words."""
        if self.level == self.Level.EVERYTHING:
            return "everything"
        return str(self.grant or self.partner or self.size)

    @property
    def status_text(self) -> str:
        if self.status == self.Status.ACTIVE and self.begins_at:
            return f"in force since {self.begins_at:%-d %B %Y, %H:%M} UTC, by {self.by}"
        if self.lifted_at:
            return f"lifted by {self.lifted_by} on {self.lifted_at:%-d %B %Y}"
        word = "proposed" if self.status == self.Status.PROPOSED else "not confirmed; it was proposed"
        return f"{word} by {self.by} on {self.at:%-d %B %Y}"
