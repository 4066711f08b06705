"""A real worker process behind a real Redis."""

import os
import shlex
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from celery import Celery
from cryptography.fernet import Fernet

from inference import contract
from inference.contract import Heartbeat, Report, Revoked, Sampling, Sequence, Stop, WorkOrder
from inference.seal import Seal
from release_portal.jobs.accounts import COMMANDS
from release_portal.lib.embedded import start_redis
from tests import forked
from tests.garbage import touching
from tests.inference.tiny import install_tiny_gpt2
from tests.live import procfile
from tests.patience import PATIENCE, until

SIZE = "gpt2/124M"
MANY = 3000  # texts that no machine writes before a test goes on
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", *shlex.split(procfile()["generate"])]


pytestmark = pytest.mark.live


class Site:
    """The other side of the wall: sends orders, reads what comes back."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.key = Fernet.generate_key().decode()
        self.seal = Seal(self.key)
        address = f"unix://:word@{self.socket}"
        self.app = Celery("site", broker=contract.broker_url(address), set_as_current=False)
        self.redis = redis.Redis.from_url(address)
        self.server = None
        self.received = []
        self.sent = set()
        """Orders and tokens that were sent and may still be out."""

    @property
    def environment(self):
        """What a worker named anna needs: the account on the broker is as small as the site makes them."""
        address = f"unix://worker-anna:hers@{self.socket}"
        return {"REDIS_URL": address, "WORKER_NAME": "anna", "WORKER_KEY": self.key, "SIZES": SIZE}

    def start_redis(self):
        self.server = start_redis(self.folder, self.socket, "word")
        rules = ["reset", "on", ">hers", f"~{contract.keys_of('anna')}*", f"~{contract.REPORTS}", "-@all"]
        self.redis.execute_command("ACL", "SETUSER", "worker-anna", *rules, *(f"+{command}" for command in COMMANDS))

    def stop_redis(self):
        self.server.terminate()
        self.server.wait(PATIENCE)

    def send(self, order):
        self.sent.add((order.id, order.token))
        self.send_sealed(self.seal.close(order))

    def send_sealed(self, sealed):
        self.app.send_task(contract.GENERATE, [sealed], queue=contract.orders_of("anna"))

    def notify(self, notice, seal=None):
        self.redis.lpush(contract.notices_of("anna"), (seal or self.seal).close(notice))

    def messages(self, kind):
        """Every message of that kind that has come so far."""
        while arrived := self.redis.rpop(contract.REPORTS):
            name, sealed = arrived.split(b" ", 1)
            assert name == b"anna"
            opened = self.seal.open(sealed)
            self.received.append(opened.read({"Report": Report, "Heartbeat": Heartbeat}[opened.kind]))
        return [message for message in self.received if isinstance(message, kind)]

    def stop_all(self):
        """Have the worker stop what it still carries out."""
        ended = {(report.order, report.token) for report in self.messages(Report) if report.ended}
        for each in self.sent - ended:
            self.notify(Stop(*each))
            until(lambda each=each: each in {(last.order, last.token) for last in self.messages(Report) if last.ended})
        self.sent.clear()

    def last_report(self):
        return next((report for report in self.messages(Report) if report.ended), None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    install_tiny_gpt2(root, layers=4, width=128)
    return root


@contextmanager
def running(root, weights):
    """A site and its worker, which has sent a heartbeat."""
    site = Site(root)
    site.start_redis()
    environment = site.environment | {"WEIGHTS_ROOT": str(weights), "DEVICE": "cpu", "PATH": os.environ["PATH"]}
    environment["OMP_NUM_THREADS"] = "1"
    worker = forked.template(forked.WORKER).start(COMMAND, environment, root / "log")
    worker.log = root / "log"
    try:
        until(lambda: site.messages(Heartbeat))
        yield site, worker
    finally:
        worker.kill()
        worker.wait(PATIENCE)
        site.app.close()
        site.stop_redis()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, weights):
    with running(tmp_path_factory.mktemp("r"), weights) as both:
        yield both


@pytest.fixture
def site(shared):
    """One site and worker for all tests that leave the worker running: each begins with a fresh heartbeat and ends
    with no order out."""
    site, _ = shared
    until(lambda: site.messages(Heartbeat))
    yield site
    site.stop_all()
    site.received.clear()


@pytest.fixture
def worker(shared):
    return shared[1]


@pytest.fixture
def mortal(tmp_path_factory, weights):
    """A site and a worker of the test's own, which ends it."""
    with running(tmp_path_factory.mktemp("r"), weights) as both:
        yield both


def order(count, max_new_tokens, token=1, name="order-1"):
    sampling = Sampling(max_new_tokens)
    sequences = (Sequence(str(number), "A secret prompt", 1, number, sampling) for number in range(count))
    return WorkOrder(name, token, SIZE, tuple(sequences))


