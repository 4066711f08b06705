"""Artefacts in the register, their files, and licences."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.lib.schemas import Body, Word
from release_portal.lib.states import Refused
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases import actions as releases
from release_portal.releases.actions.artefacts import LONGEST_LICENCE_TEXT
from release_portal.releases.models import Artefact, Component, Family, Licence
from release_portal.releases.shortcuts import size_named
from release_portal.releases.store import LONGEST_PATH

from ..decorators import REGISTER_READERS, staff

router = Router(tags=["review"])


class LicenceIn(Body):
    name: Word
    version: Word
    text: str = Field(max_length=LONGEST_LICENCE_TEXT)


class LicenceOut(Schema):
    id: int
    name: str
    version: str
    text_sha256: str
    at: datetime


class ArtefactIn(Body):
    component: Component
    version: Word
    folder: str = Field(max_length=LONGEST_PATH, description="below ARTEFACTS_ROOT on the machine of the site")
    size: Word = Field("", description="its name, such as 124M; empty for what belongs to the whole family")
    licence: int | None = Field(None, description="the id of a licence")


class ArtefactOut(Schema):
    id: int
    size: str | None = None
    component: str
    version: str
    status: str
    error: str
    folder: str
    licence: str | None = None
    manifest_sha256: str
    at: datetime

    @staticmethod
    def resolve_size(artefact: Artefact) -> str | None:
        return artefact.size.path if artefact.size else None

    @staticmethod
    def resolve_licence(artefact: Artefact) -> str | None:
        return str(artefact.licence) if artefact.licence else None


class FileOut(Schema):
    path: str
    bytes: int
    sha256: str = Field(description="empty until the file was read")


@router.get("/licences", response=list[LicenceOut], summary="Every version of every licence")
@paginate
@staff(*REGISTER_READERS)
def list_licences(request: SignedIn) -> Any:
    return Licence.objects.all()


@router.post("/licences", response={201: LicenceOut}, summary="Add a version of a licence")
@staff(Permission.RELEASE_EDIT)
def add_licence(request: SignedIn, body: LicenceIn) -> Any:
    return Status(201, releases.add_licence(by=request.user, **body.model_dump()))


@router.get(
    "/families/{slug:slug}/artefacts", response=list[ArtefactOut], summary="Artefacts of a family and its sizes"
)
@paginate
@staff(*REGISTER_READERS)
def list_artefacts(request: SignedIn, slug: str) -> Any:
    return Artefact.objects.filter(family=get_object_or_404(Family, slug=slug)).newest_first()


@router.post(
    "/families/{slug:slug}/artefacts", response={201: ArtefactOut}, summary="Register a folder of files, to be hashed"
)
@staff(Permission.RELEASE_EDIT)
def register_artefact(request: SignedIn, slug: str, body: ArtefactIn) -> Any:
    family = get_object_or_404(Family, slug=slug)
    of = size_named(request, f"{slug}/{body.size}") if body.size else family
    licence = None if body.licence is None else Licence.objects.filter(pk=body.licence).first()
    if body.licence is not None and licence is None:
        raise Refused(f"There is no licence {body.licence}.", field="licence", given=body.licence)
    artefact = releases.register_artefact(
        by=request.user,
        of=of,
        component=body.component,
        version=body.version,
        folder=body.folder,
        licence=licence,
    )
    return Status(201, artefact)


@router.get("/artefacts/{int:pk}", response=ArtefactOut, summary="An artefact, and how its hashing stands")
@staff(*REGISTER_READERS)
def get_artefact(request: SignedIn, pk: int) -> Any:
    return get_object_or_404(Artefact.objects.newest_first(), pk=pk)


@router.get("/artefacts/{int:pk}/files", response=list[FileOut], summary="The files of an artefact")
@paginate
@staff(*REGISTER_READERS)
def list_artefact_files(request: SignedIn, pk: int) -> Any:
    return get_object_or_404(Artefact, pk=pk).files.order_by("path")
