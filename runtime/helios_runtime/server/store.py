"""Sessions on disk, so that the next server can take them up: one file per session.

A record is written before a world changes: the state before, and the request that changes it. Doing that request
again gives the present state and its answer, for a world's chunks follow from its state. A file appears complete or
not at all. It is not flushed to the disk, so it outlives the process, but not the machine's loss of power.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import IO, Any

import msgpack

from helios_runtime.server.sequence import Multipart
from helios_world.errors import HeliosError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)
_MAGIC = b"HELIOSSE"
_VERSION = 2
_PREFIX = struct.Struct("<8sIQI")
_SUFFIX = ".session"
_UNFINISHED = re.compile(r"[0-9a-f]{32}\.\d+\.[0-9a-f]{8}")


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def matches(token: str, kept: bytes) -> bool:
    """Whether this is the token, in a time that does not depend on how nearly it is."""
    return hmac.compare_digest(digest(token), kept)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What brings a session back.

    Args:
        sid, token: of the session; of the token only the digest.
        world, mode, encoding, quality, progressive, recording: how it was opened, and whether it is being recorded.
        opened: when, in seconds since 1970.
        epoch, index: of `state`; the index is that of the next chunk.
        seq: of the newest request that was begun.
        redo: that request may be executed once more, since it changes no world.
        prompt: was said, and no chunk has had it, before `again`; later: the same after it.
        state: bytes of a snapshot, None if the world has not begun.
        again: the RESET, STEP or RESTORE that follows on `state`, None if there is none.
        owed: that message is request `seq`, and what it gives is its answer.
        answer: of request `seq`, where that is kept.
    """

    sid: str
    token: bytes
    world: str
    mode: str
    encoding: str
    quality: int
    progressive: bool
    recording: bool
    opened: float
    epoch: int = 0
    index: int = 0
    seq: int = 0
    redo: bool = False
    prompt: str | None = None
    later: str | None = None
    state: bytes | None = None
    again: Multipart | None = None
    owed: bool = False
    answer: list[Multipart] | None = None


class Store:
    """A folder of sessions, used by one server at a time. Every method may be called from any thread.

    Raises:
        StoreError: another server uses the folder.
        OSError: it cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(self.folder / "lock")
        self._sweep()

    def save(self, record: SessionRecord) -> None:
        path = self._path(record.sid)
        temporary = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.writelines(_pack(record))
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def load(self, sid: str) -> SessionRecord | None:
        """The session's record; None if there is none, or it cannot be read, which the log tells."""
        path = self._path(sid)
        try:
            return _unpack(path.read_bytes())
        except FileNotFoundError:
            return None
        except Exception as error:  # a damaged file may be anything
            _log.error("session %s cannot be read from disk: %r", sid, error)
            return None

    def delete(self, sid: str) -> None:
        self._path(sid).unlink(missing_ok=True)

    def expire(self, seconds: float, keep: frozenset[str] = frozenset()) -> None:
        """Delete what was last written so long ago, but not the sessions in `keep`."""
        limit = time.time() - seconds
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):
                if path.stem not in keep and path.stat().st_mtime < limit:
                    path.unlink()

    def close(self) -> None:
        """Let another server have the folder."""
        self._lock.close()

    def _sweep(self) -> None:
        """Delete what a server that was killed had begun to write."""
        for path in self.folder.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()

    def _path(self, sid: str) -> Path:
        if len(sid) != 32 or not set(sid) <= set("0123456789abcdef"):
            raise ValueError(f"{sid!r} is no session's id")
        return self.folder / f"{sid}{_SUFFIX}"


class StoreError(HeliosError, RuntimeError):
    """The folder of sessions cannot be used."""

    code = "store"


def _lock(path: Path) -> IO[bytes]:
    """A file that stays locked until it is closed, or its process ends."""
    file = open(path, "ab")  # noqa: SIM115
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StoreError(
                f"another server keeps its sessions in {str(path.parent)!r}; choose another folder"
            ) from error
    return file


def _pack(record: SessionRecord) -> list[Any]:
    """A header, then the blobs that it tells the lengths of."""
    small = replace(record, state=None, again=None, answer=None)
    messages = [record.again or [], *(record.answer or [])]
    header = asdict(small) | {
        "state": None if record.state is None else len(record.state),
        "again": record.again is not None,
        "answer": record.answer is not None,
        "parts": [[memoryview(part).nbytes for part in message] for message in messages],
    }
    packed: bytes = msgpack.packb(header)
    blobs = [part for message in messages for part in message]
    prefix = _PREFIX.pack(_MAGIC, _VERSION, len(packed), _checksum(packed, *blobs))
    return [prefix, packed, record.state or b"", *blobs]


def _checksum(*parts: Any) -> int:
    """Of everything but the state, which has one of its own."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total


def _unpack(data: bytes) -> SessionRecord:
    magic, version, length, checksum = _PREFIX.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise ValueError(f"it begins with {magic!r}, version {version}")
    start = _PREFIX.size + length
    packed = data[_PREFIX.size : start]
    header: dict[str, Any] = msgpack.unpackb(packed)
    sizes: list[list[int]] = header.pop("parts")
    if set(header) != {field.name for field in fields(SessionRecord)}:
        raise ValueError(f"its keys are {sorted(header)}")
    body = memoryview(data)[start:]
    if len(body) != (header["state"] or 0) + sum(map(sum, sizes)):
        raise ValueError(f"{len(body)} bytes follow its header")
    state_size = header["state"]
    if _checksum(packed, body[state_size or 0 :]) != checksum:
        raise ValueError("its checksum is another one")
    header["state"] = None if state_size is None else bytes(body[:state_size])
    again, *answer = _cut(body[state_size or 0 :], sizes)
    header["again"] = again if header["again"] else None
    header["answer"] = answer if header["answer"] else None
    return SessionRecord(**header)


def _cut(body: memoryview, sizes: list[list[int]]) -> list[Multipart]:
    messages: list[Multipart] = []
    start = 0
    for lengths in sizes:
        message: Multipart = []
        for length in lengths:
            message.append(bytes(body[start : start + length]))
            start += length
        messages.append(message)
    return messages
