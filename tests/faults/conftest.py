"""Servers as processes of their own, plain clients for them, and a network in between that does harm."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import random
import signal
import socket as sockets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

psutil: Any = pytest.importorskip("psutil")
zmq: Any = pytest.importorskip("zmq")
msgpack: Any = pytest.importorskip("msgpack")

from helios_runtime.protocol import wire  # noqa: E402
from helios_world.spec import Action, Chunk, World  # noqa: E402

if os.name != "posix":
    pytest.skip("signals are sent as on POSIX", allow_module_level=True)

PROGRAM = Path(__file__).with_name("ledger.py")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HELIOS_")}
PATIENCE = 30.0
BAD_SIGNS = ("Traceback", "CRITICAL", "a fault in", "internal")
"""In a server's log; nothing that a client or a network does may lead to them."""


@dataclass(frozen=True)
class Usage:
    """What a process takes. `rss` in bytes."""

    rss: int
    handles: int
    threads: int


class Served:
    """`helios-world serve` as a process that can be killed and started again at the same address.

    Args:
        folder: for its log, its sessions and its ledger.
        environment: for the ledger world; see ledger.py.
    """

    def __init__(self, folder: Path, world: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._command = [sys.executable, str(PROGRAM), "serve", world, "--bind", f"127.0.0.1:{self.port}", *words]
        self._environment = {**CLEAN, **environment, "LEDGER": str(folder / "ledger"), "OMP_NUM_THREADS": "1"}
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def usage(self) -> Usage:
        process = psutil.Process(self.pid)
        with process.oneshot():
            return Usage(process.memory_info().rss, process.num_fds(), process.num_threads())

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    @property
    def ledger(self) -> list[tuple[int, int]]:
        """Seed and index of every chunk that was made, by all that ran here."""
        file = self.folder / "ledger"
        lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
        return [(int(seed), int(index)) for seed, index in map(str.split, lines)]

    def start(self) -> Served:
        """Run, and wait until clients can connect."""
        assert not self.is_running
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("ready: "), self.log
        return self

    def kill(self) -> None:
        """SIGKILL: it can do nothing about it."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def close(self) -> None:
        if self.is_running:
            self.kill()

    def _end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        with self._process:
            return self._process.wait(PATIENCE)


class Peer:
    """Plain pyzmq and msgpack, one connection."""

    def __init__(self, context: Any, address: str, **options: Any) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(address)
        self.sid: str | None = None
        self.token = ""
        self.epoch = self.seq = 0
        self._numbers = itertools.count(1)

    def send(self, *buffers: bytes, **message: Any) -> None:
        self.socket.send_multipart([wire.PREFIX, msgpack.packb(message), *buffers])

    def receive(self, seconds: float = PATIENCE) -> tuple[Any, list[Any]]:
        """The next message: the header and the buffers."""
        if not self.socket.poll(int(1000 * seconds)):
            raise TimeoutError(f"nothing came in {seconds} s")
        return wire.decode_server(self.socket.recv_multipart())

    def await_(self, t: str, seconds: float = PATIENCE, **fields: Any) -> tuple[Any, list[Any]]:
        """The next message of this type with these fields; all others are dropped."""
        until = time.monotonic() + seconds
        while True:
            message, buffers = self.receive(max(until - time.monotonic(), 0.0))
            if message.t == t and all(getattr(message, name) == value for name, value in fields.items()):
                return message, buffers

    def greet(self) -> Any:
        self.send(t="HELLO", seq=next(self._numbers), client="test/1")
        return self.receive()[0]

    def open(self, **choices: Any) -> Any:
        self.greet()
        self.send(t="OPEN", seq=next(self._numbers), **choices)
        return self._take(self.receive()[0])

    def resume(self, sid: str | None, token: str, last_seq: int = 0) -> Any:
        self.greet()
        self.send(t="RESUME", seq=next(self._numbers), sid=sid, token=token, last_seq=last_seq)
        return self._take(self.receive()[0])

    def ask(self, t: str, *buffers: bytes, **message: Any) -> tuple[Any, list[Any]]:
        """Send the session's next request; its answer."""
        self.seq += 1
        self.send(*buffers, t=t, sid=self.sid, seq=self.seq, **message)
        return self.receive()

    def reset(self, seed: int = 7, **more: Any) -> tuple[Any, list[Any]]:
        message, buffers = self.ask("RESET", seed=seed, **more)
        self.epoch = message.epoch
        return message, buffers

    def step(self, *held: str) -> tuple[Any, list[Any]]:
        return self.ask("STEP", epoch=self.epoch, action={"buttons": list(held)})

    def ping(self, seconds: float = PATIENCE) -> Any:
        """The answer to a PING, which may be lost where there is no room for it."""
        until = time.monotonic() + seconds
        while True:
            number = next(self._numbers)
            self.send(t="PING", n=number)
            try:
                return self.await_("PONG", 0.3, n=number)[0]
            except TimeoutError:
                if time.monotonic() > until:
                    raise

    def close(self) -> None:
        self.socket.close()

    def _take(self, answer: Any) -> Any:
        if answer.t == "OPENED":
            self.sid, self.token, self.epoch, self.seq = answer.sid, answer.token, answer.epoch, answer.next_seq - 1
        return answer


Fate = Callable[[str, Mapping[str, Any]], Sequence[float]]
"""Direction ("up" to the server, "down" from it) and header of a message; after how many seconds it is passed on, once
for each entry."""


class FaultyProxy:
    """Stands between clients and a server, with one connection to the server for each of a client.

    Args:
        fate: decides about every message; called in the proxy's thread.
    """

    def __init__(self, server: str, fate: Fate) -> None:
        self.fate = fate
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.passed: list[tuple[str, str]] = []
        self._server = server
        self._context = zmq.Context()
        self._late: list[tuple[float, int, str, bytes, list[bytes]]] = []
        self._order = itertools.count()
        self._backs: dict[bytes, Any] = {}
        self._is_cutting = self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._front = self._open_front()
        self._thread.start()

    def cut(self) -> None:
        """End all connections; what is under way is lost."""
        self._is_cutting = True
        while self._is_cutting and self._thread.is_alive():
            time.sleep(0.001)

    def close(self) -> None:
        self._is_stopping = True
        self._thread.join()
        self._context.destroy(linger=0)

    def _open_front(self) -> Any:
        front = self._context.socket(zmq.ROUTER)
        front.linger = 0
        until = time.monotonic() + PATIENCE
        while True:
            try:
                front.bind(self.address)
            except zmq.ZMQError:  # the one before it is still being closed
                assert time.monotonic() < until
                time.sleep(0.002)
            else:
                return front

    def _run(self) -> None:
        while not self._is_stopping:
            if self._is_cutting:
                self._cut()
            self._turn()

    def _turn(self) -> None:
        poller = zmq.Poller()
        for socket in (self._front, *self._backs.values()):
            poller.register(socket, zmq.POLLIN)
        ready = dict(poller.poll(5))
        if self._front in ready:
            route, *parts = self._front.recv_multipart()
            self._meet("up", route, parts)
        for route, back in list(self._backs.items()):
            if back in ready:
                self._meet("down", route, back.recv_multipart())
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, direction, route, parts = heapq.heappop(self._late)
            self._pass_on(direction, route, parts)

    def _meet(self, direction: str, route: bytes, parts: list[bytes]) -> None:
        now = time.monotonic()
        for delay in self.fate(direction, msgpack.unpackb(parts[1])):
            if delay:
                heapq.heappush(self._late, (now + delay, next(self._order), direction, route, parts))
            else:
                self._pass_on(direction, route, parts)

    def _pass_on(self, direction: str, route: bytes, parts: list[bytes]) -> None:
        self.passed.append((direction, str(msgpack.unpackb(parts[1])["t"])))
        if direction == "down":
            self._front.send_multipart([route, *parts])
            return
        if route not in self._backs:
            back = self._backs[route] = self._context.socket(zmq.DEALER)
            back.linger = 0
            back.connect(self._server)
        self._backs[route].send_multipart(parts)

    def _cut(self) -> None:
        for socket in (self._front, *self._backs.values()):
            socket.close()
        self._backs.clear()
        self._late.clear()
        self._front = self._open_front()
        self._is_cutting = False


class Dice:
    """The fates of messages by chance.

    Args:
        seed: the same seed gives the same fates in the same order.
        drop, repeat, delay: how likely each is.
    """

    def __init__(self, seed: int, *, drop: float = 0.0, repeat: float = 0.0, delay: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._drop, self._repeat, self._delay = drop, repeat, delay

    def __call__(self, direction: str, header: Mapping[str, Any]) -> Sequence[float]:
        draw = self._random.random()
        if draw < self._drop:
            return ()
        if draw < self._drop + self._repeat:
            return (0.0, self._random.choice((0.0, 0.05)))
        if draw < self._drop + self._repeat + self._delay:
            return (self._random.uniform(0.01, 0.4),)
        return (0.0,)


class Walk:
    """A world that is to do exactly what another one does: the same calls to both, the same frames from both."""

    def __init__(self, world: World, twin: World, seed: int) -> None:
        self.world, self.twin = world, twin
        self.made = 0
        self._random = random.Random(seed)
        self._saved: Any = None

    def begin(self) -> None:
        seed = self._random.randrange(1000)
        self._compare(self.world.reset(seed=seed), self.twin.reset(seed=seed))

    def step(self) -> None:
        action = self._random.choice(ACTIONS)
        prompt = self._random.choice((None, None, *self.twin.spec.prompts))
        self._compare(self.world.step(action, prompt), self.twin.step(action, prompt))

    def do_anything(self) -> None:
        """Mostly steps."""
        what = self._random.random()
        if what < 0.7:
            self.step()
        elif what < 0.8:
            self.begin()
        elif what < 0.9:
            self.save()
        elif self._saved is not None:
            self.go_back()

    def save(self) -> None:
        self._saved = self.world.snapshot(), self.twin.snapshot()

    def go_back(self) -> None:
        self.world.restore(self._saved[0])
        self.twin.restore(self._saved[1])

    def fork(self) -> None:
        """Go on with copies."""
        first, self.world, self.twin = self.world, self.world.fork(), self.twin.fork()
        first.close()

    def _compare(self, found: Chunk, expected: Chunk) -> None:
        self.made += 1
        assert (found.index, found.first_frame) == (expected.index, expected.first_frame)
        assert (found.action, found.prompt) == (expected.action, expected.prompt)
        assert np.array_equal(found.frames, expected.frames)


ACTIONS = (
    Action({"forward"}),
    Action(axes={"turn": 0.5}),
    Action(),
    Action({"turn_left", "back"}),
    Action({"strafe_right"}),
)


def free_port() -> int:
    """Not of those that the system gives to connections by itself: it is still free when a server is started anew."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with suppress(OSError), sockets.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it does not come true"
        time.sleep(0.01)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts servers. In the end each still runs unless the test ended it, and its log tells of no fault of its own."""
    servers: list[Served] = []

    def start(world: str = "pattern", *words: str, **environment: str) -> Served:
        folder = tmp_path / f"server-{len(servers)}"
        servers.append(Served(folder, world, words, environment))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()
    for server in servers:
        assert not [line for line in server.log.splitlines() if any(sign in line for sign in BAD_SIGNS)]


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Plain clients, closed at the end."""
    context, peers = zmq.Context(), list[Peer]()
    context.set(zmq.MAX_SOCKETS, 4096)

    def make(server: Any, **options: Any) -> Peer:
        peers.append(Peer(context, getattr(server, "address", server), **options))
        return peers[-1]

    yield make
    context.destroy(linger=0)


@pytest.fixture
def proxy() -> Iterator[Callable[..., FaultyProxy]]:
    with ExitStack() as stack:

        def make(server: Served, fate: Fate = lambda direction, header: (0.0,)) -> FaultyProxy:
            made = FaultyProxy(server.address, fate)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def remote() -> Iterator[Callable[..., Any]]:
    """Remote worlds that repeat their requests soon, closed at the end."""
    from helios_runtime.client import connect

    with ExitStack() as stack:

        def make(place: Any, **options: Any) -> Any:
            world = connect(place.address, **{"timeout": PATIENCE, "retry_seconds": 0.1, **options})
            stack.callback(lambda: _close(world))
            return world

        yield make


def _close(world: Any) -> None:
    with suppress(Exception):
        world.close()


@pytest.fixture(scope="session")
def dice() -> type[Dice]:
    return Dice


@pytest.fixture(scope="session")
def walk() -> type[Walk]:
    return Walk


@pytest.fixture(scope="session")
def wait() -> Callable[..., None]:
    return wait_for


@pytest.fixture(scope="session")
def goldens() -> list[tuple[str, list[bytes]]]:
    """Who sends it, and the parts, of an example of every message."""
    folder = Path(__file__).parents[2] / "bindings" / "wire"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [(entry["from"], _parts((folder / entry["file"]).read_bytes())) for entry in index]


def _parts(data: bytes) -> list[bytes]:
    count, at, parts = int.from_bytes(data[:4], "little"), 4, []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4], "little")
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return parts
