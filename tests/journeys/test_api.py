"""A program's way through the portal: a token, a job, its texts, over HTTP alone."""

import http.client
import socket
from contextlib import suppress

import pytest
import requests

from release_portal.audit.models import SecurityEvent
from release_portal.partners.actions import create_token

from ..faults.conftest import grant_of, organisation, researcher, rita_of_the_lab, submit
from ..live import Portal
from ..patience import PATIENCE, until

__all__ = ["grant_of", "organisation", "researcher", "rita_of_the_lab", "submit"]


@pytest.fixture
def call(portal: Portal, researcher, organisation, grant_of):
    """Calls the API with the researcher's token."""
    grant_of("124M")
    _, secret = create_token(by=researcher, name="tests")

    def call(method: str, path: str, **options) -> requests.Response:
        headers = {"Authorization": f"Bearer {secret}", **options.pop("headers", {})}
        return requests.request(method, f"{portal.base_url}/api/v1{path}", headers=headers, timeout=PATIENCE, **options)

    return call


def finished(call, job: dict) -> dict:
    until(lambda: call("GET", f"/jobs/{job['id']}").json()["status"] == "finished", what="the job to end")
    return call("GET", f"/jobs/{job['id']}").json()


def test_submit_and_fetch_texts(call):
    body = {"size": "gpt2/124M", "prompts": ["One", "Two"], "samples": 3, "max_new_tokens": 8, "seed": 11}
    answer = call("POST", "/jobs", json=body, headers={"Idempotency-Key": "first"})
    again = call("POST", "/jobs", json=body, headers={"Idempotency-Key": "first"})
    assert answer.status_code == again.status_code == 201
    assert again.json()["id"] == answer.json()["id"]
    job = finished(call, answer.json())
    assert job["texts_done"] == job["texts"] == 6
    texts = call("GET", f"/jobs/{job['id']}/texts?limit=4").json()
    assert texts["count"] == 6
    assert [(text["prompt"], text["sample"]) for text in texts["items"]] == [
        ("One", 1),
        ("One", 2),
        ("One", 3),
        ("Two", 1),
    ]


def test_submit_same_seed_gives_same_texts(call):
    body = {"size": "gpt2/124M", "prompts": ["One", "A much longer second prompt"], "max_new_tokens": 24, "seed": 5}
    jobs = [finished(call, call("POST", "/jobs", json=body).json()) for _ in range(2)]
    first, second = ([text["text"] for text in call("GET", f"/jobs/{job['id']}/texts").json()["items"]] for job in jobs)
    assert first == second


def test_submit_file(call):
    files = {"file": ("prompts.jsonl", b'{"prompt": "One"}\n{"prompt": "Two"}\n')}
    answer = call("POST", "/jobs/from-file", data={"size": "gpt2/124M", "max_new_tokens": "4"}, files=files)
    assert answer.status_code == 201, answer.text
    assert finished(call, answer.json())["texts_done"] == 2


def test_refuse_prompt_longer_than_context_and_continue_the_others(call):
    body = {"size": "gpt2/124M", "prompts": ["One", "x" * 300], "max_new_tokens": 8}
    job = finished(call, call("POST", "/jobs", json=body).json())
    one, long = call("GET", f"/jobs/{job['id']}/texts").json()["items"]
    assert one["finish_reason"] in {"length", "stop"}
    assert "300 tokens" in long["error"]
    assert (long["finish_reason"], long["tokens"]) == ("refused", 0)
    assert job["end_reason"]


def test_answer_upload_over_the_limit_before_reading_it(portal):
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=PATIENCE)
    connection.putrequest("POST", "/api/v1/jobs/from-file")
    connection.putheader("Content-Length", str(300 * 1024 * 1024))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "has 300 MB; the portal takes at most 50 MB" in answer.read().decode()
    connection.close()


def test_answer_upload_of_unknown_length_as_soon_as_it_is_over_the_limit(portal):
    sent = []

    def endless():
        for _ in range(300):
            sent.append(b"x" * 1024 * 1024)
            yield sent[-1]

    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=PATIENCE)
    with suppress(ConnectionError):  # it is closed while we still send
        connection.request("POST", "/api/v1/jobs/from-file", endless())
    answer = connection.getresponse()
    assert answer.status == 413
    assert "has at least 50 MB; the portal takes at most 50 MB" in answer.read().decode()
    assert len(sent) < 100
    connection.close()


def test_slow_clients_keep_nobody_waiting(portal):
    """More of them than the site has threads, each with half a request."""
    slow = [socket.create_connection(("127.0.0.1", portal.port), PATIENCE) for _ in range(100)]
    for number, one in enumerate(slow):
        headers = b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
        one.sendall(headers + (b"\r\nlogin=" if number % 2 else b""))
    assert requests.get(f"{portal.base_url}/", timeout=PATIENCE).status_code == 200
    for one in slow:
        one.close()


def test_client_is_no_proxy_because_it_says_so(portal):
    """uvicorn would believe a client on the same machine, which every proxy's neighbour is."""
    forged = {"X-Forwarded-For": "203.0.113.77", "X-Forwarded-Proto": "https", "Authorization": "Bearer rp_wrong"}
    answer = requests.get(f"{portal.base_url}/api/v1/me", headers=forged, timeout=PATIENCE)
    assert answer.status_code == 401
    seen = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.SIGN_IN_FAILED).latest("id").detail["address"]
    assert seen == "127.0.0.1"
