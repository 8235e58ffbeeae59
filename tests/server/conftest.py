"""A desk without sockets, threads or time, and a plain client for a whole server."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from helios_runtime.protocol import wire
from helios_runtime.server import jobs
from helios_runtime.server.desk import Desk
from helios_runtime.server.floor import Floor, Rules
from helios_runtime.server.jobs import Job, Outcome, StepInput
from helios_runtime.server.mail import Mail, Sent
from helios_runtime.server.metrics import Metrics
from helios_runtime.server.server import Server
from helios_runtime.server.settings import ServeSettings
from helios_runtime.server.store import Store
from helios_world.errors import HeliosError, StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import World
from helios_world.testing import PatternWorld

RULES = Rules(worlds=("pattern",), capabilities=("jpeg", "stream", "fork", "record"), server="test/1", max_sessions=4)


class StandIn:
    """An engine that does its jobs when it is told to."""

    def __init__(self) -> None:
        self.worlds: dict[str, World] = {}
        self.busy_since: float | None = None
        self.is_held = False
        self.steps: list[StepInput] = []
        self.done: list[Job] = []
        self.fault: Exception | None = None
        self._waiting: deque[Job] = deque()

    @property
    def queue_length(self) -> int:
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        self._waiting.append(job)
        if not self.is_held:
            self.work()

    def work(self, count: int | None = None) -> None:
        """Do what waits, or so many jobs of it."""
        for _ in range(len(self._waiting) if count is None else count):
            job = self._waiting.popleft()
            self.done.append(job)
            try:
                outcome = Outcome(job, self._execute(job))
            except Exception as error:
                if not isinstance(error, HeliosError):
                    self.worlds.pop(job.seat, None)
                outcome = Outcome(job, error=error)
            job.done(outcome)

    def _execute(self, job: Job) -> Any:
        if isinstance(job, jobs.Open):
            self.worlds[job.seat] = PatternWorld(height=16, width=16)
            return self.worlds[job.seat].spec
        if isinstance(job, jobs.Close):
            self.worlds.pop(job.seat, None)
            return None
        if job.seat not in self.worlds:
            raise StateError(f"no seat {job.seat}")
        return self._use(job, self.worlds[job.seat])

    def _use(self, job: Job, world: World) -> Any:
        given = job.sample() if isinstance(job, jobs.Step) else None
        if job.ahead is not None:
            job.ahead(_state(world), given)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        match job:
            case jobs.Reset():
                return world.reset(seed=job.seed, prompt=job.prompt, image=job.image, video=job.video)
            case jobs.Step():
                assert given is not None
                self.steps.append(given)
                return world.step(given.action, given.prompt)
            case jobs.TakeSnapshot():
                return bytes(world.snapshot())
            case jobs.Restore():
                world.restore(Snapshot.from_bytes(job.state))
                return int(world.snapshot().meta["index"])
            case jobs.Fork():
                self.worlds[job.twin] = world.fork()
            case jobs.Record():
                return f"{job.seat}.mp4"
        return None


def _state(world: World) -> bytes | None:
    try:
        return bytes(world.snapshot())
    except StateError:
        return None


class Later:
    """A clerk that does its tasks when the office runs."""

    def __init__(self, tasks: deque[Callable[[], object]]) -> None:
        self._tasks = tasks

    def submit(self, task: Callable[[], object]) -> None:
        self._tasks.append(task)


class Office:
    """A desk with its surroundings; time goes by when told to.

    Args:
        full: connections that take no message now; gone: those that are no more.
    """

    def __init__(self, rules: Rules = RULES, store: Store | None = None) -> None:
        self.time = 100.0
        self.engine = StandIn()
        self.full: set[bytes] = set()
        self.gone: set[bytes] = set()
        self._tasks: deque[Callable[[], object]] = deque()
        self._sent: dict[bytes, list[list[Any]]] = {}
        self.floor = Floor(
            rules=rules,
            engine=self.engine,
            clerk=Later(self._tasks),
            mail=Mail(self._send, Metrics()),
            metrics=Metrics(),
            post=self._tasks.append,
            store=store,
            now=lambda: self.time,
        )
        self.desk = Desk(self.floor, PatternWorld(height=16, width=16).spec)

    def run(self) -> None:
        """Until there is nothing left to do."""
        while self._tasks:
            self._tasks.popleft()()

    def put(self, route: bytes, parts: Sequence[Any]) -> None:
        self.desk.receive(route, [memoryview(part) for part in parts])
        self.run()

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.desk.tick()
        self.run()

    def sent(self, route: bytes = b"a") -> list[list[Any]]:
        """The messages that a connection was sent since it was last asked for them."""
        return self._sent.pop(route, [])

    def _send(self, route: bytes, parts: list[Any]) -> Sent:
        if route in self.gone:
            return Sent.GONE
        if route in self.full:
            return Sent.FULL
        self._sent.setdefault(route, []).append([bytes(part) for part in parts])
        return Sent.AWAY


class Visitor:
    """A client of an Office."""

    def __init__(self, office: Office, route: bytes = b"a") -> None:
        self.office, self.route = office, route
        self.sid: str | None = None
        self.token = ""
        self._numbers = itertools.count(1)
        self._seq = itertools.count(1)

    def say(self, *buffers: bytes, **message: Any) -> list[Any]:
        """Send a message as it is; what comes back."""
        self.office.put(self.route, [wire.PREFIX, msgpack.packb(message), *buffers])
        return self.hear()

    def hear(self) -> list[Any]:
        return [wire.decode_server(parts)[0] for parts in self.office.sent(self.route)]

    def ask(self, t: str, *buffers: bytes, **message: Any) -> Any:
        """Send the session's next request; its only answer."""
        (answer,) = self.say(*buffers, t=t, sid=self.sid, seq=next(self._seq), **message)
        return answer

    def greet(self) -> Any:
        (answer,) = self.say(t="HELLO", seq=next(self._numbers), client="visitor/1")
        return answer

    def open(self, **choices: Any) -> Any:
        self.greet()
        (answer,) = self.say(t="OPEN", seq=next(self._numbers), **choices)
        if answer.t == "OPENED":
            self.sid, self.token, self._seq = answer.sid, answer.token, itertools.count(1)
        return answer

    def resume(self, other: Visitor, **changes: Any) -> Any:
        """Take over the session of another client."""
        self.greet()
        given = {"sid": other.sid, "token": other.token, "last_seq": 0, **changes}
        (answer,) = self.say(t="RESUME", seq=next(self._numbers), **given)
        if answer.t == "OPENED":
            self.sid, self.token, self._seq = answer.sid, answer.token, itertools.count(answer.next_seq)
        return answer


