"""AgreementVersion, Agreement and Signature. What was published or signed is never changed: the database refuses."""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from release_portal.lib.prepared import Moment
from release_portal.lib.states import all_or_none
from release_portal.partners.models import Partner, User


class AgreementVersionQuerySet(models.QuerySet["AgreementVersion"]):
    def current(self) -> "AgreementVersion | None":
        return self.order_by("-number").first()


class AgreementVersion(models.Model):
    """One published text of the model-sharing agreement, known by its SHA-256."""

    number = models.PositiveIntegerField(unique=True)
    text = models.TextField(help_text="Markdown, exactly as published")
    text_sha256 = models.CharField(max_length=64, unique=True)
    term_days = models.PositiveIntegerField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    objects = AgreementVersionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Model-Sharing Agreement, version {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("agreements:version", args=[self.number])


class AgreementQuerySet(models.QuerySet["Agreement"]):
    def in_force(self, *, at: Moment) -> "AgreementQuerySet":
        """Those signed, begun, not over and not ended early."""
        signed = Signature.objects.filter(agreement=OuterRef("pk"))
        return self.filter(Exists(signed), starts_at__lte=at, ends_at__gt=at).filter(
            Q(ended_at__isnull=True) | Q(ended_at__gt=at)
        )


class Agreement(models.Model):
    """One version of the text, agreed with one organisation for a term."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="agreements")
    version = models.ForeignKey(AgreementVersion, on_delete=models.PROTECT, related_name="agreements")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    objects = AgreementQuerySet.as_manager()

    class Meta:
        constraints = [all_or_none("ended_at", "ended_by")]

    def __str__(self) -> str:
        return f"{self.version} with {self.partner}"


class Signature(models.Model):
    """A person signed: which exact text, under which name and title, with which statements, when, and from where."""

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="signatures")
    text_sha256 = models.CharField(max_length=64)
    signer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="signatures")
    signer_email = models.EmailField()
    organisation = models.CharField(max_length=200)
    legal_name = models.CharField(max_length=120)
    title = models.CharField(max_length=120)
    authority_statement = models.TextField()
    intent_statement = models.TextField()
    signed_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True, help_text="where the request came from")
    user_agent = models.CharField(max_length=300)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agreement", "signer"], name="signed_once")]

    def __str__(self) -> str:
        return f"{self.legal_name} for {self.organisation}"
