"""What a session remembers of the past: the last latents at three time scales, and the first one.

Shapes: B batch, C latent channels, F latent frames, h w latent height and width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

State = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class HistoryLayout:
    """How many latents each part of the history has, and where on the time axis they and the chunk stand.

    The positions never change as time passes: anchor 0, then long, mid, short and the chunk, counted on.

    Args:
        long, mid, short: latents per time scale, the oldest in long.
        chunk: latents that are generated together.
    """

    long: int = 16
    mid: int = 2
    short: int = 1
    chunk: int = 1

    def __post_init__(self) -> None:
        if min(self.long, self.mid, self.short, self.chunk) < 1:
            raise ValueError(f"every part of a history layout has at least one latent; got {self}")

    @property
    def length(self) -> int:
        """Latents remembered besides the anchor."""
        return self.long + self.mid + self.short

    @property
    def long_indices(self) -> tuple[int, ...]:
        return tuple(range(1, 1 + self.long))

    @property
    def mid_indices(self) -> tuple[int, ...]:
        start = 1 + self.long
        return tuple(range(start, start + self.mid))

    @property
    def short_indices(self) -> tuple[int, ...]:
        """Of the anchor and the short part, which enter the model together."""
        start = 1 + self.long + self.mid
        return (0, *range(start, start + self.short))

    @property
    def noisy_indices(self) -> tuple[int, ...]:
        start = 1 + self.length
        return tuple(range(start, start + self.chunk))


@dataclass(frozen=True)
class HistoryViews:
    """The history as the model takes it, the oldest latent first in each part.

    Args:
        anchor: [B, C, 1, h, w], the first latent of the session.
        long, mid, short: [B, C, F, h, w] with F as in the layout.
    """

    anchor: Tensor
    long: Tensor
    mid: Tensor
    short: Tensor


def join_views(views: Sequence[HistoryViews]) -> HistoryViews:
    """One history of all their rows, in their order. A copy, unless there is only one."""
    first, *others = views
    if not others:
        return first
    parts = ([view.anchor, view.long, view.mid, view.short] for view in views)
    return HistoryViews(*(torch.cat(part) for part in zip(*parts, strict=True)))


class RollingMemory:
    """The last latents of a session and its first one, in a fixed number of bytes.

    Every latent is written twice, `length` slots apart, so that the remembered ones always lie in one slice
    of the buffer, whatever the position of the write.

    Args:
        layout: how many latents are remembered.
        channels, height, width: of a latent.
        batch: sessions that advance together.

    `place` is where the sessions stand, [B, P] as `helios_world.places` has it; None for models without an atlas. It is
    replaced, never changed.
    """

    def __init__(
        self,
        layout: HistoryLayout,
        channels: int,
        height: int,
        width: int,
        *,
        batch: int = 1,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.layout = layout
        shape = (batch, channels, 2 * layout.length, height, width)
        self._buffer = torch.zeros(shape, device=device, dtype=dtype)
        self._anchor = torch.zeros((batch, channels, 1, height, width), device=device, dtype=dtype)
        self._anchored = False
        self._count = 0
        self.place: Tensor | None = None

    @property
    def count(self) -> int:
        """Latents appended since the beginning."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes held; constant."""
        place = 0 if self.place is None else self.place.nbytes
        return self._buffer.nbytes + self._anchor.nbytes + place

    @torch.no_grad()
    def append(self, latents: Tensor) -> None:
        """Remember `latents` [B, C, F, h, w], oldest first, any F ≥ 1.

        The first latent of a session becomes the anchor, unless one was set.
        """
        self._check(latents, "latents to append", frames=None)
        if not self._anchored:
            self.set_anchor(latents[:, :, :1])
        self._write(latents)
        self._count += latents.shape[2]

    @torch.no_grad()
    def set_anchor(self, latent: Tensor) -> None:
        """Make `latent` [B, C, 1, h, w] the anchor."""
        self._check(latent, "the anchor", frames=1)
        self._anchor.copy_(latent)
        self._anchored = True

    def views(self) -> HistoryViews:
        """The history, zeros where nothing has been appended yet.

        These are views, not copies: valid until the next call that changes the memory.
        """
        sizes = [self.layout.long, self.layout.mid, self.layout.short]
        long, mid, short = torch.split(self._window(), sizes, dim=2)
        return HistoryViews(anchor=self._anchor, long=long, mid=mid, short=short)

    def newest(self, count: int) -> Tensor:
        """The last `count` latents, or as many as there are: [B, C, F, h, w]. A view, as `views` gives."""
        window = self._window()
        return window[:, :, window.shape[2] - min(count, self._count, window.shape[2]) :]

    def clear(self) -> None:
        """Forget everything, the place too."""
        self._buffer.zero_()
        self._anchor.zero_()
        self._anchored = False
        self._count = 0
        if self.place is not None:
            self.place = torch.zeros_like(self.place)

    def state(self) -> State:
        """The memory as float32 and int64 arrays, for `load_state` of a memory of the same shape."""
        place = {} if self.place is None else {"place": self.place.float().cpu().numpy().copy()}
        return {
            **place,
            "latents": self._window().float().cpu().numpy().copy(),
            "anchor": self._anchor.float().cpu().numpy().copy(),
            "count": np.array(self._count, dtype=np.int64),
            "anchored": np.array(self._anchored),
        }

    @torch.no_grad()
    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Become the memory that `state` was taken from."""
        needed = {"latents", "anchor", "count", "anchored"} | ({"place"} if self.place is not None else set())
        missing = needed - set(state)
        if missing:
            raise ValueError(f"the memory's state lacks {sorted(missing)}; it has {sorted(state)}")
        # Copied, because torch does not take arrays that cannot be written to.
        latents, anchor = (torch.from_numpy(np.array(state[name])) for name in ("latents", "anchor"))
        self._check(latents, "the state's latents", frames=self.layout.length)
        self._check(anchor, "the state's anchor", frames=1)
        self._count = int(state["count"])
        self._write(latents)
        self._anchor.copy_(anchor)
        self._anchored = bool(state["anchored"])
        if self.place is not None:
            self.place = self._place(state["place"])

    def _place(self, numbers: npt.NDArray[Any]) -> Tensor:
        assert self.place is not None
        if numbers.shape != tuple(self.place.shape):
            raise ValueError(f"the state's place has the shape {numbers.shape}, wanted is {tuple(self.place.shape)}")
        return torch.from_numpy(np.array(numbers)).to(self.place)

    def _window(self) -> Tensor:
        start = self._count % self.layout.length
        return self._buffer[:, :, start : start + self.layout.length]

    def _write(self, latents: Tensor) -> None:
        length = self.layout.length
        frames = latents.shape[2]
        kept = min(frames, length)
        slots = (self._count + frames - kept + torch.arange(kept, device=self._buffer.device)) % length
        newest = latents[:, :, frames - kept :].to(self._buffer)
        self._buffer.index_copy_(2, slots, newest)
        self._buffer.index_copy_(2, slots + length, newest)

    def _check(self, latents: Tensor, what: str, frames: int | None) -> None:
        batch, channels, _, height, width = self._anchor.shape
        shape = tuple(latents.shape)
        count = shape[2] if len(shape) == 5 and frames is None else frames
        if shape != (batch, channels, count, height, width) or shape[2] < 1:
            wanted = f"[{batch}, {channels}, {frames or 'F ≥ 1'}, {height}, {width}]"
            raise ValueError(f"{what}: the shape is {list(shape)}, this memory takes {wanted}")
