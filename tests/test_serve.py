"""Clients that are too slow are left: real sockets, and a server whose waiting is cut short."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from release_portal import serve
from release_portal.serve import PatientProtocol

from .patience import PATIENCE, until

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


LARGE = 64 * 2**20


class Site:
    """An application that answers at once or part by part, and remembers that it has come to its end."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.server: uvicorn.Server

    async def __call__(self, scope, receive, send) -> None:
        parts = {"/": [b"xx"], "/large": [b"x" * LARGE], "/parts": [b"x" * 2**20] * 64}[scope["path"]]
        headers = [(b"content-length", str(sum(map(len, parts))).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, start=1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})
        self.ended.set()


@contextmanager
def serving(site: Site) -> Iterator[int]:
    """The port of a server of it, in a thread."""
    config = uvicorn.Config(site, port=0, http=PatientProtocol, log_level="critical", lifespan="off")
    config.timeout_graceful_shutdown = 1
    server = site.server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, what="the server to start")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def connect(site) -> Iterator:
    with serving(site) as port:
        opened: list[socket.socket] = []

        def connected() -> socket.socket:
            opened.append(socket.create_connection(("127.0.0.1", port), PATIENCE))
            return opened[-1]

        yield connected
        for one in opened:
            one.close()


def is_ended(client: socket.socket) -> bool:
    """Reads all that the server still says, until its end."""
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def read_by(client: socket.socket) -> int:
    """How much there is to read, until the end."""
    read = 0
    try:
        while part := client.recv(2**20):
            read += len(part)
    except ConnectionResetError:
        pass
    return read


@pytest.mark.parametrize("sent", [b"", b"G", WHOLE[:-2], WHOLE + b"GET /"])
def test_client_that_never_ends_its_headers_is_left(settings, connect, sent):
    settings.HEADER_SECONDS = 0.2
    client = connect()
    client.sendall(sent)
    assert is_ended(client)


def test_client_that_sends_its_headers_byte_by_byte_is_left(settings, connect):
    settings.HEADER_SECONDS = 0.2
    client = connect()
    client.settimeout(0.02)
    for _ in range(int(PATIENCE / 0.02)):
        try:
            client.sendall(b"G")
            assert client.recv(1) == b""
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        return
    pytest.fail("The server goes on waiting.")


def test_client_that_never_reads_keeps_no_answer_waiting(settings, site, connect):
    settings.READ_SECONDS = 0.2
    client = connect()
    client.sendall(WHOLE.replace(b"/ ", b"/parts "))
    assert site.ended.wait(PATIENCE)
    assert read_by(client) < LARGE


def test_client_that_never_reads_is_left(settings, site, connect):
    settings.READ_SECONDS = 0.2
    client = connect()
    client.sendall(WHOLE.replace(b"/ ", b"/large "))
    assert site.ended.wait(PATIENCE)
    until(lambda: not site.server.server_state.connections, what="the server to leave it")
    assert read_by(client) < LARGE


@pytest.mark.parametrize("path", [b"/large ", b"/parts "])
def test_client_that_reads_gets_all_of_it_however_long_it_takes(settings, connect, path, monkeypatch):
    monkeypatch.setattr(serve, "LEAST_READ", 1)
    settings.READ_SECONDS = 0.5
    client = connect()
    client.sendall(WHOLE.replace(b"/ ", path))
    read = 0
    while read < LARGE:
        time.sleep(0.04)  # 64 of them are five times as long
        read += len(client.recv(2**20))


def test_clients_one_after_the_other_on_one_connection_are_answered(settings, connect):
    settings.HEADER_SECONDS = PATIENCE
    client = connect()
    for _ in range(3):
        client.sendall(WHOLE)
        answer = b""
        while not answer.endswith(b"xx"):
            answer += client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 OK")
