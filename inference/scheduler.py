"""Continuous batching: which sequences are computed next, and in which slot of the KV cache each is. Plain Python: no
torch, no clock, no threads.

A sequence that waits is admitted to a free slot and its prompt is prefilled (all but the last token). From then on it
decodes: it is fed one token at a time, and each gives the next. One forward pass does both, for all sequences that
there are. A slot that becomes free is taken again before the next pass. Nothing that a sequence is computed by depends
on its neighbours: prompts are cut at fixed places, and the last token of a prompt is fed like those that follow.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from inference import contract

CHUNK = 256
"""Tokens of a prompt that are prefilled at once, counted from its start whatever else runs."""
DECODE_DELAY = 2 * CHUNK
"""Tokens that are prefilled between two tokens of a decoding sequence, at the most. A pass in which it gets none counts
as `URGENT_PREFILL` tokens at the least, for a pass takes its time however short it is."""
SLOTS_PER_RESERVED = 9
"""One slot of nine is reserved for urgent sequences: a person does not wait until a long text ends."""
URGENT_PREFILL = 32
"""Tokens after which a pass that prefills an urgent prompt takes no other: its first word comes with the pass."""
PREFERRED_IN_A_ROW = 3
"""Times that urgent sequences and short prompts are preferred, before those that have waited longest have a turn."""


@dataclass(eq=False)
class SequenceState:
    """A sequence in the engine: its prompt and its text so far, in tokens. `owner` is the request it belongs to."""

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
    def is_prefilled(self) -> bool:
        """Whether all but its newest token are in the slot."""
        return self.cached >= len(self.prompt) - 1

    @property
    def newest(self) -> int:
        """The token to feed next."""
        return self.tokens[-1] if self.tokens else self.prompt[-1]


@dataclass(frozen=True)
class CacheCopy:
    """The first `length` tokens of one slot also go into another."""

    source: int
    target: int
    length: int


@dataclass(frozen=True)
class PrefillChunk:
    """A piece of a sequence's prompt to prefill."""

    state: SequenceState
    start: int
    length: int


@dataclass(frozen=True)
class SchedulerOutput:
    """The next forward pass: first the copies, then `prefill` and one token of each of `decode`, in one go.

    A sequence whose prompt ends with its last chunk can be among those that decode.
    """

    copies: tuple[CacheCopy, ...]
    prefill: tuple[PrefillChunk, ...] = ()
    decode: tuple[SequenceState, ...] = ()


