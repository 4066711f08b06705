"""User and Role: people, service accounts, and what a role allows."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from release_portal.lib.states import all_or_none
from release_portal.lib.text import plain_name

from ..addresses import canonical
from ..permissions import Permission

if TYPE_CHECKING:
    from .partner import Partner

SERVICE_DOMAIN = "service.invalid"  # of the addresses of service accounts, which no mail reaches


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
        user = self.model(email=canonical(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def people(self, words: str = "") -> "models.QuerySet[User]":
        """By name, those who are no service accounts and have these words in their name or an address."""
        found = self.filter(service_of__isnull=True)
        if words:
            address = canonical(words)
            addressed = found.filter(emailaddress__email__icontains=address)
            named = Q(name__icontains=words) | Q(email__icontains=address)
            found = found.filter(named | Q(pk__in=addressed.values("pk")))
        return found.order_by("name", "pk")


class User(AbstractUser):
    """A person, known by a verified e-mail address; or a service account, with which an organisation's program acts."""

    class Mail(models.TextChoices):
        """Which mails a person gets, and when."""

        AT_ONCE = "at_once", "At once"
        DAILY = "daily", "Once a day"
        DECISIONS = "decisions", "Only decisions"

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    name = models.CharField("full name", max_length=120)
    email = models.EmailField("e-mail address", unique=True)
    lab_roles = models.ManyToManyField(Role, blank=True, related_name="staff", limit_choices_to={"at_lab": True})
    service_of = models.ForeignKey("Partner", on_delete=models.PROTECT, null=True, related_name="service_accounts")
    tokens_in_question_at = models.DateTimeField(
        null=True, help_text="when the password changed, until the person says which API tokens they keep"
    )
    mail = models.CharField("which mails you get", max_length=10, choices=Mail, default=Mail.AT_ONCE)

    decided_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, help_text="when the account was last disabled or enabled again")
    reason = models.TextField("why it was, for the person to read", blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            all_or_none("decided_by", "decided_at"),
            models.UniqueConstraint(
                fields=["service_of", "name"],
                condition=Q(service_of__isnull=False, is_active=True),
                name="one_service_account_of_a_name",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def may(self, permission: Permission, partner: "Partner | None" = None) -> bool:
        """Whether a role of this person, at the lab or in this organisation, carries the permission."""
        holds = Q(permissions__contains=[permission])
        if partner is None:
            return self.lab_roles.filter(holds).exists()
        return Role.objects.filter(holds, membership__in=self.memberships.current().filter(partner=partner)).exists()

    @property
    def plain_name(self) -> str:
        """The name for mail to people who do not know this person."""
        return plain_name(self.name)

    @property
    def is_service_account(self) -> bool:
        return self.service_of_id is not None

    @property
    def is_lab_staff(self) -> bool:
        return self.lab_roles.exists()
