"""What is done for a session in several steps, of which each waits for the engine or for the clerk.

An errand is a generator that runs in the loop's thread. It yields a job and gets its Outcome, or yields a function,
which the clerk calls, and gets what that returned or raised. While it runs, its session is busy.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from helios_runtime.server.clerk import Task
from helios_runtime.server.jobs import Job, Outcome
from helios_runtime.server.sessions import Session

Errand = Generator["Job | Callable[[], object]", Any, Any]
Post = Callable[[Task], None]
"""Calls a function in the loop's thread, soon; itself called from any thread."""


class Jobs(Protocol):
    """What the loop needs of the engine; each may be used from any thread."""

    def submit(self, job: Job) -> None: ...

    @property
    def busy_since(self) -> float | None: ...

    @property
    def queue_length(self) -> int: ...


class Tasks(Protocol):
    """What the loop needs of the clerk."""

    def submit(self, task: Callable[[], object]) -> None: ...


class Errands:
    """Runs errands.

    Args:
        idle: called when a session's errand has ended.
        fault: called when it ended with an exception.
    """

    def __init__(
        self,
        engine: Jobs,
        clerk: Tasks,
        post: Post,
        idle: Callable[[Session], None],
        fault: Callable[[Session, Exception], None],
    ) -> None:
        self._engine, self._clerk, self._post = engine, clerk, post
        self._idle, self._fault = idle, fault

    def start(self, session: Session, errand: Errand) -> None:
        session.busy = True
        self._go(session, errand, None)

    def _go(self, session: Session, errand: Errand, result: object) -> None:
        try:
            step = errand.send(result)
        except StopIteration:
            session.busy = False
            self._idle(session)
        except Exception as error:
            session.busy = False
            self._fault(session, error)
        else:
            self._take(step, partial(self._go, session, errand))

    def _take(self, step: Job | Callable[[], object], resume: Callable[[object], None]) -> None:
        if isinstance(step, Job):
            self._engine.submit(replace(step, done=partial(self._done, resume)))
        else:
            self._clerk.submit(partial(self._call, step, resume))

    def _done(self, resume: Callable[[object], None], outcome: Outcome) -> None:
        self._post(partial(resume, outcome))

    def _call(self, step: Callable[[], object], resume: Callable[[object], None]) -> None:
        try:
            result = step()
        except Exception as error:
            result = error
        self._post(partial(resume, result))
