"""A server that answers a client's requests among a crowd of spoilt answers: `python hostile.py SEED PORT`.

It speaks ZMTP by hand over plain TCP, so that the framing can be spoilt as well as what it carries. Says "ready" when
it listens; on SIGTERM it writes how many messages it sent as JSON to standard error.
"""

from __future__ import annotations

import itertools
import json
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import Any

import msgpack
from spoilers import (
    FRAMES,
    JPEG,
    PREFIX,
    SIDE,
    SPOILERS,
    Random,
    bad_frame,
    bad_framing,
    bad_jpegs,
    framed,
)

CROWD = (5, 60)
"""How many spoilt messages come before an answer."""
LOST, BROKEN = 0.02, 0.04
"""How often an answer is missing, or has spoilt framing."""
UNASKED, REFUSED, DAMAGED = 0.1, 0.05, 0.004
"""How often a message of the crowd answers nothing, how often an error among those is an answer after all, and how
often it is an answer with frames that are none."""
sent = 0


class Peer:
    """One connection. Answers as a server would, if `spoil` did not have its way with it."""

    def __init__(self, peer: socket.socket, dice: Random) -> None:
        self._peer, self._dice = peer, dice
        self._data = b""
        self._epoch = self._index = 0
        self._encoding = "rgb24"

    def serve(self) -> None:
        self._peer.settimeout(20)
        self._peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32))
        self._take(64)
        body = b"\x05READY\x0bSocket-Type" + (6).to_bytes(4, "big") + b"ROUTER"
        self._peer.sendall(bytes([4, len(body)]) + body)
        while True:
            parts = self._receive()
            if len(parts) >= 2:
                self._answer(msgpack.unpackb(parts[1]))

    def _take(self, count: int) -> bytes:
        while len(self._data) < count:
            more = self._peer.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self._data += more
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def _receive(self) -> list[bytes]:
        parts: list[bytes] = []
        while True:
            (flags,) = self._take(1)
            size = int.from_bytes(self._take(8 if flags & 2 else 1), "big")
            body = self._take(size)
            if flags & 4:
                continue
            parts.append(body)
            if not flags & 1:
                return parts

    def _answer(self, request: dict[str, Any]) -> None:
        header, buffers = self._truth(request)
        if header is None:
            return
        global sent
        dice, count = self._dice, self._dice.randint(*CROWD)
        crowd = [self._spoilt(header, buffers) for _ in range(count)]
        sent += count
        self._peer.sendall(b"".join(crowd))
        fate, whole = dice.random(), [PREFIX, msgpack.packb(header), *buffers]
        if fate < BROKEN:
            self._peer.sendall(dice.choice((bad_framing, bad_frame))(dice, header, whole))
        elif fate > BROKEN + LOST:
            self._peer.sendall(framed(whole) * dice.choice((1, 1, 1, 2)))

    def _spoilt(self, header: dict[str, Any], buffers: list[bytes]) -> bytes:
        dice = self._dice
        if dice.random() < UNASKED:
            header, buffers = unasked(dice, header)
        spoil = bad_jpegs if header["t"] == "CHUNK" and dice.random() < DAMAGED else dice.choice(SPOILERS)
        return spoil(dice, header, [PREFIX, msgpack.packb(header), *buffers])

    def _truth(self, request: dict[str, Any]) -> tuple[dict[str, Any] | None, list[bytes]]:
        kind, echo = request["t"], {name: request.get(name) for name in ("sid", "seq")}
        if kind == "HELLO":
            return {"t": "WELCOME", "seq": request["seq"], **SERVER}, []
        if kind in ("OPEN", "RESUME", "FORK"):
            self._encoding = request.get("encoding", self._encoding)
            sid = self._dice.randbytes(16).hex() if kind != "RESUME" else request["sid"]
            opened = {"sid": sid, "token": self._dice.randbytes(32).hex(), "epoch": self._epoch, "index": self._index}
            parent = request["sid"] if kind == "FORK" else None
            following = request.get("last_seq", 0) + 1
            return {"t": "OPENED", "seq": request["seq"], **opened, "next_seq": following, "parent": parent} | WORLD, []
        if kind == "RESET":
            self._epoch, self._index = self._epoch + 1, -1
        if kind in ("RESET", "STEP"):
            self._index += 1
            return self._chunk(echo, request)
        if kind == "SNAPSHOT":
            return {"t": "STATE", **echo, "epoch": self._epoch, "index": 1, "parts": [{"bytes": 9}]}, [bytes(9)]
        if kind == "PING":
            return {"t": "PONG", "n": request["n"], "client_time": request.get("client_time"), **PONG}, []
        if kind == "CLOSE":
            return {"t": "CLOSED", **echo}, []
        return {"t": "DONE", **echo, "epoch": self._epoch, "index": self._index, "path": None}, []

    def _chunk(self, echo: dict[str, Any], request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        header = {"t": "CHUNK", **echo, "epoch": self._epoch, "index": self._index, **CHUNK}
        header["first_frame"] = self._index * FRAMES
        header["action"] = request.get("action") or {"buttons": [], "axes": {}}
        if self._encoding == "jpeg":
            files = [JPEG, self._dice.choice((JPEG, self._dice.flip(JPEG), self._dice.randbytes(90)))]
            data = struct.pack("<2I", *map(len, files)) + b"".join(files)
            return {**header, "encoding": "jpeg", "parts": [{"bytes": len(data)}]}, [data]
        return {**header, "encoding": "rgb24"}, [bytes(FRAMES * SIDE * SIDE * 3)]


def unasked(dice: Random, header: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """A message that answers nothing, or the same answer again, or one from another time or to somebody else."""
    sid = header.get("sid") or dice.randbytes(16).hex()
    seq = header.get("seq") if dice.random() < REFUSED else dice.choice((None, 2**53))
    error = {"code": dice.choice(("internal", "stale", "busy", "new_code", "gap")), "message": "x", "details": {}}
    return dice.choice(
        [
            ({**header, "seq": dice.choice((1, 77, 2**53, None))}, []),
            ({**header, "sid": dice.randbytes(16).hex()}, []),
            ({**header, "epoch": dice.choice((0, 9, 2**53 - 1))}, []),
            ({"t": "BYE", "sid": dice.choice((sid, None)), "reason": "draining", "resumable": True}, []),
            ({"t": "ERROR", "seq": seq, "sid": sid, "retryable": dice.random() < 0.5, **error}, []),
            ({"t": "PONG", "n": 5, "client_time": None, **PONG}, []),
            ({"t": dice.choice(("TELEPORT", "", "HELLO"))}, []),
        ]
    )


BUTTONS = [{"name": name, "meaning": "moves"} for name in ("forward", "turn_left")]
AXES = [{"name": "turn", "meaning": "turns", "unit": "share", "low": -1.0, "high": 1.0, "combine": "latest"}]
SIZES = {"fps": 24, "height": SIDE, "width": SIDE, "frames_per_chunk": FRAMES}
CONTROLS = {"buttons": BUTTONS, "axes": AXES, "steering": "trained"}
PROMPTS = {"prompts": ["noise"], "blend": 1, "fade": "early", "starts": ["prompt"]}
WORLD = {"world": {"name": "hostile", "fingerprint": "", "memory": None, "actions": CONTROLS} | SIZES | PROMPTS}
TIMES = {"heartbeat_s": 1.0, "idle_s": 60.0, "lifetime_s": None}
OFFERS = {"worlds": ["hostile"], "capabilities": ["jpeg", "stream", "progressive"]}
LIMITS = {"max_message": 1 << 24, "session_limit": 9}
SERVER = {"version": 1, "server": "hostile/1"} | OFFERS | LIMITS | TIMES | WORLD
PONG = {"server_time": 1.0, "busy_since": None, "queue": 0, "sessions": 1}
SHAPE = {"frames": FRAMES, "height": SIDE, "width": SIDE, "part": 0, "of": 1}
TIMING = {"encode": 0.0, "denoise": [1.0], "decode": 0.0, "total": 1.0}
DELAYS = {"queue_ms": 0.0, "input_ms": None, "applied": None, "client_time": None}
PARTS = [{"dtype": "u1", "shape": [FRAMES, SIDE, SIDE, 3]}]
CHUNK: dict[str, Any] = {"parts": PARTS, "prompt": [["noise", 1.0]], "timing": TIMING} | SHAPE | DELAYS


def serve_one(peer: socket.socket, dice: Random) -> None:
    with peer, suppress(OSError, ValueError, KeyError, TypeError, msgpack.UnpackException):
        Peer(peer, dice).serve()


def report(*_: Any) -> None:
    print(json.dumps({"sent": sent}), file=sys.stderr, flush=True)
    sys.exit(0)


if __name__ == "__main__":
    seed, port = map(int, sys.argv[1:])
    signal.signal(signal.SIGTERM, report)
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        print("ready", flush=True)
        for number in itertools.count():
            accepted, _ = listener.accept()
            threading.Thread(target=serve_one, args=(accepted, Random(1000 * seed + number)), daemon=True).start()
