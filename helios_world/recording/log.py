"""The log beside a recorded video: one JSON object per line, written as it goes. No torch here.

The first line is the header. After it, one line for each chunk that reset() or step() returned, with what was
given to that call, and one for each restore(). A last line that was cut off is left out when reading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from helios_world.errors import HeliosError, RecordingError
from helios_world.spec import Action, Frames, WorldSpec

FORMAT = 1


@dataclass(frozen=True)
class LogHeader:
    """Which world was recorded, and the name of the video beside the log."""

    spec: WorldSpec
    video: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "event": "header",
            "format": FORMAT,
            "world": self.spec.name,
            "fingerprint": self.spec.fingerprint,
            "video": self.video,
            "spec": self.spec.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LogHeader:
        if data["event"] != "header" or data["format"] != FORMAT:
            raise RecordingError(f"the log has format {data.get('format')!r}; this version reads {FORMAT}")
        return cls(WorldSpec.from_dict(data["spec"]), str(data["video"]))


@dataclass(frozen=True)
class ChunkRecord:
    """A call that made a chunk, and the digest of its frames.

    Args:
        call: "reset" or "step".
        index: of the chunk.
        digest: SHA-256 of the frames, as `frames_digest` has it.
        prompt: as given, None for none.
        action: for step.
        seed: for reset.
        start: for reset, the name of the file with the image or the video; None without one.
    """

    call: Literal["reset", "step"]
    index: int
    digest: str
    prompt: str | None = None
    action: Action | None = None
    seed: int = 0
    start: str | None = None

    def to_dict(self) -> dict[str, Any]:
        given: dict[str, Any] = {"seed": self.seed, "start": self.start}
        if self.call == "step":
            given = {"action": None if self.action is None else self.action.to_dict()}
        return {
            "event": self.call,
            "index": self.index,
            **given,
            "prompt": self.prompt,
            "sha256": self.digest,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChunkRecord:
        call: Literal["reset", "step"] = "reset" if data["event"] == "reset" else "step"
        action = Action.from_dict(data["action"]) if data.get("action") else None
        prompt = data["prompt"]
        if not isinstance(prompt, (str, type(None))):
            raise TypeError(f"prompt is {prompt!r}")
        index, seed, start = int(data["index"]), int(data.get("seed", 0)), _file_name(data.get("start"))
        return cls(call, index, str(data["sha256"]), prompt, action, seed, start)


@dataclass(frozen=True)
class RestoreRecord:
    """A call of restore(); `state` is the name of the snapshot's file."""

    state: str

    def to_dict(self) -> dict[str, Any]:
        return {"event": "restore", "state": self.state}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RestoreRecord:
        name = _file_name(data["state"])
        if name is None:
            raise TypeError("a restore without a state")
        return cls(name)


Record = ChunkRecord | RestoreRecord


@dataclass(frozen=True)
class Log:
    """A log that was read. `cut` says that its last line was incomplete."""

    folder: Path
    header: LogHeader
    records: tuple[Record, ...]
    cut: bool

    @property
    def chunks(self) -> int:
        """How many chunks were recorded."""
        return sum(isinstance(record, ChunkRecord) for record in self.records)


def read_log(path: str | Path) -> Log:
    """Read a log, also one whose writer was interrupted.

    Args:
        path: of the log, or of the video beside it.

    Raises:
        RecordingError: there is no log, or it is damaged before its last line.
    """
    path = Path(path).with_suffix(".jsonl")
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RecordingError(f"no log can be read from {str(path)!r}: {error.strerror}") from error
    whole, rest = lines[:-1], lines[-1]
    if not whole:
        raise RecordingError(f"the log {str(path)!r} ends within its first line; nothing was recorded")
    header = _parse(path, 1, whole[0], LogHeader.from_dict)
    records = tuple(_parse(path, n, line, _record) for n, line in enumerate(whole[1:], start=2))
    return Log(path.parent, header, records, cut=bool(rest))


def frames_digest(frames: Frames) -> str:
    """SHA-256 of the shape and the bytes of frames, uint8 [T, H, W, 3], in hexadecimal."""
    digest = hashlib.sha256(repr(tuple(int(size) for size in frames.shape)).encode())
    digest.update(frames.tobytes())
    return digest.hexdigest()


def line_of(entry: LogHeader | Record) -> bytes:
    """One line of the log, with its end."""
    return json.dumps(entry.to_dict(), allow_nan=False).encode() + b"\n"


def _record(data: Mapping[str, Any]) -> Record:
    if data["event"] == "restore":
        return RestoreRecord.from_dict(data)
    if data["event"] in ("reset", "step"):
        return ChunkRecord.from_dict(data)
    raise ValueError(f"unknown event {data['event']!r}")


def _parse(path: Path, number: int, line: bytes, read: Any) -> Any:
    try:
        return read(json.loads(line))
    except RecordingError:
        raise
    except (HeliosError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RecordingError(f"line {number} of {str(path)!r} cannot be read: {error!r}") from error


def _file_name(name: Any) -> str | None:
    """Of a file beside the log. A log must not make its reader open anything elsewhere."""
    if name is None:
        return None
    if not isinstance(name, str) or Path(name).name != name or "\\" in name:
        raise ValueError(f"{name!r} is no name of a file beside the log")
    return name
