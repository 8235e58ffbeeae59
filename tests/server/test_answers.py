"""Chunks as messages: complete, in order, and without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helios_runtime.protocol import wire
from helios_runtime.protocol.frames import decode_frames
from helios_runtime.server.answers import Delivery, chunk_messages
from helios_runtime.server.sequence import Multipart
from helios_world.spec import Chunk
from helios_world.testing import PatternWorld

SID = "0" * 32


@pytest.fixture
def chunk() -> Chunk:
    world = PatternWorld(height=16, width=24, frames_per_chunk=33)
    world.reset(seed=1)
    return world.step()


def decode_server(parts: Multipart) -> tuple[Any, list[memoryview]]:
    return wire.decode_server(parts)


def _delivery(**changes: object) -> Delivery:
    chosen = {"sid": SID, "epoch": 2, "encoding": "rgb24", "quality": 90, "progressive": False, **changes}
    return Delivery(**chosen)  # type: ignore[arg-type]


def test_raw_frames_are_not_copied(chunk: Chunk) -> None:
    ((_, _, buffer),) = chunk_messages(chunk, _delivery())
    assert np.shares_memory(np.frombuffer(buffer, np.uint8), chunk.frames)
    assert bytes(buffer) == chunk.frames.tobytes()


@pytest.mark.parametrize("encoding", ["rgb24", "jpeg", "h264"])
def test_pieces_make_the_whole(chunk: Chunk, encoding: str) -> None:
    messages = [decode_server(parts) for parts in chunk_messages(chunk, _delivery(encoding=encoding, progressive=True))]
    heads = [head for head, _ in messages]
    assert [(head.part, head.of) for head in heads] == [(number, 7) for number in range(7)]
    assert [head.first_frame for head in heads] == [33 + 5 * number for number in range(7)]
    assert sum(head.frames for head in heads) == 33
    frames = np.concatenate([decode_frames(buffers, head.encoding, head.shape) for head, buffers in messages])
    tolerance = 0 if encoding == "rgb24" else 30
    assert np.abs(frames.astype(int) - chunk.frames).mean() <= tolerance


def test_pieces_come_one_by_one(chunk: Chunk) -> None:
    pieces = chunk_messages(chunk, _delivery(encoding="jpeg", progressive=True))
    head, _ = decode_server(next(pieces))
    assert head.part == 0


def test_a_short_chunk_is_not_cut_to_shreds() -> None:
    short = PatternWorld(height=8, width=16, frames_per_chunk=4).reset(seed=1)
    assert len(list(chunk_messages(short, _delivery(progressive=True)))) == 1


def test_what_is_too_large_for_one_message_comes_in_several(chunk: Chunk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helios_runtime.server.answers.MAX_FRAME_BYTES", 10 * chunk.frames[0].nbytes)
    heads = [decode_server(parts)[0] for parts in chunk_messages(chunk, _delivery())]
    assert [head.frames for head in heads] == [10, 10, 10, 3]


def test_what_is_said_of_a_chunk(chunk: Chunk) -> None:
    delivery = _delivery(seq=4, queue_ms=1.5, changed_at=9.0, applied=7, client_time=3.0)
    ((parts),) = chunk_messages(chunk, delivery, now=lambda: 9.25)
    head, _ = decode_server(parts)
    assert (head.sid, head.seq, head.epoch, head.index) == (SID, 4, 2, 1)
    assert (head.queue_ms, head.input_ms, head.applied, head.client_time) == (1.5, 250.0, 7, 3.0)
    assert head.weights() == chunk.prompt
    assert head.timing.total == chunk.timing.total