class Scheduler:
    """Admits sequences to slots and schedules forward passes. Owners take turns at free slots; urgent sequences go
    first, three times of four, and some slots are reserved for them.

    A pass prefills at most `max_prefill_tokens`, beside decoding sequences at most what `DECODE_DELAY` allows. These
    pause while urgent prompts are prefilled, so that a person sees the first word sooner.
    """

    def __init__(self, slots: int, max_prefill_tokens: int = 2048) -> None:
        if slots < 1 or max_prefill_tokens < DECODE_DELAY:
            raise ValueError(
                f"A batch needs a slot and {DECODE_DELAY} tokens a pass; given {slots} and {max_prefill_tokens}."
            )
        self._slots: list[SequenceState | None] = [None] * slots
        self._ordinary_slots = slots - slots // SLOTS_PER_RESERVED
        self._max_prefill_tokens = max_prefill_tokens
        self._waiting: dict[Hashable, deque[SequenceState]] = {}
        self._prefilling: list[SequenceState] = []
        self._urgent: set[Hashable] = set()
        self._urgent_in_a_row = 0
        self._delayed = 0
        self._passed_over = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is no sequence at all."""
        return not self._waiting and not any(self._slots)

    @property
    def running(self) -> list[SequenceState]:
        """The sequences in slots, by slot."""
        return [state for state in self._slots if state]

    def add(self, states: Iterable[SequenceState]) -> None:
        """Let sequences wait for a slot, behind those of the same owner."""
        for state in states:
            self._waiting.setdefault(state.owner, deque()).append(state)
            if state.urgent:
                self._urgent.add(state.owner)

    def drop(self, gone: Callable[[SequenceState], bool]) -> list[SequenceState]:
        """Let go of every sequence that is `gone`, waiting or running; returns them."""
        dropped = [state for state in self._slots if state and gone(state)]
        for state in dropped:
            self._slots[state.slot] = None
        self._prefilling = [state for state in self._prefilling if not gone(state)]
        for owner, states in list(self._waiting.items()):
            left = deque(state for state in states if not gone(state))
            dropped += [state for state in states if gone(state)]
            self._keep(owner, left)
        return dropped

    def schedule(self) -> SchedulerOutput | None:
        """Schedule the next pass; None where there is nothing to do. It counts as carried out."""
        self._admit()
        copies = (*self._compact(), *self._share())
        decoding = [state for state in self.running if state.tokens]
        chunks = self._prefill(DECODE_DELAY - self._delayed if decoding else self._max_prefill_tokens)
        if decoding and any(chunk.state.urgent for chunk in chunks):
            self._delayed += max(URGENT_PREFILL, sum(chunk.length for chunk in chunks))
            decoding = []
        else:
            self._delayed = 0
        first = [state for state in self.running if state.is_prefilled and not state.tokens]
        decode = tuple(sorted([*first, *decoding], key=lambda state: state.slot))
        for state in decode:
            state.cached += 1
        return SchedulerOutput(copies, chunks, decode) if chunks or decode else None

    def _admit(self) -> None:
        ordinary = sum(not state.urgent for state in self.running)
        for slot, held in enumerate(self._slots):
            if held is None and (state := self._next_waiting(ordinary < self._ordinary_slots)):
                ordinary += not state.urgent
                state.slot, state.cached = slot, 0
                self._slots[slot] = state
                self._prefilling.append(state)

    def _next_waiting(self, ordinary_too: bool) -> SequenceState | None:
        """The first sequence of the owner whose turn it is; the owner then goes to the end."""
        wanted = self._urgent_in_a_row < PREFERRED_IN_A_ROW or not ordinary_too
        first = next(iter(self._waiting), None) if ordinary_too else None
        owner = next((owner for owner in self._waiting if (owner in self._urgent) == wanted), first)
        if owner is None:
            return None
        self._urgent_in_a_row = self._urgent_in_a_row + 1 if owner in self._urgent else 0
        states = self._waiting.pop(owner)
        state = states.popleft()
        self._keep(owner, states)
        return state

    def _keep(self, owner: Hashable, states: deque[SequenceState]) -> None:
        self._waiting.pop(owner, None) if not states else self._waiting.__setitem__(owner, states)
        if not states:
            self._urgent.discard(owner)

    def _compact(self) -> list[CacheCopy]:
        """Move the last sequences into the holes that nobody waits for."""
        copies = []
        running = self.running
        for hole in range(len(running)):
            if self._slots[hole] is None:
                state = running.pop()
                if state.cached:
                    copies.append(CacheCopy(state.slot, hole, state.cached))
                self._slots[state.slot], self._slots[hole] = None, state
                state.slot = hole
        return copies

    def _share(self) -> list[CacheCopy]:
        """Prefix sharing: samples of one prompt take what another sample has prefilled."""
        prefilled: dict[tuple[int, ...], SequenceState] = {}
        for state in self.running:
            if state.is_prefilled:
                prefilled.setdefault(state.prompt, state)
        copies = []
        for state in self.running:
            if not state.is_prefilled and (donor := prefilled.get(state.prompt)):
                state.cached = len(state.prompt) - 1
                copies.append(CacheCopy(donor.slot, state.slot, state.cached))
        return copies

    def _prefill(self, left: int) -> tuple[PrefillChunk, ...]:
        """What to prefill, at most `left` tokens: urgent prompts before others, and the shortest first; now and then
        the prompt that was admitted first, so that none is passed over for ever."""
        self._prefilling = [state for state in self._prefilling if not state.is_prefilled]
        prompts: dict[tuple[int, ...], SequenceState] = {}
        for state in self._prefilling:
            prompts.setdefault(state.prompt, state)
        states = sorted(prompts.values(), key=lambda state: (not state.urgent, len(state.prompt) - state.cached))
        if self._prefilling and self._passed_over == PREFERRED_IN_A_ROW:
            states.insert(0, self._prefilling[0])
        chunks: list[PrefillChunk] = []
        tokens = 0
        for state in states:
            while not state.is_prefilled and tokens + (length := _next_length(state)) <= left:
                chunks.append(PrefillChunk(state, state.cached, length))
                state.cached += length
                tokens += length
            if state.urgent and tokens >= URGENT_PREFILL:
                break
        if chunks:
            self._passed_over = 0 if chunks[0].state is self._prefilling[0] else self._passed_over + 1
        return tuple(chunks)


def _next_length(state: SequenceState) -> int:
    """Tokens of the next chunk of the sequence's prompt."""
    return min(CHUNK, len(state.prompt) - 1 - state.cached)
