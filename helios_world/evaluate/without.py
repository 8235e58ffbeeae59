"""Worlds that do without a part of what they know: the same weights, given less than they were trained with.

- anchor: in place of the session's first latent stands the oldest that is remembered, so that nothing of the beginning
  lasts longer than the memory.
- long: the part of the memory that reaches furthest back is empty, as in a session that began a moment ago.
- atlas: where the session stands is never known, so that nothing is remembered but what the history holds.
- rope: positions in time count on from the beginning, instead of being the same in every chunk.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from helios_world.dream import DreamWorld
from helios_world.dreamer import Request
from helios_world.errors import OptionError
from helios_world.memory import HistoryLayout, HistoryViews, RollingMemory
from helios_world.model import HistoryCache
from helios_world.native import NativeDreamer
from helios_world.spec import World

M = TypeVar("M", bound=RollingMemory)


class RollingAnchor(RollingMemory):
    """Its anchor is the oldest latent that is remembered."""

    def views(self) -> HistoryViews:
        kept = super().views()
        window = torch.cat((kept.long, kept.mid, kept.short), dim=2)
        oldest = window.shape[2] - min(max(self.count, 1), window.shape[2])
        return replace(kept, anchor=window[:, :, oldest : oldest + 1])


class ShortMemory(RollingMemory):
    """Its long part is always empty."""

    def views(self) -> HistoryViews:
        kept = super().views()
        return replace(kept, long=torch.zeros_like(kept.long))


@dataclass(frozen=True)
class AbsoluteLayout(HistoryLayout):
    """The positions of a session in which `passed` latents have left the memory; the anchor stays at 0."""

    passed: int = 0

    @property
    def long_indices(self) -> tuple[int, ...]:
        return self._later(super().long_indices)

    @property
    def mid_indices(self) -> tuple[int, ...]:
        return self._later(super().mid_indices)

    @property
    def short_indices(self) -> tuple[int, ...]:
        anchor, *short = super().short_indices
        return (anchor, *self._later(tuple(short)))

    @property
    def noisy_indices(self) -> tuple[int, ...]:
        return self._later(super().noisy_indices)

    def _later(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(index + self.passed for index in indices)


@dataclass(frozen=True)
class DatedViews(HistoryViews):
    """A history of which `passed` latents have left the memory."""

    passed: int = 0


@dataclass(frozen=True)
class DatedCache(HistoryCache):
    """An encoded history of which `passed` latents have left the memory."""

    passed: int = 0


class DatedMemory(RollingMemory):
    """Its views say how many latents have left it."""

    def views(self) -> HistoryViews:
        return DatedViews(**vars(super().views()), passed=_passed(self))


class WithoutAnchor(NativeDreamer):
    """Remembers no beginning."""

    def memory(self) -> RollingMemory:
        return _become(RollingAnchor, super().memory())


class WithoutLong(NativeDreamer):
    """Remembers the last moments only."""

    def memory(self) -> RollingMemory:
        return _become(ShortMemory, super().memory())


class AbsolutePositions(NativeDreamer):
    """Counts positions in time from the beginning of the session.

    The first latent of a session is the anchor, at 0. As long as it is also in the memory, the positions are those that
    the model knows.
    """

    def memory(self) -> RollingMemory:
        return _become(DatedMemory, super().memory())

    def encode_history(self, memory: RollingMemory) -> HistoryCache:
        passed = _passed(memory)
        cache = NativeDreamer.encode_history(self._at(passed), memory)
        return DatedCache(**vars(cache), passed=passed)

    def encode_histories(self, memories: Sequence[RollingMemory]) -> list[HistoryCache]:
        return [self.encode_history(memory) for memory in memories]

    def sample_many(
        self, requests: Sequence[Request], pasts: Sequence[HistoryCache | HistoryViews]
    ) -> list[tuple[Tensor, tuple[float, ...]]]:
        pairs = zip(requests, pasts, strict=True)
        return [NativeDreamer.sample_many(self._at(_date(past)), [request], [past])[0] for request, past in pairs]

    def _at(self, passed: int) -> NativeDreamer:
        """This dreamer with the positions of that time; it shares everything else."""
        twin = copy.copy(self)
        layout = self.layout
        twin.layout = AbsoluteLayout(layout.long, layout.mid, layout.short, layout.chunk, passed)
        return twin


class WithoutAtlas(NativeDreamer):
    """Never knows where it is."""

    def memory(self) -> RollingMemory:
        memory = super().memory()
        memory.place = None
        return memory


DREAMERS: dict[str, type[NativeDreamer]] = {
    "anchor": WithoutAnchor,
    "long": WithoutLong,
    "rope": AbsolutePositions,
    "atlas": WithoutAtlas,
}


def without(world: World, part: str) -> DreamWorld:
    """A world with the weights of `world` that does without a part of DREAMERS.

    Raises:
        OptionError: no such part, or the world does not have it or is not one of our own format.
    """
    if part not in DREAMERS:
        raise OptionError(f"there is no ablation {part!r}; known are {[*DREAMERS]}")
    dreamer = world.dreamer if isinstance(world, DreamWorld) else None
    if not isinstance(dreamer, NativeDreamer):
        raise OptionError(f"{world.spec.name!r} cannot do without {part!r}: it is not a model of our own format")
    if part == "atlas" and dreamer.checkpoint.atlas is None:
        raise OptionError(f"{world.spec.name!r} has no atlas that it could do without")
    return DreamWorld(DREAMERS[part](dreamer.checkpoint, dreamer.compute))


def _become(kind: type[M], memory: RollingMemory) -> M:
    """The same memory as another class, whatever it holds."""
    twin = kind.__new__(kind)
    vars(twin).update(vars(memory))
    return twin


def _passed(memory: RollingMemory) -> int:
    """Latents that have left the memory; the first one is the anchor and does not count."""
    return max(memory.count - memory.layout.length - 1, 0)


def _date(past: HistoryCache | HistoryViews) -> int:
    return past.passed if isinstance(past, DatedCache | DatedViews) else 0
