"""The socket of an asynchronous client, and exchanges run over it. In one event loop, used by one task at a time."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import zmq
import zmq.asyncio

from helios_runtime.client.exchange import Command, Event, Exchange, Receive, Renew, Send, T
from helios_runtime.client.options import ClientOptions
from helios_runtime.client.sockets import close_socket, open_socket, read_event


class AsyncLink:
    """As `Link`, in an event loop."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._context = zmq.asyncio.Context.instance()
        self._socket: zmq.asyncio.Socket | None = None
        self._monitor: zmq.asyncio.Socket | None = None
        self._wakes: socket.socket | None = None
        self._waker: socket.socket | None = None

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
        with suppress(OSError):
            if self._waker is not None:
                self._waker.send(b"\0")

    def make_wakeable(self) -> None:
        if self._wakes is None:
            self._wakes, self._waker = socket.socketpair()
            self._wakes.setblocking(False)
            self._waker.setblocking(False)

    def close(self) -> None:
        if self._socket is not None:
            close_socket(self._socket, self._monitor)
        for end in (self._wakes, self._waker):
            if end is not None:
                end.close()

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
        for watched in (self._socket, self._monitor, self._wakes):
            if watched is not None:
                poller.register(watched, zmq.POLLIN)
        ready = dict(await poller.poll(-1 if seconds == math.inf else math.ceil(1e3 * seconds)))
        if self._wakes is None or not {self._wakes, self._wakes.fileno()} & set(ready):
            return False
        with suppress(BlockingIOError):
            while self._wakes.recv(4096):
                pass
        return True
