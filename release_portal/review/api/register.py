"""The register: families and sizes, errata, and who may have which component."""

from datetime import date, datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.lib.schemas import Body, Word
from release_portal.lib.states import Refused
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases import actions as releases
from release_portal.releases.actions.families import LONGEST, LONGEST_DESCRIPTION, LONGEST_REASON_OF_ERRATUM
from release_portal.releases.actions.openings import LONGEST_REASON_OF_OPENING
from release_portal.releases.models import Audience, Component, Family, ModelSize, Opening
from release_portal.releases.shortcuts import size_named

from ..decorators import REGISTER_READERS, staff

router = Router(tags=["review"])


class FamilyEdit(Body):
    name: Word
    summary: str = Field(max_length=LONGEST["summary"])
    description: str = Field("", max_length=LONGEST_DESCRIPTION)
    licence: Word = Field("", description="of the weights")


class FamilyIn(FamilyEdit):
    slug: Word = Field(description="small letters, digits and hyphens, such as gpt2; it stays")


class FamilyOut(Schema):
    slug: str
    name: str
    summary: str
    description: str
    licence: str


class SizeEdit(Body):
    context_tokens: int = Field(description="tokens of the longest text, prompt included")
    hub_id: Word = Field("", description="name on the Hugging Face Hub")


class SizeIn(SizeEdit):
    name: Word = Field(description="such as 124M")
    parameters: int


class RegisteredSizeOut(Schema):
    size: str = Field(alias="path")
    parameters: int
    context_tokens: int
    hub_id: str


class ErratumIn(Body):
    """What is left out was right."""

    name: Word = Field("", description="the right name")
    parameters: int | None = Field(None, description="the right number")
    on: date = Field(description="the day on which it was announced")
    reason: str = Field(max_length=LONGEST_REASON_OF_ERRATUM)


class ErratumOut(Schema):
    size: str = Field(alias="size.path")
    name_was: str
    parameters_was: int | None
    on: date
    reason: str
    sentence: str


class OpeningIn(Body):
    component: Component
    audience: Audience
    reason: str = Field(max_length=LONGEST_REASON_OF_OPENING)
    size: Word = Field("", description="its name, such as 124M; empty for what belongs to the whole family")
    typed: Word = Field("", description="to open a copy to everybody: the name of the size or family")


class OpeningOut(Schema):
    size: str | None = None
    component: str
    audience: str
    at: datetime
    reason: str

    @staticmethod
    def resolve_size(opening: Opening) -> str | None:
        return opening.size.path if opening.size else None


@router.post("/families", response={201: FamilyOut}, summary="Add a family")
@staff(Permission.RELEASE_EDIT)
def add_family(request: SignedIn, body: FamilyIn) -> Any:
    return Status(201, releases.add_family(by=request.user, **body.model_dump()))


@router.put("/families/{slug:slug}", response=FamilyOut, summary="Edit the page of a family")
@staff(Permission.RELEASE_EDIT)
def edit_family(request: SignedIn, slug: str, body: FamilyEdit) -> Any:
    family = _family(slug)
    releases.edit_family(by=request.user, family=family, **body.model_dump())
    return family


@router.post("/families/{slug:slug}/sizes", response={201: RegisteredSizeOut}, summary="Add a size, closed")
@staff(Permission.RELEASE_EDIT)
def add_size(request: SignedIn, slug: str, body: SizeIn) -> Any:
    return Status(201, releases.add_size(by=request.user, family=_family(slug), **body.model_dump()))


@router.put("/families/{slug:slug}/sizes/{str:name}", response=RegisteredSizeOut, summary="Edit the facts of a size")
@staff(Permission.RELEASE_EDIT)
def edit_size(request: SignedIn, slug: str, name: str, body: SizeEdit) -> Any:
    size = _size(request, slug, name)
    releases.edit_size(by=request.user, size=size, **body.model_dump())
    return size


@router.post(
    "/families/{slug:slug}/sizes/{str:name}/errata",
    response={201: ErratumOut},
    summary="Correct the name or the parameters of a size",
)
@staff(Permission.RELEASE_EDIT)
def correct_size(request: SignedIn, slug: str, name: str, body: ErratumIn) -> Any:
    return Status(201, releases.correct_size(by=request.user, size=_size(request, slug, name), **body.model_dump()))


@router.get("/families/{slug:slug}/openings", response=list[OpeningOut], summary="Who could have what, newest first")
@paginate
@staff(*REGISTER_READERS)
def list_openings(request: SignedIn, slug: str) -> Any:
    return Opening.objects.in_family(_family(slug)).newest_first()


@router.post("/families/{slug:slug}/openings", response={201: OpeningOut}, summary="Say who may have a component now")
@staff(Permission.SIZE_OPEN)
def open_component(request: SignedIn, slug: str, body: OpeningIn) -> Any:
    of = size_named(request, f"{slug}/{body.size}") if body.size else _family(slug)
    if body.audience == Audience.OPEN and not body.component.words.is_hosted and body.typed != of.name:
        sentence = f"A copy for everybody cannot be called back. To be sure, send “typed”: “{of.name}”."
        raise Refused(sentence, field="typed", limit=of.name, given=body.typed)
    opening = releases.open_component(
        by=request.user, of=of, component=body.component, audience=body.audience, reason=body.reason
    )
    return Status(201, opening)


def _family(slug: str) -> Family:
    return get_object_or_404(Family, slug=slug)


def _size(request: SignedIn, slug: str, name: str) -> ModelSize:
    return size_named(request, f"{slug}/{name}", "name")
