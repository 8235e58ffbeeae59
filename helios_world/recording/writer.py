"""The files of a recording: the log is written at once, the video by a thread, since encoding takes time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from helios_world.errors import HeliosError, RecordingError
from helios_world.recording.log import LogHeader, Record, line_of
from helios_world.recording.video import VideoWriter
from helios_world.snapshot import write_atomically
from helios_world.spec import Frames, WorldSpec

MOST_WAITING = 64
"""Chunks that may wait for the encoder."""
MOST_BYTES = 256 << 20
"""That they may take, but for two chunks, which may wait however large they are."""
PATIENCE = 5.0
"""Seconds that a full queue holds up the world before the recording is given up, by default."""


class RecordingWriter:
    """Owns the video and the log. After the first error nothing more is written; `take_error` gives it.

    Args:
        frames: of the video at most; None for all.
        patience: seconds that a full queue holds up the world before the recording is given up, None for ever.
    """

    def __init__(
        self, path: Path, header: LogHeader, *, frames: int | None = None, patience: float | None = PATIENCE
    ) -> None:
        spec = header.spec
        self._left = frames
        self._patience = patience
        self._video = VideoWriter(path, fps=spec.fps, height=spec.height, width=spec.width)
        try:
            # Without a buffer of its own, a line is with the operating system once it is written.
            self._log = path.with_suffix(".jsonl").open("wb", buffering=0)
        except OSError as error:
            self._video.close()
            raise RecordingError(f"cannot write a log beside {str(path)!r}: {error}") from error
        self._error: HeliosError | None = None
        self._failed = threading.Event()
        self._frames: queue.Queue[Frames | None] = queue.Queue(most_waiting(spec))
        self._thread = threading.Thread(target=self._encode, name="helios-recording", daemon=True)
        self._thread.start()
        self.record(header)

    def record(self, entry: LogHeader | Record) -> None:
        """Append a line to the log."""
        self._attempt(lambda: self._append(line_of(entry)))

    def show(self, frames: Frames) -> None:
        """Append frames, which nobody changes any more, to the video, soon; those beyond its length are left out."""
        kept = frames if self._left is None else frames[: self._left]
        if self._left is not None:
            self._left -= len(kept)
        if len(kept):
            self._attempt(lambda: self._frames.put(kept, timeout=self._patience))

    def keep(self, path: Path, data: bytes) -> None:
        """Write a file beside the log, if it is not there."""
        self._attempt(lambda: None if path.exists() else write_atomically(path, data))

    def take_error(self) -> HeliosError | None:
        """The error that ended the recording, the first time that this is asked after it."""
        error, self._error = self._error, None
        return error

    def close(self) -> None:
        """Encode what waits and finish the files."""
        self._frames.put(None)
        self._thread.join()
        self._log.close()

    def _encode(self) -> None:
        while (frames := self._frames.get()) is not None:
            self._attempt(partial(self._video.write, frames))
        try:
            self._video.close()
        except HeliosError as error:
            self._fail(error)

    def _append(self, line: bytes) -> None:
        self._log.write(line)

    def _attempt(self, job: Callable[[], object]) -> None:
        if self._failed.is_set():
            return
        try:
            job()
        except HeliosError as error:
            self._fail(error)
        except queue.Full:
            self._fail(RecordingError(f"the encoder is {self._frames.maxsize} chunks behind"))
        except Exception as error:
            self._fail(RecordingError(f"the recording cannot be written: {error}"))

    def _fail(self, error: HeliosError) -> None:
        if not self._failed.is_set():
            self._error = error
            self._failed.set()


def most_waiting(spec: WorldSpec) -> int:
    """How many chunks of a world may wait for the encoder."""
    chunk = 3 * spec.frames_per_chunk * spec.height * spec.width
    return max(2, min(MOST_WAITING, MOST_BYTES // chunk))
