"""Artefacts: folders of files are registered and hashed; weights that workers report are noted; licences."""

import hashlib
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.audit.loops import each
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.reasons import check_length, checked_reason
from release_portal.lib.states import Refused, transition
from release_portal.lib.text import one_line
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import Artefact, ArtefactFile, Component, Family, Licence, ModelSize
from ..store import Found, Hashed, as_found, files_below, folder_named, manifest_sha256, sha256_of
from .places import check_place, place_of

LONGEST_VERSION = 40  # characters
LONGEST_LICENCE = 80  # characters
LONGEST_LICENCE_TEXT = 100_000  # characters
CHANGED = "“{}” was changed or removed while it was hashed."
GONE = "The folder “{}” is no longer there."


@transaction.atomic
def add_licence(*, by: User, name: str, version: str, text: str) -> Licence:
    """Add a version of a licence, with its text."""
    require(by, Permission.RELEASE_EDIT)
    name = _short(name, "name", LONGEST_LICENCE)
    version = _short(version, "version", LONGEST_VERSION)
    text = checked_reason(text, "Text is missing.", field="text", longest=LONGEST_LICENCE_TEXT)
    details = {"text": text, "text_sha256": hashlib.sha256(text.encode()).hexdigest(), "by": by, "at": timezone.now()}
    licence, made = Licence.objects.get_or_create(
        name__iexact=name, version__iexact=version, defaults={"name": name, "version": version, **details}
    )
    if not made:
        raise Refused(f"{licence} is there already; a version is never changed.", field="version", given=version)
    record("licence.added", f"Licence {licence} was added", licence, by=by)
    return licence


@transaction.atomic
def register_artefact(
    *,
    by: User,
    of: ModelSize | Family,
    component: Component,
    version: str,
    folder: str,
    licence: Licence | None = None,
) -> Artefact:
    """Say that the files of a folder below ARTEFACTS_ROOT are this version of a component; they are hashed next."""
    require(by, Permission.RELEASE_EDIT)
    check_place(of=of, component=component)
    version = _short(version, "version", LONGEST_VERSION)
    family = of if isinstance(of, Family) else of.family
    Family.objects.select_for_update(no_key=True).get(pk=family.pk)  # of two at once, the second sees the first
    place = {"family": family, "size": of if isinstance(of, ModelSize) else None}
    there = Artefact.objects.filter(**place, component=component, version__iexact=version)
    if there.exclude(status=Artefact.Status.FAILED).exists():
        raise Refused(
            f"{component.label} {version} of {of} is there already. Give the changed files another version.",
            field="version",
            given=version,
        )
    found = files_below(folder_named(folder))
    artefact = Artefact.objects.create(
        **place,
        component=component,
        version=version,
        folder=folder,
        licence=licence,
        status=Artefact.Status.HASHING,
        by=by,
        at=timezone.now(),
    )
    ArtefactFile.objects.bulk_create(ArtefactFile(artefact=artefact, **vars(file)) for file in found)
    record("artefact.registered", f"{artefact} was registered", *place_of(of=of), artefact, by=by)
    send_task_on_commit("releases.hash_artefacts")
    return artefact


def hash_artefacts(*, by: User | None, at: datetime | None = None) -> int:
    """Hash the files that were not yet, one in a transaction; returns how many. What is left is for the next round."""
    files = ArtefactFile.objects.filter(artefact__status=Artefact.Status.HASHING, sha256="").order_by("pk")
    return each(
        files,
        lambda file: _hash(file, by=by),
        task="releases.hash_artefacts",
        at=at or timezone.now(),
    )


def changed_files(*, artefact: Artefact) -> list[str]:
    """The paths whose files are not what was hashed: gone, or of other content. Reads only those that were written
    since."""
    folder = folder_named(artefact.folder)
    changed = []
    for file in artefact.files.order_by("path"):
        if not _is_as_found(folder, file) and _content_of(folder / file.path) != file.sha256:
            changed.append(file.path)
    present = {found.path for found in files_below(folder)}
    return changed + sorted(present - {file.path for file in artefact.files.all()})


@transaction.atomic
def note_weights(*, by: User | None, size: ModelSize, manifest_sha256: str, worker: str) -> None:
    """A worker holds these weights of the size. The first time, it is written in the book."""
    now = timezone.now()
    seen = {"first_seen_at": now, "first_seen_on": worker}
    artefact, made = Artefact.objects.get_or_create(
        size=size,
        manifest_sha256=manifest_sha256,
        defaults={
            "family": size.family,
            "component": Component.WEIGHTS,
            "status": Artefact.Status.READY,
            "at": now,
            **seen,
        },
    )
    held = Artefact.objects.filter(pk=artefact.pk, first_seen_at__isnull=True)
    if made or held.update(**seen):
        detail = {"manifest_sha256": manifest_sha256, "worker": worker}
        record("weights.found", f"Weights of {size} were found on a worker", size, artefact, by=by, detail=detail)


def _hash(file: ArtefactFile, *, by: User | None) -> int | None:
    """Hash one file, and with the last one of an artefact name the whole. None where another round has it in hand, or
    the artefact failed meanwhile."""
    held = Artefact.objects.select_for_update(skip_locked=True, no_key=True)
    artefact = held.filter(pk=file.artefact_id, status=Artefact.Status.HASHING).first()
    waiting = ArtefactFile.objects.filter(pk=file.pk, sha256="")
    if artefact is None or not waiting.exists():
        return None
    try:
        folder = folder_named(artefact.folder)
    except Refused:
        return _fail(artefact, GONE.format(artefact.folder[:200]), by=by)
    content = _content_of(folder / file.path)
    if not content or not _is_as_found(folder, file):
        return _fail(artefact, CHANGED.format(file.path[:200]), by=by)
    waiting.update(sha256=content)
    if not artefact.files.filter(sha256="").exists():
        _finish(artefact, by=by)
    return 1


def _finish(artefact: Artefact, *, by: User | None) -> None:
    rows = artefact.files.values_list("path", "sha256", "bytes")
    manifest = manifest_sha256(Hashed(*row) for row in rows)
    same = Artefact.objects.filter(size=artefact.size, family=artefact.family, manifest_sha256=manifest).first()
    if same:
        _fail(artefact, f"These files are {same} already.", by=by)
        return
    transition(artefact, Artefact.Status.READY, manifest_sha256=manifest)
    detail = {"manifest_sha256": manifest}
    record("artefact.hashed", f"{artefact} was hashed", *place_of(of=artefact.of), artefact, by=by, detail=detail)


def _fail(artefact: Artefact, why: str, *, by: User | None) -> int:
    transition(artefact, Artefact.Status.FAILED, error=why)
    record(
        "artefact.failed",
        f"{artefact} could not be hashed",
        *place_of(of=artefact.of),
        artefact,
        by=by,
    )
    return 1


def _is_as_found(folder: Path, file: ArtefactFile) -> bool:
    try:
        return as_found(folder, file.path) == Found(file.path, file.bytes, file.changed_ns)
    except OSError:
        return False


def _content_of(file: Path) -> str:
    """Its hash; nothing where it cannot be read."""
    try:
        return sha256_of(file)
    except OSError:
        return ""


def _short(text: str, field: str, longest: int) -> str:
    text = one_line(text)
    if not text:
        raise Refused(f"{field.capitalize()} is missing.", field=field)
    check_length(field.capitalize(), text, field=field, longest=longest)
    return text
