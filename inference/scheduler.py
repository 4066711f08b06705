"""Which rows run next, and where they sit. Plain Python: no torch, no clock, no threads.

A model has `slots` places for rows. A row is seated in a free slot, its prompt is filled in (all but the last token),
and from then on it is fed one token at a time, each of which gives the next. A pass does both, for as many rows as
there are. A slot that becomes free is taken again before the next pass. Nothing that a row is computed by depends on
its neighbours: prompts are cut at fixed places, and the last token of a prompt is fed like those that follow.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from inference import contract

CHUNK = 256
"""Tokens of a prompt filled in at once, counted from its start whatever else runs."""
PATIENCE = 2 * CHUNK
"""So many tokens of prompts are filled in, at the most, between two tokens of a row that is running. A pass that it
sits out counts as `URGENT_FILL` of them at the least, for it takes its time however few they are."""
KEPT_OF = 9
"""One slot of so many is kept for urgent rows: a person does not wait until a long text ends."""
URGENT_FILL = 32
"""After so many tokens, a pass that fills in an urgent prompt takes no other: its first word comes with the pass."""
IN_A_ROW = 3
"""So often urgent rows and short prompts are preferred, before those that have waited longest have a turn."""


@dataclass(eq=False)
class Row:
    """A sequence on its way: its prompt and its text so far, in tokens. `owner` names the order that it belongs to."""

    sequence: contract.Sequence
    prompt: tuple[int, ...]
    owner: Any = None
    urgent: bool = False
    tokens: list[int] = field(default_factory=list)
    finish_reason: str = ""
    slot: int = -1
    cached: int = 0
    """How many of its tokens, from the first, have their keys and values in the slot."""

    @property
    def is_filled(self) -> bool:
        """Whether all but its newest token are in the slot."""
        return self.cached >= len(self.prompt) - 1

    @property
    def newest(self) -> int:
        """The token to feed next."""
        return self.tokens[-1] if self.tokens else self.prompt[-1]


@dataclass(frozen=True)
class Copy:
    """The first `length` tokens of one slot also go into another."""

    source: int
    target: int
    length: int


@dataclass(frozen=True)
class Span:
    """A piece of a row's prompt to fill in."""

    row: Row
    start: int
    length: int


@dataclass(frozen=True)
class Plan:
    """The next pass: first the copies, then `spans` are filled in and `rows` are given a token each, in one go.

    A row whose prompt is filled in by the last of the spans can be among the rows.
    """

    copies: tuple[Copy, ...]
    spans: tuple[Span, ...] = ()
    rows: tuple[Row, ...] = ()


