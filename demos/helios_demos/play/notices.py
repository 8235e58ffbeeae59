"""Short messages to the person at the screen. Written by any thread, shown for a few seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["Notices"]


class Notices:
    """The last three messages.

    Args:
        seconds: how long one stays.
        now: monotonic seconds.
    """

    def __init__(self, seconds: float = 4.0, size: int = 3, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._now = now
        self._messages: deque[tuple[float, str]] = deque(maxlen=3)

    def say(self, text: str) -> None:
        self._messages.append((self._now() + self._seconds, text))

    def current(self) -> tuple[str, ...]:
        """What is to be read now, the oldest first."""
        now = self._now()
        return tuple(text for until, text in tuple(self._messages) if until > now)
