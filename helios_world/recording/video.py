"""H.264 files: read, and written so that what is on disk can be played. PyAV is imported when used."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from helios_world.errors import DependencyError, FrameError, RecordingError
from helios_world.spec import Frames

if TYPE_CHECKING:
    from types import ModuleType

LEAST_HEIGHT = 256
"""Lower frames are enlarged by a whole factor: players blur them less, and colour has half the resolution."""

_FRAGMENTS = {
    "movflags": "empty_moov+default_base_moof+frag_keyframe",
    "frag_duration": "500000",
    "flush_packets": "1",
}
_ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "18"}


class VideoWriter:
    """Appends frames to an mp4 file.

    The file is a row of fragments of half a second; whatever stops the writer, finished ones are playable.

    Args:
        path: of the file; an existing one is replaced.
        fps: frames per second.
        height, width: of the frames given to `write`.

    Raises:
        RecordingError: the file cannot be written.
        DependencyError: PyAV, or H.264 in it, is missing.
    """

    def __init__(self, path: str | Path, *, fps: int, height: int, width: int) -> None:
        av = _import_av()
        self._av = av
        self._path = Path(path)
        self._fps = fps
        self._count = 0
        self._scale = max(1, -(-LEAST_HEIGHT // height))
        self._closed = False
        try:
            self._container: Any = av.open(str(path), "w", format="mp4", options=_FRAGMENTS)
            self._stream = self._open_stream(height, width)
        except (OSError, av.FFmpegError) as error:
            raise RecordingError(f"cannot write a video to {str(path)!r}: {error}") from error

    def write(self, frames: Frames) -> None:
        """Append frames, uint8 [T, H, W, 3]."""
        try:
            for frame in frames:
                self._container.mux(self._stream.encode(self._picture(frame)))
                self._count += 1
        except (OSError, self._av.FFmpegError) as error:
            raise RecordingError(f"cannot write to {str(self._path)!r} any more: {error}") from error

    def close(self) -> None:
        """Finish the file. Closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (OSError, self._av.FFmpegError) as error:
            raise RecordingError(f"cannot finish {str(self._path)!r}: {error}") from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_stream(self, height: int, width: int) -> Any:
        try:
            stream = self._container.add_stream("libx264", rate=self._fps, options=_ENCODER)
        except ValueError as error:
            raise DependencyError("this PyAV has no H.264 encoder; pip install --force-reinstall av") from error
        stream.height, stream.width = _even(height * self._scale), _even(width * self._scale)
        stream.pix_fmt = "yuv420p"
        stream.gop_size = self._fps
        stream.codec_context.thread_count = 1
        return stream

    def _picture(self, frame: Frames) -> Any:
        large = frame.repeat(self._scale, axis=0).repeat(self._scale, axis=1)
        missing = (self._stream.height - large.shape[0], self._stream.width - large.shape[1])
        padded = np.pad(large, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        picture.pts = self._count
        picture.time_base = Fraction(1, self._fps)
        return picture


def read_video(path: str | Path, *, first: int = 0, last: int | None = None) -> Frames:
    """The frames of a video file, or its `first` and its `last` ones, as uint8 [T, H, W, 3].

    A video that is no longer than both together comes whole; never is there more in memory than that.

    Raises:
        FrameError: the file has no frames that can be read.
    """
    av = _import_av()
    begin: list[Frames] = []
    kept: deque[Frames] = deque(maxlen=last)
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                (begin if len(begin) < first else kept).append(frame.to_ndarray(format="rgb24"))
    except (OSError, IndexError, av.FFmpegError) as error:
        # A file that was cut breaks off with an error behind its last good frame.
        if not (begin or kept):
            raise FrameError(f"no video can be read from {str(path)!r}: {error}") from error
    if not (begin or kept):
        raise FrameError(f"{str(path)!r} has no video frames")
    return np.stack([*begin, *kept])


def _even(size: int) -> int:
    return size + size % 2


def _import_av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise DependencyError("videos need PyAV: pip install av") from error
    return av
