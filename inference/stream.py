"""The bytes of a server's answers: never more of them than is bearable, and cut into events."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import httpx2
from openai import AsyncAPIResponse

DONE = b"[DONE]"
MOST_BYTES = 16 * 2**20
"""Of one answer. The longest text that the site asks for has a third of it, with the likeliest tokens of each place."""


class Excess(Exception):
    """The server sends more than it was asked for."""


class Bounded(httpx2.AsyncByteStream):
    """The body of an answer, up to `MOST_BYTES`; raises `Excess` where there is more."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came = 0
        async for piece in self._body:
            came += len(piece)
            if came > MOST_BYTES:
                raise Excess(f"sent more than {MOST_BYTES // 2**20} MiB")
            yield piece

    async def aclose(self) -> None:
        """Close the connection, or give it back."""
        await self._body.aclose()


async def bound(response: httpx2.Response) -> None:
    """Let nobody read more of an answer than its bound. It is read as it is: what was compressed could grow again."""
    response.stream = Bounded(cast(httpx2.AsyncByteStream, response.stream))
    response.headers.pop("content-encoding", None)


async def events(response: AsyncAPIResponse[Any]) -> AsyncGenerator[bytes]:
    """What a server sends, event by event; an answer without any, though a stream was asked for, is one event and done.

    Which it is shows in what comes: not every server names it in its headers.
    """
    other: list[bytes] = []
    is_stream = False
    async with aclosing(_lines(response)) as lines:
        async for line in lines:
            if line.startswith(b"data:"):
                is_stream = True
                if event := line.removeprefix(b"data:").strip():
                    yield event
            elif not is_stream:
                other.append(line)
    if not is_stream:
        yield b"\n".join(other)
        yield DONE


async def _lines(response: AsyncAPIResponse[Any]) -> AsyncGenerator[bytes]:
    line: list[bytes] = []
    async for piece in response.iter_bytes():
        first, *more = piece.split(b"\n")
        line.append(first)
        for beginning in more:
            yield b"".join(line)
            line = [beginning]
    yield b"".join(line)
