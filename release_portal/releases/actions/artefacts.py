"""Noting which weights workers hold."""

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.partners.models import User

from ..models import Artefact, ModelSize


@transaction.atomic
def note_weights(*, by: User | None, size: ModelSize, manifest_sha256: str, worker: str) -> None:
    """A worker holds these weights of the size. The first time, it is written in the book."""
    artefact, made = Artefact.objects.get_or_create(
        size=size,
        manifest_sha256=manifest_sha256,
        defaults={"first_seen_at": timezone.now(), "first_seen_on": worker},
    )
    if made:
        detail = {"manifest_sha256": manifest_sha256, "worker": worker}
        record("weights.found", f"Weights of {size} were found on a worker", size, artefact, by=by, detail=detail)
