"""Which checkpoints are in memory, within the worker's budget: a size is loaded when it is asked for, and makes room
when another is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from inference import checkpoints
from inference.checkpoints import CheckpointError
from inference.config import Config
from inference.scheduler import KEPT_OF

if TYPE_CHECKING:
    from inference.batching import Batch

GIB = 2**30
SHORTEST = 256
"""Tokens of context below which a size is not served."""


@dataclass(frozen=True)
class Room:
    """What a checkpoint takes: bytes of its weights, bytes of keys and values per token, rows and tokens a row; and at
    most `most_cached` bytes of keys and values."""

    weights: int
    per_token: int
    most_rows: int
    longest: int
    most_cached: int
    per_row: int = 0
    """Bytes that a row takes however short it is: what a layer without attention keeps."""

    @property
    def least(self) -> int:
        """Bytes without which it cannot run: one short row."""
        return self.taken(1, min(self.longest, SHORTEST))

    @property
    def enough(self) -> int:
        """Bytes with which it takes every prompt that it ever takes: one row of the longest."""
        return self.taken(1, self.longest)

    def within(self, memory: int) -> tuple[int, int]:
        """Rows and tokens a row that fit into so many bytes: long rows come before many rows."""
        left = min(memory - self.weights, self.most_cached)
        context = min(self.longest, (left - self.per_row) // self.per_token) if self.per_token else self.longest
        rows = left // max(1, self.per_token * context + self.per_row)
        return max(1, min(self.most_rows, rows)), context

    def taken(self, rows: int, context: int) -> int:
        """Bytes taken by the weights and so many rows."""
        return self.weights + rows * (context * self.per_token + self.per_row)


class Memory:
    """The running batches by size. For the engine's thread; `sizes` for any."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._held: dict[str, Batch] = {}
        self._bytes: dict[Batch, int] = {}
        self._old: list[Batch] = []
        self._rooms: dict[str, Room] = {}

    def sizes(self) -> tuple[str, ...]:
        """The sizes whose weights are in memory."""
        return tuple(sorted(self._held))

    def plain(self) -> tuple[str, ...]:
        """Those of them that run on the plain path."""
        return tuple(sorted(size for size, batch in [*self._held.items()] if batch.checkpoint.backend.plain))

    def busy(self) -> "list[Batch]":
        """The batches that have rows."""
        return [batch for batch in self._bytes if not batch.is_idle]

    def batch_of(self, size: str) -> "Batch | None":
        """The batch of a size, loaded where it must be; None while those that have the memory are at work.

        Raises `CheckpointError` where the weights are not what they should be, or could never fit.
        """
        folder = checkpoints.folder_of(size, self._config.weights_root)
        held = self._held.get(size)
        if held and held.checkpoint.identity == checkpoints.identity(folder):
            self._held[size] = self._held.pop(size)  # the newest stands last
            return held
        if held:
            self._old.append(self._held.pop(size))
        return self._load(size, folder)

    def discard(self, batch: "Batch") -> None:
        """Let go of a batch, idle or not."""
        self._bytes.pop(batch)
        if self._held.get(batch.checkpoint.size) is batch:
            del self._held[batch.checkpoint.size]
        if batch in self._old:
            self._old.remove(batch)

    def _load(self, size: str, folder: Path) -> "Batch | None":
        on = f"worker {self._config.worker}"
        checkpoints.check_installed(folder, on)
        from inference import batching, loading

        room = self._room_of(folder, on)
        budget = self._config.memory_bytes()
        _check_fits(room, size, budget, on)
        if self._make_room(budget, room.enough) < room.least:
            return None
        rows, context = room.within(budget - sum(self._bytes.values()))
        checkpoint = loading.load(folder, self._config.chosen_device(), self._config.chosen_dtype(), on)
        if checkpoint.backend.plain:
            cached = {"per_token": checkpoint.backend.bytes_per_token, "per_row": checkpoint.backend.bytes_per_row}
            room = replace(room, **cached)
            _check_fits(room, size, budget, on)
            rows, context = room.within(budget - sum(self._bytes.values()))
        batch = batching.Batch(checkpoint, rows, context)
        self._held[size] = batch
        self._bytes[batch] = room.taken(rows, context)
        return batch

    def _room_of(self, folder: Path, on: str) -> Room:
        identity = checkpoints.identity(folder)
        if identity not in self._rooms:
            try:
                self._rooms[identity] = self._room(folder)
            except Exception as error:
                checkpoints.verify(folder, on)
                size = f"{folder.parent.name}/{folder.name}"
                raise CheckpointError(f"The engine cannot read {size} on {on}: {error}") from error
        return self._rooms[identity]

    def _room(self, folder: Path) -> Room:
        from transformers import AutoConfig

        from inference import loading, selfcheck
        from inference.attention import Shape

        item = 4 if self._config.chosen_dtype() == "float32" else 2
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return Room(
            weights=loading.parameters_of(folder) * item,
            per_token=Shape.of(config).bytes_per_token(item),
            most_rows=self._config.batch_rows * KEPT_OF // (KEPT_OF - 1),
            longest=min(selfcheck.longest_of(config) or self._config.context, self._config.context),
            most_cached=self._config.cached_bytes(),
        )

    def _make_room(self, budget: int, wanted: int) -> int:
        """Let go of idle batches, the longest unused first, until `wanted` bytes are free; returns how many are."""
        for batch in [*self._old, *self._held.values()]:
            if budget - sum(self._bytes.values()) >= wanted:
                break
            if batch.is_idle:
                self.discard(batch)
        return budget - sum(self._bytes.values())


def _check_fits(room: Room, size: str, budget: int, on: str) -> None:
    if room.least > budget:
        raise CheckpointError(
            f"{size} needs at least {room.least / GIB:,.2f} GiB of memory; {on} may use {budget / GIB:,.2f} GiB."
            " The operator raises MEMORY_GIB or gives this size to a larger machine."
        )
