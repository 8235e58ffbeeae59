"""From CHUNK messages to chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helios_runtime.protocol.frames import decode_frames
from helios_runtime.protocol.messages import ChunkMessage
from helios_world.spec import Chunk, Frames


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """A chunk that came over the wire.

    Args:
        chunk: its frames share memory with the message they came in ("rgb24"), with nothing else.
        epoch: grows with every reset and restore.
        queue_ms: between the arrival of the request, or credit, and the start of the work.
        input_ms: stream mode: how long the oldest change of input that it shows had waited at the server, None if
            nothing had changed.
        applied: stream mode: the number of the newest INPUT in it.
        at: when it was complete, in monotonic seconds.
    """

    chunk: Chunk
    epoch: int
    queue_ms: float
    input_ms: float | None
    applied: int | None
    at: float


class Assembly:
    """Puts the messages of a chunk together; frames are decoded as they come."""

    def __init__(self) -> None:
        self._first: ChunkMessage | None = None
        self._frames: list[Frames] = []

    def add(self, message: ChunkMessage, buffers: Sequence[memoryview], at: float) -> Received | None:
        """The chunk if it is complete now. A message that is not the next one of its chunk is dropped.

        Raises:
            ProtocolError: the frames are damaged.
            DependencyError: a package for decoding them is missing.
        """
        if message.part == 0:
            self._first, self._frames = message, []
        elif self._first is None or message.part != len(self._frames) or _chunk_of(message) != _chunk_of(self._first):
            return None
        self._frames.append(decode_frames(buffers, message.encoding, message.shape))
        if len(self._frames) < message.of:
            return None
        frames = self._frames[0] if message.of == 1 else np.concatenate(self._frames)
        first_frame = message.first_frame if self._first is None else self._first.first_frame
        self._first, self._frames = None, []
        return _received(message, frames, first_frame, at)


def _chunk_of(message: ChunkMessage) -> tuple[object, ...]:
    """What all messages of one chunk have in common."""
    return message.seq, message.epoch, message.index, message.of, message.height, message.width


def _received(message: ChunkMessage, frames: Frames, first_frame: int, at: float) -> Received:
    chunk = Chunk(
        frames=frames,
        index=message.index,
        first_frame=first_frame,
        action=message.action.action(),
        prompt=message.weights(),
        timing=message.timing.timing(),
    )
    return Received(chunk, message.epoch, message.queue_ms, message.input_ms, message.applied, at)
