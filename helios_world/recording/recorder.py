"""A world that writes down what happens in it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from helios_world.errors import RecordingError, StateError
from helios_world.recording.log import ChunkRecord, LogHeader, RestoreRecord, frames_digest
from helios_world.recording.writer import PATIENCE, RecordingWriter
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames, World, WorldSpec


class RecordingWorld(World):
    """Any world, recorded. Its frames, and the time they take, are those of the world inside.

    When a file cannot be written any more, the next call raises RecordingError once, before it does anything,
    and all later ones go on without a recording.

    Args:
        world: is recorded from its present state on. Closing the recording leaves it open, for its owner.
        path: of the video; the log gets the same name with .jsonl. Existing files are replaced.
        frames: of the video at most, so that it can end within a chunk; the log has whole chunks.
        patience: seconds that an encoder which cannot keep up holds up the world before the recording is given up;
            None lets it take its time.

    Raises:
        RecordingError: the files cannot be opened.
    """

    def __init__(
        self, world: World, path: str | Path, *, frames: int | None = None, patience: float | None = PATIENCE
    ) -> None:
        self._world = world
        self._path = Path(path).with_suffix(".mp4")
        self._closed = False
        header = LogHeader(world.spec, self._path.name)
        self._writer = RecordingWriter(self._path, header, frames=frames, patience=patience)
        try:
            present = world.snapshot()
        except StateError:
            return
        self._record_restore(present)

    @property
    def path(self) -> Path:
        """Of the video."""
        return self._path

    @property
    def spec(self) -> WorldSpec:
        return self._world.spec

    def reset(
        self,
        *,
        seed: int = 0,
        prompt: str | None = None,
        image: Frames | None = None,
        video: Frames | None = None,
    ) -> Chunk:
        self._before()
        chunk = self._world.reset(seed=seed, prompt=prompt, image=image, video=video)
        start = self._keep_start(image=image, video=video)
        record = partial(ChunkRecord, "reset", chunk.index, prompt=prompt, seed=int(seed), start=start)
        return self._after(chunk, record)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self._before()
        chunk = self._world.step(action, prompt)
        return self._after(chunk, partial(ChunkRecord, "step", chunk.index, prompt=prompt, action=action))

    def prepare(self) -> None:
        self._before()
        self._world.prepare()

    def snapshot(self) -> Snapshot:
        self._before()
        return self._world.snapshot()

    def restore(self, state: Snapshot) -> None:
        self._before()
        self._world.restore(state)
        self._record_restore(state)

    def fork(self) -> World:
        """A fork of the world inside; it is not recorded."""
        self._before()
        return self._world.fork()

    def close(self) -> None:
        """Finish the files; the world inside stays open. RecordingError if something could not be written."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._tell_error()

    def __enter__(self) -> RecordingWorld:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _before(self) -> None:
        if self._closed:
            raise StateError("the recording is closed; use the world that was recorded, or record it anew")
        self._tell_error()

    def _after(self, chunk: Chunk, record: Callable[..., ChunkRecord]) -> Chunk:
        self._writer.record(record(digest=frames_digest(chunk.frames)))
        self._writer.show(chunk.frames.copy())
        return chunk

    def _tell_error(self) -> None:
        error = self._writer.take_error()
        if error is not None:
            raise RecordingError(f"the recording {str(self._path)!r} ended early: {error}") from error

    def _record_restore(self, state: Snapshot) -> None:
        self._writer.record(RestoreRecord(self._keep(bytes(state), "state")))

    def _keep_start(self, **given: Frames | None) -> str | None:
        frames = {name: value for name, value in given.items() if value is not None}
        if not frames:
            return None
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **frames)
        return self._keep(buffer.getvalue(), "npz")

    def _keep(self, data: bytes, suffix: str) -> str:
        """Write `data` to a file beside the log whose name tells its content; the name."""
        path = self._path.with_suffix(f".{hashlib.sha256(data).hexdigest()[:16]}.{suffix}")
        self._writer.keep(path, data)
        return path.name
