"""Serves the site over HTTP: uvicorn, which leaves clients that are too slow.

    python -m release_portal.serve --port 8000

uvicorn itself waits without end for the rest of a request's headers, and for a client that does not read. A body that
comes too slowly is refused in `asgi.py`, which knows whose it is.
"""

import argparse
import asyncio
import os

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 500
"""Beyond them the answer is 503 at once. A thread serves a request only once it is there, so most connections wait."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with an end to waiting: for the headers of a request, and for a client to read what it asked for."""

    _headers_end: asyncio.TimerHandle | None = None
    _reading_ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._headers_end = self._end_after(settings.HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_end, self._reading_ends = _cancelled(self._headers_end), _cancelled(self._reading_ends)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._waits_for_headers:
            self._headers_end = _cancelled(self._headers_end)
        elif self._headers_end is None:
            self._headers_end = self._end_after(settings.HEADER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading_ends = self._end_after(settings.READ_SECONDS)

    def resume_writing(self) -> None:
        self._reading_ends = _cancelled(self._reading_ends)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """An answer that is not read to its end does not keep a connection that nothing else is asked of."""
        super().timeout_keep_alive_handler()
        _cancelled(self._reading_ends)
        self._reading_ends = self._end_after(settings.READ_SECONDS)

    @property
    def _waits_for_headers(self) -> bool:
        """Whether some of a request's headers are there, and not all of them."""
        is_served = self.cycle is not None and not self.cycle.response_complete
        return bool(self.conn.trailing_data[0]) and not is_served

    def _end_after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the site over HTTP.")
    parser.add_argument("--host", default=os.environ.get("UVICORN_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=8000)
    told = parser.parse_args()
    uvicorn.run(
        "release_portal.asgi:application",
        host=told.host,
        port=told.port,
        http=PatientProtocol,
        limit_concurrency=MOST_CONNECTIONS,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # AddressMiddleware reads them, from TRUSTED_PROXIES alone
    )


if __name__ == "__main__":
    main()
