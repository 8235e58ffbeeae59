"""Messages that are none, by the ten thousand, while a client walks through its world undisturbed."""

from __future__ import annotations

import os
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from helios_world.spec import Action
from helios_world.testing import PatternWorld

COUNT = int(os.environ.get("HELIOS_FUZZ_MESSAGES", "100000"))
PREFIX = b"HW\x01\x00"
LONG = 2**32 - 1
Parts = list[bytes]
Goldens = list[tuple[str, Parts]]

OVERSIZED = (
    b"\xdd" + struct.pack(">I", LONG),
    b"\xdf" + struct.pack(">I", LONG),
    b"\xdb" + struct.pack(">I", LONG) + b"x",
    b"\xc6" + struct.pack(">I", LONG) + b"x",
    b"\xc9" + struct.pack(">I", LONG) + b"\x01x",
    b"\x81\xa1t\xdd" + struct.pack(">I", LONG),
    b"\x81\xdb" + struct.pack(">I", LONG),
    b"\xdc\xff\xff" * 1000,
    b"\xde\xff\xff" * 1000,
    b"\x81\xa1t\xc7\xff\x05" + bytes(255),
    bytes(65_537),
    b"\xa5" * 65_536,
)
DEEP = (
    b"\x91" * 60_000,
    b"\x81\xa1t" * 20_000,
    b"\x81\xa1t" + b"\x91" * 60_000,
    b"\x82\xa1t\xa4STEP\xa6action" + b"\x81\xa1a" * 20_000,
    b"\xdc\x00\x01" * 20_000,
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53,
    2**63,
    -(2**63),
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x" * 5000,
    "\x00",
    b"bytes",
    [],
    [[]],
    {},
    {"a": {"b": []}},
    ["forward"] * 100,
    {"turn": float("nan")},
    {"bytes": 2**52},
    [{"dtype": "f4", "shape": [1, 1, 3]}],
    [{"shape": [2**30, 2**30]}],
    [{"shape": [8192, 8192, 3]}],
    [{"bytes": 2**50}] * 9,
    msgpack.ExtType(5, b"x"),
    msgpack.Timestamp(1, 2),
)


class Fuzz:
    """Makes messages of all the kinds."""

    def __init__(self, goldens: Goldens, seed: int) -> None:
        self._goldens = goldens
        self._random = random.Random(seed)
        self._kinds: tuple[Callable[[], Parts], ...] = (
            self.noise,
            self.cut_short,
            self.flipped,
            self.oversized,
            self.deep,
            self.wrong_type,
            self.wrong_type,
            self.wrong_shape,
            self.wrong_prefix,
        )

    def message(self) -> Parts:
        return self._random.choice(self._kinds)()

    def noise(self) -> Parts:
        sizes = [self._random.choice((0, 1, 4, 40, 400)) for _ in range(self._random.randrange(1, 6))]
        first = self._random.choice((PREFIX, self._random.randbytes(4)))
        return [first, *map(self._random.randbytes, sizes)]

    def cut_short(self) -> Parts:
        parts = self._golden()
        number = self._random.randrange(len(parts))
        kept = parts[number][: self._random.randrange(len(parts[number]) + 1)]
        return [*parts[:number], kept, *(parts[number + 1 :] if self._random.random() < 0.5 else [])]

    def flipped(self) -> Parts:
        parts = self._golden()
        number = self._random.randrange(len(parts))
        changed = bytearray(parts[number])
        for _ in range(self._random.choice((1, 1, 2, 8)) if changed else 0):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        parts[number] = bytes(changed)
        return parts

    def oversized(self) -> Parts:
        return [PREFIX, self._random.choice(OVERSIZED)]

    def deep(self) -> Parts:
        return [PREFIX, self._random.choice(DEEP)]

    def wrong_type(self) -> Parts:
        """One key has another value, is missing, or too many."""
        prefix, header, *buffers = self._golden()
        fields = msgpack.unpackb(header)
        key = self._random.choice([*fields, "surplus"])
        if key in fields and self._random.random() < 0.2:
            del fields[key]
        else:
            fields[key] = self._random.choice(VALUES)
        try:
            return [prefix, msgpack.packb(fields), *buffers]
        except OverflowError:
            return [prefix, header]

    def wrong_shape(self) -> Parts:
        """Buffers that are not those of the header."""
        prefix, header, *buffers = self._golden()
        extra = [
            self._random.randbytes(self._random.choice((0, 1, 1000))) for _ in range(self._random.randrange(1, 12))
        ]
        return [prefix, header, *buffers[1:], *extra]

    def wrong_prefix(self) -> Parts:
        _, *rest = self._golden()
        prefixes = (b"", b"HW", b"HW\x00\x00", b"HW\x02\x00", b"HW\xff\xff", b"WH\x01\x00", b"HW\x01\x00\x00")
        return [self._random.choice(prefixes), *rest]

    def _golden(self) -> Parts:
        return list(self._random.choice(self._goldens)[1])


