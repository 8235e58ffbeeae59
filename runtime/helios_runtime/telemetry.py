"""What a session measured while it was shown: rates, step times, and from input to the screen."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from helios_runtime.lockstep import Beat
from helios_runtime.pacing import Recent, Shown

__all__ = ["Figures", "Spread", "Telemetry"]

_KEPT = 2048  # numbers of each kind; bounded, whatever the session lasts


@dataclass(frozen=True, slots=True)
class Spread:
    """The median and the 95th percentile of `count` durations, in milliseconds."""

    p50: float
    p95: float
    count: int

    @classmethod
    def of(cls, seconds: Recent) -> Spread:
        return cls(round(1e3 * seconds.quantile(0.5), 2), round(1e3 * seconds.quantile(0.95), 2), len(seconds))


@dataclass(frozen=True, slots=True)
class Figures:
    """A session so far.

    Args:
        seconds: between the first and the newest frame that were shown.
        frames: shown.
        frames_per_second: shown, over the whole time; pauses count.
        recent_frames_per_second: the same over the last second or so.
        chunk_ms: from the sample of the input to the finished chunk.
        prepare_ms: work done ahead of the input.
        delay_ms: from a change of the input to the first frame that shows it.
        underruns: chunks that were late.
        late_ms: by how much, in all.
    """

    seconds: float
    frames: int
    frames_per_second: float
    recent_frames_per_second: float
    chunk_ms: Spread
    prepare_ms: Spread
    delay_ms: Spread
    underruns: int
    late_ms: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Telemetry:
    """Collects what `Figures` reports, in bounded memory. Both threads may report."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps, self._prepares, self._delays = Recent(_KEPT), Recent(_KEPT), Recent(_KEPT)
        self._shown_at: list[float] = []
        self._first = 0.0
        self._frames = 0

    def stepped(self, seconds: float, prepare_seconds: float) -> None:
        with self._lock:
            self._steps.add(seconds)
            self._prepares.add(prepare_seconds)

    def presented(self, shown: Shown[Beat], at: float) -> None:
        with self._lock:
            if not self._frames:
                self._first = at
            self._frames += 1
            self._shown_at = [*self._shown_at[-24:], at]
            if shown.fresh:
                self._delays.add(*(at - changed for changed in shown.item.changes))

    def figures(self, underruns: int, late_seconds: float) -> Figures:
        with self._lock:
            recent, newest = self._shown_at, self._shown_at[-1] if self._shown_at else 0.0
            seconds = newest - self._first if recent else 0.0
            return Figures(
                seconds=round(seconds, 3),
                frames=self._frames,
                frames_per_second=_rate(self._frames, seconds),
                recent_frames_per_second=_rate(len(recent), newest - recent[0] if recent else 0.0),
                chunk_ms=Spread.of(self._steps),
                prepare_ms=Spread.of(self._prepares),
                delay_ms=Spread.of(self._delays),
                underruns=underruns,
                late_ms=round(1e3 * late_seconds, 2),
            )


def _rate(frames: int, seconds: float) -> float:
    return round((frames - 1) / seconds, 2) if seconds > 0 else 0.0
