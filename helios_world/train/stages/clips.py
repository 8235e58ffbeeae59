"""What the stages are trained on: clips of latents with words and actions, drawn in batches.

Shapes: B batch, C channels, F latent frames, h w latent height and width, L text tokens, E channels of a text token,
A action channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from helios_world.train.stages.dice import Rows, place


@dataclass(frozen=True)
class Clip:
    """One recording.

    Args:
        latents: [C, F, h, w], the oldest first.
        text: [L, E], its words embedded.
        actions: [F, A], None for a model without actions.
    """

    latents: Tensor
    text: Tensor
    actions: Tensor | None = None


@dataclass(frozen=True)
class Clips:
    """A batch of clips of one length: latents [B, C, F, h, w], text [B, L, E], actions [B, F, A] or None."""

    latents: Tensor
    text: Tensor
    actions: Tensor | None = None


class Source(Protocol):
    """Batches without end. `load_state_dict` of what `state_dict` gave makes the same batches follow."""

    @property
    def empty_text(self) -> Tensor:
        """No words, embedded: [L, E]."""

    def next(self, rows: Rows) -> Clips:
        """The next batch's rows that this process makes. Every process calls it as often as the others."""

    def state_dict(self) -> dict[str, int]: ...

    def load_state_dict(self, state: dict[str, int]) -> None: ...


class Shuffled:
    """Batches from any sequence of clips: all of them in a new order every round, cut to `frames` latents.

    Args:
        clips: a list, or the shards of a folder. Each has at least `frames` latents.
        empty_text: [L, E].
        every: a cut begins at a multiple of so many latents, where a window of the codec began.

    Raises:
        ValueError: there are no clips.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        empty_text: Tensor,
        *,
        frames: int,
        seed: int,
        every: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        if len(clips) == 0:
            raise ValueError("there are no clips to train on")
        self.clips, self._frames, self._seed, self._every = clips, frames, seed, every
        self._device = torch.device(device)
        self._empty = empty_text.to(self._device)
        self._position = 0
        self._order: tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]]] | None = None

    @property
    def empty_text(self) -> Tensor:
        return self._empty

    def next(self, rows: Rows) -> Clips:
        """As `Source.next`.

        Raises:
            ValueError: a clip is shorter than `frames`.
        """
        chosen = [self._cut(self._position + index) for index in rows.indices]
        self._position += rows.total
        latents, text = (torch.stack(parts) for parts in ([c.latents for c in chosen], [c.text for c in chosen]))
        told = [clip.actions for clip in chosen if clip.actions is not None]
        actions = place(torch.stack(told), self._device) if told else None
        return Clips(place(latents.float(), self._device), place(text.float(), self._device), actions)

    def state_dict(self) -> dict[str, int]:
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._position = state["position"]

    def _cut(self, position: int) -> Clip:
        turn, place_in_turn = divmod(position, len(self.clips))
        if self._order is None or self._order[0] != turn:
            self._order = (turn, np.random.default_rng([self._seed, turn]).permutation(len(self.clips)))
        number = int(self._order[1][place_in_turn])
        clip = self.clips[number]
        spare = clip.latents.shape[1] - self._frames
        if spare < 0:
            raise ValueError(f"clip {number} has {clip.latents.shape[1]} latents; {self._frames} are needed")
        rng = np.random.default_rng([self._seed, 1, position])
        begin = self._every * int(rng.integers(spare // self._every + 1))
        window = slice(begin, begin + self._frames)
        actions = None if clip.actions is None else clip.actions[window].float()
        return Clip(clip.latents[:, window], clip.text, actions)
