"""Starts and stops a recording of the leading world, in the middle of a session or before it begins."""

from __future__ import annotations

import time
from pathlib import Path

from helios_runtime.lockstep import LockStep
from helios_world.errors import RecordingError
from helios_world.spec import World

__all__ = ["Recorder"]


class Recorder:
    """At most one recording at a time. Used in the thread that steps the worlds; the properties by any."""

    def __init__(self) -> None:
        self._inside: World | None = None
        self._path: Path | None = None
        self._since = 0.0

    @property
    def path(self) -> Path | None:
        """Of the video that is being written, None while nothing is."""
        return self._path

    @property
    def seconds(self) -> float:
        """How long the recording has been going on."""
        return time.monotonic() - self._since if self._path is not None else 0.0

    def start(self, worlds: LockStep, path: Path) -> None:
        """Record the leading world from its present state on, to `path` (.mp4) and a log beside it."""
        if self._path is not None:
            raise RecordingError(f"{self._path} is being recorded; stop that first")
        if path.suffix != ".mp4":
            raise RecordingError(f"a recording is an .mp4 file; got {path}, write {path.with_suffix('.mp4')}")
        from helios_world.recording import RecordingWorld

        path.parent.mkdir(parents=True, exist_ok=True)
        inside = worlds.lead
        worlds.replace_lead(RecordingWorld(inside, path))
        self._inside, self._path, self._since = inside, path, time.monotonic()

    def stop(self, worlds: LockStep) -> None:
        """Finish the files, if something is being recorded. The world inside goes on."""
        if self._inside is None:
            return
        recording = worlds.lead
        worlds.replace_lead(self._inside)
        self._inside = self._path = None
        recording.close()
