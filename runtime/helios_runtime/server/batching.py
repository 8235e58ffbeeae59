"""Which jobs are done next. No threads, no worlds, no clock: all times are given, in seconds of one clock.

The jobs of a seat are done in order. Among seats it is the turn of the one whose first job has been first for
longest, so that a seat with many jobs gets no more than any other. Steps go in rounds, at most one of each seat.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from helios_runtime.server.jobs import Job, Reset, Step

_LATE = 5
"""Times the patience that a step may be late and still is likely to come."""
Together = Callable[[Sequence[str]], Sequence[str]]
"""Of some seats, those that can be stepped in one pass with the first of them, that one first."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A job, and since when it has been waiting."""

    job: Job
    since: float


@dataclass(eq=False, slots=True)
class _Line:
    """The jobs of one seat.

    Args:
        turn: lines are served in this order.
        busy: a job of this seat is being done.
        answered: when the newest chunk was there, None before the first.
        pause: seconds from a chunk to the step after it, the last time.
    """

    seat: str
    jobs: deque[Waiting] = field(default_factory=deque)
    turn: int = 0
    busy: bool = False
    answered: float | None = None
    pause: float = 0.0

    @property
    def is_ready(self) -> bool:
        return bool(self.jobs) and not self.busy

    @property
    def begins_with_step(self) -> bool:
        return isinstance(self.jobs[0].job, Step)

    def comes_back(self, earliest: float, latest: float) -> bool:
        """Whether its next step is likely to arrive in this time."""
        if self.jobs or self.busy or self.answered is None:
            return False
        return earliest <= self.answered + self.pause <= latest


class JobQueue:
    """The jobs that wait.

    Args:
        most: steps in a round.
        patience: seconds that a step waits for those of others, if they are likely to come.
        together: which seats can share a round.
    """

    def __init__(self, most: int, patience: float, together: Together) -> None:
        if most < 1 or not 0 <= patience < math.inf:
            raise ValueError(f"most is {most}, at least 1; patience is {patience}, in seconds")
        self._most, self._patience, self._together = most, patience, together
        self._lines: dict[str, _Line] = {}
        self._turns = 0
        self._count = 0
        self._asked: float | None = None

    def __len__(self) -> int:
        """How many jobs wait, without those that are being done."""
        return self._count

    def put(self, waiting: Waiting) -> None:
        seat = waiting.job.seat
        line = self._lines.setdefault(seat, _Line(seat))
        if isinstance(waiting.job, Step) and line.answered is not None:
            line.pause = 0.0 if line.busy else waiting.since - line.answered
        line.jobs.append(waiting)
        self._count += 1
        if len(line.jobs) == 1:
            self._queue_up(line)

    def due(self, now: float) -> float | None:
        """When the next jobs are to be done; None while there are none.

        A step waits for others until the round is full, none is likely to come any more, or patience has run out,
        counted from the first call that found it first in line.
        """
        ready = self._ready()
        if not ready:
            return None
        if not ready[0].begins_with_step:
            return now
        if self._asked is None:
            self._asked = now
        until = self._asked + self._patience
        if now >= until or len(self._round(ready)) >= self._most or not self._expects(ready[0].seat, now, until):
            return now
        return until

    def take(self) -> list[Waiting]:
        """The next jobs: a single one, or steps of several seats that go together; `done` is told of each."""
        ready, self._asked = self._ready(), None
        seats = self._round(ready) if ready[0].begins_with_step else [ready[0].seat]
        return [self._pop(self._lines[seat]) for seat in seats]

    def done(self, job: Job, now: float, *, stays: bool) -> None:
        """A job that was taken has been done; without `stays` its seat is gone."""
        line = self._lines[job.seat]
        line.busy = False
        if isinstance(job, Step | Reset):
            line.answered = now
        if not stays:
            line.answered = None
        if line.jobs:
            self._queue_up(line)
        elif not stays:
            del self._lines[job.seat]

    def clear(self) -> list[Waiting]:
        """Take out all jobs that wait."""
        waiting = [entry for line in self._lines.values() for entry in line.jobs]
        for line in self._lines.values():
            line.jobs.clear()
        self._count, self._asked = 0, None
        return waiting

    def _queue_up(self, line: _Line) -> None:
        self._turns += 1
        line.turn = self._turns

    def _ready(self) -> list[_Line]:
        return sorted((line for line in self._lines.values() if line.is_ready), key=lambda line: line.turn)

    def _round(self, ready: list[_Line]) -> Sequence[str]:
        return self._together([line.seat for line in ready if line.begins_with_step])[: self._most]

    def _expects(self, first: str, now: float, until: float) -> bool:
        earliest = now - _LATE * self._patience
        coming = [line.seat for line in self._lines.values() if line.comes_back(earliest, until)]
        return bool(coming) and len(self._together([first, *coming])) > 1

    def _pop(self, line: _Line) -> Waiting:
        line.busy = True
        self._count -= 1
        return line.jobs.popleft()
