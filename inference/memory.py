"""Which checkpoints are in memory, within the worker's budget: a size is loaded when it is asked for, and
evicted when another needs its memory."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from inference import checkpoints
from inference.checkpoints import CheckpointError
from inference.config import Config
from inference.scheduler import SLOTS_PER_RESERVED

if TYPE_CHECKING:
    from inference.batching import Batch

GIB = 2**30
SHORTEST = 256
"""Tokens of context below which a size is not served."""


@dataclass(frozen=True)
class MemoryRequirement:
    """What a checkpoint takes: bytes of its weights, bytes of keys and values per token, slots, tokens a slot; and at
    most `most_cached` bytes of keys and values."""

    weights: int
    per_token: int
    most_slots: int
    longest: int
    most_cached: int
    per_slot: int = 0
    """Bytes that a slot takes however short its text is: what a layer without attention keeps."""

    @property
    def least(self) -> int:
        """Bytes without which it cannot run: one short slot."""
        return self.taken(1, min(self.longest, SHORTEST))

    @property
    def enough(self) -> int:
        """Bytes with which it takes every prompt that it ever takes: one slot of the longest."""
        return self.taken(1, self.longest)

    def within(self, memory: int) -> tuple[int, int]:
        """Slots, and tokens a slot, that fit into `memory` bytes: long slots come before many slots."""
        left = min(memory - self.weights, self.most_cached)
        context = min(self.longest, (left - self.per_slot) // self.per_token) if self.per_token else self.longest
        slots = left // max(1, self.per_token * context + self.per_slot)
        return max(1, min(self.most_slots, slots)), context

    def taken(self, slots: int, context: int) -> int:
        """Bytes taken by the weights and `slots` slots."""
        return self.weights + slots * (context * self.per_token + self.per_slot)


class Memory:
    """The running batches by size. For the engine's thread; `sizes` for any."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._held: dict[str, Batch] = {}
        self._bytes: dict[Batch, int] = {}
        self._old: list[Batch] = []
        self._requirements: dict[str, MemoryRequirement] = {}

    def sizes(self) -> tuple[str, ...]:
        """The sizes whose weights are in memory."""
        return tuple(sorted(self._held))

    def plain(self) -> tuple[str, ...]:
        """Those of them that run on the plain path."""
        return tuple(sorted(size for size, batch in [*self._held.items()] if batch.checkpoint.backend.plain))

    def busy(self) -> "list[Batch]":
        """The batches that have sequences."""
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

        requirement = self._requirement_of(folder, on)
        budget = self._config.memory_bytes()
        _check_fits(requirement, size, budget, on)
        if self._free(budget, requirement.enough) < requirement.least:
            return None
        slots, context = requirement.within(budget - sum(self._bytes.values()))
        checkpoint = loading.load(folder, self._config.chosen_device(), self._config.chosen_dtype(), on)
        if checkpoint.backend.plain:
            cached = {"per_token": checkpoint.backend.bytes_per_token, "per_slot": checkpoint.backend.bytes_per_slot}
            requirement = replace(requirement, **cached)
            _check_fits(requirement, size, budget, on)
            slots, context = requirement.within(budget - sum(self._bytes.values()))
        batch = batching.Batch(checkpoint, slots, context)
        self._held[size] = batch
        self._bytes[batch] = requirement.taken(slots, context)
        return batch

    def _requirement_of(self, folder: Path, on: str) -> MemoryRequirement:
        identity = checkpoints.identity(folder)
        if identity not in self._requirements:
            try:
                self._requirements[identity] = self._requirement(folder)
            except Exception as error:
                checkpoints.verify(folder, on)
                size = f"{folder.parent.name}/{folder.name}"
                raise CheckpointError(f"The engine cannot read {size} on {on}: {error}") from error
        return self._requirements[identity]

    def _requirement(self, folder: Path) -> MemoryRequirement:
        from transformers import AutoConfig

        from inference import loading, selfcheck
        from inference.attention import Shape

        item = 4 if self._config.chosen_dtype() == "float32" else 2
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return MemoryRequirement(
            weights=loading.parameters_of(folder) * item,
            per_token=Shape.of(config).bytes_per_token(item),
            most_slots=self._config.batch_rows * SLOTS_PER_RESERVED // (SLOTS_PER_RESERVED - 1),
            longest=min(selfcheck.longest_of(config) or self._config.context, self._config.context),
            most_cached=self._config.cached_bytes(),
        )

    def _free(self, budget: int, wanted: int) -> int:
        """Let go of idle batches, the longest unused first, until `wanted` bytes are free; returns how many are."""
        for batch in [*self._old, *self._held.values()]:
            if budget - sum(self._bytes.values()) >= wanted:
                break
            if batch.is_idle:
                self.discard(batch)
        return budget - sum(self._bytes.values())


def _check_fits(requirement: MemoryRequirement, size: str, budget: int, on: str) -> None:
    if requirement.least > budget:
        raise CheckpointError(
            f"{size} needs at least {requirement.least / GIB:,.2f} GiB of memory; {on} may use {budget / GIB:,.2f} GiB."
            " The operator raises MEMORY_GIB or gives this size to a larger machine."
        )