class Scheduler:
    """Seats rows and plans passes. Owners take turns at free slots; urgent rows go first, three times of four, and some
    slots are kept for them.

    A pass fills in at most `fill_tokens` of prompts, beside running rows at most what their patience allows. They sit
    out while urgent prompts are filled in, so that a person sees the first word sooner.
    """

    def __init__(self, slots: int, fill_tokens: int = 2048) -> None:
        if slots < 1 or fill_tokens < PATIENCE:
            raise ValueError(f"A batch needs a slot and {PATIENCE} tokens a pass; given {slots} and {fill_tokens}.")
        self._slots: list[Row | None] = [None] * slots
        self._ordinary_slots = slots - slots // KEPT_OF
        self._fill_tokens = fill_tokens
        self._waiting: dict[Hashable, deque[Row]] = {}
        self._unfilled: list[Row] = []
        self._urgent: set[Hashable] = set()
        self._urgent_in_a_row = 0
        self._sat_out = 0
        self._passed_over = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is no row at all."""
        return not self._waiting and not any(self._slots)

    @property
    def seated(self) -> list[Row]:
        """The rows in slots, by slot."""
        return [row for row in self._slots if row]

    def add(self, rows: Iterable[Row]) -> None:
        """Let rows wait for a slot, behind those of the same owner."""
        for row in rows:
            self._waiting.setdefault(row.owner, deque()).append(row)
            if row.urgent:
                self._urgent.add(row.owner)

    def drop(self, gone: Callable[[Row], bool]) -> list[Row]:
        """Let go of every row that is `gone`, waiting or seated; returns them."""
        dropped = [row for row in self._slots if row and gone(row)]
        for row in dropped:
            self._slots[row.slot] = None
        self._unfilled = [row for row in self._unfilled if not gone(row)]
        for owner, rows in list(self._waiting.items()):
            left = deque(row for row in rows if not gone(row))
            dropped += [row for row in rows if gone(row)]
            self._keep(owner, left)
        return dropped

    def next(self) -> Plan | None:
        """Plan the next pass; None where there is nothing to do. The plan counts as carried out."""
        self._seat()
        copies = (*self._compact(), *self._share())
        running = [row for row in self.seated if row.tokens]
        spans = self._spans(PATIENCE - self._sat_out if running else self._fill_tokens)
        if running and any(span.row.urgent for span in spans):
            self._sat_out += max(URGENT_FILL, sum(span.length for span in spans))
            running = []
        else:
            self._sat_out = 0
        first = [row for row in self.seated if row.is_filled and not row.tokens]
        rows = tuple(sorted([*first, *running], key=lambda row: row.slot))
        for row in rows:
            row.cached += 1
        return Plan(copies, spans, rows) if spans or rows else None

    def _seat(self) -> None:
        ordinary = sum(not row.urgent for row in self.seated)
        for slot, held in enumerate(self._slots):
            if held is None and (row := self._next_waiting(ordinary < self._ordinary_slots)):
                ordinary += not row.urgent
                row.slot, row.cached = slot, 0
                self._slots[slot] = row
                self._unfilled.append(row)

    def _next_waiting(self, ordinary_too: bool) -> Row | None:
        """The first row of the owner whose turn it is; the owner then goes to the end."""
        wanted = self._urgent_in_a_row < IN_A_ROW or not ordinary_too
        first = next(iter(self._waiting), None) if ordinary_too else None
        owner = next((owner for owner in self._waiting if (owner in self._urgent) == wanted), first)
        if owner is None:
            return None
        self._urgent_in_a_row = self._urgent_in_a_row + 1 if owner in self._urgent else 0
        rows = self._waiting.pop(owner)
        row = rows.popleft()
        self._keep(owner, rows)
        return row

    def _keep(self, owner: Hashable, rows: deque[Row]) -> None:
        self._waiting.pop(owner, None) if not rows else self._waiting.__setitem__(owner, rows)
        if not rows:
            self._urgent.discard(owner)

    def _compact(self) -> list[Copy]:
        """Move the last rows into the holes that nobody waits for."""
        copies = []
        seated = self.seated
        for hole in range(len(seated)):
            if self._slots[hole] is None:
                row = seated.pop()
                if row.cached:
                    copies.append(Copy(row.slot, hole, row.cached))
                self._slots[row.slot], self._slots[hole] = None, row
                row.slot = hole
        return copies

    def _share(self) -> list[Copy]:
        """Samples of one prompt take what another sample has filled in."""
        filled: dict[tuple[int, ...], Row] = {}
        for row in self.seated:
            if row.is_filled:
                filled.setdefault(row.prompt, row)
        copies = []
        for row in self.seated:
            if not row.is_filled and (donor := filled.get(row.prompt)):
                row.cached = len(row.prompt) - 1
                copies.append(Copy(donor.slot, row.slot, row.cached))
        return copies

    def _spans(self, left: int) -> tuple[Span, ...]:
        """What to fill in, at most `left` tokens: urgent prompts before others, and the shortest first; now and then
        the prompt that was seated first, so that none is passed over for ever."""
        self._unfilled = [row for row in self._unfilled if not row.is_filled]
        prompts: dict[tuple[int, ...], Row] = {}
        for row in self._unfilled:
            prompts.setdefault(row.prompt, row)
        rows = sorted(prompts.values(), key=lambda row: (not row.urgent, len(row.prompt) - row.cached))
        if self._unfilled and self._passed_over == IN_A_ROW:
            rows.insert(0, self._unfilled[0])
        spans: list[Span] = []
        filled = 0
        for row in rows:
            while not row.is_filled and filled + (length := _piece(row)) <= left:
                spans.append(Span(row, row.cached, length))
                row.cached += length
                filled += length
            if row.urgent and filled >= URGENT_FILL:
                break
        if spans:
            self._passed_over = 0 if spans[0].row is self._unfilled[0] else self._passed_over + 1
        return tuple(spans)


def _piece(row: Row) -> int:
    """Length of the next piece of the row's prompt."""
    return min(CHUNK, len(row.prompt) - 1 - row.cached)
