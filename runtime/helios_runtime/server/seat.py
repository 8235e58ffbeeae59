"""One session's world in the engine, and its recording. Only the engine's thread touches it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from helios_runtime.server.jobs import Job, Reset, Restore, Step, StepInput, TakeSnapshot
from helios_runtime.server.recordings import SessionRecording, free_path
from helios_world.errors import StateError
from helios_world.pending import PendingChunk
from helios_world.snapshot import Snapshot
from helios_world.spec import World

_log = logging.getLogger(__name__)
Rest = Callable[[], str]
"""Finishes a recording, in any thread; takes a while, gives the video's path, and raises RecordingError."""


class Seat:
    """A world, and its recording while there is one.

    Args:
        name: the session's id, which names its recordings.
        company: the same for all seats whose worlds can be stepped in one pass.
    """

    def __init__(self, name: str, world: World, company: object) -> None:
        self.name = name
        self.world = world
        self.company = company
        self._recording: SessionRecording | None = None

    def begin(self, job: Step) -> StepInput:
        """The input of the chunk that begins now."""
        state = None if job.ahead is None else self._state()
        given = job.sample()
        if job.ahead is not None:
            job.ahead(state, given)
        return given

    def do(self, job: Job) -> PendingChunk | bytes | int:
        """A job that concerns nothing but the world, other than a step."""
        if job.ahead is not None:
            job.ahead(self._state(), None)
        match job:
            case Reset():
                return self.world.begin_reset(seed=job.seed, prompt=job.prompt, image=job.image, video=job.video)
            case TakeSnapshot():
                return bytes(self.world.snapshot())
            case Restore():
                state = Snapshot.from_bytes(job.state)
                self.world.restore(state)
                return int(state.meta["index"])
        raise ValueError(f"{type(job).__name__} is no job for one world")

    def see_through(self, job: Job, value: object, given: StepInput | None = None) -> None:
        """What is left to do of a job that has been answered: make its frames, and write down what was done.

        A recorded world does nothing else until its frames are there. A recording that fails disturbs nobody.

        Args:
            value: what the job gave.
            given: the input of a step.
        """
        if isinstance(value, PendingChunk) and (self._recording is not None or not value.comes_by_itself):
            value.wait()
        if self._recording is None:
            return
        if isinstance(job, Restore):
            self._recording.restore(Snapshot.from_bytes(job.state))
        elif isinstance(value, PendingChunk):
            _write_down(self._recording, job, value, given)

    def record(self, folder: Path) -> str:
        """Record from now on, if that is not done already. The path of the video."""
        if self._recording is None:
            self._recording = SessionRecording(self.world, free_path(folder, self.name))
        return str(self._recording.path)

    def stop_recording(self) -> Rest | None:
        """Record no more. What is left to do; None if nothing was recorded."""
        recording, self._recording = self._recording, None
        return None if recording is None else recording.finish

    def close(self) -> Rest | None:
        """Give up the world. What is left to do, as of `stop_recording`."""
        try:
            self.world.close()
        except Exception:
            _log.exception("the world of session %s does not close", self.name)
        return self.stop_recording()

    def _state(self) -> bytes | None:
        """The present state; None if the world has not begun."""
        try:
            return bytes(self.world.snapshot())
        except StateError:
            return None


def _write_down(recording: SessionRecording, job: Job, pending: PendingChunk, given: StepInput | None) -> None:
    try:
        chunk = pending.result()
    except Exception as error:
        recording.lose(error)
        return
    if isinstance(job, Reset):
        recording.reset(job, chunk)
    elif given is not None:
        recording.step(given, chunk)
