"""The site as uvicorn serves it. A body over the limit is answered before it is read, one that names no length once so
much has come."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application

from release_portal.lib.text import number_in

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "release_portal.settings")

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

django_application = get_asgi_application()


class TooLarge(Exception):
    """More was sent than the portal takes at once."""


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await django_application(scope, receive, send)
        return
    came = 0

    async def counted() -> Mapping[str, Any]:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        return message

    try:
        if _announced_bytes(scope) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        await django_application(scope, counted, send)
    except TooLarge:
        await _answer_too_large(scope, max(came, _announced_bytes(scope)), send)


def _announced_bytes(scope: dict[str, Any]) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0").decode("latin-1")
    return number_in(length) or 0


async def _answer_too_large(scope: dict[str, Any], given: int, send: Send) -> None:
    at_least = "" if _announced_bytes(scope) else "at least "
    sentence = (
        f"This upload has {at_least}{given / 1024 / 1024:,.0f} MB; the portal takes at most"
        f" {settings.UPLOAD_LIMIT_MB} MB at once. "
        "Split the file and submit several jobs. Go back in your browser: what you typed is still there."
    )
    problem = {"status": 413, "title": "Too large", "detail": sentence}
    wants_json = scope["path"].startswith("/api/")
    body, kind = (json.dumps(problem), "application/problem+json") if wants_json else (sentence, "text/plain")
    headers = [(b"content-type", f"{kind}; charset=utf-8".encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
