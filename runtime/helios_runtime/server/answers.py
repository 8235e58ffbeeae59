"""Chunks as messages. No sockets, no sessions."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from helios_runtime.protocol import wire
from helios_runtime.protocol.frames import describe, encode_frames
from helios_runtime.protocol.messages import ChunkMessage
from helios_runtime.protocol.values import MAX_FRAME_BYTES, Encoding, WireAction, WireTiming
from helios_runtime.server.sequence import Multipart
from helios_world.spec import Chunk

MOST_PIECES = 8
_LONGEST_PROMPT = 2000
"""What steering adds to a prompt may not fit into a message."""
FEWEST_FRAMES = 4
"""Of a piece of a progressive chunk, where the chunk has enough of them."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a session wants its chunks, and what is said of one besides the chunk itself.

    Args:
        changed_at: when the oldest change of input came that this chunk is the first to show, monotonic seconds.
    """

    sid: str
    epoch: int
    encoding: Encoding
    quality: int
    progressive: bool
    seq: int | None = None
    queue_ms: float = 0.0
    changed_at: float | None = None
    applied: int | None = None
    client_time: float | None = None


def chunk_messages(chunk: Chunk, delivery: Delivery, now: Callable[[], float] = time.monotonic) -> Iterator[Multipart]:
    """The messages of a chunk, each as soon as its frames are encoded. Those of rgb24 share the chunk's memory."""
    spans = _spans(chunk, len(chunk.frames), delivery.progressive)
    for part, span in enumerate(spans):
        yield _message(chunk, delivery, part, len(spans), span, now)


def group_messages(
    group: Chunk, begin: int, delivery: Delivery, now: Callable[[], float] = time.monotonic
) -> Iterator[Multipart]:
    """Those of the messages of a progressive chunk that have the frames of one group.

    Args:
        group: the chunk, with these frames only.
        begin: the number of frames before the chunk.
    """
    spans = _spans(group, sum(group.groups), progressive=True)
    offset = group.first_frame - begin
    for part, span in enumerate(spans):
        if offset <= span.start < offset + len(group.frames):
            yield _message(group, delivery, part, len(spans), slice(span.start - offset, span.stop - offset), now)


def _spans(chunk: Chunk, count: int, progressive: bool) -> list[slice]:
    """Which of the chunk's `count` frames go into which message: those that come together, if several times some do."""
    most = MAX_FRAME_BYTES // int(chunk.frames[0].nbytes)
    if progressive and len(chunk.groups) > 1:
        ends = [*itertools.accumulate(chunk.groups)]
        return [span for end, size in zip(ends, chunk.groups, strict=True) for span in _cut(end - size, end, most)]
    wanted = max(FEWEST_FRAMES, math.ceil(count / MOST_PIECES)) if progressive else count
    return _cut(0, count, min(wanted, most))


def _cut(begin: int, end: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, end)) for start in range(begin, end, size)]


def _message(chunk: Chunk, delivery: Delivery, part: int, of: int, span: slice, now: Callable[[], float]) -> Multipart:
    frames = chunk.frames[span]
    count, height, width, _ = frames.shape
    buffers, changed_at = encode_frames(frames, delivery.encoding, delivery.quality), delivery.changed_at
    message = ChunkMessage(
        sid=delivery.sid,
        seq=delivery.seq,
        epoch=delivery.epoch,
        index=chunk.index,
        first_frame=chunk.first_frame + span.start,
        frames=count,
        height=height,
        width=width,
        encoding=delivery.encoding,
        part=part,
        of=of,
        parts=describe(buffers, delivery.encoding, (count, height, width, 3)),
        action=WireAction.of(chunk.action),
        prompt=tuple((share.text[:_LONGEST_PROMPT], share.weight) for share in chunk.prompt),
        timing=WireTiming.of(chunk.timing),
        queue_ms=delivery.queue_ms,
        input_ms=None if changed_at is None else max(1e3 * (now() - changed_at), 0.0),
        applied=delivery.applied,
        client_time=delivery.client_time,
    )
    return wire.encode(message, buffers)
