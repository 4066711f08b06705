"""What this room does on the site's queue. Workers reach the site through `report` and `hello` alone."""

from celery import shared_task
from django.db import InterfaceError, OperationalError

from inference import contract
from release_portal.lib.sealed import unseal

from . import actions


@shared_task(name="jobs.dispatch")
def dispatch() -> int:
    return actions.dispatch(by=None)


@shared_task(name="jobs.fill")
def fill() -> int:
    return actions.fill(by=None)


@shared_task(name="jobs.watch_fleet")
def watch_fleet() -> int:
    return actions.watch_fleet(by=None) + actions.tell_of_failures(by=None)


@shared_task(
    name=contract.REPORT,
    autoretry_for=(OperationalError, InterfaceError),  # the database is away, or broke up a deadlock
    retry_backoff=True,
    retry_backoff_max=5,
    max_retries=10,
)
def report(sealed: str) -> None:
    actions.receive_report(by=None, report=contract.from_wire(contract.Report, unseal(sealed)))


@shared_task(name=contract.HELLO)
def hello(sealed: str) -> None:
    actions.receive_hello(by=None, hello=contract.from_wire(contract.Hello, unseal(sealed)))
