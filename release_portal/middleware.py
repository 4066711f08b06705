"""One answer to every refusal: a problem document for programs, a page for people."""

from collections.abc import Callable

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from psycopg2.errors import UniqueViolation

from release_portal.lib.states import Refused


def problem_of(refused: Refused) -> dict[str, object]:
    """The refusal as a problem document (RFC 9457); `field`, `limit` and `given` tell what was wrong."""
    titles = {403: "Not allowed", 409: "Not possible now", 422: "Not accepted"}
    problem: dict[str, object] = {"status": refused.status, "title": titles[refused.status], "detail": refused.sentence}
    if refused.field:
        problem |= {"field": refused.field, "limit": refused.limit, "given": refused.given}
    return problem


def problem_response(problem: dict[str, object]) -> JsonResponse:
    return JsonResponse(problem, status=int(str(problem["status"])), content_type="application/problem+json")


def refused_by_database(error: Exception) -> Refused | None:
    """The net under the verbs: of two at the same moment a unique constraint refused one, and no verb said so."""
    if isinstance(error, IntegrityError) and isinstance(error.__cause__, UniqueViolation):
        return Refused("The same was sent a moment ago. Open the page again: what was sent first is there.")
    return None


class RefusalMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        exception = refused_by_database(exception) or exception
        if not isinstance(exception, Refused):
            return None
        if request.path.startswith("/api/"):
            return problem_response(problem_of(exception))
        back = request.headers.get("referer", "/")
        return render(
            request, "refused.html", {"sentence": exception.sentence, "back_url": back}, status=exception.status
        )
