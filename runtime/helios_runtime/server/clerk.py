"""A thread for what takes a while and needs no device: encoding frames and writing files, one thing after the other."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
Task = Callable[[], None]


class Clerk:
    """Does tasks in the order in which they come. Tasks do not raise."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="helios-clerk", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, task: Callable[[], object]) -> None:
        self._tasks.put(task)

    def close(self, timeout: float) -> None:
        """Finish what was submitted; what takes longer is left alone."""
        if self._thread.is_alive():
            self._tasks.put(None)
            self._thread.join(timeout)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception:
                _log.exception("a task of the clerk failed")
