"""The thread that owns the model and all worlds. Others give it jobs, and never wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.server.batching import JobQueue, Waiting
from helios_runtime.server.jobs import Close, Job, Outcome, Reset, Restore, Step, StepInput, Value
from helios_runtime.server.metrics import Metrics
from helios_runtime.server.seat import Rest, Seat
from helios_runtime.server.seats import Seats
from helios_world.batch import begin_together, prepare_together
from helios_world.errors import HeliosError
from helios_world.pending import PendingChunk
from helios_world.spec import World

_log = logging.getLogger(__name__)
Wait = Callable[[threading.Condition, "float | None"], object]


def _wait(changed: threading.Condition, seconds: float | None) -> None:
    changed.wait(seconds)


class Engine:
    """Does the jobs of all sessions. Steps of worlds that share a model go through it together.

    Args:
        load: gives a new world by its name, soon; called in the worker's thread. See `helios_world.batch.opener`.
        max_batch: worlds in one pass.
        batch_wait: seconds that a step waits for those of others at most, if they are likely to come.
        metrics: is told of every pass.
        recordings: the folder for them; None to record nothing.
        now: monotonic seconds.
        wait: waits on the condition for at most so many seconds; tests put a simulated clock here.

    Raises:
        OSError: the folder for recordings cannot be made.
        ValueError: `max_batch` or `batch_wait` makes no sense.
    """

    def __init__(
        self,
        load: Callable[[str], World],
        *,
        max_batch: int = 8,
        batch_wait: float = 0.002,
        metrics: Metrics | None = None,
        recordings: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        wait: Wait = _wait,
    ) -> None:
        self._max_batch = max_batch
        self._metrics = metrics or Metrics()
        self._now, self._wait = now, wait
        self._seats = Seats(load, recordings)
        self._queue = JobQueue(max_batch, batch_wait, self._seats.together)
        self._unprepared: dict[str, Seat] = {}
        self._finishing: list[threading.Thread] = []
        self._busy_since: float | None = None
        self._changed = threading.Condition()
        self._is_closed = self._is_broken = False
        self._thread = threading.Thread(target=self._run, name="helios-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Do `job` when its turn comes. Never blocks; once closed, it is refused in the caller's thread."""
        waiting = Waiting(job, self._now())
        with self._changed:
            if not self._is_closed:
                self._queue.put(waiting)
                self._changed.notify()
                return
        _refuse(waiting, waiting.since)

    def close(self, timeout: float | None = None) -> None:
        """Finish the running job and all recordings, refuse the other jobs, close the worlds.

        Args:
            timeout: seconds to wait for it; what takes longer ends, and is answered, in its own time.
        """
        until = None if timeout is None else time.monotonic() + timeout
        self._refuse_all()
        if self._thread.ident is None:
            self._leave()
        else:
            self._thread.join(timeout)
        for thread in [*self._finishing]:
            thread.join(None if until is None else max(until - time.monotonic(), 0.0))

    @property
    def busy_since(self) -> float | None:
        """When the present work was begun, monotonic seconds; None while there is none."""
        return self._busy_since

    @property
    def queue_length(self) -> int:
        """How many jobs wait."""
        return len(self._queue)

    @property
    def is_broken(self) -> bool:
        """Whether its thread has ended by a fault of its own. It will do nothing any more."""
        return self._is_broken

    def turn(self) -> bool:
        """Do what is to be done next; wait for it if there is nothing. False once closed."""
        taken = self._next()
        if taken is None:
            return False
        if not taken:
            self._prepare()
        elif isinstance(taken[0].job, Step):
            self._step(taken)
        else:
            self._do(taken[0])
        self._busy_since = None
        return True

    def _run(self) -> None:
        try:
            while self.turn():
                pass
        except Exception:
            self._is_broken = True
            _log.critical("the engine has stopped", exc_info=True)
        finally:
            self._refuse_all()
            self._leave()

    def _next(self) -> list[Waiting] | None:
        """The jobs to be done now; none when there is time to prepare; None once closed."""
        with self._changed:
            while not self._is_closed:
                now = self._now()
                due = self._queue.due(now)
                if due is not None and due <= now:
                    self._busy_since = now
                    return self._queue.take()
                if due is None and self._unprepared:
                    self._busy_since = now
                    return []
                self._wait(self._changed, None if due is None else due - now)
        return None

    def _step(self, taken: list[Waiting]) -> None:
        began = self._now()
        made = self._make(self._begin(taken, began))
        for waiting, seat, _, pending in made:
            if isinstance(pending, PendingChunk):
                self._unprepared[seat.name] = seat
                self._answer(waiting, began, _shown(pending))
            else:
                self._fail(waiting, began, pending)
        for waiting, seat, given, pending in made:
            seat.see_through(waiting.job, pending, given)

    def _begin(self, taken: list[Waiting], began: float) -> list[tuple[Waiting, Seat, StepInput]]:
        """The steps that can be made, with their inputs; the others are answered."""
        ready = []
        for waiting in taken:
            job = waiting.job
            assert isinstance(job, Step)
            try:
                seat = self._seats[job.seat]
                ready.append((waiting, seat, seat.begin(job)))
            except Exception as error:
                self._fail(waiting, began, error)
        return ready

    def _make(
        self, ready: list[tuple[Waiting, Seat, StepInput]]
    ) -> list[tuple[Waiting, Seat, StepInput, PendingChunk | Exception]]:
        if not ready:
            return []
        worlds = [seat.world for _, seat, _ in ready]
        actions, prompts = [given.action for *_, given in ready], [given.prompt for *_, given in ready]
        try:
            begun = begin_together(worlds, actions, prompts)
        except Exception as error:  # of the device, say; what it may have done to these worlds is not known
            begun = [error] * len(ready)
        self._metrics.batch(len(ready))
        return [(*step, pending) for step, pending in zip(ready, begun, strict=True)]

    def _do(self, waiting: Waiting) -> None:
        began, job = self._now(), waiting.job
        try:
            value = self._seats.do(job)
        except Exception as error:
            self._fail(waiting, began, error)
            return
        if callable(value):
            self._release(job)
            self._finish(partial(self._answer_later, waiting, began, value))
            return
        self._answer(waiting, began, _shown(value) if isinstance(value, PendingChunk) else value)
        if isinstance(job, Reset | Restore):
            seat = self._unprepared[job.seat] = self._seats[job.seat]
            seat.see_through(job, value)

    def _prepare(self) -> None:
        """What can be done of the next steps while nobody waits; if it fails, the step itself tells."""
        names = list(self._unprepared)[: self._max_batch]
        seats = [self._unprepared.pop(name) for name in names]
        for failure in prepare_together([seat.world for seat in seats if self._seats.has(seat)]):
            if failure is not None:
                _log.warning("a world cannot be prepared: %r", failure)

    def _answer(self, waiting: Waiting, began: float, value: Value) -> None:
        self._release(waiting.job)
        self._tell(waiting, began, value, None)

    def _fail(self, waiting: Waiting, began: float, error: Exception) -> None:
        seat = waiting.job.seat
        if not isinstance(error, HeliosError) and seat in self._seats:
            _log.error("the seat of session %s is given up: %r", seat, error)
            rest = self._seats.leave(seat)
            if rest is not None:
                self._finish(partial(_finish_alone, rest))
        self._release(waiting.job)
        self._tell(waiting, began, None, error)

    def _answer_later(self, waiting: Waiting, began: float, rest: Rest) -> None:
        try:
            path = rest()
        except Exception as error:
            self._tell(waiting, began, None, error)
        else:
            self._tell(waiting, began, None if isinstance(waiting.job, Close) else path, None)

    def _release(self, job: Job) -> None:
        """The seat's next job may begin."""
        with self._changed:
            self._queue.done(job, self._now(), stays=job.seat in self._seats)

    def _tell(self, waiting: Waiting, began: float, value: Value, error: Exception | None) -> None:
        spent, waited = self._now() - began, began - waiting.since
        _call(Outcome(waiting.job, value, error, queue_ms=1e3 * waited, compute_ms=1e3 * spent))

    def _finish(self, rest: Callable[[], None]) -> None:
        """Finish a recording beside the work."""
        thread = threading.Thread(target=rest, name="helios-finish", daemon=True)
        self._finishing = [*(each for each in self._finishing if each.is_alive()), thread]
        thread.start()

    def _refuse_all(self) -> None:
        with self._changed:
            self._is_closed = True
            waiting = self._queue.clear()
            self._changed.notify()
        for each in waiting:
            _refuse(each, self._now())

    def _leave(self) -> None:
        for name in self._seats.names:
            rest = self._seats.leave(name)
            if rest is not None:
                self._finish(partial(_finish_alone, rest))


def _shown(pending: PendingChunk) -> Value:
    """The chunk, if it is all there."""
    return pending.chunk or pending


def _refuse(waiting: Waiting, now: float) -> None:
    error = ProtocolError("draining", "the server is about to stop", sid=waiting.job.seat)
    _call(Outcome(waiting.job, error=error, queue_ms=1e3 * (now - waiting.since)))


def _call(outcome: Outcome) -> None:
    try:
        outcome.job.done(outcome)
    except Exception:
        _log.exception("an answer to session %s was not taken", outcome.job.seat)


def _finish_alone(rest: Rest) -> None:
    """Finish a recording that nobody waits for."""
    try:
        rest()
    except Exception as error:
        _log.warning("%s", error)