def start_long_order(site):
    long = order(MANY, 64)
    site.send(long)
    until(lambda: any(report.texts for report in site.messages(Report)))
    return long


def test_carry_out_an_order(site, worker, weights):
    site.send(order(20, 16))

    last = until(site.last_report)

    assert sorted(int(text.key) for text in last.texts) == list(range(20))
    assert last.tokens == sum(text.tokens for text in last.texts)
    assert (last.worker, last.stopped, last.error) == ("anna", False, "")
    heartbeat = site.messages(Heartbeat)[0]
    assert (heartbeat.worker, heartbeat.device, heartbeat.sizes) == ("anna", "cpu", (SIZE,))
    assert heartbeat.checkpoints == (last.checkpoint,)
    assert "secret" not in worker.log.read_text()


STRANGER = Seal(Fernet.generate_key().decode())
GARBAGE = [
    b"a secret, and no JSON",
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b'{"properties": "a secret"}',
    b"[" * 100_000,
]


def test_drop_what_is_not_sealed_by_the_site_and_go_on(site, worker, tmp_path):
    """Whatever anybody puts into its queue or among its notices, it goes on, and says how much it could not read."""
    before = site.messages(Heartbeat)[-1].dropped
    site.redis.lpush(contract.notices_of("anna"), *GARBAGE)
    site.notify(Revoked("anna"), STRANGER)
    until(lambda: site.messages(Heartbeat)[-1].dropped == before + len(GARBAGE) + 1)

    touched = tmp_path / "touched"
    site.redis.lpush(contract.orders_of("anna"), touching(touched), *GARBAGE)
    site.send_sealed("a secret, but not sealed")
    site.send_sealed(STRANGER.close(order(1, 4, name="forged")))
    site.send(order(1, 4))
    assert until(site.last_report).order == "order-1"
    until(lambda: site.messages(Heartbeat)[-1].dropped == before + 2 * len(GARBAGE) + 3)

    log = worker.log.read_text()
    assert "it was not sealed with this key" in log
    assert "a secret" not in log
    assert not touched.exists()
    assert worker.poll() is None


def test_order_that_is_sent_again_is_carried_out_once(site, worker):
    before = site.messages(Heartbeat)[-1].dropped
    sealed = site.seal.close(order(1, 4))
    for _ in range(3):
        site.send_sealed(sealed)
    site.send(order(1, 4, name="order-2"))

    until(lambda: any(report.ended and report.order == "order-2" for report in site.messages(Report)))
    until(lambda: site.messages(Heartbeat)[-1].dropped == before + 2)
    assert sum(report.ended for report in site.messages(Report) if report.order == "order-1") == 1


def test_commands_of_celery_reach_no_worker(site, worker):
    """Who holds the broker could shut workers down by them."""
    for command in ("shutdown", "rate_limit", "cancel_consumer"):
        site.app.control.broadcast(command, arguments={"queue": contract.orders_of("anna")})
    assert site.app.control.ping(timeout=1) == []
    site.send(order(1, 4))
    assert until(site.last_report).order == "order-1"


def test_stop_an_order_in_the_middle(site, worker):
    long = start_long_order(site)

    site.notify(Stop(long.id, long.token))
    last = until(site.last_report)

    assert last.stopped
    assert 0 < len(last.texts) < MANY


def test_worker_whose_key_was_revoked_stops_and_ends(mortal):
    site, worker = mortal
    start_long_order(site)

    site.notify(Revoked("anna"))

    assert worker.wait(PATIENCE) == 0
    assert "The key of worker anna was revoked" in worker.log.read_text()
    assert len(site.last_report().texts) < MANY


def test_carry_out_a_short_order_beside_a_long_one(site, worker):
    start_long_order(site)
    site.send(replace(order(3, 8, name="order-2"), urgent=True))

    last = until(site.last_report)  # the first that ends

    assert (last.order, len(last.texts), last.stopped) == ("order-2", 3, False)


def test_end_at_a_signal_and_report_what_is_finished(mortal):
    site, worker = mortal
    start_long_order(site)
    site.send(order(MANY, 64, name="order-2"))
    until(lambda: any(report.order == "order-2" for report in site.messages(Report)))

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0

    ended = {report.order: report for report in site.messages(Report) if report.ended}
    assert ended["order-1"].stopped
    assert ended["order-1"].texts
    assert ended["order-2"].stopped
    assert site.messages(Heartbeat)[-1].leaving


def test_outlive_a_broker_that_goes_away(site, worker):
    start_long_order(site)
    site.stop_redis()
    until(lambda: "The broker did not take a Report" in worker.log.read_text())
    site.received.clear()
    site.start_redis()

    until(lambda: any(report.texts for report in site.messages(Report)))
    until(lambda: site.messages(Heartbeat))
    site.notify(Stop("order-1", 1))
    assert until(site.last_report).stopped
    assert worker.poll() is None
