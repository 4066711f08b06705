"""The window in the wall: every message between the site and its workers, and the names they travel under.

Standard library only. Messages are frozen; a field that one side does not know yet is ignored, a new field has a
default, so the two sides can be upgraded in either order. A message may arrive twice or never: handlers may run twice.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, urlencode, urlsplit

GENERATE = "inference.generate"
"""Task, site to worker: carry out one sealed `WorkOrder`."""
STOP = "stop_order"
"""Remote-control command, site to workers: at the next token, stop the order with this id and fencing token, or, where
a `group` is told, only its sequences of that group."""
REPORT = "jobs.report"
"""Task, worker to site: one sealed `Report`."""
HELLO = "jobs.hello"
"""Task, worker to site: one sealed `Hello`, sent at start and every few seconds."""
SITE_QUEUE = "site"

REPORT_SECONDS = 1.0
"""How often a worker reports on each order of which there is news: the pace of progress."""
QUIET_SECONDS = 2.0
"""How often on an order of which there is nothing new: it waits for the engine, and its lease is to be renewed."""
REPORTS_IN_A_LEASE = 5
"""At least: where leases are short, both paces are quicker, so that a report or two may be late on a busy machine."""
HELLO_SECONDS = 3.0

# A consumer that only waits does not notice that its connection is dead: a cut cable, a firewall that forgot it. Celery
# looks every `health_check_interval` seconds, and in twice that it listens again; by default after most of a minute.
BROKER_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 5}


def queue_of(size: str) -> str:
    """The queue of one size: `gpt2/124M` is served from `generate.gpt2.124M`."""
    return "generate." + size.replace("/", ".")


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
    a lost report loses nothing. `tokens` counts all tokens generated for the order, unfinished rows included. An order
    that ended early says so by `stopped` (told to, or the worker is shutting down) or by `error` (a sentence for the
    operator); `retry` tells whether another worker might succeed. An order in hand that is not begun, because it
    or another is to be alone, is `waiting`. `groups` are those of which it has sequences in hand.
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
class Hello:
    """A worker is alive: which sizes it serves, and what it holds of each (manifest SHA-256, or "" where none).

    `loaded` are the sizes in memory; `tokens` counts all that it has generated since it started.
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


Message = TypeVar("Message", Sampling, Sequence, WorkOrder, TokenLogprob, Text, Report, Hello)


def to_wire(message: WorkOrder | Report | Hello) -> dict[str, Any]:
    """The message as plain JSON values."""
    return dataclasses.asdict(message)


def from_wire(kind: type[Message], wire: dict[str, Any]) -> Message:
    """The message that `wire` carries; raises TypeError or KeyError where a field without a default is missing."""
    hints = get_type_hints(kind)
    known = {name: value for name, value in wire.items() if name in hints}
    return kind(**{name: _read(hints[name], value) for name, value in known.items()})


def _read(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        if rest and rest[0] is not Ellipsis:
            return tuple(_read(kind, item) for kind, item in zip((first, *rest), value, strict=True))
        return tuple(_read(first, item) for item in value)
    if dataclasses.is_dataclass(hint):
        return from_wire(cast(Any, hint), value)
    return value
