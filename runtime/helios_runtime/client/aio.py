"""The asynchronous twin of `helios_runtime.client`: the same names, to be awaited."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING

from helios_runtime.client import calls
from helios_runtime.client.aiolink import AsyncLink
from helios_runtime.client.chunks import Received
from helios_runtime.client.core import Session
from helios_runtime.client.exchange import Exchange, T
from helios_runtime.client.inputs import RemoteInputs
from helios_runtime.client.options import ClientOptions, ConnectOptions
from helios_runtime.client.playback import Playback, ShownFrame, StreamFigures
from helios_runtime.protocol.messages import Pong, Welcome
from helios_world.errors import StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames, WorldSpec

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncFramePlayer", "AsyncRemoteWorld", "connect"]

_LONGEST_WAIT = 0.1


async def connect(address: str, **options: Unpack[ConnectOptions]) -> AsyncRemoteWorld:
    """As `helios_runtime.client.connect`.

    >>> async with await connect("tcp://127.0.0.1:5555") as world:
    ...     chunk = await world.reset(seed=7)
    """
    session = Session(ClientOptions(address, **options), time.monotonic)
    link = AsyncLink(session.options)
    try:
        await link.run(session.open())
    except BaseException:
        link.close()
        raise
    return AsyncRemoteWorld(session, link)


class AsyncRemoteWorld:
    """A world in another process, in one event loop and used by one task at a time; as `RemoteWorld`."""

    def __init__(self, session: Session, link: AsyncLink) -> None:
        self._session = session
        self._link = link
        self._spec = session.spec
        self._is_busy = self._is_closed = False
        self._live: tuple[Callable[[], Exchange[None]], Exchange[None]] | None = None
        self._newest: Received | None = None

    @property
    def spec(self) -> WorldSpec:
        return self._spec

    @property
    def server(self) -> Welcome:
        """What the server says of itself."""
        assert self._session.line.welcome is not None
        return self._session.line.welcome

    @property
    def newest(self) -> Received | None:
        """The last chunk of reset() or step(), with what the server says of its making."""
        return self._newest

    async def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        return await self._chunk(calls.reset(self._session, seed=seed, prompt=prompt, image=image, video=video))

    async def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        return await self._chunk(calls.step(self._session, action, prompt))

    async def prepare(self) -> None:
        """Nothing: the server prepares its worlds by itself."""

    async def say(self, prompt: str) -> None:
        await self._run(calls.say(self._session, prompt))

    async def snapshot(self) -> Snapshot:
        return await self._run(calls.snapshot(self._session))

    async def restore(self, state: Snapshot) -> None:
        await self._run(calls.restore(self._session, state))

    async def fork(self) -> AsyncRemoteWorld:
        twin = await self._run(calls.fork(self._session))
        link = AsyncLink(twin.options)
        try:
            await link.run(twin.attach())
        except BaseException:
            link.close()
            raise
        return AsyncRemoteWorld(twin, link)

    async def record(self, on: bool = True) -> str | None:
        return await self._run(calls.record(self._session, on))

    async def ping(self) -> Pong | None:
        return await self._run(self._session.ping())

    def stream(self, fps: float | None = None) -> AsyncFramePlayer:
        self._require_open()
        self._link.make_wakeable()
        return AsyncFramePlayer(Playback(self._session, self._link.wake, fps), self)

    async def close(self) -> None:
        if self._is_closed:
            return
        with self._my_turn():
            self._is_closed = True
            try:
                await self._link.run(self._session.close())
            finally:
                self._link.close()

    async def go_on(self, begin: Callable[[], Exchange[None]], until: Callable[[], float]) -> None:
        """Go on with an endless exchange for so long, or begin it anew. For players."""
        self._require_open()
        with self._my_turn():
            live = self._live[1] if self._live is not None and self._live[0] == begin else begin()
            self._live = None
            await self._link.run_until(live, until)
            self._live = begin, live

    async def __aenter__(self) -> AsyncRemoteWorld:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        with suppress(BaseException):
            self._link.close()

    async def _chunk(self, exchange: Exchange[Received]) -> Chunk:
        self._newest = await self._run(exchange)
        return self._newest.chunk

    async def _run(self, exchange: Exchange[T]) -> T:
        self._require_open()
        with self._my_turn():
            self._live = None
            return await self._link.run(exchange)

    def _require_open(self) -> None:
        if self._is_closed:
            raise StateError("the world is closed; connect again")

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        if self._is_busy:
            raise StateError("another task is using this world; fork() gives one of its own, or take turns")
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False


class AsyncFramePlayer:
    """The frames of a streamed world, each at its time; as `FramePlayer`."""

    def __init__(self, playback: Playback, world: AsyncRemoteWorld) -> None:
        self._playback = playback
        self._world = world

    @property
    def inputs(self) -> RemoteInputs:
        return self._playback.inputs

    async def poll(self) -> ShownFrame | None:
        return await self._polled(lambda: 0.0)

    async def wait(self, most: float) -> ShownFrame | None:
        until = time.monotonic() + most
        shown = await self.poll()
        while (shown is None or not shown.is_new) and time.monotonic() < until:
            shown = await self._polled(lambda: self._playback.next_at(until))
        return shown

    async def __aiter__(self) -> AsyncIterator[ShownFrame]:
        while True:
            shown = await self.wait(_LONGEST_WAIT)
            if shown is not None and shown.is_new:
                yield shown

    def pause(self) -> None:
        self._playback.pause()

    def resume(self) -> None:
        self._playback.resume()

    def figures(self) -> StreamFigures:
        return self._playback.figures()

    async def _polled(self, until: Callable[[], float]) -> ShownFrame | None:
        await self._world.go_on(self._playback.live, until)
        shown = self._playback.poll()
        if shown is not None and shown.is_new:
            await self._world.go_on(self._playback.live, lambda: 0.0)
        return shown
