"""When each frame is shown, and when the next chunk has to be begun: arithmetic on time, no threads.

A chunk's frames are due at absolute times: `start + i / fps`. A chunk that comes late moves everything
after it and counts as one underrun; nothing is ever shown faster to catch up.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from helios_world.errors import StateError

__all__ = ["FrameClock", "Pacing", "Recent", "Shown"]

T = TypeVar("T")

_ROUNDING = 1e-6  # seconds; a poll exactly on a frame's boundary belongs to the new frame


@dataclass(frozen=True)
class Pacing:
    """How late a chunk may be begun.

    Args:
        quantile: of the recent step times, in [0, 1]; that much time is kept for a step.
        recent: how many step times are remembered.
        margin: seconds added to that time.
    """

    quantile: float = 0.95
    recent: int = 48
    margin: float = 0.008

    def lead(self, steps: Recent) -> float:
        """Seconds before its deadline at which a chunk is begun; at once while nothing is known."""
        return steps.quantile(self.quantile) + self.margin if steps else math.inf


class Recent:
    """The last `size` numbers, and their quantiles."""

    def __init__(self, size: int) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def add(self, *values: float) -> None:
        self._values.extend(values)

    def quantile(self, share: float) -> float:
        """The smallest value that at least `share` of the values do not exceed; 0 when there is none."""
        if not self._values:
            return 0.0
        ordered = sorted(self._values)
        return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """What is on screen: a frame of an item. `fresh` is set the first time the item is polled."""

    item: T
    frame: int
    fresh: bool


@dataclass(slots=True)
class _Slot(Generic[T]):
    item: T
    start: float
    seconds: float
    frames: int
    taken: bool = False

    @property
    def end(self) -> float:
        return self.start + self.seconds


class FrameClock(Generic[T]):
    """Shows the frames of items (chunks) one after the other: one is present, at most one waits.

    Times are in the clock's own seconds, `time()`, which stand still while it is paused.
    """

    def __init__(self, fps: float, now: Callable[[], float] = time.monotonic) -> None:
        self.fps = fps
        self.underruns = 0
        self.late_seconds = 0.0
        self._now = now
        self._present: _Slot[T] | None = None
        self._waiting: _Slot[T] | None = None
        self._is_cut = False
        self._paused_at: float | None = None
        self._lost = 0.0

    def time(self) -> float:
        moment = self._now() if self._paused_at is None else self._paused_at
        return moment - self._lost

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    def pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._now()

    def resume(self) -> None:
        if self._paused_at is not None:
            self._lost += self._now() - self._paused_at
            self._paused_at = None

    def push(self, item: T, frames: int) -> None:
        """Schedule `frames` frames after the present item; at once if that has run out or after a cut."""
        if self._waiting is not None:
            raise StateError("one item waits already; at most one is made ahead of what is shown")
        slot = _Slot(item, self.time(), frames / self.fps, frames)
        if self._present is not None and not self._is_cut:
            self._follow(slot, self._present.end)
        self._waiting, self._is_cut = slot, False

    def cut(self) -> None:
        """The story jumps: drop what waits, and let the next push be shown at once, which is no underrun."""
        self._waiting, self._is_cut = None, True

    def poll(self) -> Shown[T] | None:
        """What to show now, None before the first push."""
        moment = self.time()
        if self._waiting is not None and moment + _ROUNDING >= self._waiting.start:
            self._present, self._waiting = self._waiting, None
        slot = self._present
        if slot is None:
            return None
        if not slot.taken and moment - slot.start > 1 / self.fps:
            slot.start = moment  # the viewer was away; what it has not seen is not skipped
        fresh, slot.taken = not slot.taken, True
        frame = min(int((moment - slot.start + _ROUNDING) * self.fps), slot.frames - 1)
        return Shown(slot.item, max(frame, 0), fresh)

    def begin_at(self, lead: float) -> float:
        """When to begin the next item: `lead` before it is due, not before the newest one is on screen."""
        newest = self._waiting or self._present
        if newest is None or self._is_cut:
            return self.time()
        return max(newest.start, newest.end - lead)

    @property
    def caught_up(self) -> bool:
        """Whether everything pushed has been seen, so that one more item would be the only one ahead."""
        return self._waiting is None and (self._present is None or self._present.taken)

    def next_boundary(self) -> float | None:
        """When the picture changes next, None if that hangs on a push."""
        if self._paused_at is not None:
            return None
        slot = self._present
        if slot is not None:
            frame = int((self.time() - slot.start + _ROUNDING) * self.fps) + 1
            if frame < slot.frames:
                return slot.start + frame / self.fps
        return None if self._waiting is None else self._waiting.start

    def _follow(self, slot: _Slot[T], due: float) -> None:
        late = slot.start - due
        if late > 0:
            self.underruns += 1
            self.late_seconds += late
        else:
            slot.start = due
