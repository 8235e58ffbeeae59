"""Times that include all that the device was given, and how they spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

Clock = Callable[[], float]
"""Seconds."""


def make_clock(device: torch.device, threads: int) -> tuple[str, Clock]:
    """What the clock is, and the clock.

    On a CPU with one thread it is that of the process, which others on the machine disturb less.
    """
    if device.type == "cuda":
        return "wall clock, after the device has done all it was given", lambda: _synchronised(device)
    if threads == 1:
        return "time of the process on its processor", time.process_time
    return "wall clock", time.perf_counter


def make_arrival(device: torch.device, clock: Clock) -> Clock:
    """The clock for what has come to the host already: it waits for nothing, such as the frames after the first."""
    return time.perf_counter if device.type == "cuda" else clock


def _synchronised(device: torch.device) -> float:
    torch.cuda.synchronize(device)
    return time.perf_counter()


@dataclass(frozen=True)
class Spread:
    """Of so many times, in milliseconds."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Spread:
        return cls(statistics.median(milliseconds), min(milliseconds), max(milliseconds), len(milliseconds))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def paired_ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """The median over the rounds of how many times as long `slow` took as `fast`."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))


def milliseconds(clock: Clock, work: Callable[[], object]) -> float:
    began = clock()
    work()
    return 1e3 * (clock() - began)
