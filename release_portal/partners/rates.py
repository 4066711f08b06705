"""How often something may be done: by one person, one organisation, to one address, from one network.

What is done is counted in the table of the cache, in the transaction of the act: an act that is refused, or fails,
counts nothing. Of several at once each waits for the ones before it, so exactly as many pass as the limit says.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.utils import timezone

from release_portal.lib.network import current_network
from release_portal.lib.states import TooMany
from release_portal.lib.text import number_in

from .models import Partner, User

PERIODS = {"m": ("a minute", 60), "h": ("an hour", 3_600), "d": ("a day", 86_400)}
"""By their letter: how a sentence names them, and their seconds."""


@dataclass(frozen=True)
class Limits:
    """How often one thing is done, each as AMOUNT/PERIOD with the letter of a period; empty where it has no limit."""

    done: str
    """What is counted, as a sentence names several of it."""
    person: str = ""
    organisation: str = ""
    address: str = ""
    network: str = ""


TABLE = {
    "invite": Limits("invitations", person="20/h", organisation="60/d", address="3/d", network="60/h"),
    "apply": Limits("applications", person="3/d", network="20/d"),
    "correct": Limits("corrected applications", person="10/d"),
    "request": Limits("new requests", person="40/d", organisation="80/d"),
    "say": Limits("messages", person="60/h", organisation="300/d"),
    "report": Limits("findings", person="20/d", organisation="60/d"),
    "token": Limits("new tokens", person="30/d"),
    "service_account": Limits("new service accounts", organisation="20/d"),
    "confirm": Limits("mails to confirm an address", address="3/d", network="20/h"),
    "reset": Limits("mails to set a password", address="5/h", network="20/h"),
}
"""RATE_LIMITS changes entries: `invite.person=50/h,say.organisation=off`."""
OFF = "off"
BY = {
    "person": "by one person",
    "organisation": "by one organisation",
    "address": "for one address",
    "network": "from one network",
}

TAKE = """
INSERT INTO partners_cached AS entry (key, value, expires_at) VALUES (%(key)s, '[]', %(until)s)
ON CONFLICT (key) DO UPDATE SET expires_at = EXCLUDED.expires_at
RETURNING value
"""
"""The entry of a key, locked until the transaction ends."""
KEEP = "UPDATE partners_cached SET value = %(value)s WHERE key = %(key)s"


@dataclass(frozen=True)
class Rate:
    """An amount in a period, which is also given in seconds."""

    amount: int
    period: str
    seconds: int


@transaction.atomic
def count(what: str, *, by: User | None = None, partner: Partner | None = None, address: str = "") -> None:
    """Count one more, also from the network of the request that is served just now. Raises TooMany where that is more
    than a limit of TABLE. What the portal does on its own has no person and no network."""
    if settings.RATE_LIMITS_OFF:
        return
    counted = {
        "person": str(by.pk) if by else "",
        "organisation": str(partner.pk) if partner else "",
        "address": hashlib.sha256(address.lower().encode()).hexdigest() if address else "",
        "network": current_network.get(),
    }
    for name, rate in read_table(tuple(settings.RATE_LIMITS.items()))[what].items():
        if counted[name]:
            _count(what, name, f"rate:{what}:{name}:{counted[name]}", rate)


def _count(what: str, by: str, key: str, rate: Rate) -> None:
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"key": key, "until": now + timedelta(seconds=rate.seconds)})
        moments = [at for at in json.loads(cursor.fetchone()[0]) if at > now.timestamp() - rate.seconds]
        if len(moments) >= rate.amount:
            raise _too_many(what, by, rate, again=moments[-rate.amount] + rate.seconds, now=now)
        cursor.execute(KEEP, {"key": key, "value": json.dumps([*moments, now.timestamp()])})


def _too_many(what: str, by: str, rate: Rate, *, again: float, now: datetime) -> TooMany:
    at = datetime.fromtimestamp(math.ceil(again / 60) * 60, UTC)
    sentence = (
        f"There are at most {rate.amount:,} {TABLE[what].done} {BY[by]} in {rate.period}. "
        f"The next is possible at {at:%H:%M} UTC on {at:%-d %B %Y}."
    )
    return TooMany(sentence, limit=rate.amount, seconds=math.ceil((at - now).total_seconds()))


@cache
def read_table(changes: tuple[tuple[str, str], ...] = ()) -> dict[str, dict[str, Rate]]:
    """The limits in force: TABLE with these changes. Raises ImproperlyConfigured for a name or a rate that is none."""
    limits_by_entry = {f"{what}.{name}": getattr(limits, name) for what, limits in TABLE.items() for name in BY}
    if unknown := dict(changes).keys() - limits_by_entry.keys():
        raise ImproperlyConfigured(f"RATE_LIMITS names what has no limit: {', '.join(sorted(unknown))}.")
    rates: dict[str, dict[str, Rate]] = {what: {} for what in TABLE}
    for entry, text in (limits_by_entry | dict(changes)).items():
        what, _, name = entry.partition(".")
        if text not in ("", OFF):
            rates[what][name] = _read(entry, text)
    return rates


def _read(entry: str, text: str) -> Rate:
    amount, _, letter = text.partition("/")
    number = number_in(amount)
    if not number or letter not in PERIODS:
        choice = ", ".join(PERIODS)
        sentence = f"RATE_LIMITS: {entry} is AMOUNT/PERIOD, with a period of {choice}, or {OFF}; it says “{text}”."
        raise ImproperlyConfigured(sentence)
    return Rate(number, *PERIODS[letter])
