"""The window in the wall: every message between the site and its workers, and the names they travel under.

Standard library only. Messages are frozen; a field that one side does not know yet is ignored, a new field has a
default, so the two sides can be upgraded in either order. A message may arrive twice or never: handlers may run twice.
"""

import dataclasses
import math
import re
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, urlencode, urlsplit

GENERATE = "inference.generate"
"""Task, site to worker, in the queue of the worker's orders: carry out one sealed `WorkOrder`."""
REPORTS = "reports"
"""The list in Redis that workers push to, each message behind the name of the worker whose key seals it."""
WORKER_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,62}", re.ASCII)
"""What a worker may be called: its name is a part of the names of its queues."""
MESSAGE_SECONDS = 600
"""A message that is older is refused; one that is not is read once."""

REPORT_SECONDS = 1.0
"""How often a worker reports on an order that made progress."""
QUIET_SECONDS = 2.0
"""How often on an order without progress: it waits for the engine, and its lease is to be renewed."""
REPORTS_IN_A_LEASE = 5
"""At least: where leases are short, both paces are quicker, so that a report or two may be late on a busy machine."""
HEARTBEAT_SECONDS = 3.0

# A consumer that only waits does not notice that its connection is dead: a cut cable, a firewall that forgot it. Celery
# looks every `health_check_interval` seconds, and in twice that it listens again; by default after most of a minute.
BROKER_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 5}


def keys_of(worker: str) -> str:
    """What begins the name of everything in Redis that is of one worker."""
    return f"worker:{worker}:"  # a name has no colon, so no worker's keys begin another's


def orders_of(worker: str) -> str:
    """The queue of the orders for one worker."""
    return keys_of(worker) + "orders"


def notices_of(worker: str) -> str:
    """The list of what one worker is to know at once: each a sealed `Stop` or `Revoked`."""
    return keys_of(worker) + "notices"


def broker_url(redis_url: str) -> str:
    """The broker's address as Celery spells it.

    A socket `unix:///run/redis.sock?db=2` becomes `redis+socket:///run/redis.sock?virtual_host=2`; `rediss://` checks
    the server's certificate unless the address says otherwise.
    """
    url = urlsplit(redis_url)
    options = dict(parse_qsl(url.query))
    if url.scheme == "unix":
        options["virtual_host"] = options.pop("db", "0")
        return f"redis+socket://{url.netloc}{url.path}?{urlencode(options)}"
    if url.scheme == "rediss":
        return url._replace(query=urlencode({"ssl_cert_reqs": "required"} | options)).geturl()
    return redis_url


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    `temperature` 0 takes the most likely token; `top_k` 0 and `top_p` 1 keep the whole vocabulary. A
    `repetition_penalty` above 1 divides the score of every token that is already there (CTRL, Keskar et al. 2019). The
    text ends before the first of the `stop` strings, and not before `min_new_tokens`. `logprobs` asks for the
    log-probability of each token and of that many of the likeliest; None asks for none. A `watermark_key` leaves the
    choice to the worker's watermark.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    min_new_tokens: int = 0
    logprobs: int | None = None
    watermark_key: str = ""


@dataclass(frozen=True)
class Sequence:
    """One text to generate. Its random numbers are named by (`seed`, `index`, position), whatever the batch.

    Sequences of one `group` can be stopped while the rest of their order goes on.
    """

    key: str
    prompt: str
    seed: int
    index: int
    sampling: Sampling
    group: str = ""


@dataclass(frozen=True)
class WorkOrder:
    """Sequences of one size, of any jobs, handed out together. `token` is the fencing token of this hand-out.

    An `urgent` order, that a person waits for, takes free places in the running batch before others. While an order
    that is to be `alone` is carried out, its worker carries out no other. It is handed out again where no report came
    for `lease_seconds`.
    """

    id: str
    token: int
    size: str
    sequences: tuple[Sequence, ...]
    urgent: bool = False
    alone: bool = False
    lease_seconds: float = 20.0


LEAST_LOGPROB = -9999.0
"""What OpenAI writes where a log-probability is not a finite number, which JSON does not have."""


