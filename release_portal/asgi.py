"""The site as uvicorn serves it. A body over the limit of its route is answered before it is read, one that names no
length once so much has come, and one that comes too slowly once its time is over."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import Resolver404, resolve

from release_portal.lib.text import number_in

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "release_portal.settings")

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

UPLOADS = frozenset({"api-1:submit", "api-1:submit_file", "jobs:new"})
"""Routes that take a file or a list of prompts. All others take forms and short lists."""

SLOWEST_BODY = 16_384
"""Bytes a second, on the average, once BODY_SECONDS are over."""

django_application = get_asgi_application()


@dataclass(frozen=True)
class NotTaken:
    """Why the portal does not read a body to its end."""

    status: int
    title: str
    sentence: str


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await django_application(scope, receive, send)
        return
    body = _Body(scope, receive)
    await django_application(scope, body.receive, send)
    if body.refused:
        await _answer_refusal(scope, body.refused, send)


class _Body:
    """What a client sends: up to the limit of its route, and no slower than SLOWEST_BODY.

    For Django a client that is refused has left, so it closes what it opened.

    Django reads a body to its end before a thread serves the request, so one that is slow holds no thread. Once it is
    there, `receive` waits for the client's leaving, for as long as the answer takes.
    """

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self._receive = receive
        self._is_upload = _is_upload(scope["path"])
        self._limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if self._is_upload else settings.BODY_LIMIT
        self._announced = _announced_bytes(scope)
        self._began = asyncio.get_running_loop().time()
        self._came, self._is_whole = 0, False
        self.refused: NotTaken | None = None

    async def receive(self) -> Mapping[str, Any]:
        if self._is_whole:
            return await self._receive()
        if self._announced > self._limit:
            return self._refuse(self._too_large(self._announced))
        seconds = settings.BODY_SECONDS + self._came / SLOWEST_BODY
        try:
            async with asyncio.timeout_at(self._began + seconds):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(self._too_slow(seconds))
        self._came += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._came > self._limit:
            return self._refuse(self._too_large(self._came, at_least="at least "))
        return message

    def _refuse(self, why: NotTaken) -> Mapping[str, Any]:
        self.refused = why
        return {"type": "http.disconnect"}

    def _too_slow(self, seconds: float) -> NotTaken:
        sentence = (
            f"Of this request {self._came:,} bytes came in {seconds:,.0f} seconds; the portal waits "
            f"{settings.BODY_SECONDS:,.0f} seconds, and one more for each {SLOWEST_BODY:,} bytes. Send it again."
        )
        return NotTaken(408, "Too slow", sentence)

    def _too_large(self, given: int, *, at_least: str = "") -> NotTaken:
        if not self._is_upload:
            sentence = f"This request has {at_least}{given:,} bytes; this address takes at most {self._limit:,}."
            return NotTaken(413, "Too large", sentence)
        sentence = (
            f"This upload has {at_least}{given / 1024 / 1024:,.0f} MB; the portal takes at most "
            f"{settings.UPLOAD_LIMIT_MB} MB at once. "
            "Split the file and submit several jobs. Go back in your browser: what you typed is still there."
        )
        return NotTaken(413, "Too large", sentence)


def _is_upload(path: str) -> bool:
    try:
        return resolve(path).view_name in UPLOADS
    except Resolver404:
        return False


def _announced_bytes(scope: dict[str, Any]) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0").decode("latin-1")
    return number_in(length) or 0


async def _answer_refusal(scope: dict[str, Any], refused: NotTaken, send: Send) -> None:
    problem = {"status": refused.status, "title": refused.title, "detail": refused.sentence}
    wants_json = scope["path"].startswith("/api/")
    body, kind = (json.dumps(problem), "application/problem+json") if wants_json else (refused.sentence, "text/plain")
    headers = [(b"content-type", f"{kind}; charset=utf-8".encode()), (b"connection", b"close")]
    headers.append((b"cache-control", b"private, no-store"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
