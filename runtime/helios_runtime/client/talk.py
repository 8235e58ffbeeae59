"""Requests and their answers on the present connection, and what comes unasked in between. No sockets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel

from helios_runtime.client.chunks import Assembly, Received
from helios_runtime.client.exchange import Exchange
from helios_runtime.client.failures import Dropped, Ended
from helios_runtime.client.line import Line, Reply
from helios_runtime.client.options import ClientOptions
from helios_runtime.protocol.messages import (
    Bye,
    ChunkMessage,
    Close,
    Closed,
    Done,
    ErrorMessage,
    Fork,
    Open,
    Opened,
    Prompt,
    Record,
    Reset,
    Restore,
    Resume,
    ServerMessage,
    SnapshotRequest,
    State,
    Step,
)
from helios_world.errors import HeliosError, RemoteTimeoutError

SessionRequest = Reset | Step | Prompt | SnapshotRequest | Restore | Fork | Record

_ANSWERS: Mapping[type[BaseModel], type[BaseModel]] = MappingProxyType(
    {
        Open: Opened,
        Resume: Opened,
        Fork: Opened,
        Reset: ChunkMessage,
        Step: ChunkMessage,
        SnapshotRequest: State,
        Prompt: Done,
        Restore: Done,
        Record: Done,
        Close: Closed,
    }
)
_MOST_ARRIVED = 8


@dataclass(frozen=True, slots=True)
class Request:
    """A request under way; a repetition sends exactly this."""

    message: SessionRequest | Open | Resume | Close
    buffers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a request gave.

    Args:
        message: the last one of the answer; may be an ErrorMessage.
        received: the chunk, if it is one.
        unreadable: why the chunk cannot be decoded.
    """

    message: ServerMessage
    buffers: Sequence[memoryview] = ()
    received: Received | None = None
    unreadable: HeliosError | None = None


class Talk:
    """Speaks for one session.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, options: ClientOptions, now: Callable[[], float]) -> None:
        self.line = Line(options, now)
        self.sid: str | None = None
        self.epoch = 0
        self.arrived: deque[Received] = deque(maxlen=_MOST_ARRIVED)
        self._options = options
        self._now = now
        self._answer, self._streamed = Assembly(), Assembly()

    def converse(self, request: Request, deadline: float) -> Exchange[Answer]:
        """Send the request until its answer comes.

        Raises:
            RemoteTimeoutError: it has not come by the deadline.
            Dropped: the connection is of no use any more.
            Ended: the session is no more.
        """
        while True:
            sent_at = self._now()
            yield from self.line.send(request.message, request.buffers)
            answer = yield from self._await_answer(request, sent_at, deadline)
            if answer is not None:
                return answer
            if self._now() >= deadline:
                raise self._timeout(request, sent_at)

    def listen(self, until: float) -> Exchange[ErrorMessage | None]:
        """Take what comes unasked, once: chunks go to `arrived`. An ERROR that answers nothing is returned."""
        reply = yield from self._next(until)
        message = None if reply is None else reply[0]
        if isinstance(message, ErrorMessage) and message.seq is None and message.sid == self.sid:
            return message
        return None

    def _await_answer(self, request: Request, sent_at: float, deadline: float) -> Exchange[Answer | None]:
        """None when it is time to send the request again: the server is heard, but the answer did not come."""
        again_at = sent_at + self._options.retry_seconds
        while (now := self._now()) < deadline:
            if now >= again_at and self.line.heard_at > sent_at:
                return None
            reply = yield from self._next(min(deadline, again_at if now < again_at else deadline))
            answer = None if reply is None else self._match(request, reply)
            if answer is not None:
                return answer
        return None

    def _match(self, request: Request, reply: Reply) -> Answer | None:
        message, buffers = reply
        if getattr(message, "seq", None) != request.message.seq:
            return None
        if isinstance(message, ErrorMessage):
            return Answer(message)
        if not isinstance(message, _ANSWERS[type(request.message)]):
            return None
        if not isinstance(message, ChunkMessage):
            return Answer(message, buffers)
        try:
            received = self._answer.add(message, buffers, self._now())
        except HeliosError as error:
            return Answer(message, unreadable=error)
        return None if received is None else Answer(message, received=received)

    def _next(self, until: float) -> Exchange[Reply | None]:
        """The next message that may be an answer."""
        reply = yield from self.line.receive(until)
        if reply is None:
            return None
        message, buffers = reply
        owner = getattr(message, "parent", None) or getattr(message, "sid", None)
        if self.sid is not None and owner not in (None, self.sid):
            return None
        if isinstance(message, Bye):
            _leave(message)
        if isinstance(message, ChunkMessage) and message.seq is None:
            self._take_streamed(message, buffers)
            return None
        return reply

    def _take_streamed(self, message: ChunkMessage, buffers: list[memoryview]) -> None:
        received = None
        if message.epoch == self.epoch:
            received = self._streamed.add(message, buffers, self._now())
        if received is not None:
            self.arrived.append(received)

    def _timeout(self, request: Request, sent_at: float) -> Exception:
        if self.line.heard_at <= sent_at:
            return Dropped(f"nothing came for {self._now() - sent_at:.1f} s")
        pong, waiting = self.line.pong, ""
        if pong is not None and pong.busy_since is not None:
            waiting = f"; it has been computing for {pong.busy_since:.1f} s, and {pong.queue} requests wait"
        return RemoteTimeoutError(
            f"no answer to {request.message.t} from {self._options.address} within {self._options.timeout:g} s"
            f"{waiting}. The same call again waits for the same answer"
        )


def _leave(message: Bye) -> None:
    if message.reason == "replaced":
        raise Ended("the session was taken over by another connection; connect again for one of your own")
    if message.sid is not None and not message.resumable:
        raise Ended(f"the server has ended the session ({message.reason}); connect again and reset()")
    raise Dropped(f"the server says goodbye: {message.reason}")
