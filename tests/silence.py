"""A server that takes connections and says nothing, as one does that is overloaded or behind a broken firewall."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


class SilentServer:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self.taken: list[socket.socket] = []
        """The connections that somebody waits on."""
        Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self.taken.append(self._listener.accept()[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # or `accept` would wait on
        for one in (self._listener, *self.taken):
            one.close()


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    server = SilentServer()
    try:
        yield server
    finally:
        server.close()
