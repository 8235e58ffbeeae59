"""How often something may happen: token buckets on a clock that the caller brings."""

from __future__ import annotations


class Bucket:
    """Allows `rate` events per second on average, and `burst` at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float) -> bool:
        """Whether one more event is allowed, which is then counted."""
        self._tokens = min(self._burst, self._tokens + self._rate * (now - self._at))
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Complaints:
    """Says whether a line may go to the log, and how many were kept back before it."""

    def __init__(self, rate: float = 1.0, burst: float = 5.0, now: float = 0.0) -> None:
        self._bucket = Bucket(rate, burst, now)
        self._held_back = 0

    def take(self, now: float) -> int | None:
        """None if the line is to be kept back, otherwise the number of those that were."""
        if not self._bucket.take(now):
            self._held_back += 1
            return None
        told, self._held_back = self._held_back, 0
        return told
