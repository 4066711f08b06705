"""Membership: who belongs to which organisation."""

from django.db import models
from django.db.models import Q

from release_portal.lib.states import all_or_none

from ..permissions import Permission
from .partner import Partner
from .user import Role, User


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
            all_or_none("ended_at", "ended_by"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.partner}"
