"""Workers: enrolled under a key of their own, heard of, flagged for what cannot be so, revoked."""

import logging
from datetime import datetime
from typing import Any

import redis
from cryptography.fernet import Fernet
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from inference import contract
from release_portal.audit.actions import record
from release_portal.audit.loops import alone, each
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.links import page_url
from release_portal.lib.reasons import checked_reason
from release_portal.lib.sealed import seal
from release_portal.lib.states import Refused
from release_portal.partners.actions import write_letter
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Letter, User
from release_portal.partners.permissions import Permission
from release_portal.releases.actions import note_weights
from release_portal.releases.models import ModelSize

from ..accounts import close_account, remove_others, set_account, without_account
from ..flaws import flaw_of_heartbeat
from ..models import Completion, Job, Worker, WorkOrder
from ..window import send_notice
from .end import locked_all
from .orders import take_back

logger = logging.getLogger(__name__)

NEW: dict[str, Any] = {
    "seen_at": None,
    "left_at": None,
    "sizes": [],
    "loaded": [],
    "plain": [],
    "flaws": 0,
    "last_flaw": "",
    "flawed_at": None,
}
"""What the site knows of a worker that it has not heard of: enrolled again, it may be another machine."""


@transaction.atomic
def enroll_worker(*, by: User | None, name: str, at: datetime | None = None) -> Worker:
    """Give a worker of this name a key of its own. A name whose key was revoked may be enrolled again."""
    if by:
        require(by, Permission.WORKER_ENROLL)
    if not contract.WORKER_NAME.fullmatch(name):
        raise Refused(
            "A worker's name has at most 63 letters without accents, digits, dots, dashes and underscores, and begins "
            f"with a letter or digit; you gave “{name[:80]}”.",
            field="name",
            limit=63,
            given=name[:80],
        )
    enrolled = {
        "sealed_key": seal(Fernet.generate_key().decode()),
        "enrolled_at": at or timezone.now(),
        "enrolled_by": by,
        "revoked_at": None,
        "revoked_by": None,
        "revoke_reason": "",
    }
    worker, made = Worker.objects.get_or_create(name=name, defaults=enrolled)
    if not made:
        _enroll_again(worker, enrolled, by=by)
    transaction.on_commit(lambda: _set_account(worker))
    record("worker.enrolled", f"Worker {worker} was enrolled", worker, by=by)
    return worker


def _enroll_again(worker: Worker, enrolled: dict[str, Any], *, by: User | None) -> None:
    if worker.revoked_at:
        _take_back_orders(worker, by=by)  # first: the rows of jobs are locked before a worker's
    if not Worker.objects.filter(pk=worker.pk, revoked_at__isnull=False).update(**enrolled, **NEW):
        raise Refused(
            f"A worker named {worker} is enrolled already. Revoke it first, or choose another name.", field="name"
        )
    worker.refresh_from_db()


def _take_back_orders(worker: Worker, *, by: User | None) -> None:
    """What it has under its old key waits for another hand-out: the new key's worker does not know of it."""
    out = WorkOrder.objects.out().filter(worker=worker)
    unfinished = Completion.objects.unfinished().filter(order__in=out)
    jobs = locked_all(jobs=Job.objects.filter(pk__in=unfinished.values("job")))
    for order in out.order_by("pk").select_for_update():
        held = set(order.completions.unfinished().values_list("job", flat=True))
        why = f"the key of worker {worker} was revoked."
        take_back(by=by, order=order, jobs=[job for job in jobs if job.pk in held], why=why, at=timezone.now())
    send_task_on_commit("jobs.fill")


def _set_account(worker: Worker) -> None:
    try:
        set_account(worker)
    except redis.RedisError as error:
        logger.warning("The broker has no account for worker %s yet, the clock makes it: %s", worker, error)


def _close_account(worker: Worker) -> None:
    try:
        close_account(worker)
    except redis.RedisError as error:
        logger.warning("The account of worker %s on the broker is still open, the clock closes it: %s", worker, error)


def keep_accounts(*, at: datetime | None = None) -> int:
    """Set the accounts that the broker lacks or has under another password or other rules, and remove those of workers
    whose key does not hold; returns how many. Each process sets all of them once, after it started."""
    if not settings.WORKER_ACCOUNTS:
        return 0
    at = at or timezone.now()
    return remove_others(at=at) + each(without_account(), _make_account, task="jobs.keep_accounts", at=at)


def _make_account(worker: Worker) -> int:
    set_account(worker)
    return 1


