"""Family, ModelSize, Artefact, and Opening: who may have which component of a size, since when."""

from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from release_portal.partners.models import User


class Component(models.TextChoices):
    """What of a size can be opened."""

    GENERATION = "generation", "Hosted generation"
    WEIGHTS = "weights", "Weights"


class Audience(models.TextChoices):
    """Who may have a component, from nobody to everybody."""

    CLOSED = "closed", "Closed"
    PARTNER = "partner", "With partners"
    GATED = "gated", "On request"
    OPEN = "open", "Open"


class Family(models.Model):
    """Models of one kind at several sizes."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=300)
    description = models.TextField(blank=True, help_text="Markdown")
    licence = models.CharField(max_length=80, blank=True)

    class Meta:
        verbose_name_plural = "families"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("releases:family", args=[self.slug])


class ModelSizeQuerySet(models.QuerySet["ModelSize"]):
    def smallest_first(self) -> "ModelSizeQuerySet":
        return self.select_related("family").order_by("family__name", "parameters")

    def with_audiences(self, *, at: datetime) -> "ModelSizeQuerySet":
        """With, for each component, its audience at that time as `<component>_audience`, and the reason given."""
        openings = Opening.objects.filter(size=OuterRef("pk"), at__lte=at).order_by("-at", "-id")
        columns = {}
        for component in Component.values:
            newest = openings.filter(component=component)
            columns[f"{component}_audience"] = Subquery(newest.values("audience")[:1])
            columns[f"{component}_reason"] = Subquery(newest.values("reason")[:1])
        return self.annotate(**columns)

    def named(self, path: str) -> "ModelSizeQuerySet":
        """Those called `family/size`, as in the API: "gpt2/124M"."""
        family, _, name = path.partition("/")
        return self.filter(family__slug__iexact=family, name__iexact=name)


class ModelSize(models.Model):
    """One size of a family."""

    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="sizes")
    name = models.CharField(max_length=20)
    parameters = models.BigIntegerField()
    context_tokens = models.PositiveIntegerField()
    hub_id = models.CharField(max_length=120, blank=True)

    objects = ModelSizeQuerySet.as_manager()

    class Meta:
        verbose_name = "size"
        constraints = [models.UniqueConstraint(fields=["family", "name"], name="size_once_in_family")]

    def __str__(self) -> str:
        return f"{self.family} {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("releases:size", args=[self.family.slug, self.name])

    @property
    def path(self) -> str:
        """How clients and workers name it: "gpt2/124M"."""
        return f"{self.family.slug}/{self.name}"

    def is_largest(self) -> bool:
        """Whether it is the largest of a family of several: what is gravest to give away."""
        sizes = self.family.sizes.order_by("-parameters").values_list("pk", flat=True)
        return len(sizes) > 1 and sizes[0] == self.pk

    @property
    def parameters_in_words(self) -> str:
        """ "124 million parameters", "1.558 billion parameters"."""
        unit, word = (10**9, "billion") if self.parameters >= 10**9 else (10**6, "million")
        return f"{(Decimal(self.parameters) / unit).normalize():f} {word} parameters"


class Artefact(models.Model):
    """Weights of a size as a worker holds them, known by the SHA-256 of their manifest."""

    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="artefacts")
    manifest_sha256 = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()
    first_seen_on = models.CharField(max_length=120, help_text="the worker that reported it first")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["size", "manifest_sha256"], name="artefact_once")]

    def __str__(self) -> str:
        return f"{self.size} {self.manifest_sha256[:12]}"


class Opening(models.Model):
    """From `at` on, this component of this size is for this audience. The newest holds; none is ever changed."""

    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="openings")
    component = models.CharField(max_length=12, choices=Component)
    audience = models.CharField(max_length=8, choices=Audience)
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300)

    class Meta:
        indexes = [models.Index(fields=["size", "component", "-at"])]

    def __str__(self) -> str:
        return f"{self.size} {self.get_component_display()}: {self.get_audience_display()}"
