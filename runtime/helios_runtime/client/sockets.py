"""What both links share: a DEALER socket with its limits, one that tells how its connection fares, one that wakes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from socket import socketpair
from typing import TypeVar

import zmq

from helios_runtime.client.exchange import Parted
from helios_runtime.client.options import ClientOptions
from helios_runtime.protocol.wire import MAX_MESSAGE
from helios_world.errors import OptionError

S = TypeVar("S", bound=zmq.Socket)  # type: ignore[type-arg]  # of whatever kind the context makes

_HEARTBEAT_MS, _HEARTBEAT_TIMEOUT_MS = 10_000, 60_000
_SEND_QUEUE, _RECEIVE_QUEUE = 64, 64
_WATCHED = zmq.Event.DISCONNECTED | zmq.Event.HANDSHAKE_FAILED_AUTH
_EVENT = struct.Struct("=HI")


class Waker:
    """Ends another thread's wait on sockets: what is written into one end of a pair wakes who polls the other."""

    def __init__(self) -> None:
        self.socket, self._end = socketpair()
        self.socket.setblocking(False)
        self._end.setblocking(False)

    def wake(self) -> None:
        """From any thread."""
        # A full buffer means that a wake-up is under way already.
        with suppress(OSError):
            self._end.send(b"\0")

    def rest(self) -> None:
        """Take all wake-ups that came."""
        with suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass

    def close(self) -> None:
        self.socket.close()
        self._end.close()


def open_socket(context: zmq.Context[S], options: ClientOptions) -> tuple[S, S]:
    """A DEALER that connects to the server, and the PAIR that tells of its connection. Nothing here waits.

    Raises:
        OptionError: an address or keys that cannot be.
    """
    socket = context.socket(zmq.DEALER)
    monitor: S | None = None
    try:
        _limit(socket)
        if options.keys is not None:
            socket.curve_publickey, socket.curve_secretkey = options.keys.public, options.keys.secret
            socket.curve_serverkey = options.keys.server
        monitor = socket.get_monitor_socket(_WATCHED)
        socket.connect(full_address(options.address))
    except (zmq.ZMQError, TypeError, ValueError) as error:
        close_socket(socket, monitor)
        raise OptionError(f"cannot connect to {options.address!r}: {error}") from error
    return socket, monitor


def close_socket(socket: S, monitor: S | None, linger_ms: int = 0) -> None:
    """Both; what was sent may have that long to go out, beside everything else."""
    if socket.closed:
        return
    socket.disable_monitor()
    if monitor is not None:
        monitor.close(linger=0)
    socket.close(linger=linger_ms)


def full_address(address: str) -> str:
    """`address` with its scheme: "127.0.0.1:5555" is "tcp://127.0.0.1:5555"."""
    return address if "://" in address else f"tcp://{address}"


def read_event(parts: Sequence[bytes]) -> Parted:
    """What the monitor says."""
    event, _ = _EVENT.unpack(parts[0])
    if event == zmq.Event.HANDSHAKE_FAILED_AUTH:
        return Parted("the server does not accept this client's keys", refused=True)
    return Parted("the connection has ended")


def _limit(socket: S) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
    socket.setsockopt(zmq.SNDHWM, _SEND_QUEUE)
    socket.setsockopt(zmq.RCVHWM, _RECEIVE_QUEUE)
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