@transaction.atomic
def revoke_worker(*, by: User | None, worker: Worker, reason: str) -> None:
    """End a worker's key at once: it stops, nothing that it says counts any more, and its orders go to others."""
    if by:
        require(by, Permission.WORKER_ENROLL)
    reason = checked_reason(reason, "Say why, for those who look after the workers: a reason is needed to revoke.")
    now = timezone.now()
    revoked = {"revoked_at": now, "revoked_by": by, "revoke_reason": reason}
    if not Worker.objects.enrolled().filter(pk=worker.pk).update(**revoked):
        raise Refused(f"The key of worker {worker} is revoked already.")
    send_notice(worker, contract.Revoked(worker.name))
    transaction.on_commit(lambda: _close_account(worker))  # after the notice, which it takes from there
    worker.refresh_from_db()
    record("worker.revoked", f"The key of worker {worker} was revoked", worker, by=by)
    send_task_on_commit("jobs.dispatch")
    send_task_on_commit("jobs.watch_fleet")


@transaction.atomic
def receive_heartbeat(*, by: User | None, heartbeat: contract.Heartbeat, at: datetime | None = None) -> Worker:
    """An enrolled worker says that it is alive and what it holds, or that it leaves.

    What cannot be so flags it, and changes nothing else.
    """
    at = at or timezone.now()
    worker = Worker.objects.enrolled().select_for_update(no_key=True).filter(name=heartbeat.worker).first()
    if worker is None:
        raise Refused(f"No worker named {heartbeat.worker[:80]} is enrolled.")
    if flaw := flaw_of_heartbeat(heartbeat):
        flag(by=by, name=worker.name, flaw=f"an introduction with {flaw}", at=at)
        return worker
    if worker.seen_at is None:
        record("worker.joined", f"Worker {worker} joined", worker, by=by)
    sizes = ModelSize.objects.by_path(heartbeat.sizes)
    _introduce(worker, heartbeat, sizes, at)
    for path, manifest in zip(heartbeat.sizes, heartbeat.checkpoints, strict=False):
        with alone(f"Noting the weights of {path} on {worker}"):
            if path in sizes and manifest:
                note_weights(by=by, size=sizes[path], manifest_sha256=manifest, worker=worker.name)
    send_task_on_commit("jobs.dispatch" if heartbeat.leaving else "jobs.fill")
    return worker


@transaction.atomic
def flag(*, by: User | None, name: str, flaw: str, at: datetime) -> None:
    """Note that a worker said what cannot be so; the operator reads of the first time by mail."""
    flagged = {"flaws": F("flaws") + 1, "last_flaw": flaw[:300], "flawed_at": at}
    if not Worker.objects.filter(name=name, flaws=0).update(**flagged):
        Worker.objects.filter(name=name).update(**flagged)
        return
    worker = Worker.objects.get(name=name)
    record("worker.flagged", f"Worker {worker} reported {flaw}, which cannot be", worker, by=by)
    write_letter(
        to=people_who(Permission.WORKER_ENROLL),
        subject=f"Worker {worker} reports what cannot be",
        text=f"Worker {worker} reported {flaw}. Such a text fails and is not charged. Look after the worker; if you do "
        "not trust its machine, revoke its key.",
        path=page_url("fleet"),
        action="See the fleet",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )


def _introduce(worker: Worker, heartbeat: contract.Heartbeat, sizes: dict[str, ModelSize], at: datetime) -> None:
    """Sizes stand under their present names, whatever the folders of the worker are called."""
    now = {path: size.path for path, size in sizes.items()}
    rate = 0 if heartbeat.leaving or worker.seen_at is None else _rate(worker, worker.seen_at, heartbeat, at)
    worker.host, worker.device, worker.dtype = heartbeat.host, heartbeat.device, heartbeat.dtype
    worker.sizes = [now.get(path, path) for path in heartbeat.sizes]
    worker.names = {path: given for given, path in now.items() if given != path}
    worker.loaded = [] if heartbeat.leaving else [now.get(path, path) for path in heartbeat.loaded]
    worker.plain = [] if heartbeat.leaving else [now.get(path, path) for path in heartbeat.plain]
    worker.tokens, worker.tokens_per_s, worker.dropped = heartbeat.tokens, rate, heartbeat.dropped
    worker.seen_at, worker.left_at = at, at if heartbeat.leaving else None
    worker.save()


def _rate(earlier: Worker, seen_at: datetime, heartbeat: contract.Heartbeat, at: datetime) -> float:
    """Tokens per second since the worker's last heartbeat; one that started again counts from 0."""
    since = earlier.tokens if heartbeat.tokens >= earlier.tokens else 0
    return (heartbeat.tokens - since) / max(1.0, (at - seen_at).total_seconds())