@dataclass(frozen=True)
class Stop:
    """Site to worker: at the next token, stop the hand-out of an order that has this fencing token, or, where a `group`
    is named, only its sequences of that group."""

    order: str
    token: int
    group: str = ""


@dataclass(frozen=True)
class Revoked:
    """Site to worker: the key of this worker was revoked. It stops all that it has in hand, and ends."""

    worker: str


@dataclass(frozen=True)
class TokenLogprob:
    """A token of a text with its natural log-probability, and the likeliest tokens at its place with theirs."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Text:
    """One finished sequence. `finish_reason` is "stop" (end of text or a stop string), "length" or "refused" (then
    `error` says why)."""

    key: str
    text: str
    prompt_tokens: int
    tokens: int
    finish_reason: str
    error: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Report:
    """How an order stands.

    `texts` holds what finished since the last report; the last report (`ended`) holds every text of the order, so that
    a lost report loses nothing. `tokens` counts all tokens generated for the order, unfinished texts included. An order
    that ended early says so by `stopped` (it was asked to, or the worker is leaving) or by `error` (a sentence for the
    operator); `retry` says whether another worker might succeed. An order in hand that is not begun, because it
    or another is to be alone, is `waiting`. `groups` are those whose sequences it has in hand.
    """

    order: str
    token: int
    worker: str
    tokens: int = 0
    texts: tuple[Text, ...] = ()
    ended: bool = False
    stopped: bool = False
    error: str = ""
    retry: bool = False
    checkpoint: str = ""
    waiting: bool = False
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heartbeat:
    """A worker is alive: which sizes it serves, and what it holds of each (manifest SHA-256, or "" where none).

    `loaded` are the sizes in memory, `plain` those of them that run on transformers' own cache, which is slower;
    `tokens` counts all that it has generated since it started, `dropped` the messages that it could not read.
    """

    worker: str
    host: str
    device: str
    dtype: str
    sizes: tuple[str, ...]
    checkpoints: tuple[str, ...] = ()
    leaving: bool = False
    loaded: tuple[str, ...] = ()
    tokens: int = 0
    dropped: int = 0
    plain: tuple[str, ...] = ()


Sealed = WorkOrder | Stop | Revoked | Report | Heartbeat
"""What crosses the wall."""
Message = TypeVar("Message", Sampling, Sequence, WorkOrder, Stop, Revoked, TokenLogprob, Text, Report, Heartbeat)


def to_wire(message: Sealed) -> dict[str, Any]:
    """The message as plain JSON values. What leaves a worker is such that it can be stored and shown, whatever a model
    or a server wrote; an order leaves as it is, for a prompt must not change on its way."""
    wire = dataclasses.asdict(message)
    return wire if not isinstance(message, Report | Heartbeat) else cast(dict[str, Any], _storable(wire))


def clean(text: str) -> str:
    """The text as every database and page takes it: NUL, and half a character (a lone surrogate), become U+FFFD; two
    halves in a row become the character."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _storable(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case float() if not math.isfinite(value):
            return LEAST_LOGPROB
        case dict():
            return {name: _storable(held) for name, held in value.items()}
        case list() | tuple():
            return [_storable(held) for held in value]
    return value


def from_wire(kind: type[Message], wire: Any) -> Message:
    """The message that `wire` carries; raises TypeError where a field has another type, or one without a default is
    missing."""
    if not isinstance(wire, dict):
        raise TypeError(f"A {kind.__name__} is an object.")
    hints = get_type_hints(kind)
    known = {name: value for name, value in wire.items() if name in hints}
    return kind(**{name: _read(hints[name], value) for name, value in known.items()})


def _read(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        return _read_tuple(get_args(hint), value)
    if get_origin(hint) is UnionType:
        return None if value is None else _read(get_args(hint)[0], value)
    if dataclasses.is_dataclass(hint):
        return from_wire(cast(Any, hint), value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise TypeError(f"A value is no {hint.__name__}.")
    return value


def _read_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError("A value is no list.")
    first, *rest = kinds
    if rest == [Ellipsis]:
        return tuple(_read(first, item) for item in value)
    if len(value) != len(kinds):
        raise TypeError(f"A list has {len(value)} values, not {len(kinds)}.")
    return tuple(_read(kind, item) for kind, item in zip(kinds, value, strict=True))
