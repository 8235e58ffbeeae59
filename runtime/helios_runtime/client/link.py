"""The socket of a synchronous client, and exchanges run over it. Used by one thread at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress

import zmq

from helios_runtime.client.exchange import Command, Event, Exchange, Receive, Renew, Send, T
from helios_runtime.client.options import ClientOptions
from helios_runtime.client.sockets import Waker, close_socket, open_socket, read_event


class Link:
    """One DEALER after the other to the same server."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._waker: Waker | None = None

    def run(self, exchange: Exchange[T]) -> T:
        """Do all that the exchange asks for; its value."""
        event: Event = None
        try:
            while True:
                event = self.perform(exchange.send(event))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            exchange.close()

    def run_until(self, exchange: Exchange[object], until: Callable[[], float]) -> None:
        """Go on with an exchange for so long, which may change on the way, and leave it waiting."""
        event: Event = None
        while True:
            command = exchange.send(event)
            event = self.perform(command, until())
            if isinstance(command, Receive) and event is None and time.monotonic() >= until():
                return

    def perform(self, command: Command, until: float = math.inf) -> Event:
        match command:
            case Send():
                self._send(command)
            case Receive():
                return self._receive(min(command.until, until))
            case Renew():
                self._renew()
        return None

    def wake(self) -> None:
        """End a wait that is under way or comes next. From any thread, once `make_wakeable` was called."""
        if self._waker is not None:
            self._waker.wake()

    def make_wakeable(self) -> None:
        if self._waker is None:
            self._waker = Waker()

    def close(self, linger_ms: int = 0) -> None:
        """Close everything at once; what was sent may have that long to go out, beside everything else."""
        if self._socket is not None:
            close_socket(self._socket, self._monitor, linger_ms)
        if self._waker is not None:
            self._waker.close()

    def _send(self, command: Send) -> None:
        with suppress(zmq.Again):
            if self._socket is not None:
                self._socket.send_multipart(command.parts, zmq.NOBLOCK)

    def _renew(self) -> None:
        if self._socket is not None:
            close_socket(self._socket, self._monitor)
        self._socket, self._monitor = open_socket(self._context, self._options)

    def _receive(self, until: float) -> Event:
        while True:
            event = self._take()
            seconds = until - time.monotonic()
            if event is not None or seconds <= 0:
                return event
            if self._wait(seconds):
                return None

    def _take(self) -> Event:
        """What is there already; the end of a connection before its messages, which are repeated on the next one."""
        assert self._socket is not None
        assert self._monitor is not None
        try:
            return read_event(self._monitor.recv_multipart(zmq.NOBLOCK))
        except zmq.Again:
            pass
        try:
            return [frame.buffer for frame in self._socket.recv_multipart(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return None

    def _wait(self, seconds: float) -> bool:
        """Sleep until something comes; whether that was a wake-up."""
        poller = zmq.Poller()
        wakes = None if self._waker is None else self._waker.socket
        for watched in (self._socket, self._monitor, wakes):
            if watched is not None:
                poller.register(watched, zmq.POLLIN)
        ready = dict(poller.poll(None if seconds == math.inf else math.ceil(1e3 * seconds)))
        if self._waker is None or self._waker.socket.fileno() not in ready:
            return False
        self._waker.rest()
        return True
