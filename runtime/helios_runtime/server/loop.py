"""The thread that owns the socket: takes messages in, sends answers out, and never computes."""

from __future__ import annotations

import logging
import socket as sockets
import threading
import time
from collections import deque
from contextlib import suppress

import zmq

from helios_runtime.server.clerk import Task
from helios_runtime.server.desk import Desk
from helios_runtime.server.mail import Sent
from helios_runtime.server.sequence import Multipart
from helios_runtime.server.watch import Watch

_log = logging.getLogger(__name__)
_TICK_MS = 250
_RETRY_MS = 5
"""Between attempts to send what a connection had no room for; ZeroMQ does not tell when it has."""
_WATCH_SECONDS = 0.25
_LEEWAY = 16 << 20
"""Bytes that a connection may have sent beyond a whole message, for what is still on its way."""
_AT_ONCE = 64
"""Messages that are taken in before answers are looked after."""


class Loop:
    """Runs a desk on a ROUTER socket.

    Args:
        max_message: bytes of a message.
    """

    def __init__(self, socket: zmq.Socket[bytes], max_message: int) -> None:
        self._socket = socket
        self._watch = Watch(socket, max_message + _LEEWAY)
        self._watched_at = 0.0
        self._tasks: deque[Task] = deque()
        self._bell, self._ear = sockets.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._is_stopping = self._is_broken = False
        self._drain_until: float | None = None
        self._is_saved = False
        self._thread: threading.Thread | None = None

    def start(self, desk: Desk) -> None:
        self._thread = threading.Thread(target=self._run, args=(desk,), name="helios-io", daemon=True)
        self._thread.start()

    @property
    def is_broken(self) -> bool:
        """Whether its thread has ended by a fault. Nobody is answered any more."""
        return self._is_broken

    def post(self, task: Task) -> None:
        """Call a function in the loop's thread. From any thread; never blocks."""
        self._tasks.append(task)
        with suppress(OSError):  # it rings already, or the loop has ended
            self._bell.send(b"\0")

    def send(self, route: bytes, parts: Multipart) -> Sent:
        """In the loop's thread. Large parts are not copied."""
        try:
            self._socket.send_multipart([route, *parts], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return Sent.FULL
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                _log.error("a message for connection %s cannot be sent: %s", route.hex(), error)
            return Sent.GONE
        return Sent.AWAY

    def drain(self, seconds: float) -> bool:
        """Begin nothing new, save what there is, and stop; whether time was enough. From any thread but its own."""
        self._drain_until = time.monotonic() + seconds
        self.post(lambda: None)
        self._join()
        return self._is_saved

    def stop(self) -> None:
        """Stop at once. From any thread but its own."""
        self._is_stopping = True
        self.post(lambda: None)
        self._join()
        self._watch.close()
        self._bell.close()
        self._ear.close()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _run(self, desk: Desk) -> None:
        try:
            self._turn_around(desk)
        except Exception:
            self._is_broken = True
            _log.critical("the server's loop has stopped", exc_info=True)

    def _turn_around(self, desk: Desk) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._ear.fileno(), zmq.POLLIN)
        while not self._is_stopping:
            poller.poll(_RETRY_MS if desk.is_blocked else _TICK_MS)
            self._guard(self._do_tasks)
            self._take_messages(desk)
            self._guard(desk.tick)
            self._guard(lambda: self._look_around(desk))
            if self._drain_until is not None:
                self._guard(lambda: self._drain(desk))

    def _do_tasks(self) -> None:
        with suppress(BlockingIOError):
            self._ear.recv(4096)
        while self._tasks:
            self._tasks.popleft()()

    def _take_messages(self, desk: Desk) -> None:
        for _ in range(_AT_ONCE):
            try:
                route, *frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            except zmq.ZMQError as error:
                _log.error("a message cannot be taken in: %s", error)
                return
            self._watch.saw(route.bytes, frames[-1] if frames else route)
            self._guard(lambda: desk.receive(route.bytes, [frame.buffer for frame in frames]))  # noqa: B023
            if self._tasks:
                self._guard(self._do_tasks)

    def _look_around(self, desk: Desk) -> None:
        now = time.monotonic()
        if now - self._watched_at >= _WATCH_SECONDS:
            self._watched_at = now
            for route in self._watch.check():
                desk.leave(route)

    def _drain(self, desk: Desk) -> None:
        assert self._drain_until is not None
        self._is_saved = desk.drain()
        if self._is_saved or time.monotonic() > self._drain_until:
            desk.say_goodbye()
            self._is_stopping = True

    def _guard(self, call: Task) -> None:
        """Whatever goes wrong goes wrong for one message, not for the server."""
        try:
            call()
        except Exception:
            _log.exception("a fault in the server's loop")
