"""One example of every message, as bytes: what clients in any language test their reading and writing against.

    python -m helios_runtime.protocol.golden bindings/wire

writes a .bin per example and index.json, which says what is in them. A .bin holds the parts of one multipart message:
their number as u32, then for each its length as u32 and its bytes, all little-endian.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helios_runtime.protocol import messages as m
from helios_runtime.protocol.values import ArrayPart, BytesPart, Encoding, Part, WireAction, WireTiming, WireWorld
from helios_runtime.protocol.wire import Buffer, encode
from helios_world.spec import Action, ActionSpec, Axis, Button, MemoryLayout, Timing, WorldSpec

Example = tuple[m.Message, list[bytes]]

_SID = "00112233445566778899aabbccddeeff"
_FORK = "ffeeddccbbaa99887766554433221100"
_TOKEN = "0123456789abcdef" * 4
_WORLD = WorldSpec(
    name="example",
    fps=12,
    height=8,
    width=8,
    frames_per_chunk=2,
    actions=ActionSpec(
        (Button("forward", "walk at 1.5 m/s"), Button("jump", "leap 1 m up")),
        (
            Axis("turn", "turn right", "45 degrees per chunk", -1.0, 1.0),
            Axis("dx", "mouse", "pixels", -512, 512, "sum"),
        ),
    ),
    prompts=("a brick garden at noon", "a grün meadow · 草地"),
    blend=3,
    fingerprint="5f" * 32,
    memory=MemoryLayout(16, 2, 1, 9),
)
_ACTION = WireAction.of(Action({"jump", "forward"}, {"turn": 22.5}))
_RED, _BLUE = bytes([200, 40, 40]), bytes([40, 60, 220])
# Encoders change from version to version; these bytes are theirs for one red and one blue frame of 8 × 8.
_JPEGS = (
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19i"
        "Z2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
        "Y2NjY2NjY2P/wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QA"
        "FQEBAQAAAAAAAAAAAAAAAAAABAb/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCWAEpn/9k="
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19i"
        "Z2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
        "Y2NjY2NjY2P/wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAX/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QA"
        "FQEBAQAAAAAAAAAAAAAAAAAABAb/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCGApxH/9k="
    ),
)
_H264 = (
    "000000016764000aacb4fcb2cd4080819000000300100000030308f1226a0000000168ef05f2c00000000165888404bfe8ffc2553e5d"
    "eb926affd6b280ac946687a10000000141888810ffe4ff05e0fa8181620eff6fcb11652c00fc000000010b"
)


def examples() -> dict[str, Example]:
    """Name to message and buffers; every kind of message is there."""
    return {**_client_examples(), **_server_examples()}


def _client_examples() -> dict[str, Example]:
    image = bytes(range(24))
    return {
        "hello": (m.Hello(seq=1, client="example/1.0"), []),
        "open": (m.Open(seq=2, world="example", nonce=_FORK), []),
        "open_stream": (m.Open(seq=2, mode="stream", encoding="jpeg", quality=80, progressive=True, record=True), []),
        "resume": (m.Resume(seq=2, sid=_SID, token=_TOKEN, last_seq=41), []),
        "close": (m.Close(sid=_SID, seq=9), []),
        "reset": (m.Reset(sid=_SID, seq=1, seed=7, prompt="a brick garden at noon"), []),
        "reset_image": (
            m.Reset(sid=_SID, seq=1, seed=2**63 - 1, start="image", parts=(ArrayPart(shape=(2, 4, 3)),)),
            [image],
        ),
        "step": (m.Step(sid=_SID, seq=2, epoch=1, action=_ACTION, client_time=12.5), []),
        "step_nothing": (m.Step(sid=_SID, seq=3, epoch=1, prompt="rain"), []),
        "input": (
            m.Input(sid=_SID, epoch=1, n=300, buttons=("forward",), pressed=("jump",), axes={"turn": -4.5, "dx": 8}),
            [],
        ),
        "credit": (m.Credit(sid=_SID, epoch=1, n=1), []),
        "prompt": (m.Prompt(sid=_SID, seq=4, prompt="a grün meadow · 草地"), []),
        "snapshot": (m.SnapshotRequest(sid=_SID, seq=5), []),
        "restore": (m.Restore(sid=_SID, seq=6, parts=(BytesPart(bytes=5),)), [b"state"]),
        "fork": (m.Fork(sid=_SID, seq=7), []),
        "record": (m.Record(sid=_SID, seq=8, on=True), []),
        "ping": (m.Ping(n=1, client_time=12.75), []),
    }


def _server_examples() -> dict[str, Example]:
    world = WireWorld.of(_WORLD)
    return {
        "welcome": (_welcome(world), []),
        "opened": (m.Opened(seq=2, sid=_SID, token=_TOKEN, world=world), []),
        "opened_fork": (
            m.Opened(seq=7, sid=_FORK, token=_TOKEN[::-1], epoch=2, index=40, parent=_SID, world=world),
            [],
        ),
        "closed": (m.Closed(sid=_SID, seq=9), []),
        "state": (m.State(sid=_SID, seq=5, epoch=1, index=3, parts=(BytesPart(bytes=5),)), [b"state"]),
        "done": (m.Done(sid=_SID, seq=6, epoch=2, index=3), []),
        "done_record": (m.Done(sid=_SID, seq=8, epoch=2, index=3, path="walk.mp4"), []),
        **_chunk_examples(),
        "pong": (m.Pong(n=1, client_time=12.75, server_time=99.5, busy_since=0.25, queue=2, sessions=3), []),
        "error": (
            m.ErrorMessage(seq=2, sid=_SID, code="gap", message="…", retryable=False, details={"next_seq": 1}),
            [],
        ),
        "error_version": (
            m.ErrorMessage(seq=1, code="version", message="…", retryable=False, details={"versions": (1,)}),
            [],
        ),
        "bye": (m.Bye(reason="draining", resumable=True), []),
    }


def _welcome(world: WireWorld) -> m.Welcome:
    return m.Welcome(
        seq=1,
        version=1,
        server="helios-world/0.1.0",
        worlds=("example",),
        capabilities=("jpeg", "h264", "stream", "progressive", "fork", "record"),
        max_message=64 << 20,
        heartbeat_s=2.0,
        idle_s=600.0,
        session_limit=16,
        world=world,
    )


def _chunk_examples() -> dict[str, Example]:
    raw = [_RED * 64 + _BLUE * 64]
    files = [base64.b64decode(text) for text in _JPEGS]
    jpegs = [struct.pack("<2I", *map(len, files)) + b"".join(files)]
    stream = [bytes.fromhex(_H264)]
    return {
        "chunk": (_chunk("rgb24", raw, seq=2, client_time=12.5), raw),
        "chunk_part": (_chunk("rgb24", [_BLUE * 64], seq=2, first_frame=3, frames=1, part=1, of=2), [_BLUE * 64]),
        "chunk_jpeg": (_chunk("jpeg", jpegs, applied=300, input_ms=31.5), jpegs),
        "chunk_h264": (_chunk("h264", stream, applied=300), stream),
    }


def _chunk(encoding: Encoding, buffers: Sequence[bytes], **changes: Any) -> m.ChunkMessage:
    shape = (changes.get("frames", 2), 8, 8, 3)
    part: Part = ArrayPart(shape=shape) if encoding == "rgb24" else BytesPart(bytes=len(buffers[0]))
    fields: Mapping[str, Any] = {
        "sid": _SID,
        "epoch": 1,
        "index": 1,
        "first_frame": 2,
        "frames": 2,
        "height": 8,
        "width": 8,
        "encoding": encoding,
        "parts": (part,),
        "action": _ACTION,
        "prompt": (("a brick garden at noon", 0.75), ("rain", 0.25)),
        "timing": WireTiming.of(Timing(1.0, (20.0, 30.5), 4.25, 56.0)),
        "queue_ms": 0.5,
    }
    return m.ChunkMessage(**{**fields, **changes})


def pack(parts: Sequence[Buffer]) -> bytes:
    """The bytes of a .bin file."""
    return struct.pack("<I", len(parts)) + b"".join(struct.pack("<I", len(part)) + bytes(part) for part in parts)


def unpack(data: bytes) -> list[bytes]:
    """The parts in a .bin file."""
    (count,), parts, start = struct.unpack_from("<I", data), [], 4
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, start)
        parts.append(data[start + 4 : start + 4 + length])
        start += 4 + length
    return parts


def files() -> dict[str, bytes]:
    """Name to content of everything that belongs into the folder."""
    made = {f"{name}.bin": pack(encode(message, buffers)) for name, (message, buffers) in examples().items()}
    index = [_entry(name, message, buffers) for name, (message, buffers) in examples().items()]
    text = json.dumps(index, indent=1, ensure_ascii=False)
    return {**made, "index.json": f"{text}\n".encode()}


def _entry(name: str, message: m.Message, buffers: Sequence[bytes]) -> dict[str, Any]:
    return {
        "file": f"{name}.bin",
        "from": "client" if name in _client_examples() else "server",
        "header": message.model_dump(mode="json"),
        "buffers": [{"length": len(data), "sha256": hashlib.sha256(data).hexdigest()} for data in buffers],
    }


def write(folder: Path) -> None:
    """Write the examples into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files().items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m helios_runtime.protocol.golden FOLDER")
    write(Path(sys.argv[1]))