class Attack:
    """Sends malformed messages over several connections, in a thread of its own."""

    def __init__(self, address: str, goldens: Goldens, count: int) -> None:
        self.sent = self.answers = self.pongs = 0
        self._address, self._goldens, self._count = address, goldens, count
        self._thread = threading.Thread(target=self._run, name="attack")
        self._thread.start()

    @property
    def is_on(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        fuzz = Fuzz(self._goldens, 7)
        with zmq.Context() as context:
            for _ in range(8):
                with context.socket(zmq.DEALER) as socket:
                    socket.linger, socket.sndtimeo = 0, 20_000
                    socket.connect(self._address)
                    self._send(socket, fuzz, self._count // 8)

    def _send(self, socket: Any, fuzz: Fuzz, count: int) -> None:
        for _ in range(count):
            socket.send_multipart(fuzz.message())
            self.sent += 1
            self._read(socket, 0)
        # What comes after it shows that the server is through with all of them.
        before, until = self.pongs, time.monotonic() + 20
        while self.pongs == before:
            assert time.monotonic() < until, "the server does not answer"
            socket.send_multipart([PREFIX, msgpack.packb({"t": "PING", "n": 99})])
            self._read(socket, 200)

    def _read(self, socket: Any, milliseconds: int) -> bool:
        found = False
        while socket.poll(0 if found else milliseconds):
            header = msgpack.unpackb(socket.recv_multipart()[1])
            self.pongs += (header["t"], header.get("n")) == ("PONG", 99)
            self.answers += header["t"] == "ERROR"
            found = True
        return found


class Insider(Fuzz):
    """Speaks for a session of its own, so that its messages get further."""

    def __init__(self, goldens: Goldens, seed: int, connect: Callable[[], Any]) -> None:
        super().__init__([(sender, parts) for sender, parts in goldens if sender == "client"], seed)
        self._connect = connect
        self.opened = self.executed = 0
        self._snapshot = b""
        self._begin()

    def _begin(self) -> None:
        self._peer = self._connect()
        self._peer.open(mode=self._random.choice(("lockstep", "stream")))
        self._peer.reset(seed=self._random.randrange(9))
        self._snapshot = bytes(self._peer.ask("SNAPSHOT")[1][0])
        self.opened += 1

    def attack(self) -> None:
        """Send one message, and find out what became of it."""
        peer = self._peer
        parts = self._random.choice((self.flipped_state, self._golden, self.message, self.message))()
        peer.socket.send_multipart(parts)
        is_over = False
        for message in self._answers():
            self.executed += message.t in ("CHUNK", "STATE", "DONE", "OPENED")
            if message.t == "ERROR" and "next_seq" in message.details:
                peer.seq = message.details["next_seq"] - 1
            elif getattr(message, "seq", None) == peer.seq + 1 and getattr(message, "sid", None) == peer.sid:
                peer.seq += message.t != "ERROR" or message.code in ("frame", "snapshot", "state", "prompt", "option")
            peer.epoch = getattr(message, "epoch", peer.epoch)
            is_over = is_over or message.t == "CLOSED" or getattr(message, "code", "") == "unknown_session"
        if is_over:
            peer.close()
            self._begin()

    def _answers(self) -> Iterator[Any]:
        """All that comes until a PONG does; PONGs may be lost where there is no room for them."""
        while True:
            self._peer.send(t="PING", n=98)
            with suppress(TimeoutError):
                while (message := self._peer.receive(0.3)[0]).t != "PONG" or message.n != 98:
                    yield message
                return

    def flipped_state(self) -> Parts:
        """A snapshot with a few other bits."""
        changed = bytearray(self._snapshot)
        for _ in range(self._random.randrange(4)):
            changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        state = bytes(changed[: self._random.choice((len(changed), len(changed), self._random.randrange(99)))])
        header = {"t": "RESTORE", "sid": self._peer.sid, "seq": self._peer.seq + 1, "parts": [{"bytes": len(state)}]}
        return [PREFIX, msgpack.packb(header), state]

    def _golden(self) -> Parts:
        prefix, header, *buffers = super()._golden()
        fields = msgpack.unpackb(header)
        if "sid" in fields:
            fields["sid"] = self._peer.sid
            fields["seq"] = max(self._peer.seq + self._random.choice((-1, 0, 1, 1, 1, 1, 1, 2)), 1)
        if "epoch" in fields:
            fields["epoch"] = self._peer.epoch
        if fields["t"] in ("INPUT", "CREDIT"):
            del fields["seq"]
        return [prefix, msgpack.packb(fields), *buffers]


def test_an_attack_from_a_session(serve: Any, remote: Any, peer: Any, goldens: Goldens, tmp_path: Path) -> None:
    """The attacker's own world may suffer, nobody else's does."""
    folders = ("--state-dir", str(tmp_path / "sessions"), "--record-dir", str(tmp_path / "recordings"))
    server = serve("ledger", "--rate", "1000000", "--max-sessions", "1000", *folders)
    world, twin = remote(server), PatternWorld()
    assert (world.reset(seed=77).frames == twin.reset(seed=77).frames).all()
    insider = Insider(goldens, 3, lambda: peer(server))
    for number in range(max(COUNT // 25, 1000)):
        insider.attack()
        if number % 40 == 0:
            assert (world.step(Action({"back"})).frames == twin.step(Action({"back"})).frames).all()
    assert insider.opened > 1
    assert insider.executed > 100


@pytest.mark.parametrize("rate", ["1000000", "200"], ids=["all are read", "most are dropped"])
def test_a_walk_during_an_attack(
    rate: str, serve: Any, remote: Any, peer: Any, goldens: Goldens, tmp_path: Path
) -> None:
    server = serve("ledger", "--rate", rate, "--max-sessions", "100", "--state-dir", str(tmp_path / "sessions"))
    world, twin = remote(server), PatternWorld()
    expected = twin.reset(seed=1)
    assert (world.reset(seed=1).frames == expected.frames).all()
    before = server.usage
    count = COUNT if rate == "1000000" else COUNT // 10
    attack = Attack(server.address, goldens, count)
    steps, slowest = 0, 0.0
    while attack.is_on or steps < 20:
        began = time.monotonic()
        chunk = world.step(Action({"forward"}))
        slowest = max(slowest, time.monotonic() - began)
        steps += 1
        assert (chunk.frames == twin.step(Action({"forward"})).frames).all()
        time.sleep(0.002)
    attack.join()
    assert attack.sent == count // 8 * 8
    assert attack.pongs >= 8
    assert attack.answers > 50
    assert slowest < 6
    assert [index for seed, index in server.ledger if seed == 1] == list(range(steps + 1))
    assert server.usage.rss < before.rss + 48 * 2**20
    assert server.usage.threads <= before.threads
    late = peer(server)
    assert late.open().t == "OPENED"
    assert late.reset()[0].index == 0
