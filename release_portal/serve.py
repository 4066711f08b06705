"""Serves the site over HTTP: uvicorn, which leaves clients that are too slow.

    python -m release_portal.serve --port 8000

uvicorn itself waits without end for the rest of a request's headers, and for a client that does not read. A body that
comes too slowly is refused in `asgi.py`, which knows whose it is.
"""

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import Any

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.h11_impl import H11Protocol

LEAST_READ = 65_536
"""Bytes of an answer that a client reads in READ_SECONDS, or it is left: about a kilobyte a second."""
MOST_CONNECTIONS = 500
"""Beyond them the answer is 503 at once. A thread serves a request only once it is there, so most connections wait."""
DATABASE_POOL = 20
"""Connections to the database that all requests share, where DATABASE_POOL says nothing else."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to waiting: for the headers of a request, and for a client to read what it asked for."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ends: dict[str, asyncio.TimerHandle] = {}
        """When waiting is over: for "headers", for "reading"."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait("headers", settings.HEADER_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        for what in list(self._ends):
            self._wait_no_more(what)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._lacks_headers:
            self._wait_no_more("headers")
        elif "headers" not in self._ends:
            self._wait("headers", settings.HEADER_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reading()

    def resume_writing(self) -> None:
        self._wait_no_more("reading")
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """An answer that is not read to its end does not keep a connection on which nothing else is asked."""
        super().timeout_keep_alive_handler()
        self._wait_for_reading()

    @property
    def _lacks_headers(self) -> bool:
        """Whether some of a request's headers are there, and not all of them."""
        is_served = self.cycle is not None and not self.cycle.response_complete
        return bool(self.conn.trailing_data[0]) and not is_served

    def _wait_for_reading(self) -> None:
        """A large answer is still being read long after it was written: look again while the client goes on."""
        unread = self.transport.get_write_buffer_size()

        def look() -> None:
            if unread - self.transport.get_write_buffer_size() < LEAST_READ:
                self.transport.abort()
            else:
                self._wait_for_reading()

        self._wait("reading", settings.READ_SECONDS, look)

    def _wait(self, what: str, seconds: float, then: Callable[[], None]) -> None:
        """In the place of what was set before."""
        self._wait_no_more(what)
        self._ends[what] = self.loop.call_later(seconds, then)

    def _wait_no_more(self, what: str) -> None:
        if timer := self._ends.pop(what, None):
            timer.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the site over HTTP.")
    parser.add_argument("--host", default=os.environ.get("UVICORN_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    os.environ.setdefault("DATABASE_POOL", str(DATABASE_POOL))  # before Django reads its settings
    uvicorn.run(
        "release_portal.asgi:application",
        host=arguments.host,
        port=arguments.port,
        http=PatientProtocol,
        limit_concurrency=MOST_CONNECTIONS,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # AddressMiddleware reads them, from TRUSTED_PROXIES alone
    )


if __name__ == "__main__":
    main()
