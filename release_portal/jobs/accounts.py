"""The accounts that workers have on the broker: each reaches the keys of its own worker, adds to the list of reports,
and reaches nothing of the site's (Redis ACL, https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
"""

import hashlib
import hmac
import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings

from inference import contract
from release_portal.lib.broker import broker

from .models import Worker

logger = logging.getLogger(__name__)

PREFIX = "worker-"
NO_ACCOUNT = "The broker has no account for this worker yet: it is refused until the site's clock has made one."
COMMANDS = frozenset("ping select client|setname brpop lpush multi exec watch unwatch hset hget hdel zadd zrem".split())  # noqa: SIM905
"""What a worker needs: to take its orders and notices, to say how it stands, and kombu's note of what it took. redis-py
also tells its version by CLIENT SETINFO and goes on where that is refused; no server before 7.2 knows that command."""
OF_NOTICES = ("ping", "select", "client|setname", "brpop")
"""What a worker needs to take the notice that its key was revoked."""
NOTICE_TIME = timedelta(minutes=1)
"""For how long after that it is still let in."""

_made: dict[str, tuple[list[str], Any]] = {}
"""By account: the rules that this process gave it, and what the broker answers of it, which is in words of its own."""


def address_for(worker: Worker) -> str:
    """REDIS_URL as this worker's environment has it."""
    url = urlsplit(str(settings.WORKER_REDIS_URL))
    if not settings.WORKER_ACCOUNTS:
        return url.geturl()
    host = url.netloc.rpartition("@")[2]
    return url._replace(netloc=f"{PREFIX}{worker.name}:{password_of(worker)}@{host}").geturl()


def password_of(worker: Worker) -> str:
    """It follows from the worker's key, so that an account can be made again on a broker that forgot it."""
    return hmac.new(worker.key.encode(), b"account on the broker", hashlib.sha256).hexdigest()


def set_account(worker: Worker) -> None:
    """Make a worker's account, or set it right. Raises `redis.RedisError`."""
    if settings.WORKER_ACCOUNTS:
        name, rules = PREFIX + worker.name, _rules(worker)
        broker().execute_command("ACL", "SETUSER", name, "reset", *rules)  # type: ignore[no-untyped-call]
        _made[name] = rules, broker().acl_getuser(name)
        _write_down()


def has_account(worker: Worker) -> bool:
    """Whether the broker lets this worker in; False where the broker cannot be asked."""
    try:
        return not settings.WORKER_ACCOUNTS or PREFIX + worker.name in _names()
    except redis.RedisError:
        return False


def without_account() -> list[Worker]:
    """The enrolled workers that the broker does not know as this process set them; without those whose key, and so
    their password, cannot be read."""
    workers = [worker for worker in Worker.objects.enrolled() if worker.has_readable_key]
    return [worker for worker in workers if not _is_as_set(worker)]


def close_account(worker: Worker) -> None:
    """Let a worker whose key was revoked take the notice of that, and do nothing else. Raises `redis.RedisError`.

    A worker on a busy machine may be slow to take it, and without it would go on for as long as its lease.
    """
    if not settings.WORKER_ACCOUNTS:
        return
    if worker.has_readable_key:
        keys = f"~{contract.notices_of(worker.name)}"
        rules = ["on", _password_rule(worker), keys, "-@all", *(f"+{command}" for command in OF_NOTICES)]
        broker().execute_command("ACL", "SETUSER", PREFIX + worker.name, "reset", *rules)  # type: ignore[no-untyped-call]
    else:
        broker().acl_deluser(PREFIX + worker.name)
    _write_down()


def remove_others(*, at: datetime) -> int:
    """Remove the accounts of workers whose key does not hold; returns how many there were. Those of keys revoked in the
    last minute are closed."""
    names = _names()  # before the workers: one that is enrolled meanwhile keeps its account
    enrolled = {PREFIX + name for name in Worker.objects.enrolled().values_list("name", flat=True)}
    lately = [worker for worker in Worker.objects.revoked(since=at - NOTICE_TIME) if PREFIX + worker.name in names]
    for worker in lately:
        close_account(worker)
    others = sorted(names - enrolled - {PREFIX + worker.name for worker in lately})
    for name in others:
        broker().acl_deluser(name)
    if others:
        _write_down()
    return len(others)


def _names() -> set[str]:
    return {name for name in map(_text, broker().acl_users()) if name.startswith(PREFIX)}


def _is_as_set(worker: Worker) -> bool:
    name = PREFIX + worker.name
    return name in _made and _made[name] == (_rules(worker), broker().acl_getuser(name))


def _rules(worker: Worker) -> list[str]:
    rules = ["on", _password_rule(worker), f"~{contract.keys_of(worker.name)}*", "-@all"]
    rules += [f"+{command}" for command in sorted(COMMANDS)]
    if int(broker().info("server")["redis_version"].partition(".")[0]) < 7:  # every command reaches every key
        return [*rules, f"~{contract.REPORTS}"]
    return [*rules, f"(%W~{contract.REPORTS} +lpush)"]


def _password_rule(worker: Worker) -> str:
    return "#" + hashlib.sha256(password_of(worker).encode()).hexdigest()


def _write_down() -> None:
    """A broker that keeps its accounts in a file has them again after a restart."""
    with suppress(redis.ResponseError):  # this one keeps them elsewhere
        broker().acl_save()


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
