"""What is so for every request: its texts are texts, a refusal has one form, an error of the API is JSON."""

import codecs
import logging
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from psycopg.errors import UniqueViolation

from release_portal.audit.acting import acting_for
from release_portal.lib.network import address_of, client_behind, current_network, is_proxy, network_of
from release_portal.lib.rendering import written
from release_portal.lib.states import Refused, TooMany
from release_portal.lib.text import shortened

logger = logging.getLogger(__name__)

OF_PROXIES = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_FORWARDED")
"""Headers, as Django names them, that only a proxy of ours may send."""

FOR_ONE = ("/api/", "/accounts/", "/account/", "/invitations/")
"""How the addresses begin whose answers nobody keeps, no matter who asks."""

GetResponse = Callable[[HttpRequest], HttpResponse]


def problem_of(refused: Refused) -> dict[str, object]:
    """The refusal as a problem document (RFC 9457); `field`, `limit` and `given` tell what was wrong."""
    titles = {403: "Not allowed", 409: "Not possible now", 422: "Not accepted", 429: "Too often"}
    problem: dict[str, object] = {"status": refused.status, "title": titles[refused.status], "detail": refused.sentence}
    if refused.field:
        problem |= {"field": refused.field, "limit": refused.limit, "given": _shown(refused.given)}
    return problem


def _shown(given: object) -> object:
    """What was given, as far as an answer repeats it."""
    if isinstance(given, float) and not math.isfinite(given):
        return str(given)
    return shortened(given) if isinstance(given, str) else given


def after_a_while(response: HttpResponse, refused: Refused) -> HttpResponse:
    """The answer to a refusal; to one that ends by itself, with the seconds until then."""
    if isinstance(refused, TooMany):
        response.headers["Retry-After"] = str(refused.seconds)
    return response


def problem_response(problem: dict[str, object]) -> HttpResponse:
    status = int(str(problem["status"]))
    return HttpResponse(written(problem), status=status, content_type="application/problem+json")


def is_of_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


class AddressMiddleware:
    """Where a request comes from and to which address of ours is settled before anything reads it.

    The client's address is the one behind the proxies of TRUSTED_PROXIES; from anybody else the headers of proxies are
    dropped. The host has to be an allowed one. From then on it is that of BASE_URL, and so is every link that Django or
    allauth makes of it, in a page or in a mail.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._own = urlsplit(settings.BASE_URL)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self._settle_client(request.META)
        self._settle_host(request)
        token = current_network.set(network_of(address_of(request)))
        try:
            return self.get_response(request)
        finally:
            current_network.reset(token)

    def _settle_client(self, headers: dict[str, Any]) -> None:
        peer = headers.get("REMOTE_ADDR", "")
        headers["REMOTE_ADDR"] = client_behind(peer, headers.pop("HTTP_X_FORWARDED_FOR", ""))
        for name in OF_PROXIES if not is_proxy(peer) else ():
            headers.pop(name, None)

    def _settle_host(self, request: HttpRequest) -> None:
        """A form of the same origin stays one: a browser names the host that it used."""
        used = f"{request.scheme}://{request.get_host()}"
        if request.META.get("HTTP_ORIGIN") == used:
            request.META["HTTP_ORIGIN"] = f"{request.scheme}://{self._own.netloc}"
        request.META["HTTP_HOST"] = self._own.netloc


class NoStoreMiddleware:
    """What is for one person is kept by no browser and no proxy: the API, the pages of accounts and of invitations, and
    every page of somebody signed in."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(FOR_ONE) or _is_signed_in(request):
            response.headers["Cache-Control"] = "private, no-store"
        return response


def _is_signed_in(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)  # what is refused before anybody is looked for has none
    return user is not None and user.is_authenticated


