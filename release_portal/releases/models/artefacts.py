"""Artefact: one version of a component, known by its files. ArtefactFile: one of them. Licence: under what it may be
used."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from release_portal.lib.links import page_url
from release_portal.lib.states import Stateful
from release_portal.partners.models import User

from .families import Family, ModelSize
from .vocabulary import Component


class Licence(models.Model):
    """One version of a licence, with its text. Never changed: another version is another row."""

    name = models.CharField(max_length=80)
    version = models.CharField(max_length=40)
    text = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["name", "-at"]
        constraints = [models.UniqueConstraint(Lower("name"), Lower("version"), name="licence_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class ArtefactQuerySet(models.QuerySet["Artefact"]):
    def on_workers(self) -> "ArtefactQuerySet":
        """Weights that a worker reported, the first first."""
        return self.filter(first_seen_at__isnull=False).order_by("first_seen_at", "id")

    def of(self, place: "ModelSize | Family") -> "ArtefactQuerySet":
        """Those of a size, or of a family as a whole."""
        return self.filter(family=place, size=None) if isinstance(place, Family) else self.filter(size=place)

    def newest_first(self) -> "ArtefactQuerySet":
        return self.select_related("family", "size__family", "licence", "by").order_by("-at", "-id")


class Artefact(Stateful):
    """One version of a component of a size or a family, as files below ARTEFACTS_ROOT.

    Of weights that only a worker holds there are no files here: it reported the SHA-256 of their manifest.
    """

    class Status(models.TextChoices):
        HASHING = "hashing", "Being hashed"
        READY = "ready", "Hashed"
        FAILED = "failed", "Not hashed"

    COMES_FROM = {Status.READY: {Status.HASHING}, Status.FAILED: {Status.HASHING}}

    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="artefacts")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, null=True, related_name="artefacts")
    component = models.CharField(max_length=20, choices=Component)
    version = models.CharField(max_length=40, blank=True)
    folder = models.CharField(max_length=400, blank=True, help_text="below ARTEFACTS_ROOT")
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, null=True, related_name="artefacts")
    status = models.CharField(max_length=8, choices=Status)
    error = models.CharField(max_length=300, blank=True, help_text="why it could not be hashed")
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()
    first_seen_at = models.DateTimeField(null=True)
    first_seen_on = models.CharField(max_length=120, blank=True, help_text="the worker that reported it first")

    objects = ArtefactQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["size", "manifest_sha256"], condition=~Q(manifest_sha256=""), name="artefact_once"
            ),
            models.UniqueConstraint(
                "family",
                "size",
                "component",
                Lower("version"),
                condition=~Q(version="") & ~Q(status="failed"),
                nulls_distinct=False,
                name="version_of_component_once",
            ),
            models.CheckConstraint(
                condition=Q(status="ready") & ~Q(manifest_sha256="") | ~Q(status="ready") & Q(manifest_sha256=""),
                name="ready_artefact_has_its_hash",
            ),
        ]

    def __str__(self) -> str:
        name = self.version or self.manifest_sha256[:12]
        return f"{self.get_component_display()} {name} of {self.of}"

    def get_absolute_url(self) -> str:
        return page_url("artefact", self.pk)

    @property
    def of(self) -> ModelSize | Family:
        """The size, or the family, whose component it is."""
        return self.size or self.family

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {"ready": "good", "hashing": "wait", "failed": "bad"}
        return {"word": self.get_status_display(), "tone": tones[self.status]}


class ArtefactFile(models.Model):
    """A file of an artefact, as it was when it was registered, and its hash once it was read."""

    artefact = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=400)
    bytes = models.BigIntegerField()
    changed_ns = models.BigIntegerField(help_text="when it was last written, in nanoseconds since 1970")
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["artefact", "path"], name="file_once_in_artefact")]

    def __str__(self) -> str:
        return self.path
