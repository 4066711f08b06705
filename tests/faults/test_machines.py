"""Generation workers on machines of their own, which share nothing with the site but the broker and a key."""

import signal
import subprocess
from contextlib import ExitStack

import pytest
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.jobs.models import Job, Worker, WorkOrder

from ..live import has_worker
from ..patience import PATIENCE, until, within
from .conftest import assert_books_balance, the_end_of
from .machines import REDIS_PORT, Machine, machine, why_not

pytestmark = [pytest.mark.faults, pytest.mark.skipif(bool(why_not()), reason=why_not())]

HEARTBEAT_WITHIN = 20  # seconds
WORK_WITHIN = 30  # after a cut of a minute Celery tries to connect every 12 seconds or so, and a lease may run out
CONNECT = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.split()
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        print(place)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def machines(portal) -> list[Machine]:
    """Two machines with a worker each. The portal's own worker is stopped meanwhile."""
    portal.kill("generate", signal.SIGTERM)
    with ExitStack() as running:
        running.callback(until, lambda: has_worker(portal), what="the portal's own worker")
        running.callback(portal.start, "generate")
        two = [running.enter_context(machine(number, portal)) for number in range(2)]
        until(lambda: len(alive(two)) == 2, what="two workers on other machines")
        yield two


def alive(machines: list[Machine]) -> list[Worker]:
    names = [machine.name for machine in machines]
    return list(Worker.objects.alive(at=timezone.now()).filter(name__in=names))


def workers_of(job: Job) -> set[str]:
    """Who carried out its orders."""
    return set(WorkOrder.objects.filter(completions__job=job).values_list("worker", flat=True))


def test_run_a_job_on_two_machines(submit, machines):
    at_work = set()
    while at_work != {machine.name for machine in machines}:  # the quicker one takes more: it may be a whole job
        job = submit(60)
        the_end_of(job)
        assert_books_balance(job)
        at_work |= workers_of(job)
    for worker in alive(machines):
        assert (worker.host, worker.device, worker.sizes) == (worker.name, "cpu", ["gpt2/124M"])


def test_reach_nothing_but_the_broker_from_a_machine(portal, machines):
    here, there = machines
    site, broker = f"127.0.0.1 {portal.port}", f"{here.broker} {REDIS_PORT}"
    others = [f"{here.broker} {portal.port}", f"{there.broker} {REDIS_PORT}", "192.0.2.1 80"]
    asked = here.run("python", "-c", CONNECT, site, *others, broker, stdout=subprocess.PIPE)
    assert asked.communicate(timeout=PATIENCE)[0].decode().splitlines() == [broker]


def test_cut_off_a_machine_in_the_middle_of_a_job(submit, machines):
    cut, other = machines
    job = submit(100)
    at_work = WorkOrder.objects.out().filter(completions__job=job, worker=cut.name)
    until(at_work.exists, what="the machine to be at work")
    cut.pull_cable()
    try:
        the_end_of(job)
    finally:
        cut.plug_cable()
    plugged_at = timezone.now()
    assert_books_balance(job)
    assert Event.objects.about(job).filter(kind="order.handed_out_again").exists()
    heartbeats = Worker.objects.filter(name=cut.name, seen_at__gt=plugged_at)
    until(heartbeats.exists, seconds=within(HEARTBEAT_WITHIN), what="another heartbeat of the machine")

    other.pull_cable()
    try:
        alone = submit(20)
        until(
            lambda: workers_of(alone) == {cut.name}, seconds=within(WORK_WITHIN), what="the machine to take work again"
        )
        the_end_of(alone)
    finally:
        other.plug_cable()
    assert_books_balance(alone)