class ProblemMiddleware:
    """An error of the API is a problem document, where Django itself answers too. It repeats nothing of the request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code >= 400 and is_of_api(request) and "json" not in response["Content-Type"]:
            response.content = written(_unforeseen(request, response))
            response.headers["Content-Type"] = "application/problem+json"
            response.headers["Content-Length"] = str(len(response.content))
        return response


def _unforeseen(request: HttpRequest, response: HttpResponse) -> dict[str, object]:
    """The problem document of an error that no door of the API answered itself."""
    failed = "The portal could not answer this request. The error is noted."
    detail = {
        503: f"The portal is busy. Nothing was done; send it again in {response.headers.get('Retry-After')} seconds.",
        404: "There is nothing here that you may see.",
        405: f"This address takes {response.headers.get('Allow')}; you sent {shortened(request.method or '', 20)}.",
    }.get(response.status_code, failed if response.status_code >= 500 else "The request cannot be read.")
    return {"status": response.status_code, "title": HTTPStatus(response.status_code).phrase, "detail": detail}


class PlainTextMiddleware:
    """A request has only texts in it before any page reads it.

    Nobody sees a null character, so one that was pasted into a field is left out. A program of the API is refused
    by the parser. In an address it names nothing.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        if not _is_utf_8(request):
            sentence = "This site reads UTF-8 alone. Leave the charset out of the header Content-Type, or name utf-8."
            return answer_to(request, Refused(sentence, field="Content-Type", limit="utf-8"))
        request.COOKIES = {name: value.replace("\0", "") for name, value in request.COOKIES.items()}
        if not is_of_api(request):
            request.GET = _without_null(request.GET)  # type: ignore[assignment]
            request.POST = _without_null(request.POST)  # type: ignore[assignment]
        return self.get_response(request)


def _is_utf_8(request: HttpRequest) -> bool:
    return request.encoding is None or codecs.lookup(request.encoding).name in {"utf-8", "ascii"}


def _without_null(fields: QueryDict) -> QueryDict:
    if not any("\0" in text for name, values in fields.lists() for text in (name, *values)):
        return fields
    clean = QueryDict(mutable=True)
    for name, values in fields.lists():
        clean.setlist(name.replace("\0", ""), [value.replace("\0", "") for value in values])
    return clean


def answer_to(request: HttpRequest, refused: Refused) -> HttpResponse:
    """A refusal as a page, or as a problem document of the API."""
    if is_of_api(request):
        return after_a_while(problem_response(problem_of(refused)), refused)
    context = {"sentence": refused.sentence, "back_url": _back_of(request)}
    return after_a_while(render(request, "refused.html", context, status=refused.status), refused)


def _back_of(request: HttpRequest) -> str:
    """Where the person was on this site. Another site, or a script in the place of an address, is not linked to."""
    address, own = request.headers.get("Referer", ""), request.get_host()
    is_ours = url_has_allowed_host_and_scheme(address, allowed_hosts={own}, require_https=request.is_secure())
    return address if is_ours else "/"


def refused_by_database(error: Exception) -> Refused | None:
    """The net under the verbs: of two at the same moment a unique constraint refused one, and no verb said so. The
    log names the constraint, and no value."""
    if isinstance(error, IntegrityError) and isinstance(error.__cause__, UniqueViolation):
        logger.error("A verb left it to the database to refuse: %s", error.__cause__.diag.constraint_name)
        return Refused("The same was sent a moment ago. Open the page again: what was sent first is there.")
    return None


class ActingMiddleware:
    """Whatever is done for a request is done for the person who is signed in, or whose token it shows: PostgreSQL takes
    events of nobody else. It is looked up where an event is written, and nowhere else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with acting_for(lambda: request.user.pk):
            return self.get_response(request)


class FragmentMiddleware:
    """Where a part of a page is asked for by htmx and the answer is another page, the browser goes to that page: htmx
    would put it into the part. Who was signed out meanwhile comes back to the page that they were on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.headers.get("HX-Request") != "true" or response.status_code not in (301, 302):
            return response
        address = urlsplit(response["Location"])
        if address.path == resolve_url(settings.LOGIN_URL):
            here = urlsplit(request.headers.get("HX-Current-URL", ""))
            back = urlencode({"next": here._replace(scheme="", netloc="").geturl() or "/"})
            address = address._replace(query=back)
        return HttpResponseClientRedirect(address.geturl())


class NoticeMiddleware:
    """What an answer of the API says beside its content, such as that a size has another name now, is a header."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if notice := getattr(request, "notice", ""):
            response.headers["Portal-Notice"] = notice
        return response


class RefusalMiddleware:
    """Answers a refusal of a verb in one form."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        refused = refused_by_database(exception) or exception
        return answer_to(request, refused) if isinstance(refused, Refused) else None
