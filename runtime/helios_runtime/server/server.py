"""A server of worlds: the engine, the loop and the clerk, put together.

>>> with Server(ServeSettings(world="nano")) as server:
...     print(server.address)
...     server.serve_forever()
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import zmq

from helios_runtime.server import jobs
from helios_runtime.server.clerk import Clerk
from helios_runtime.server.desk import Desk
from helios_runtime.server.errands import Jobs
from helios_runtime.server.floor import Floor, Rules
from helios_runtime.server.loop import Loop
from helios_runtime.server.mail import Mail
from helios_runtime.server.metrics import Metrics, PrometheusMetrics
from helios_runtime.server.security import Keys, check_bind, full_address, guard, harden
from helios_runtime.server.store import Store
from helios_world.spec import World, WorldSpec

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

    from helios_runtime.server.settings import ServeSettings

_log = logging.getLogger(__name__)
_CLOSE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
Load = Callable[[str], World]


class Works(Jobs, Protocol):
    """An engine, with its beginning and its end."""

    def start(self) -> None: ...

    def close(self, *, timeout: float) -> None: ...

    @property
    def is_broken(self) -> bool: ...


class Server:
    """Serves one world to many clients.

    Args:
        load: opens a world by the name in the settings; called in the engine's thread. By default worlds of a
            checkpoint share its weights.
        engine: in place of the one that the settings describe.

    Raises:
        OptionError: an address that strangers can reach, without keys; or keys that cannot be read.
    """

    def __init__(self, settings: ServeSettings, load: Load | None = None, *, engine: Works | None = None) -> None:
        self.settings = settings
        self._bind = full_address(settings.bind)
        check_bind(self._bind, keys=settings.keys, insecure=settings.insecure)
        self._keys = None if settings.keys is None else Keys.read(settings.keys)
        self.metrics = PrometheusMetrics() if settings.metrics_port else Metrics()
        load = load or shared_opener(settings)
        self._engine = engine or self._make_engine(lambda name: load(settings.world))
        self._clerk = Clerk()
        self._store: Store | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._authenticator: ThreadAuthenticator | None = None
        self._loop: Loop | None = None
        self._address: str | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def address(self) -> str:
        """Where it listens, with the port that was taken if the settings leave it open."""
        assert self._address is not None, "the server has not been started"
        return self._address

    def start(self) -> None:
        """Open the world and listen. Returns when clients can connect.

        Raises:
            HeliosError: the world cannot be opened, or the folder of sessions not be used.
            zmq.ZMQError: the address cannot be bound.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def serve_forever(self) -> None:
        """Return when the server has been drained or closed, or when it can serve no more, which the log tells."""
        while not self._ended.wait(_LOOK_SECONDS):
            if self._engine.is_broken or (self._loop is not None and self._loop.is_broken):
                _log.critical("a thread of the server has ended; the next server can go on with its saved sessions")
                return

    def drain(self, seconds: float | None = None) -> bool:
        """Stop in order: finish what runs, save all sessions, tell the clients. In any thread.

        Args:
            seconds: that this may take; None for those of the settings.

        Returns:
            Whether there was enough time. Afterwards the server is closed.
        """
        loop = self._loop
        kept = loop is None or loop.drain(self.settings.drain_seconds if seconds is None else seconds)
        self.close()
        return kept

    def close(self) -> None:
        """Stop at once; sessions are only saved as far as they are already. Closing twice is allowed. In any thread."""
        with self._lock:
            if not self._ended.is_set():
                self._stop()
                self._ended.set()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        settings = self.settings
        if settings.state_dir is not None:
            self._store = Store(settings.state_dir)
        self._engine.start()
        self._clerk.start()
        spec = self._open_once()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        harden(self._socket, settings.max_message_mb << 20)
        if self._keys is not None:
            self._authenticator = guard(self._context, self._socket, self._keys)
        self._loop = Loop(self._socket, settings.max_message_mb << 20)
        self._socket.bind(self._bind)
        self._address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        floor = self._floor(self._loop, spec)
        self._show_figures(floor)
        self._loop.start(Desk(floor, spec))
        _log.info("serving %s at %s", spec.name, self.address)

    def _stop(self) -> None:
        """In an order in which nobody talks to somebody who is gone."""
        if self._loop is not None:
            self._loop.stop()
        self._engine.close(timeout=_CLOSE_SECONDS)
        self._clerk.close(_CLOSE_SECONDS)
        if self._authenticator is not None:
            self._authenticator.stop()
        if self._socket is not None:
            self._socket.close()
        if self._context is not None:
            self._context.term()
        self.metrics.close()
        if self._store is not None:
            self._store.close()

    def _open_once(self) -> WorldSpec:
        """Open a world and close it again, for its spec, and so that the first client does not wait for the weights."""
        opened: list[jobs.Outcome] = []
        is_open = threading.Event()

        def done(outcome: jobs.Outcome) -> None:
            opened.append(outcome)
            is_open.set()

        self._engine.submit(jobs.Open(seat="first", world=self.settings.world, done=done))
        is_open.wait()
        self._engine.submit(jobs.Close(seat="first"))
        error, spec = opened[0].error, opened[0].value
        if error is not None:
            raise error
        assert isinstance(spec, WorldSpec)
        return spec

    def _floor(self, loop: Loop, spec: WorldSpec) -> Floor:
        return Floor(
            rules=rules_of(self.settings, spec),
            engine=self._engine,
            clerk=self._clerk,
            mail=Mail(loop.send, self.metrics),
            metrics=self.metrics,
            post=loop.post,
            store=self._store,
        )

    def _show_figures(self, floor: Floor) -> None:
        engine, sessions, watch = self._engine, floor.sessions, self.metrics.watch

        def busy_seconds() -> float:
            since = engine.busy_since
            return 0.0 if since is None else time.monotonic() - since

        watch("helios_sessions", "Sessions that are open", lambda: len(sessions))
        watch("helios_queue_length", "Jobs that wait for the device", lambda: engine.queue_length)
        watch("helios_credits", "Chunks that streams may still begin", lambda: sum(each.credit for each in sessions))
        watch("helios_busy_seconds", "For how long the device computes the present step", busy_seconds)
        if isinstance(self.metrics, PrometheusMetrics):
            port = self.metrics.serve(self.settings.metrics_port)
            _log.info("metrics at http://127.0.0.1:%d/metrics", port)

    def _make_engine(self, load: Load) -> Works:
        from helios_runtime.server.engine import Engine

        settings = self.settings
        return Engine(
            load,
            max_batch=settings.max_batch,
            batch_wait=settings.batch_wait_ms / 1e3,
            metrics=self.metrics,
            recordings=settings.record_dir,
        )


def shared_opener(settings: ServeSettings) -> Load:
    """Opens the settings' world; reads weights at the first call, and once only."""
    begin: list[Callable[[], World]] = []

    def load(name: str) -> World:
        from helios_world.batch import opener

        if not begin:
            device, dtype, threads = settings.device, settings.dtype, settings.threads
            begin.append(opener(name, device=device, dtype=dtype, threads=threads, **settings.options))
        return begin[0]()

    return load


def rules_of(settings: ServeSettings, spec: WorldSpec) -> Rules:
    """What a server with these settings allows, and can do on this machine."""
    possible = {
        "jpeg": find_spec("PIL") is not None,
        "h264": find_spec("av") is not None,
        "stream": True,
        "progressive": True,
        "fork": True,
        "record": settings.record_dir is not None,
    }
    return Rules(
        worlds=(spec.name,),
        capabilities=tuple(name for name, can in possible.items() if can),
        server=f"helios-world/{version('helios-world')}",
        max_sessions=settings.max_sessions,
        max_message=settings.max_message_mb << 20,
        rate=settings.rate,
        idle_seconds=settings.idle_seconds,
        session_seconds=settings.session_seconds or None,
        resume_seconds=settings.resume_seconds,
    )
