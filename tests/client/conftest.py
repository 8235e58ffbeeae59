"""A small server without sockets, and a network that loses, repeats and delays what it is told to, on its own clock."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from helios_runtime.client.core import Session
from helios_runtime.client.exchange import Command, Event, Exchange, Parted, Receive, Renew, Send
from helios_runtime.client.options import ClientOptions
from helios_runtime.protocol import messages as m
from helios_runtime.protocol import wire
from helios_runtime.protocol.errors import CODES
from helios_runtime.protocol.frames import describe, encode_frames
from helios_runtime.protocol.values import BytesPart, WireAction, WireTiming, WireWorld
from helios_runtime.server.latest import LatestInput
from helios_world.errors import HeliosError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, World
from helios_world.testing import PatternWorld

Out = list[wire.Buffer]


def refusal(code: str, *, seq: int | None = None, sid: str | None = None, message: str = "no", **details: Any) -> Out:
    retryable = CODES[code].retryable
    return wire.encode(
        m.ErrorMessage(seq=seq, sid=sid, code=code, message=message, retryable=retryable, details=details)
    )


@dataclass(eq=False)
class Guest:
    """A session of the Host."""

    sid: str
    opened: m.Open
    world: World
    route: int
    token: str = "a" * 64
    epoch: int = 0
    index: int = 0
    last: int = 0
    answer: list[Out] | None = None
    credit: int = 0
    latest: LatestInput | None = None


class Host:
    """Speaks the protocol; does everything at once, and remembers all of it over a restart.

    Args:
        executed: (sid, seq) of everything that was done to a world, in order.
        override: gives the answer to a message in place of the host's own; None lets the host answer.
    """

    def __init__(self) -> None:
        self.make: Callable[[], World] = PatternWorld
        self.guests: dict[str, Guest] = {}
        self.greeted: set[int] = set()
        self.executed: list[tuple[str, int]] = []
        self.seen: list[m.ClientMessage] = []
        self.override: Callable[[m.ClientMessage], list[m.Message] | None] = lambda message: None
        self.busy_since: float | None = None
        self.capabilities: tuple[str, ...] = ("stream", "fork")
        self.heartbeat = 15.0
        self._ids = (f"{number:032x}" for number in itertools.count(1))

    def restart(self) -> None:
        self.greeted.clear()
        for guest in self.guests.values():
            guest.route = -1

    def receive(self, route: int, parts: Sequence[wire.Buffer], now: float) -> list[Out]:
        message, buffers = wire.decode_client(parts)
        self.seen.append(message)
        instead = self.override(message)
        if instead is not None:
            return [wire.encode(answer) for answer in instead]
        match message:
            case m.Ping(n=n):
                pong = m.Pong(n=n, server_time=now, busy_since=self.busy_since, queue=0, sessions=len(self.guests))
                return [wire.encode(pong)]
            case m.Hello():
                self.greeted.add(route)
                return [wire.encode(self._welcome(message))]
            case m.Open() | m.Resume() if route not in self.greeted:
                return [refusal("route", seq=message.seq)]
            case m.Open():
                return [self._open(route, message)]
            case m.Resume():
                return [self._resume(route, message)]
        return self._of_session(route, message, buffers, now)

    def stream(self, sid: str) -> list[Out]:
        """Make a chunk if there is credit."""
        guest = self.guests[sid]
        if not guest.credit or guest.latest is None:
            return []
        guest.credit -= 1
        taken = guest.latest.sample()
        chunk = guest.world.step(taken.action, taken.prompt)
        return self._chunk(guest, chunk, None, applied=taken.applied)

    def _welcome(self, hello: m.Hello) -> m.Welcome:
        return m.Welcome(
            seq=hello.seq,
            version=1,
            server="host/1",
            worlds=("pattern",),
            capabilities=self.capabilities,
            max_message=1 << 22,
            heartbeat_s=self.heartbeat,
            idle_s=600.0,
            session_limit=100,
            world=WireWorld.of(self.make().spec),
        )

    def _open(self, route: int, message: m.Open) -> Out:
        same = [each for each in self.guests.values() if (each.opened.nonce, each.route) == (message.nonce, route)]
        guest = same[0] if same else Guest(next(self._ids), message, self.make(), route)
        if message.mode == "stream":
            guest.latest = LatestInput(guest.world.spec.actions)
        self.guests[guest.sid] = guest
        return self._opened(guest, message.seq)

    def _resume(self, route: int, message: m.Resume) -> Out:
        guest = self.guests.get(message.sid)
        if guest is None:
            return refusal("unknown_session", seq=message.seq, sid=message.sid)
        if guest.token != message.token:
            return refusal("auth", seq=message.seq, sid=message.sid)
        guest.route, guest.credit = route, 0
        return self._opened(guest, message.seq)

    def _opened(self, guest: Guest, seq: int, parent: str | None = None) -> Out:
        return wire.encode(
            m.Opened(
                seq=seq,
                sid=guest.sid,
                token=guest.token,
                epoch=guest.epoch,
                next_seq=guest.last + 1,
                index=guest.index,
                parent=parent,
                world=WireWorld.of(guest.world.spec),
            )
        )

    def _of_session(self, route: int, message: Any, buffers: list[memoryview], now: float) -> list[Out]:
        guest = self.guests.get(message.sid)
        seq = getattr(message, "seq", None)
        if guest is None or guest.route != route:
            code = "unknown_session" if guest is None and route in self.greeted else "route"
            return [refusal(code, seq=seq, sid=message.sid)]
        if isinstance(message, m.Credit):
            guest.credit = min(guest.credit + message.n, 4) if message.epoch == guest.epoch else guest.credit
            return []
        if isinstance(message, m.Input):
            assert guest.latest is not None
            if message.epoch == guest.epoch:
                guest.latest.put(message, now)
            return []
        if message.seq == guest.last and guest.answer is not None:
            return guest.answer
        if message.seq <= guest.last:
            return [refusal("stale", seq=seq, sid=guest.sid)]
        if message.seq > guest.last + 1:
            return [refusal("gap", seq=seq, sid=guest.sid, next_seq=guest.last + 1)]
        return self._execute(guest, message, buffers)

    def _execute(self, guest: Guest, message: Any, buffers: list[memoryview]) -> list[Out]:
        try:
            guest.answer = self._do(guest, message, buffers)
            self.executed.append((guest.sid, message.seq))
        except HeliosError as error:
            guest.answer = [refusal(error.code, seq=message.seq, sid=guest.sid, message=str(error))]
        guest.last = message.seq
        return guest.answer

    def _do(self, guest: Guest, message: Any, buffers: list[memoryview]) -> list[Out]:
        sid, seq, epoch = guest.sid, message.seq, guest.epoch
        match message:
            case m.Reset():
                chunk = guest.world.reset(seed=message.seed, prompt=message.prompt)
                self._renew(guest)
                return self._chunk(guest, chunk, seq)
            case m.Step():
                return self._chunk(guest, guest.world.step(message.action.action(), message.prompt), seq)
            case m.SnapshotRequest():
                data = bytes(guest.world.snapshot())
                part = BytesPart(bytes=len(data))
                return [wire.encode(m.State(sid=sid, seq=seq, epoch=epoch, index=guest.index, parts=(part,)), [data])]
            case m.Restore():
                guest.world.restore(Snapshot.from_bytes(bytes(buffers[0])))
                self._renew(guest)
            case m.Fork():
                twin = Guest(next(self._ids), guest.opened, guest.world.fork(), guest.route, epoch=epoch)
                twin.index, twin.latest = guest.index, LatestInput(guest.world.spec.actions)
                self.guests[twin.sid] = twin
                return [self._opened(twin, seq, parent=sid)]
            case m.Close():
                del self.guests[sid]
                return [wire.encode(m.Closed(sid=sid, seq=seq))]
        return [wire.encode(m.Done(sid=sid, seq=seq, epoch=guest.epoch, index=guest.index))]

    def _renew(self, guest: Guest) -> None:
        guest.epoch, guest.credit = guest.epoch + 1, 0
        if guest.latest is not None:
            guest.latest.renew()

    def _chunk(self, guest: Guest, chunk: Chunk, seq: int | None, applied: int | None = None) -> list[Out]:
        guest.index = chunk.index + 1
        size = 2 if guest.opened.progressive else len(chunk.frames)
        pieces = [chunk.frames[start : start + size] for start in range(0, len(chunk.frames), size)]
        return [
            self._piece(guest, chunk, seq, applied, number, len(pieces), frames) for number, frames in enumerate(pieces)
        ]

    def _piece(
        self, guest: Guest, chunk: Chunk, seq: int | None, applied: int | None, part: int, of: int, frames: Any
    ) -> Out:
        encoding, shape = guest.opened.encoding, frames.shape
        buffers = encode_frames(frames, encoding)
        message = m.ChunkMessage(
            sid=guest.sid,
            seq=seq,
            epoch=guest.epoch,
            index=chunk.index,
            first_frame=chunk.first_frame + part * len(frames),
            frames=shape[0],
            height=shape[1],
            width=shape[2],
            encoding=encoding,
            part=part,
            of=of,
            parts=describe(buffers, encoding, shape),
            action=WireAction.of(chunk.action),
            prompt=tuple((share.text, share.weight) for share in chunk.prompt),
            timing=WireTiming.of(chunk.timing),
            applied=applied,
        )
        return wire.encode(message, buffers)


class Network:
    """Runs exchanges against a Host, with a delay of a millisecond each way, on a clock of its own.

    Args:
        fates: of the messages in either direction, one after the other; "ok" when there are no more. "lost", "twice",
            "late" (2 s), "cut" (the connection ends instead), "restart" (the host does).
        half_open: a connection on which nothing comes through any more.
    """

    DELAY = 0.001

    def __init__(self, host: Host) -> None:
        self.host = host
        self.fates: Iterator[str] = iter(())
        self.time = 100.0
        self.connection = 0
        self.is_up = True
        self.half_open: int | None = None
        self.make_seconds = 0.0
        self._inbox: list[tuple[float, int, int, Any]] = []
        self._order = itertools.count()
        self._is_cut = False

    def now(self) -> float:
        return self.time

    def session(self, **options: Any) -> Session:
        given: dict[str, Any] = {"timeout": 60.0, "retry_seconds": 1.0} | options
        return Session(ClientOptions("simulated", **given), self.now)

    def opened(self, **options: Any) -> Session:
        session = self.session(**options)
        self.run(session.open())
        return session

    def run(self, exchange: Exchange[Any]) -> Any:
        event: Event = None
        try:
            while True:
                event = self.perform(exchange.send(event))
        except StopIteration as stop:
            return stop.value

    def run_until(self, exchange: Exchange[Any], until: Callable[[], float]) -> None:
        """Go on with an endless exchange."""
        event: Event = None
        while True:
            command = exchange.send(event)
            is_wait = isinstance(command, Receive)
            event = self.perform(Receive(min(command.until, until())) if isinstance(command, Receive) else command)
            if is_wait and event is None and self.time >= until():
                return

    def perform(self, command: Command) -> Event:
        match command:
            case Send(parts=parts):
                self._deliver([bytes(part) for part in parts], self._arrive)
            case Renew():
                self.connection += 1
                self._is_cut = False
            case Receive(until=until):
                return self._receive(until)
        return None

    def push(self, message: m.Message) -> None:
        """The host says something of its own accord."""
        self._queue([bytes(part) for part in wire.encode(message)])

    def cut(self) -> None:
        """The connection ends; what is under way is lost."""
        self._is_cut = True
        self._inbox.clear()
        self._queue(Parted("cut"))

    def _receive(self, until: float) -> Event:
        while self._inbox and self._inbox[0][0] <= max(until, self.time):
            at, _, connection, item = heapq.heappop(self._inbox)
            self.time = max(self.time, at)
            if callable(item):
                item()
            elif connection == self.connection:
                return item if isinstance(item, Parted) else [memoryview(part) for part in item]
        self.time = max(self.time, until)
        return None

    def _deliver(self, parts: list[bytes], then: Callable[[list[bytes]], None]) -> None:
        if not self.is_up or self._is_cut or self.half_open == self.connection:
            return
        match next(self.fates, "ok"):
            case "ok":
                then(parts)
            case "twice":
                then(parts)
                then(parts)
            case "late":
                connection = self.connection
                self._queue(lambda: then(parts) if self.connection == connection else None, 2.0)
            case "cut":
                self.cut()
            case "restart":
                self.cut()
                self.host.restart()

    def _arrive(self, parts: list[bytes]) -> None:
        for answer in self.host.receive(self.connection, parts, self.time):
            self._deliver([bytes(part) for part in answer], self._queue)
        for sid in list(self.host.guests):
            for chunk in self.host.stream(sid):
                late = [bytes(part) for part in chunk]
                self._deliver(late, lambda parts: self._queue(parts, self.make_seconds))

    def _queue(self, item: Any, delay: float = 0.0) -> None:
        heapq.heappush(self._inbox, (self.time + self.DELAY + delay, next(self._order), self.connection, item))


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def network(host: Host) -> Network:
    return Network(host)


@pytest.fixture(scope="session")
def make_network() -> Callable[[Iterable[str]], Network]:
    """A network with a host of its own, and the fates of its messages once a session is open."""

    def make(fates: Iterable[str]) -> Network:
        network = Network(Host())
        network.fates = iter(fates)
        return network

    return make


@pytest.fixture(scope="session")
def walk() -> tuple[Action, ...]:
    """What to do in a pattern world, a few times."""
    return (
        Action({"forward"}),
        Action(axes={"turn": 0.5}),
        Action(),
        Action({"turn_left", "back"}),
        Action({"forward"}),
    )
