"""Sessions as files: a video to look at, and a log from which the very same frames can be made again.

A recording `walk` is walk.mp4 and walk.jsonl, with walk.*.npz where the session started from pictures and
walk.*.state where it went back to a snapshot.
"""

from helios_world.recording.log import ChunkRecord, Log, LogHeader, RestoreRecord, read_log
from helios_world.recording.recorder import RecordingWorld
from helios_world.recording.replay import Mismatch, Report, replay, verify
from helios_world.recording.video import VideoWriter, read_video

__all__ = [
    "ChunkRecord",
    "Log",
    "LogHeader",
    "Mismatch",
    "RecordingWorld",
    "Report",
    "RestoreRecord",
    "VideoWriter",
    "read_log",
    "read_video",
    "replay",
    "verify",
]
