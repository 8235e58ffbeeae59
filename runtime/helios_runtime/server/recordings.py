"""Recordings of sessions. What a world did is written down afterwards, so that it may do it in company."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from helios_runtime.server.jobs import Reset, StepInput
from helios_world.errors import HeliosError, RecordingError
from helios_world.recording import RecordingWorld
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames, World, WorldSpec

_log = logging.getLogger(__name__)


class SessionRecording:
    """The recording of one world, from its present state on. The world itself is not stepped by it.

    An encoder that cannot keep up ends the recording and never holds up the world.

    Args:
        path: of the video.

    Raises:
        RecordingError: the files cannot be opened.
    """

    def __init__(self, world: World, path: Path) -> None:
        self._told = _Told(world)
        self._recorder = RecordingWorld(self._told, path, patience=0.0)
        self._failure: Exception | None = None

    @property
    def path(self) -> Path:
        return self._recorder.path

    def reset(self, job: Reset, chunk: Chunk) -> None:
        """The world was reset."""
        self._tell(
            chunk, lambda: self._recorder.reset(seed=job.seed, prompt=job.prompt, image=job.image, video=job.video)
        )

    def step(self, given: StepInput, chunk: Chunk) -> None:
        """The world was stepped."""
        self._tell(chunk, lambda: self._recorder.step(given.action, given.prompt))

    def restore(self, state: Snapshot) -> None:
        """The world went back to a state."""
        self._tell(None, lambda: self._recorder.restore(state))

    def lose(self, error: Exception) -> None:
        """The world was stepped, and there are no frames of it; the recording has to end here."""
        self._failure = self._failure or error

    def finish(self) -> str:
        """Finish the files, which may take a while. The path of the video.

        Raises:
            RecordingError: the recording ended early.
        """
        self._recorder.close()
        if self._failure is not None:
            raise RecordingError(str(self._failure)) from self._failure
        return str(self.path)

    def _tell(self, chunk: Chunk | None, call: Callable[[], object]) -> None:
        if self._failure is not None:
            return
        self._told.chunk = chunk
        try:
            call()
        except Exception as error:
            self._failure = error
            _log.warning(
                "the recording %s ended early: %s", self.path, error, exc_info=not isinstance(error, HeliosError)
            )


class _Told(World):
    """Stands for a world that has done already what it is asked for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.chunk: Chunk | None = None

    @property
    def spec(self) -> WorldSpec:
        return self._world.spec

    def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        return self._take()

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        return self._take()

    def prepare(self) -> None:
        """Its owner does that."""

    def snapshot(self) -> Snapshot:
        return self._world.snapshot()

    def restore(self, state: Snapshot) -> None:
        """It is there already."""

    def fork(self) -> World:
        return self._world.fork()

    def close(self) -> None:
        """Its owner does that."""

    def _take(self) -> Chunk:
        chunk, self.chunk = self.chunk, None
        assert chunk is not None
        return chunk


def free_path(folder: Path, name: str) -> Path:
    """A video in `folder` that replaces nothing: name.mp4, name-2.mp4, …"""
    number = 1
    while True:
        path = folder / (f"{name}.mp4" if number == 1 else f"{name}-{number}.mp4")
        if not (path.exists() or path.with_suffix(".jsonl").exists()):
            return path
        number += 1
