"""A part of a video file by its time, for files that hold several recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helios_world.errors import DependencyError, FrameError, RecordingError
from helios_world.spec import Frames


def read_span(path: Path, begin: float, count: int, fps: float) -> Frames:
    """`count` frames from `begin` seconds on, uint8 [count, H, W, 3], of a video of `fps` frames per second.

    Raises:
        RecordingError: the video ends before.
        FrameError: it cannot be read.
    """
    try:
        import av
    except ImportError as error:
        raise DependencyError("videos need PyAV: pip install av") from error
    frames: list[Frames] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            # A seek lands on the key frame before; what lies between is decoded and passed over.
            if begin > 0 and stream.time_base is not None:
                container.seek(int(begin / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time is not None and frame.time < begin - 0.5 / fps:
                    continue
                frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                if len(frames) == count:
                    return np.stack(frames)
    except (OSError, IndexError, av.FFmpegError) as error:
        raise FrameError(f"no video can be read from {str(path)!r}: {error}") from error
    raise RecordingError(f"{str(path)!r} has {len(frames)} frames from {begin:g} s on; {count} are needed")
