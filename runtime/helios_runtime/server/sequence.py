"""At most once: which of a session's requests are new, and the answer of the last one. No sockets, no clock."""

from __future__ import annotations

from enum import Enum, auto

from helios_runtime.protocol.wire import Buffer

Multipart = list[Buffer]
"""The parts of one message."""


class Verdict(Enum):
    """What is to be done with a request."""

    NEW = auto()
    AGAIN = auto()
    """Executed; its kept answer is to be sent again."""
    RUNNING = auto()
    """Being executed; there is nothing to do."""
    BUSY = auto()
    """The one before it is still being executed."""
    STALE = auto()
    GAP = auto()


class Sequence:
    """The numbers of a session's requests.

    Args:
        last: of the newest executed request.
        answer: its messages, None if they are not kept.
        redo: the newest request changes no world, so that it may be executed again where its answer is not kept.
    """

    def __init__(self, last: int = 0, answer: list[Multipart] | None = None, *, redo: bool = False) -> None:
        self.last = last
        self.running: int | None = None
        self.redo = redo
        self._answer = answer

    @property
    def next_seq(self) -> int:
        """Of the next request that is new."""
        return (self.last if self.running is None else self.running) + 1

    @property
    def answer(self) -> list[Multipart]:
        """The messages of the newest answer; none while it is not kept."""
        return self._answer or []

    def kept(self, most: int | None = None) -> list[Multipart] | None:
        """The newest answer, if it is to outlive the process and has at most so many bytes."""
        if self.redo or self.running is not None or self._answer is None:
            return None
        size = sum(memoryview(part).nbytes for message in self._answer for part in message)
        return self._answer if most is None or size <= most else None

    def judge(self, seq: int) -> Verdict:
        if seq == self.running:
            return Verdict.RUNNING
        if seq == self.next_seq:
            return Verdict.NEW if self.running is None else Verdict.BUSY
        if seq > self.next_seq:
            return Verdict.GAP
        if seq < self.last or self.running is not None:
            return Verdict.STALE
        if self._answer is not None:
            return Verdict.AGAIN
        return Verdict.NEW if self.redo else Verdict.STALE

    def begin(self, seq: int) -> None:
        """Execute a request that is new. The answer before it is of no use any more."""
        self.running, self._answer, self.redo = seq, None, False

    def add(self, *messages: Multipart) -> None:
        """Keep a part of the answer of the running request."""
        self._answer = [*self.answer, *messages]

    def replace(self, message: Multipart) -> None:
        """Keep this instead of what was kept of the running request."""
        self._answer = [message]

    def finish(self, *, redo: bool = False) -> None:
        """The running request has been executed, and its answer is complete."""
        assert self.running is not None
        self.last, self.running, self.redo = self.running, None, redo

    def abandon(self) -> None:
        """Nothing was done for the running request; its number is free again."""
        self.running = None
