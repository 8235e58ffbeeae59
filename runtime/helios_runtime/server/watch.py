"""Knows which connections have ended, and cuts those that send one message without end.

ZeroMQ limits the size of a message's parts, but not their number, and keeps what came of a message until the last
part is there. So on Linux the kernel is asked how many bytes a connection has sent since its last whole message.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
import struct
import sys
from contextlib import suppress

import zmq
from zmq.utils.monitor import recv_monitor_message

_log = logging.getLogger(__name__)
_RECEIVED = struct.Struct("=Q")
_RECEIVED_AT = 128
"""Offset of tcpi_bytes_received in the tcp_info of Linux."""
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED


class Watch:
    """Looks at a ROUTER's connections. In the loop's thread, but for its beginning and end.

    Args:
        limit: bytes that may come of a message before it is whole.
    """

    def __init__(self, socket: zmq.Socket[bytes], limit: int) -> None:
        self._limit = limit
        self._received: dict[int, int] = {}
        self._whole: set[int] = set()
        self._routes: dict[int, bytes] = {}
        self._ended: list[bytes] = []
        self._socket = socket
        self._monitor: zmq.Socket[bytes] | None = socket.get_monitor_socket(_EVENTS)

    def saw(self, route: bytes, frame: zmq.Frame) -> None:
        """A whole message has come; `frame` is its last part."""
        try:
            handle = int(frame.get(zmq.SRCFD))
        except zmq.ZMQError:
            return
        self._whole.add(handle)
        if self._routes.get(handle) != route:
            # The handle may be that of a connection which has ended, and then that is known by now.
            self._note_changes()
            self._routes[handle] = route

    def check(self) -> list[bytes]:
        """Cut who has sent too much; gives the routes of connections that have ended. To be called now and then."""
        self._note_changes()
        if sys.platform == "linux":
            self._cut_endless()
        self._whole.clear()
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """In any thread, once the loop has ended."""
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._monitor = None

    def _cut_endless(self) -> None:
        for handle, before in list(self._received.items()):
            try:
                now = _bytes_received(handle)
            except OSError:  # no TCP, or just closed
                continue
            if handle in self._whole:
                self._received[handle] = now
            elif now - before > self._limit:
                _cut(handle)

    def _note_changes(self) -> None:
        while self._monitor is not None and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            handle = event["value"]
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._received[handle] = 0
            elif self._received.pop(handle, None) is not None and handle in self._routes:
                self._ended.append(self._routes.pop(handle))


def _bytes_received(handle: int) -> int:
    # A copy, so that this socket object owns a handle of its own.
    with sockets.socket(fileno=os.dup(handle)) as connection:
        info = connection.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, 256)
    return int(_RECEIVED.unpack_from(info, _RECEIVED_AT)[0]) if len(info) >= _RECEIVED_AT + _RECEIVED.size else 0


def _cut(handle: int) -> None:
    with suppress(OSError), sockets.socket(fileno=os.dup(handle)) as connection:
        _log.warning("the connection from %s is cut: it sends a message without end", connection.getpeername())
        connection.shutdown(sockets.SHUT_RDWR)
