"""The switchboard of the JSON API: who is asking, and one form for every refusal."""

from typing import Any

from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.security import HttpBearer

from release_portal.access.api import router as access
from release_portal.access.models import Grant, Right
from release_portal.jobs.api import router as jobs
from release_portal.jobs.limits import LIMITS
from release_portal.lib.parsing import StrictParser
from release_portal.lib.rendering import JSONRenderer
from release_portal.lib.states import Refused
from release_portal.lib.text import shortened
from release_portal.lib.unknown import known_at, refuse_unknown_parameters, unknown
from release_portal.middleware import after_a_while, problem_of, problem_response, refused_by_database
from release_portal.partners.actions import read_token
from release_portal.partners.api import router as organisations
from release_portal.partners.models import Partner, User
from release_portal.partners.obligations import require_none_due
from release_portal.partners.shortcuts import SignedIn
from release_portal.partners.watch import note_wrong_token
from release_portal.releases.ladder import family_components, ladder_of
from release_portal.releases.models import Family
from release_portal.review.api import router as review
from release_portal.review.api.fleet import router as fleet

MOST_ERRORS = 20  # that one answer lists


class PortalAPI(NinjaAPI):
    """ninja's API, whose validation errors also tell what was given, and which fields are known.

    There are never more errors than a body's lists and fields: each list has its longest length, which pydantic looks
    at first, or is read no further than its first entry that is wrong (`fail_fast`).
    """

    _document: OpenAPISchema | None = None

    def get_openapi_schema(self, **where: Any) -> OpenAPISchema:
        """The OpenAPI document: made once, as making it takes a third of a second and it stays the same."""
        if self._document is None:
            self._document = super().get_openapi_schema(**where)
        return self._document

    def validation_error_from_error_contexts(self, error_contexts: list[Any]) -> ValidationError:
        more = [
            {"input": found["input"], "known": known_at(each.model, found["loc"])}
            for each in error_contexts
            for found in each.pydantic_validation_error.errors()
        ]
        error = super().validation_error_from_error_contexts(error_contexts)
        error.errors = [{**found, **added} for found, added in zip(error.errors, more, strict=True)]
        return error


class Token(HttpBearer):
    """Authorization: Bearer rp_..."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = read_token(secret=token)
        if user is None:
            note_wrong_token(request, token)
        else:
            require_none_due(user)
            request.user = user
        return user


api = PortalAPI(
    title="Release Portal",
    version="1",
    description="Make a token on the Tokens page and send it as `Authorization: Bearer …`. A refusal is a problem "
    "document whose `detail` says what was wrong, the limit, and what was given.",
    auth=Token(),
    docs_url="/docs",
    parser=StrictParser(),
    renderer=JSONRenderer(),
)
api.add_router("/jobs", jobs)
api.add_router("/organisations", organisations)
api.add_router("/organisations", access)
api.add_router("/review", review)
api.add_router("/fleet", fleet)
refuse_unknown_parameters(api)


class ComponentOut(Schema):
    label: str
    state: str
    word: str
    sentence: str


class SizeOut(Schema):
    name: str
    earlier_names: list[str] = Field(alias="size.earlier_names", description="which an erratum replaced")
    parameters: str
    url: str
    weights: str
    components: list[ComponentOut]


class FamilyOut(Schema):
    slug: str
    name: str
    summary: str
    components: list[ComponentOut] = Field(description="what belongs to all sizes, where it was opened")
    sizes: list[SizeOut]


class GrantOut(Schema):
    organisation: str
    size: str
    ends_at: Any
    token_quota: int
    tokens_used: int
    tokens_reserved: int
    tokens_left: int


class Me(Schema):
    name: str
    email: str
    organisations: list[str]
    grants: list[GrantOut]


@api.get("/families", response=list[FamilyOut], auth=None, tags=["models"], summary="Families and their ladders")
def families(request: HttpRequest) -> Any:
    now = timezone.now()
    return [
        {
            "slug": family.slug,
            "name": family.name,
            "summary": family.summary,
            "components": family_components(family, at=now),
            "sizes": ladder_of(family, at=now),
        }
        for family in Family.objects.all()
    ]


@api.get("/me", response=Me, tags=["you"], summary="Who you are and what you may use")
def me(request: SignedIn) -> Any:
    partners = Partner.objects.visible_to(request.user)
    grants = (
        Grant.objects.in_force(at=timezone.now()).filter(partner__in=partners, right=Right.GENERATION).latest_first()
    )
    return {
        "name": request.user.name,
        "email": request.user.email,
        "organisations": [partner.slug for partner in partners],
        "grants": [
            {
                "organisation": grant.partner.slug,
                "size": grant.size.path,
                "ends_at": grant.ends_at,
                "token_quota": grant.token_quota,
                "tokens_used": grant.tokens_used,
                "tokens_reserved": grant.tokens_reserved,
                "tokens_left": grant.tokens_left,
            }
            for grant in grants
        ],
    }


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return after_a_while(problem_response(problem_of(error)), error)


@api.exception_handler(IntegrityError)
def refused_at_once(request: HttpRequest, error: IntegrityError) -> HttpResponse:
    refusal = refused_by_database(error)
    if refusal is None:
        raise error
    return refused(request, refusal)


@api.exception_handler(AuthenticationError)
def not_known(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    detail = "This needs a token in force, sent as “Authorization: Bearer rp_…”. Make one on the Tokens page."
    return problem_response({"status": 401, "title": "Who are you?", "detail": detail})


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem_response({"status": 404, "title": "Not found", "detail": "There is nothing here that you may see."})


@api.exception_handler(HttpError)
def not_read(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Refused):  # the parser's, around which ninja puts an error of its own
        return refused(request, error.__cause__)
    detail = f"The request cannot be read: {error.message}."
    return problem_response({"status": error.status_code, "title": "Not read", "detail": detail})


@api.exception_handler(ValidationError)
def not_valid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What has the wrong type. A number outside its limits is refused in the words of the form."""
    problems = [_problem_of(found) for found in error.errors[:MOST_ERRORS]]
    return problem_response({**problems[0], "errors": problems, "error_count": len(error.errors)})


def _problem_of(found: dict[str, Any]) -> dict[str, object]:
    _, *place = (str(part) for part in found["loc"])
    if place[:1] in (["body"], ["settings"]):
        place = place[1:]
    field, given = ".".join(place) or "body", found["input"]
    if field in LIMITS:
        try:
            LIMITS[field].read(given)
        except Refused as refused:
            return problem_of(refused)
    return problem_of(_refusal(field, found, given))


def _refusal(field: str, found: dict[str, Any], given: Any) -> Refused:
    """What the schema found, with the limit and what was given."""
    limit = next((found["ctx"][key] for key in ("ge", "le", "max_length") if key in found.get("ctx", {})), None)
    match found["type"]:
        case "extra_forbidden":
            return unknown(field, found["known"])
        case "string_too_long":
            given, sentence = len(given), f"has {len(given):,} characters; it takes at most {limit:,}."
        case "too_long":
            given, sentence = len(given), f"has {len(given):,} entries; it takes at most {limit:,}."
        case "less_than_equal":
            sentence = f"is at most {limit:,}; you gave {shortened(str(given), 40)}."
        case "greater_than_equal":
            sentence = f"is at least {limit:,}; you gave {shortened(str(given), 40)}."
        case _:
            given = given if isinstance(given, str | int | float) else None
            return Refused(
                f"“{field}”: {found['msg'][0].lower()}{found['msg'][1:]}.", field=field, limit=limit, given=given
            )
    return Refused(f"“{field}” {sentence}", field=field, limit=limit, given=given)
