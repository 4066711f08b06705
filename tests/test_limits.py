"""Limits before the work: what is too much is refused before it is read, made or checked."""

import asyncio
import io
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import cycle

import pytest
from django.urls import reverse

from release_portal import asgi
from release_portal.api import MOST_ERRORS
from release_portal.lib.parsing import MOST_VALUES

from . import test_bad_input, test_routes
from .test_bad_input import actor_of, body_of, operations, places_of, send_json, with_value

clients, world, undone = test_routes.clients, test_routes.world, test_bad_input.undone

LARGEST_ANSWER = 16_384  # bytes
MOST_MEMORY = 64 * 2**20
"""Bytes that the answer to 200 KB may cost. It was 185 MB."""


def peak_of(call: Callable) -> tuple[object, int]:
    """What a call returns, and the most memory that Python had during it."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_submit_job_of_200_kb_of_wrong_prompts_is_answered_briefly(grant, ben, api_of):
    client, body = api_of(ben), b'{"size": "a", "prompts": [%s1]}' % (b"1, " * 66_000)
    response, memory = peak_of(lambda: client.generic("POST", "/api/v1/jobs", body, content_type="application/json"))
    assert response.status_code == 422
    assert response.json()["field"] == "prompts.0"
    assert response.json()["error_count"] == 1  # the list is read no further
    assert len(response.content) < LARGEST_ANSWER
    assert memory < MOST_MEMORY


def test_wrong_fields_beyond_those_listed_are_counted(rita, api_of, access_request):
    wrong = {"item": "x", "terms": {"ends_on": "x", "token_quota": "x", "purposes": []}}
    path = reverse("api-1:decide_request", args=[access_request.pk])
    response = api_of(rita).post(path, {"answers": [wrong] * 100}, content_type="application/json")
    answer = response.json()
    assert len(answer["errors"]) == MOST_ERRORS
    assert answer["error_count"] == 300
    assert len(response.content) < LARGEST_ANSWER


@pytest.mark.parametrize("value", ["1", "[]", "{}", '"a"', '{"a": 1}'])
def test_body_of_too_many_values_is_refused_before_they_are_made(grant, ben, api_of, value):
    body = b'{"size": "a", "prompts": [%s1]}' % ((value.encode() + b",") * 1_000_000)
    client = api_of(ben)
    response, memory = peak_of(lambda: client.generic("POST", "/api/v1/jobs", body, content_type="application/json"))
    assert response.status_code == 422
    assert response.json()["detail"] == f"The body takes at most {MOST_VALUES:,} values; this has more."
    assert memory < 2 * len(body) + 2**20  # the body twice: as it is sent, and as Django keeps it


@pytest.mark.slow
def test_every_list_of_the_api_is_counted_before_its_entries_are_read(clients, world, undone):
    lists, wrong = 0, cycle(("1", "{}"))
    for row, path, operation, schemas in operations(world, clients["zoe"]):
        for place, schema in places_of(body_of(operation), schemas) if body_of(operation) else ():
            if schema.get("type") != "array":
                continue
            lists += 1
            body = with_value(world["sent"].get(row.route, {}), place, "@")
            raw = f"[{','.join([next(wrong)] * (MOST_VALUES - 100))}]"
            client = actor_of(row, clients)
            response, memory = peak_of(partial(undone, client, send_json, row, path, body, raw))
            assert response.status_code == 422, (row, place)
            assert len(response.content) < LARGEST_ANSWER, (row, place)
            assert memory < MOST_MEMORY, (row, place, memory)
    assert lists >= 10


# --- what the server takes


def sent_to(path: str, *chunks: bytes, headers: dict[bytes, bytes] | None = None, then: Callable | None = None):
    """What the ASGI application answers to a body in parts; `then` is awaited where it asks for more than there is."""
    waiting, answer = list(chunks), []

    async def receive():
        if not waiting:
            await (then or asyncio.Event().wait)()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting) or then is not None}

    async def send(message):
        answer.append(message)

    asyncio.run(exchange(path, receive, send, headers or {}))
    body = b"".join(part.get("body", b"") for part in answer)
    return answer[0]["status"], json.loads(body) if path.startswith("/api/") else body.decode(), len(waiting)


def exchange(path: str, receive: Callable, send: Callable, headers: dict[bytes, bytes]) -> Awaitable[None]:
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [(b"host", b"127.0.0.1"), *headers.items()], "client": ("127.0.0.1", 1), "scheme": "http"}
    return asgi.application(scope, receive, send)


def test_body_over_the_limit_of_its_route_is_answered_unread(settings):
    large = {b"content-length": b"2000000"}
    status, answer, unread = sent_to("/api/v1/organisations", b"x", headers=large)
    assert (status, unread) == (413, 1)
    assert answer["detail"] == "This request has 2,000,000 bytes; this address takes at most 1,048,576."


def test_body_of_unknown_length_is_read_up_to_the_limit():
    status, answer, unread = sent_to("/api/v1/organisations", *[b"x" * 300_000] * 100)
    assert (status, unread) == (413, 96)
    assert answer["detail"] == "This request has at least 1,200,000 bytes; this address takes at most 1,048,576."


@pytest.mark.parametrize("path", ["/accounts/login/", "/organisations/apply/", "/nowhere/"])
def test_page_over_the_limit_is_answered_in_plain_text(path):
    status, answer, unread = sent_to(path, *[b"x" * 300_000] * 100)
    assert (status, unread) == (413, 96)
    assert "takes at most 1,048,576" in answer


@pytest.mark.parametrize("route", sorted(asgi.UPLOADS))
def test_upload_may_be_larger_than_other_bodies(route):
    status, answer, unread = sent_to(reverse(route), *[b"x" * 2**20] * 100)
    assert (status, unread) == (413, 49)
    assert "has at least 51 MB; the portal takes at most 50 MB" in str(answer)


def test_form_of_too_many_fields_is_refused(client_of, ada):
    response = client_of(ada).post(reverse("partners:apply"), {f"field_{n}": "x" for n in range(1_001)})
    assert response.status_code == 400


@pytest.mark.parametrize("path", ["/api/v1/organisations", "/jobs/"])
def test_query_of_too_many_fields_is_refused(client_of, api_of, ada, path):
    client = api_of(ada) if path.startswith("/api/") else client_of(ada)
    response = client.get(f"{path}?{'&'.join(f'q{n}=x' for n in range(1_001))}")
    assert response.status_code == 400
    if path.startswith("/api/"):
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("sent", [{f"f{n}": "x" for n in range(1_001)}, {f"f{n}": io.BytesIO(b"x") for n in range(11)}])
def test_upload_of_too_many_fields_or_files_is_refused(grant, ben, api_of, sent):
    response = api_of(ben).post("/api/v1/jobs/from-file", sent)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


# --- clients that are slow


def test_body_that_comes_too_slowly_is_answered(settings):
    settings.BODY_SECONDS = 0.01
    status, answer, _ = sent_to("/api/v1/organisations", b"x" * 100, then=asyncio.Event().wait)
    assert status == 408
    assert answer["detail"].startswith("Of this request 100 bytes came in")


def test_body_that_comes_fast_enough_may_take_longer(settings):
    settings.BODY_SECONDS = 0.01
    parts = [b"x" * 100 * asgi.SLOWEST_BODY] * 3

    async def receive():
        if len(parts) < 3:
            await asyncio.sleep(0.02)
        if not parts:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(), "more_body": bool(parts)}

    answer = []

    async def send(message):
        answer.append(message)

    asyncio.run(exchange(reverse("jobs:new"), receive, send, {}))
    assert answer[0]["status"] == 403  # it has no CSRF token
