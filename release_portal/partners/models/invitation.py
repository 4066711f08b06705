"""Invitation: a place that is offered."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import models
from django.db.models import OuterRef, Q, Subquery

from release_portal.lib.states import Stateful

from .partner import Partner
from .user import Role, User


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self, *, at: datetime) -> "InvitationQuerySet":
        """Those that can still be accepted."""
        return self.filter(status=Invitation.Status.SENT, expires_at__gt=at)

    def undeclined(self) -> "InvitationQuerySet":
        """Those that the person did not turn down, with their `invitee`: the person who reads mail at the address."""
        owner = EmailAddress.objects.filter(email=OuterRef("email"), verified=True).values("user")[:1]
        return self.exclude(status=Invitation.Status.DECLINED).annotate(invitee=Subquery(owner))

    def addressed_to(self, user: User) -> "InvitationQuerySet":
        """Those to an address at which the person reads mail."""
        mine = EmailAddress.objects.filter(user=user, verified=True)
        return self.filter(email__in=mine.values("email"))

    def unanswered(self) -> "InvitationQuerySet":
        """Those that nobody accepted, declined or withdrew, ended ones among them."""
        return self.filter(status=Invitation.Status.SENT).order_by("email")


class Invitation(Stateful):
    """A place in an organisation, offered to an e-mail address."""

    class Status(models.TextChoices):
        SENT = "sent", "Sent"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    COMES_FROM = {
        Status.ACCEPTED: {Status.SENT},
        Status.DECLINED: {Status.SENT, Status.WITHDRAWN},
        Status.WITHDRAWN: {Status.SENT},
    }

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
