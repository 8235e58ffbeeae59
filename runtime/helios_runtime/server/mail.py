"""Messages on their way out. What a connection has no room for waits with its session; nothing ever blocks."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from helios_runtime.protocol import wire
from helios_runtime.protocol.messages import ErrorMessage, Message
from helios_runtime.server.metrics import Metrics
from helios_runtime.server.sequence import Multipart
from helios_runtime.server.sessions import Session


class Sent(Enum):
    """What became of a message."""

    AWAY = auto()
    FULL = auto()
    """The connection does not take it now."""
    GONE = auto()
    """There is no such connection any more."""


Send = Callable[[bytes, Multipart], Sent]


class Mail:
    """Sends to connections and sessions."""

    def __init__(self, send: Send, metrics: Metrics) -> None:
        self._send = send
        self._metrics = metrics
        self._blocked: set[Session] = set()

    @property
    def blocked(self) -> bool:
        """Whether something waits for room."""
        return bool(self._blocked)

    def tell(self, route: bytes | None, message: Message) -> None:
        """Send what may be lost: nobody waits for it, or it can be asked for again."""
        self._count_error(message)
        self.pass_on(route, wire.encode(message))

    def pass_on(self, route: bytes | None, parts: Multipart) -> None:
        """`tell` for a message that is encoded already."""
        if route is not None:
            self._try(route, parts)

    def deliver(self, session: Session, *messages: Multipart) -> None:
        """Send to a session's connection, as soon as that has room. Without a connection they are dropped."""
        if session.route is not None:
            session.outbox.extend(messages)
            self._flush(session)

    def retry(self) -> list[Session]:
        """Try again what had no room; gives the sessions that have nothing left."""
        waiting = list(self._blocked)
        for session in waiting:
            self._flush(session)
        return [session for session in waiting if session not in self._blocked]

    def error(self, route: bytes | None, message: ErrorMessage, session: Session | None = None) -> Multipart:
        """Deliver or tell an ERROR; gives its parts."""
        self._count_error(message)
        parts = wire.encode(message)
        if session is not None:
            self.deliver(session, parts)
        else:
            self.pass_on(route, parts)
        return parts

    def _flush(self, session: Session) -> None:
        self._blocked.discard(session)
        while session.outbox and session.route is not None:
            sent = self._try(session.route, session.outbox[0])
            if sent is Sent.FULL:
                self._blocked.add(session)
                return
            if sent is Sent.GONE:
                session.detach()
                return
            session.outbox.popleft()

    def _try(self, route: bytes, parts: Multipart) -> Sent:
        sent = self._send(route, parts)
        if sent is Sent.AWAY:
            self._metrics.sent(sum(memoryview(part).nbytes for part in parts))
        return sent

    def _count_error(self, message: Message) -> None:
        if isinstance(message, ErrorMessage):
            self._metrics.error(message.code)
