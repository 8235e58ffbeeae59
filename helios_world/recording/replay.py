"""Making a recorded session again, and proving that it is the same."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from helios_world.errors import RecordingError
from helios_world.recording.log import ChunkRecord, Log, RestoreRecord, frames_digest
from helios_world.snapshot import Snapshot
from helios_world.spec import NO_ACTION, Chunk, Frames, World


@dataclass(frozen=True)
class Mismatch:
    """A chunk that came out different.

    Args:
        position: of the chunk in the recording, from 0.
        index: what the recording calls it.
        expected, found: digests of the frames.
    """

    position: int
    index: int
    expected: str
    found: str


@dataclass(frozen=True)
class Report:
    """What `verify` found: how many chunks it compared, and the ones that differ."""

    chunks: int
    mismatches: tuple[Mismatch, ...]

    @property
    def same(self) -> bool:
        return self.chunks > 0 and not self.mismatches


def replay(log: Log, world: World, *, any_fingerprint: bool = False) -> Iterator[Chunk]:
    """Do what the log says, and yield the chunks as they come.

    Args:
        log: of `read_log`.
        world: is reset, stepped and restored.
        any_fingerprint: go on in a world with other weights or settings, or on another kind of device; its
            frames will differ. Snapshots are of one world only, so that a log with a restore() stops there.

    Raises:
        RecordingError: the log is of another world, or a file beside it is missing.
    """
    for _, chunk in _play(log, world, any_fingerprint):
        yield chunk


def verify(log: Log, world: World, *, any_fingerprint: bool = False) -> Report:
    """Replay the whole log and compare the frames of every chunk with the recorded digest."""
    mismatches = []
    position = -1
    for position, (record, chunk) in enumerate(_play(log, world, any_fingerprint)):
        found = frames_digest(chunk.frames)
        if (found, chunk.index) != (record.digest, record.index):
            mismatches.append(Mismatch(position, record.index, record.digest, found))
    return Report(position + 1, tuple(mismatches))


def _play(log: Log, world: World, any_fingerprint: bool) -> Iterator[tuple[ChunkRecord, Chunk]]:
    recorded, present = log.header.spec, world.spec
    if recorded.fingerprint != present.fingerprint and not any_fingerprint:
        raise RecordingError(
            f"the log is of world {recorded.name!r} ({recorded.fingerprint[:12]}), this is {present.name!r} "
            f"({present.fingerprint[:12]}): other weights, settings, device or dtype, so other frames"
        )
    for record in log.records:
        if isinstance(record, RestoreRecord):
            world.restore(Snapshot.load(log.folder / record.state))
        elif record.call == "reset":
            image, video = _start(log, record)
            yield record, world.reset(seed=record.seed, prompt=record.prompt, image=image, video=video)
        else:
            yield record, world.step(record.action or NO_ACTION, record.prompt)


def _start(log: Log, record: ChunkRecord) -> tuple[Frames | None, Frames | None]:
    if record.start is None:
        return None, None
    path = log.folder / record.start
    try:
        with np.load(path, allow_pickle=False) as file:
            return file.get("image"), file.get("video")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RecordingError(f"the start of the session cannot be read from {str(path)!r}: {error}") from error
