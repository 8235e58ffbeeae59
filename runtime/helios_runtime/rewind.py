"""Moments of a session to go back to: taken every few chunks, a bounded number of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from helios_runtime.lockstep import Beat, LockStep, Moment

__all__ = ["Rewind"]


@dataclass(frozen=True, slots=True)
class _Entry:
    beat: int
    moment: Moment


class Rewind:
    """A ring of moments. Used in the thread that steps the worlds only.

    Args:
        every: chunks from one moment to the next.
        size: how many are kept; the oldest is dropped.
    """

    def __init__(self, every: int, size: int = 30) -> None:
        self._every = every
        self._entries: deque[_Entry] = deque(maxlen=size)
        self._beat = 0

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, worlds: LockStep, beat: Beat) -> None:
        """Count a beat that was made, and take the moment when one is due. A reset begins a new story."""
        if beat.lead.index == 0:
            self._entries.clear()
        self._beat += 1
        if not self._entries or self._beat - self._entries[-1].beat >= self._every:
            self._entries.append(_Entry(self._beat, worlds.moment()))

    def back(self, worlds: LockStep) -> Beat:
        """Go to the newest moment that is far enough away to be felt, so that pressing again goes further."""
        while len(self._entries) > 1 and 2 * (self._beat - self._entries[-1].beat) < self._every:
            self._entries.pop()
        entry = self._entries[-1]
        self._beat = entry.beat
        return worlds.go_to(entry.moment)
