"""Artefact: what a worker holds of a size."""

from django.db import models

from .families import ModelSize


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
