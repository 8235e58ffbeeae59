"""The socket of an asynchronous client, and exchanges run over it. In one event loop, used by one task at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress

import zmq
import zmq.asyncio

from helios_runtime.client.exchange import Command, Event, Exchange, Receive, Renew, Send, T
from helios_runtime.client.options import ClientOptions
from helios_runtime.client.sockets import Waker, close_socket, open_socket, read_event


class AsyncLink:
    """As `Link`, in an event loop."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._context = zmq.asyncio.Context.instance()
        self._socket: zmq.asyncio.Socket | None = None
        self._monitor: zmq.asyncio.Socket | None = None
        self._waker: Waker | None = None

    async def run(self, exchange: Exchange[T]) -> T:
        event: Event = None
        try:
            while True:
                event = await self.perform(exchange.send(event))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            exchange.close()

    async def run_until(self, exchange: Exchange[object], until: Callable[[], float]) -> None:
        event: Event = None
        while True:
            command = exchange.send(event)
            event = await self.perform(command, until())
            if isinstance(command, Receive) and event is None and time.monotonic() >= until():
                return

    async def perform(self, command: Command, until: float = math.inf) -> Event:
        match command:
            case Send():
                with suppress(zmq.Again):
                    if self._socket is not None:
                        await self._socket.send_multipart(command.parts, zmq.NOBLOCK)
            case Receive():
                return await self._receive(min(command.until, until))
            case Renew():
                if self._socket is not None:
                    close_socket(self._socket, self._monitor)
                self._socket, self._monitor = open_socket(self._context, self._options)
        return None

    def wake(self) -> None:
        if self._waker is not None:
            self._waker.wake()

    def make_wakeable(self) -> None:
        if self._waker is None:
            self._waker = Waker()

    def close(self) -> None:
        if self._socket is not None:
            close_socket(self._socket, self._monitor)
        if self._waker is not None:
            self._waker.close()

    async def _receive(self, until: float) -> Event:
        while True:
            event = await self._take()
            seconds = until - time.monotonic()
            if event is not None or seconds <= 0:
                return event
            if await self._wait(seconds):
                return None

    async def _take(self) -> Event:
        assert self._socket is not None
        assert self._monitor is not None
        try:
            return read_event(await self._monitor.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            pass
        try:
            return [frame.buffer for frame in await self._socket.recv_multipart(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return None

    async def _wait(self, seconds: float) -> bool:
        poller = zmq.asyncio.Poller()
        wakes = None if self._waker is None else self._waker.socket
        for watched in (self._socket, self._monitor, wakes):
            if watched is not None:
                poller.register(watched, zmq.POLLIN)
        ready = dict(await poller.poll(-1 if seconds == math.inf else math.ceil(1e3 * seconds)))
        if self._waker is None or not {self._waker.socket, self._waker.socket.fileno()} & set(ready):
            return False
        self._waker.rest()
        return True