class Client:
    """Plain pyzmq and msgpack, for a whole server."""

    def __init__(self, address: str, **options: Any) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(address)
        self.sid: str | None = None
        self.token = ""
        self.epoch = 0
        self.seq = 0
        self._numbers = itertools.count(1)

    def send(self, *buffers: Any, **message: Any) -> None:
        self.socket.send_multipart([wire.PREFIX, msgpack.packb(message), *buffers])

    def receive(self, seconds: float = 30.0) -> tuple[Any, list[bytes]]:
        """The next message: the header and the buffers."""
        if not self.socket.poll(int(1000 * seconds)):
            raise TimeoutError(f"nothing came in {seconds} s")
        parts = self.socket.recv_multipart()
        message, _ = wire.decode_server(parts)
        return message, parts[2:]

    def is_quiet(self, seconds: float = 0.05) -> bool:
        return not self.socket.poll(int(1000 * seconds))

    def ask(self, t: str, *buffers: Any, **message: Any) -> tuple[Any, list[bytes]]:
        """Send the session's next request and get its answer."""
        self.seq += 1
        self.send(*buffers, t=t, sid=self.sid, seq=self.seq, **message)
        return self.receive()

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

    def reset(self, seed: int = 7, **more: Any) -> tuple[Any, list[bytes]]:
        message, buffers = self.ask("RESET", seed=seed, **more)
        self.epoch = message.epoch
        return message, buffers

    def step(self, *held: str, **more: Any) -> tuple[Any, list[bytes]]:
        return self.ask("STEP", epoch=self.epoch, action={"buttons": list(held)}, **more)

    def close(self) -> None:
        self.socket.close()
        self._context.term()

    def _take(self, answer: Any) -> Any:
        if answer.t == "OPENED":
            self.sid, self.token, self.epoch, self.seq = answer.sid, answer.token, answer.epoch, answer.next_seq - 1
        return answer


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Offices with a store in one folder, one after the other; `saving=False` has none."""
    stores: list[Store] = []

    def make(*, saving: bool = True, **changes: Any) -> Office:
        for store in stores:
            store.close()
        stores[:] = [Store(tmp_path / "sessions")] if saving else []
        return Office(replace(RULES, **changes), stores[0] if saving else None)

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def visit() -> type[Visitor]:
    return Visitor


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    """Servers of small pattern worlds, closed at the end."""
    with ExitStack() as stack:

        def make(load: Callable[[str], World] | None = None, **settings: Any) -> Server:
            chosen = ServeSettings(**{"world": "pattern", "bind": "127.0.0.1:0", **settings})
            server = Server(chosen, load or (lambda name: PatternWorld(height=32, width=48)))
            stack.callback(server.close)
            server.start()
            return server

        yield make


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Clients, closed at the end."""
    with ExitStack() as stack:

        def make(server: Server | str, **options: Any) -> Client:
            client = Client(server if isinstance(server, str) else server.address, **options)
            stack.callback(client.close)
            return client

        yield make
