"""Partner: an organisation, from its application to its closing."""

from collections.abc import Callable
from typing import Any, cast

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django_countries.fields import CountryField

from release_portal.lib.hosts import as_read, host_of, registered
from release_portal.lib.links import page_url
from release_portal.lib.lookalikes import skeleton
from release_portal.lib.states import Stateful, all_or_none
from release_portal.lib.text import folded

from .user import User

LONGEST_FOLDED = 400
"""Characters of a name as names are compared: folding makes up to 18 of one, and an index entry is limited."""


class ComparedField(models.CharField[str, str]):
    """A form in which organisations are compared, written with every row: also by `bulk_create`."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        partner = cast(Partner, model_instance)
        form = FORMS[self.attname](partner.legal_name, partner.website)[:LONGEST_FOLDED]
        setattr(model_instance, self.attname, form)
        return form


FORMS: dict[str, Callable[[str, str], str]] = {
    "folded_name": lambda legal_name, website: folded(legal_name),
    "name_skeleton": lambda legal_name, website: skeleton(legal_name),
    "domain_skeleton": lambda legal_name, website: skeleton(as_read(registered(host_of(website)))),
}
"""The columns by which an organisation is compared with others, out of its legal name and its web site."""


def compared_forms(legal_name: str, website: str) -> dict[str, str]:
    """All of them."""
    return {column: form(legal_name, website)[:LONGEST_FOLDED] for column, form in FORMS.items()}


class PartnerQuerySet(models.QuerySet["Partner"]):
    def visible_to(self, user: User) -> "PartnerQuerySet":
        """Those that the person belongs to."""
        return self.filter(memberships__in=user.memberships.current()).distinct()

    def known_to(self, user: User) -> "PartnerQuerySet":
        """Those that the person may read about: all for the lab's staff, else their own."""
        return self.all() if user.is_lab_staff else self.visible_to(user)

    def going(self) -> "PartnerQuerySet":
        """Those that applied or are here: neither declined nor closed."""
        return self.exclude(status__in=[Partner.Status.DECLINED, Partner.Status.CLOSED])

    def here(self) -> "PartnerQuerySet":
        """Those that were admitted and have not closed."""
        return self.filter(status__in=[Partner.Status.ADMITTED, Partner.Status.SUSPENDED])

    def called(self, legal_name: str) -> "PartnerQuerySet":
        """Those of this name, however it is typed."""
        return self.filter(folded_name=folded(legal_name))

    def awaiting_review(self) -> "PartnerQuerySet":
        return self.filter(status=Partner.Status.APPLIED).order_by("applied_at")


class Partner(Stateful):
    """An organisation: what it said when it applied, and its state."""

    class Status(models.TextChoices):
        APPLIED = "applied", "Waiting for review"
        RETURNED = "returned", "Returned for changes"
        ADMITTED = "admitted", "Admitted"
        DECLINED = "declined", "Declined"
        SUSPENDED = "suspended", "Suspended"
        CLOSED = "closed", "Closed"

    COMES_FROM = {
        Status.APPLIED: {Status.RETURNED},
        Status.RETURNED: {Status.APPLIED},
        Status.ADMITTED: {Status.APPLIED, Status.SUSPENDED},
        Status.DECLINED: {Status.APPLIED},
        Status.SUSPENDED: {Status.ADMITTED},
        Status.CLOSED: {Status.ADMITTED, Status.SUSPENDED},
    }

    slug = models.SlugField(unique=True, max_length=80)
    legal_name = models.CharField("legal name", max_length=200, validators=[MinLengthValidator(3)])
    folded_name = ComparedField(max_length=LONGEST_FOLDED, editable=False, help_text="as names are compared")
    name_skeleton = ComparedField(max_length=LONGEST_FOLDED, editable=False, db_index=True, help_text="as names look")
    domain_skeleton = ComparedField(
        max_length=LONGEST_FOLDED, editable=False, db_index=True, help_text="as the web site's host name looks"
    )
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
    admitted_at = models.DateTimeField(null=True, help_text="kept when the organisation is suspended or closed")
    corrected_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    corrected_at = models.DateTimeField(null=True, help_text="the last time that a returned application was sent again")
    closed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)
    sent_count = models.PositiveSmallIntegerField(default=1, help_text="how many times the application was sent")
    previous = models.JSONField(default=dict, help_text="what a correction replaced, as it was sent before")

    objects = PartnerQuerySet.as_manager()

    class Meta:
        verbose_name = "organisation"
        constraints = [
            all_or_none("decided_by", "decided_at"),
            all_or_none("corrected_by", "corrected_at"),
            all_or_none("closed_by", "closed_at"),
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False)
                | (~Q(status="closed") & Q(closed_at__isnull=True)),
                name="closed_partner_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["admitted", "suspended"]) | Q(admitted_at__isnull=False),
                name="admitted_partner_says_when",
            ),
            models.UniqueConstraint(
                fields=["folded_name"],
                condition=Q(status__in=["admitted", "suspended"]),
                name="one_organisation_here_of_a_name",
            ),
            models.UniqueConstraint(
                fields=["applied_by", "folded_name"],
                condition=Q(status__in=["applied", "returned"]),
                name="one_application_of_a_name_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return self.legal_name

    def get_absolute_url(self) -> str:
        return page_url("organisation", self.slug)

    @property
    def status_text(self) -> str:
        if self.closed_by is not None and self.closed_at is not None:
            return f"closed by {self.closed_by} on {self.closed_at:%-d %B %Y}"
        if self.status == self.Status.SUSPENDED:
            return "suspended"
        if self.decided_by is None or self.decided_at is None:
            return "waiting for review"
        return f"{self.get_status_display().lower()} by {self.decided_by} on {self.decided_at:%-d %B %Y}"

    @property
    def is_here(self) -> bool:
        """Whether it was admitted and has not closed."""
        return self.status in (self.Status.ADMITTED, self.Status.SUSPENDED)

    @property
    def domain(self) -> str:
        """The host name of the web site, without www."""
        return host_of(self.website)

    @property
    def domain_as_read(self) -> str:
        """The same with the letters that a reader sees."""
        return as_read(self.domain)
