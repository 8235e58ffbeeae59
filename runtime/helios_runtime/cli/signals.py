"""What SIGTERM and SIGINT do to a server: the first asks it to end, the next one ends it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SAME_SECONDS = 0.5
"""Signals that are closer to the first are the same wish: `timeout` and some supervisors send each one twice."""


@contextmanager
def ending_with(
    end: Callable[[], object],
    *,
    leave: Callable[[int], object] = os._exit,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Call `end` in a thread of its own at the first signal, and `leave` with 128 + its number at the next one.

    In the main thread only. Afterwards signals do what they did before.
    """
    # A handler may run in the middle of anything; putting into a SimpleQueue is safe even there.
    arrived: SimpleQueue[bool] = SimpleQueue()
    times: list[float] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        times.append(now())
        if len(times) == 1:
            arrived.put(True)
        elif times[-1] - times[0] > SAME_SECONDS:
            leave(128 + number)

    def wait() -> None:
        if arrived.get():
            end()

    waiting = threading.Thread(target=wait, name="signals", daemon=True)
    waiting.start()
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        arrived.put(False)
        waiting.join()
        for number, handler in before.items():
            signal.signal(number, handler)
