"""One connection after the other to the same server: greeting, heartbeats, and noticing that it is dead. No sockets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from helios_runtime.client.exchange import Exchange, Parted, Receive, Renew, Send
from helios_runtime.client.failures import Dropped, failure
from helios_runtime.client.options import ClientOptions
from helios_runtime.protocol import wire
from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.protocol.messages import ErrorMessage, Hello, Message, Ping, Pong, ServerMessage, Welcome
from helios_runtime.protocol.wire import Buffer
from helios_world.errors import ConnectionLostError, OptionError

Reply = tuple[ServerMessage, list[memoryview]]

_HEARTBEAT = 15.0
_DEAD = 3
"""Heartbeats, or times that a request could have been repeated, of silence: then a connection is taken for dead."""
_LONGEST_GREETING = 10.0


def pauses() -> Iterator[float]:
    """Seconds to wait before each new try."""
    yield 0.0
    for power in range(5):
        yield 0.05 * 2.0**power
    yield from itertools.repeat(2.0)


class Line:
    """The way to a server.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, options: ClientOptions, now: Callable[[], float]) -> None:
        self.welcome: Welcome | None = None
        self.pong: Pong | None = None
        self.is_up = False
        self.heard_at = self.pong_at = -math.inf
        self._options = options
        self._now = now
        self._sent_at = self._pinged_at = -math.inf
        self._waiting_since = math.inf
        self._numbers = itertools.count(1)
        self._reason = "nobody answers"

    def number(self) -> int:
        """For a message outside of any session."""
        return next(self._numbers)

    def connect(self, deadline: float) -> Exchange[None]:
        """A fresh connection, greeted.

        Raises:
            ConnectionLostError: none by the deadline.
            ProtocolError: no common version.
            OptionError: the server refuses the keys.
        """
        waits, patience = pauses(), self._options.retry_seconds
        while True:
            self.drop(self._reason)
            yield Renew()
            try:
                self.welcome = yield from self._greet(min(deadline, self._now() + patience))
                self.is_up = True
                return
            except Dropped as drop:
                self.drop(str(drop))
            yield from self.pause(next(waits), deadline)
            patience = min(2 * patience, max(patience, _LONGEST_GREETING))

    def drop(self, reason: str) -> None:
        """The connection is given up."""
        self.is_up, self._reason = False, reason
        self._waiting_since, self._sent_at, self._pinged_at = math.inf, self._now(), self._now()

    def pause(self, seconds: float, deadline: float) -> Exchange[None]:
        """Let some time go by; ConnectionLostError when it is over."""
        until = min(self._now() + seconds, deadline)
        while self._now() < until:
            yield Receive(until)
        if self._now() >= deadline:
            raise self.lost()

    def lost(self) -> ConnectionLostError:
        where, seconds = self._options.address, self._options.timeout
        hint = "is the server running, and are the address and the keys right?"
        return ConnectionLostError(f"no connection to {where} within {seconds:g} s ({self._reason}); {hint}")

    def send(self, message: Message, buffers: Sequence[Buffer] = ()) -> Exchange[None]:
        yield Send(wire.encode(message, buffers))
        self._sent_at = self._now()
        self._waiting_since = min(self._waiting_since, self._sent_at)

    def receive(self, until: float) -> Exchange[Reply | None]:
        """The next message; None when the time is over, for a PONG, or to look again.

        Raises:
            Dropped: the connection has ended, or is silent for too long.
            OptionError: the server refuses the keys.
        """
        while True:
            yield from self._ping()
            event = yield Receive(min(until, self._ping_at, self._dead_at))
            if isinstance(event, Parted):
                raise OptionError(event.reason) if event.refused else Dropped(event.reason)
            if event is None:
                if self._now() >= self._dead_at:
                    raise Dropped(f"nothing came for {self._now() - self._waiting_since:.0f} s")
                if self._now() >= until or self._now() < self._ping_at:
                    return None
                continue
            return self._read(event)

    def ping(self, deadline: float) -> Exchange[Pong | None]:
        """How the server is; None if it does not say so in time."""
        number = self.number()
        yield from self.send(Ping(n=number))
        while self._now() < deadline:
            yield from self.receive(deadline)
            if self.pong is not None and self.pong.n == number:
                return self.pong
        return None

    @property
    def _heartbeat(self) -> float:
        return _HEARTBEAT if self.welcome is None else self.welcome.heartbeat_s

    @property
    def _ping_at(self) -> float:
        """A PING is due when nothing came for a while, or nothing was sent for a heartbeat."""
        quiet = max(self.heard_at, self._pinged_at) + min(self._heartbeat / 3, self._options.retry_seconds / 2)
        return min(quiet, self._sent_at + self._heartbeat)

    @property
    def _dead_at(self) -> float:
        if not self.is_up:
            return math.inf  # a greeting has its own patience
        return self._waiting_since + _DEAD * min(self._heartbeat, self._options.retry_seconds)

    def _ping(self) -> Exchange[None]:
        if self._now() >= self._ping_at:
            self._pinged_at = self._now()
            yield from self.send(Ping(n=self.number()))

    def _read(self, parts: Sequence[memoryview]) -> Reply | None:
        self.heard_at, self._waiting_since = self._now(), math.inf
        try:
            message, buffers = wire.decode_server(parts)
        except ProtocolError:
            return None  # as the protocol wants it: a client drops what it cannot read
        if isinstance(message, Pong):
            self.pong, self.pong_at = message, self.heard_at
            return None
        return message, buffers

    def _greet(self, until: float) -> Exchange[Welcome]:
        hello = Hello(seq=self.number(), client=client_name())
        yield from self.send(hello)
        while self._now() < until:
            reply = yield from self.receive(until)
            message = None if reply is None else reply[0]
            if isinstance(message, Welcome) and message.seq == hello.seq:
                return message
            if isinstance(message, ErrorMessage) and message.seq in (hello.seq, None):
                if message.retryable:
                    raise Dropped(message.message)
                raise failure(message)
        raise Dropped("nobody answers the greeting")


def client_name() -> str:
    """For the server's log."""
    try:
        return f"helios-world/{version('helios-world')}"
    except PackageNotFoundError:
        return "helios-world"
