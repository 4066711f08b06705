"""User, Role, Partner, Membership, Invitation, ApiToken and Letter."""

from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlparse

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django_countries.fields import CountryField

from release_portal.lib.states import Stateful, together

from .permissions import Permission


class Role(models.Model):
    """A named set of permissions, at the lab or in an organisation."""

    code = models.SlugField(primary_key=True)
    title = models.CharField(max_length=60)
    explanation = models.CharField(max_length=200)
    at_lab = models.BooleanField()
    rank = models.PositiveSmallIntegerField(help_text="the order in which roles are listed")
    permissions = ArrayField(models.CharField(max_length=30, choices=Permission.choices))

    class Meta:
        ordering = ["rank"]

    def __str__(self) -> str:
        return self.title


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractUser):
    """A person, known by a verified e-mail address."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField("full name", max_length=120)
    email = models.EmailField("e-mail address", unique=True)
    lab_roles = models.ManyToManyField(Role, blank=True, related_name="staff", limit_choices_to={"at_lab": True})

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name

    def may(self, permission: Permission, partner: "Partner | None" = None) -> bool:
        """Whether a role of this person, at the lab or in this organisation, carries the permission."""
        holds = Q(permissions__contains=[permission])
        if partner is None:
            return self.lab_roles.filter(holds).exists()
        current = Membership.objects.current().filter(user=self, partner=partner)
        return Role.objects.filter(holds, membership__in=current).exists()

    @property
    def is_lab_staff(self) -> bool:
        return self.lab_roles.exists()


class PartnerQuerySet(models.QuerySet["Partner"]):
    def visible_to(self, user: User) -> "PartnerQuerySet":
        """Those that the person belongs to."""
        return self.filter(memberships__in=Membership.objects.current().filter(user=user)).distinct()

    def awaiting_review(self) -> "PartnerQuerySet":
        return self.filter(status=Partner.Status.APPLIED).order_by("applied_at")


class Partner(Stateful):
    """An organisation that applied, and what it told the lab then."""

    class Status(models.TextChoices):
        APPLIED = "applied", "Waiting for review"
        ADMITTED = "admitted", "Admitted"
        DECLINED = "declined", "Declined"

    COMES_FROM = {Status.ADMITTED: {Status.APPLIED}, Status.DECLINED: {Status.APPLIED}}

    slug = models.SlugField(unique=True, max_length=80)
    legal_name = models.CharField("legal name", max_length=200, validators=[MinLengthValidator(3)])
    website = models.URLField("web site", max_length=300)
    country = CountryField()
    contact_name = models.CharField("contact person", max_length=120)
    contact_email = models.EmailField("contact e-mail")
    purpose = models.TextField("research purpose", max_length=4000)
    intended_use = models.TextField("who will use which size, and why", max_length=4000)
    status = models.CharField(max_length=10, choices=Status, default=Status.APPLIED)
    applied_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    applied_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    objects = PartnerQuerySet.as_manager()

    class Meta:
        verbose_name = "organisation"
        constraints = [together("decided_by", "decided_at")]

    def __str__(self) -> str:
        return self.legal_name

    def get_absolute_url(self) -> str:
        return reverse("access:organisation", args=[self.slug])

    @property
    def standing(self) -> str:
        if self.decided_by is None or self.decided_at is None:
            return "waiting for review"
        return f"{self.get_status_display().lower()} by {self.decided_by} on {self.decided_at:%-d %B %Y}"

    @property
    def domain(self) -> str:
        """The host name of the web site, without www."""
        return (urlparse(self.website).hostname or "").removeprefix("www.")


class MembershipQuerySet(models.QuerySet["Membership"]):
    def current(self) -> "MembershipQuerySet":
        return self.filter(ended_at__isnull=True)

    def may(self, permission: Permission) -> "MembershipQuerySet":
        return self.filter(roles__permissions__contains=[permission]).distinct()


class Membership(models.Model):
    """A person in an organisation, in some roles, from one time to another."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="memberships")
    roles = models.ManyToManyField(Role, limit_choices_to={"at_lab": False})
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "partner"], condition=Q(ended_at__isnull=True), name="one_current_membership"
            ),
            together("ended_at", "ended_by"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.partner}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self, *, at: datetime) -> "InvitationQuerySet":
        """Those that can still be accepted."""
        return self.filter(status=Invitation.Status.SENT, expires_at__gt=at)


class Invitation(Stateful):
    """A place in an organisation, offered to an e-mail address."""

    class Status(models.TextChoices):
        SENT = "sent", "Sent"
        ACCEPTED = "accepted", "Accepted"
        WITHDRAWN = "withdrawn", "Withdrawn"

    COMES_FROM = {Status.ACCEPTED: {Status.SENT}, Status.WITHDRAWN: {Status.SENT}}

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField("e-mail address")
    roles = models.ManyToManyField(Role, limit_choices_to={"at_lab": False})
    key_hash = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.SENT)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "email"], condition=Q(status="sent"), name="one_open_invitation_per_address"
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.partner}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def in_force(self, *, at: datetime) -> "ApiTokenQuerySet":
        return self.filter(revoked_at__isnull=True, expires_at__gt=at, user__is_active=True)


class ApiToken(models.Model):
    """A secret with which a program acts as a person. Only a keyed hash of it is stored."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField("what it is for", max_length=80)
    key_id = models.CharField(max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.key_id})"


class LetterQuerySet(models.QuerySet["Letter"]):
    def unsent(self) -> "LetterQuerySet":
        return self.filter(sent_at__isnull=True).order_by("id")


class Letter(models.Model):
    """A mail in the outbox, written in the transaction of the act that it tells of.

    Once it is sent its text is emptied: a mail may carry a link that is a secret.
    """

    to = models.EmailField()
    subject = models.TextField()
    body = models.TextField()
    html = models.TextField(blank=True)
    written_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(sent_at__isnull=True), name="unsent_letters")]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"
