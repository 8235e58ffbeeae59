"""A world in another process, as a World. No torch."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from helios_runtime.client import calls
from helios_runtime.client.chunks import Received
from helios_runtime.client.core import Session
from helios_runtime.client.exchange import Exchange, T
from helios_runtime.client.link import Link
from helios_runtime.client.options import ClientOptions, ConnectOptions
from helios_runtime.protocol.messages import Pong, Welcome
from helios_world.errors import StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames, World, WorldSpec

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from helios_runtime.client.player import FramePlayer

_FAREWELL_MS = 200


def connect(address: str, **options: Unpack[ConnectOptions]) -> RemoteWorld:
    """Open a world that a server has at `address`, such as "tcp://127.0.0.1:5555".

    >>> with connect("tcp://127.0.0.1:5555") as world:
    ...     chunk = world.reset(seed=7)

    Args:
        options: world, mode, encoding, quality, progressive, record, timeout, retry_seconds, keys; `ClientOptions` says
            what they mean.

    Raises:
        ConnectionLostError: nobody answers there.
        ServerError: no room for another session.
        OptionError: something that cannot be, or that the server does not offer.
    """
    session = Session(ClientOptions(address, **options), time.monotonic)
    link = Link(session.options)
    try:
        link.run(session.open())
    except BaseException:
        link.close()
        raise
    return RemoteWorld(session, link)


class RemoteWorld(World):
    """A world in another process; `connect` opens one. Used by one thread at a time.

    Every call takes at most `timeout` seconds. Connections that break and answers that are lost are made up for while
    a call is under way, and a world never steps twice for one call.

    Besides what a world in this process raises there are RemoteTimeoutError and ConnectionLostError, after which the
    same call again goes on where this one ended, and ServerError. A StateError also tells that the server has lost the
    session.
    """

    def __init__(self, session: Session, link: Link) -> None:
        self._session = session
        self._link = link
        self._spec = session.spec
        self._owner = os.getpid()
        self._turn = threading.Lock()
        self._live: tuple[Callable[[], Exchange[None]], Exchange[None]] | None = None
        self._newest: Received | None = None
        self._is_closed = False

    @property
    def spec(self) -> WorldSpec:
        return self._spec

    @property
    def server(self) -> Welcome:
        """What the server says of itself: worlds, capabilities, limits."""
        assert self._session.line.welcome is not None
        return self._session.line.welcome

    @property
    def newest(self) -> Received | None:
        """The last chunk of reset() or step(), with what the server says of its making."""
        return self._newest

    def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        return self._chunk(calls.reset(self._session, seed=seed, prompt=prompt, image=image, video=video))

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        return self._chunk(calls.step(self._session, action, prompt))

    def prepare(self) -> None:
        """Nothing: the server prepares its worlds by itself."""

    def say(self, prompt: str) -> None:
        """Change the prompt of the chunks from the next one on."""
        self._run(calls.say(self._session, prompt))

    def snapshot(self) -> Snapshot:
        return self._run(calls.snapshot(self._session))

    def restore(self, state: Snapshot) -> None:
        self._run(calls.restore(self._session, state))

    def fork(self) -> RemoteWorld:
        """A second world in the same state, with a connection of its own, for any thread."""
        twin = self._run(calls.fork(self._session))
        link = Link(twin.options)
        try:
            link.run(twin.attach())
        except BaseException:
            link.close()
            raise
        return RemoteWorld(twin, link)

    def record(self, on: bool = True) -> str | None:
        """Begin or end a recording on the server; the name of the video there."""
        return self._run(calls.record(self._session, on))

    def ping(self) -> Pong | None:
        """How the server is, even while its device computes; None if it does not answer in time."""
        return self._run(self._session.ping())

    def stream(self, fps: float | None = None) -> FramePlayer:
        """Show the world frame by frame while the server makes it. After reset(), in stream mode.

        Args:
            fps: frames per second to show; None for the world's own.

        Raises:
            StateError: the session is not in stream mode, or has not begun.
        """
        from helios_runtime.client.playback import Playback
        from helios_runtime.client.player import FramePlayer

        self._require_open()
        self._link.make_wakeable()
        return FramePlayer(Playback(self._session, self._link.wake, fps), self._go_on)

    def close(self) -> None:
        """End the session. Waits for the server for at most a second."""
        if self._is_closed or os.getpid() != self._owner:
            return
        with self._my_turn():
            self._is_closed = True
            try:
                self._link.run(self._session.close())
            finally:
                self._link.close()

    def __enter__(self) -> RemoteWorld:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Whatever is left of the interpreter by now; nobody waits, and nobody is told.
        with suppress(BaseException):
            if not self._is_closed and os.getpid() == self._owner:
                self._is_closed = True
                self._link.run(self._session.leave())
                self._link.close(_FAREWELL_MS)

    def _chunk(self, exchange: Exchange[Received]) -> Chunk:
        self._newest = self._run(exchange)
        return self._newest.chunk

    def _run(self, exchange: Exchange[T]) -> T:
        self._require_open()
        with self._my_turn():
            # What a player was waiting for is looked at anew after this.
            self._live = None
            return self._link.run(exchange)

    def _require_open(self) -> None:
        if self._is_closed:
            raise StateError("the world is closed; connect again")

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if os.getpid() != self._owner:
            raise StateError("this world belongs to the process that connected; connect again in this one")
        if not self._turn.acquire(blocking=False):
            raise StateError("another thread is using this world; fork() gives one of its own, or take turns")
        try:
            yield
        finally:
            self._turn.release()

    def _go_on(self, begin: Callable[[], Exchange[None]], until: Callable[[], float]) -> None:
        """Go on with an endless exchange for so long, or begin it anew."""
        self._require_open()
        with self._my_turn():
            live = self._live[1] if self._live is not None and self._live[0] == begin else begin()
            self._live = None  # whatever it raises, it is over then
            self._link.run_until(live, until)
            self._live = begin, live
