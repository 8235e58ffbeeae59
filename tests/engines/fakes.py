"""What a client may find in place of a server: `python fakes.py KIND [ADDRESS] PORT`. Says "ready" when it listens.

- silence, http, garbage, curve, half: no ZMTP, or not the kind that the client speaks
- huge_command, huge_frame: ZMTP that announces a terabyte
- version, future: a server of another version of the protocol
- tap ADDRESS: stands before a real server, notes each message of the client, and asks for frequent signs of life
- lossy ADDRESS: a tap that loses every answer once
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
import zmq

PREFIX = b"HW\x01\x00"
TERABYTE = (1 << 40).to_bytes(8, "big")
LOST = ("CHUNK", "DONE", "STATE")
HEARTBEAT = 1.0


def greeting(mechanism: bytes = b"NULL") -> bytes:
    return b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism.ljust(20, b"\0") + bytes(32)


def ready() -> bytes:
    body = b"\x05READY\x0bSocket-Type" + (6).to_bytes(4, "big") + b"ROUTER"
    return bytes([4, len(body)]) + body


def frame(flags: int, body: bytes) -> bytes:
    return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body


def keep_silent(peer: socket.socket) -> None:
    drain(peer)


def speak_http(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nBad Request\n" * 3)
    drain(peer)


def speak_nonsense(peer: socket.socket) -> None:
    peer.sendall(random.Random(1).randbytes(5000))
    drain(peer)


def offer_curve(peer: socket.socket) -> None:
    peer.sendall(greeting(b"CURVE"))
    drain(peer)


def hang_up(peer: socket.socket) -> None:
    peer.sendall(greeting()[:20])


def announce_a_huge_command(peer: socket.socket) -> None:
    peer.sendall(greeting() + b"\x06" + TERABYTE + b"\x05READY")
    flood(peer)


def announce_a_huge_frame(peer: socket.socket) -> None:
    peer.sendall(greeting() + ready() + frame(1, PREFIX) + b"\x02" + TERABYTE)
    flood(peer)


def flood(peer: socket.socket) -> None:
    """As if the rest were coming; at most 64 MB of it."""
    for _ in range(64):
        peer.sendall(bytes(1 << 20))
    drain(peer)


def drain(peer: socket.socket) -> None:
    while peer.recv(65536):
        pass


def listen(act: Callable[[socket.socket], None], port: int) -> None:
    """One thread for each connection, which is closed when it is over."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        print("ready", flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=serve_one, args=(act, peer), daemon=True).start()


def serve_one(act: Callable[[socket.socket], None], peer: socket.socket) -> None:
    with peer, suppress(OSError):
        act(peer)


def answer_all(make: Callable[[dict[str, Any]], dict[str, Any]], port: int) -> None:
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.bind(f"tcp://127.0.0.1:{port}")
    print("ready", flush=True)
    while True:
        route, _, header = router.recv_multipart()[:3]
        router.send_multipart([route, PREFIX, msgpack.packb(make(msgpack.unpackb(header)))])


def refuse_version(request: dict[str, Any]) -> dict[str, Any]:
    details = {"versions": [9]}
    text = "no common version: this server speaks version 9; use a client for it"
    answer = {"t": "ERROR", "seq": request.get("seq"), "sid": None, "code": "version", "message": text}
    return {**answer, "retryable": False, "details": details}


def welcome_to_the_future(request: dict[str, Any]) -> dict[str, Any]:
    controls = {"buttons": [], "axes": [], "steering": "trained"}
    size = {"fps": 24, "height": 8, "width": 8, "frames_per_chunk": 2}
    world = {"name": "w", **size, "actions": controls, "prompts": [], "blend": 1, "fingerprint": "f"}
    world |= {"memory": None, "starts": ["prompt"], "fade": "early"}
    times = {"heartbeat_s": 10.0, "idle_s": 60.0, "lifetime_s": None}
    limits = {"capabilities": [], "max_message": 1 << 20, "session_limit": 4}
    answer = {"t": "WELCOME", "seq": request.get("seq"), "version": 9, "server": "future/9", "worlds": ["w"]}
    return {**answer, **times, **limits, "world": world}


class Tap:
    """Passes messages on. Where it is lossy, each answer is lost the first time that it comes."""

    def __init__(self, server: str, port: int, is_lossy: bool) -> None:
        self._is_lossy = is_lossy
        self._context = zmq.Context()
        self._server = server
        self._front = self._context.socket(zmq.ROUTER)
        self._front.bind(f"tcp://127.0.0.1:{port}")
        self._backs: dict[bytes, Any] = {}
        self._lost: set[tuple[Any, ...]] = set()

    def run(self) -> None:
        print("ready", flush=True)
        while True:
            poller = zmq.Poller()
            for each in (self._front, *self._backs.values()):
                poller.register(each, zmq.POLLIN)
            came = dict(poller.poll())
            if self._front in came:
                self._up(self._front.recv_multipart())
            for route, back in list(self._backs.items()):
                if back in came:
                    self._down(route, back.recv_multipart())

    def _up(self, parts: list[bytes]) -> None:
        route, *message = parts
        header = msgpack.unpackb(message[1])
        digest = hashlib.sha256(b"".join(message)).hexdigest()
        print(json.dumps({"t": header["t"], "seq": header.get("seq"), "sha256": digest}), file=sys.stderr, flush=True)
        if route not in self._backs:
            back = self._backs[route] = self._context.socket(zmq.DEALER)
            back.connect(self._server)
        self._backs[route].send_multipart(message)

    def _down(self, route: bytes, parts: list[bytes]) -> None:
        header = msgpack.unpackb(parts[1])
        if header["t"] == "WELCOME" and not self._is_lossy:
            parts[1] = msgpack.packb({**header, "heartbeat_s": HEARTBEAT})
        which = (header["t"], header.get("sid"), header.get("seq"), header.get("part"))
        is_answer = header["t"] in LOST and header.get("seq") is not None
        if self._is_lossy and is_answer and which not in self._lost:
            self._lost.add(which)
        else:
            self._front.send_multipart([route, *parts])


STRANGERS = {
    "silence": keep_silent,
    "http": speak_http,
    "garbage": speak_nonsense,
    "curve": offer_curve,
    "half": hang_up,
    "huge_command": announce_a_huge_command,
    "huge_frame": announce_a_huge_frame,
}
OTHERS = {"version": refuse_version, "future": welcome_to_the_future}

if __name__ == "__main__":
    kind, *rest, number = sys.argv[1:]
    if kind in STRANGERS:
        listen(STRANGERS[kind], int(number))
    elif kind in OTHERS:
        answer_all(OTHERS[kind], int(number))
    else:
        Tap(rest[0], int(number), kind == "lossy").run()
