"""The ways in which a message of a server can be spoilt; hostile.py uses them."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from typing import Any

import msgpack
from PIL import Image

PREFIX = b"HW\x01\x00"
SIDE, FRAMES = 8, 2
"""Of the JPEG, and of a chunk."""


class Random(random.Random):
    def flip(self, data: bytes) -> bytes:
        """Some bits are others."""
        changed = bytearray(data)
        for _ in range(self.choice((1, 1, 2, 8))):
            if changed:
                changed[self.randrange(len(changed))] ^= 1 << self.randrange(8)
        return bytes(changed)

    def cut(self, data: bytes) -> bytes:
        return data[: self.randrange(len(data) + 1)]

    def insert(self, data: bytes) -> bytes:
        at = self.randrange(len(data) + 1)
        return data[:at] + self.randbytes(self.choice((1, 3, 40))) + data[at:]


def framed(parts: list[bytes]) -> bytes:
    return b"".join(frame(part, number < len(parts) - 1) for number, part in enumerate(parts))


def frame(body: bytes, more: bool) -> bytes:
    if len(body) < 256:
        return bytes([int(more), len(body)]) + body
    return bytes([2 | int(more)]) + len(body).to_bytes(8, "big") + body


def bad_value(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """A value of another type, or out of its range, somewhere in the header."""
    changed = dict(header)
    where: Any = changed
    for _ in range(dice.choice((1, 1, 2, 3))):
        key = dice.choice(list(where) if isinstance(where, dict) else range(len(where)))
        if isinstance(where[key], dict | list) and where[key] and dice.random() < 0.6:
            where[key] = dict(where[key]) if isinstance(where[key], dict) else list(where[key])
            where = where[key]
            continue
        where[key] = dice.choice(STRANGE)
        break
    return framed([PREFIX, msgpack.packb(changed), *parts[2:]])


def lost_key(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    lost = dice.choice(list(header))
    kept = {key: value for key, value in header.items() if key != lost}
    return framed([PREFIX, msgpack.packb(kept), *parts[2:]])


def bad_header(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """msgpack that is not allowed, or is none."""
    whole = parts[1]
    made = dice.choice(
        [
            b"\x91" * dice.choice((20, 1000, 60_000)) + b"\x90",
            b"\x81\xa1t" * 5000 + b"\xc0",
            b"\x82\xa1t\xa4PONG\xa1t\xa4DONE",
            b"\xdf\xff\xff\xff\xff" + whole[1:],
            b"\xdd\xff\xff\xff\xff" + whole[1:],
            b"\x81\xa1t\xdb\xff\xff\xff\xf0abc",
            b"\x81\xa1t\xa4\xff\xfe\xc3\x28",
            b"\x81\xa1t\xc4\x04DONE",
            b"\x81\xa1t\xd4\x01\x00",
            b"\x81\x01\x02",
            b"\x81\xa1n\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
            b"\xc1",
            b"",
            whole + b"\x00",
            whole * 2,
            msgpack.packb({**header, "extra": {str(number): 0 for number in range(300)}}),
            msgpack.packb({**header, "extra": "x" * 70_000}),
            msgpack.packb({**header, "extra": list(range(257))}),
        ]
    )
    return framed([PREFIX, made, *parts[2:]])


def bad_buffers(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """Buffers of another size than the header says, none, or too many."""
    buffers = parts[2:] or [b""]
    changed = dice.choice(
        [[], buffers[:-1], [*buffers, b"x"], [dice.cut(buffers[0])], [buffers[0] + b"\0"], [b""] * 9, [b"x"] * 300]
    )
    return framed([PREFIX, parts[1], *changed])


def bad_jpegs(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """JPEGs with a table that lies, or that are none."""
    size = dice.choice((0, 8, 4, len(JPEG) + 8))
    table = struct.pack("<2I", *dice.choice(((2**32 - 1, 9), (0, 0), (len(JPEG), 2**31), (7, len(JPEG)))))
    data = dice.choice((table + JPEG, table + JPEG * 2, dice.randbytes(size), table + JPEG + dice.flip(JPEG)))
    lying = {**header, "encoding": "jpeg", "parts": [{"bytes": len(data)}]}
    return framed([PREFIX, msgpack.packb(lying), data])


def bad_prefix(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    return framed([dice.choice((b"", b"HW", b"HW\x02\x00", b"XX\x01\x00", PREFIX * 2, b"HW\x01\x09")), *parts[1:]])


def bad_parts(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """Frames in another order, twice, or not at all."""
    changed = dice.choice([parts[::-1], parts[:1], parts[1:], [*parts, *parts], [parts[0], *parts], [b""]])
    return framed(changed)


def bad_bytes(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """Changes inside the parts, with framing that is right."""
    number = dice.randrange(len(parts))
    parts[number] = dice.choice((dice.flip, dice.cut, dice.insert))(parts[number])
    return framed(parts)


def bad_framing(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """Changes anywhere; most end the connection."""
    return dice.choice((dice.flip, dice.cut, dice.insert))(framed(parts))


def bad_frame(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """Frames that announce too much, with flags that do not exist, and commands that are none."""
    size = dice.choice((1 << 30, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)).to_bytes(8, "big")
    error = b"\x05ERROR\x18" + b"a reason for no further ".ljust(24)
    return dice.choice(
        [
            b"\x02" + size + b"abc",
            b"\x03" + size,
            b"\x06" + size,
            b"\xf8\x01a",
            b"\x04\x00",
            b"\x04\x05\xffPING",
            bytes([4, len(error)]) + error,
            b"\x04\xff" + b"\x04PING" + bytes(250),
            b"\x05\x03abc" + framed(parts),
            b"\x01\x00" * 3000 + b"\x00\x00",
        ]
    )


def odd_frames(dice: Random, header: dict[str, Any], parts: list[bytes]) -> bytes:
    """Unusual, and allowed: commands between the frames of a message, and long lengths for short frames."""
    ping, pong = b"\x04\x07\x04PING\x00\x1e", b"\x04\x09\x04PONGabcd"
    long = b"".join(
        bytes([2 | (number < len(parts) - 1)]) + len(part).to_bytes(8, "big") + part
        for number, part in enumerate(parts)
    )
    return dice.choice((ping + long, pong + framed(parts), frame(parts[0], True) + ping + framed(parts[1:])))


STRANGE: list[Any] = [
    *(None, True, False, -1, 0, 1.5, 1e308, float("nan"), float("inf"), 2**63, 2**64 - 1, -(2**63), 2**53, 4097),
    *("", "x" * 3000, "\u0000", "rgb24", "h264", "a\ud7ffb", [], {}, [1, 2], {"a": 1}, [[]], [{}], [None] * 20),
    *([{"dtype": "f4", "shape": [2, 8, 8, 3]}], [{"dtype": "u1", "shape": [2**31, 2**31, 3]}], [{"bytes": 2**53 - 1}]),
]
SPOILERS: list[Callable[[Random, dict[str, Any], list[bytes]], bytes]] = [
    *(bad_value, bad_value, bad_value, lost_key, bad_header, bad_buffers, bad_prefix, bad_parts, bad_bytes),
    *(bad_bytes, odd_frames),
]


def a_jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (200, 40, 40)).save(file, "JPEG", quality=90)
    return file.getvalue()


JPEG = a_jpeg()
