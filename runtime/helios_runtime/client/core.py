"""A session with a server: numbers, epochs, and taking the session up again on another connection. No sockets.

Every method that talks is an exchange: a generator that asks for what it needs and gets events back.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from helios_runtime.client.chunks import Received
from helios_runtime.client.exchange import Exchange
from helios_runtime.client.failures import Dropped, Ended, failure, uses_up
from helios_runtime.client.line import Line, pauses
from helios_runtime.client.options import ClientOptions
from helios_runtime.client.talk import Answer, Request, SessionRequest, Talk
from helios_runtime.protocol.messages import ChunkMessage, Close, Done, ErrorMessage, Fork, Opened, Pong, Resume
from helios_world.errors import HeliosError, StateError
from helios_world.spec import WorldSpec

T = TypeVar("T")

_TRANSIENT = frozenset({"busy", "limit"})
_MOVED = frozenset({"route", "unknown_session", "draining", "gap"})
"""Nothing was done, and RESUME finds out what the matter is."""
_CLOSING_SECONDS = 1.0


class _WentBackError(StateError):
    """The server knows an older state only."""


class Session:
    """One session, over as many connections as it takes.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, options: ClientOptions, now: Callable[[], float]) -> None:
        self.options = options
        self.attachments = 0
        self.last_input = 0
        self._talk = Talk(options, now)
        self._now = now
        self._opened: Opened | None = None
        self._is_attached = False
        self._answered = self._asked = 0
        self._pending: Request | None = None
        self._over: str | None = None

    @property
    def line(self) -> Line:
        return self._talk.line

    @property
    def arrived(self) -> deque[Received]:
        """Stream mode: chunks that came and were not taken out yet, also those of reset()."""
        return self._talk.arrived

    @property
    def epoch(self) -> int:
        return self._talk.epoch

    @property
    def begins_at(self) -> int:
        """Index of the chunk that the server was to make next when the session came to its present connection."""
        assert self._opened is not None
        return self._opened.index

    @property
    def spec(self) -> WorldSpec:
        assert self._opened is not None
        return self._opened.world.spec()

    @property
    def sid(self) -> str:
        assert self._opened is not None
        return self._opened.sid

    def open(self) -> Exchange[None]:
        """Connect, and begin a session.

        Raises:
            ConnectionLostError: there is no server.
            HeliosError: what the server refuses.
        """
        deadline = self._now() + self.options.timeout
        nonce = secrets.token_hex(16)
        yield from self._insist(partial(self._open, nonce, deadline), deadline)

    def twin(self, opened: Opened) -> Session:
        """The session that a FORK has opened; it has yet to be attached to a connection of its own."""
        twin = Session(replace(self.options, record=False), self._now)
        twin._opened, twin._talk.sid, twin._talk.epoch = opened, opened.sid, opened.epoch
        twin._answered = twin._asked = opened.next_seq - 1
        return twin

    def attach(self) -> Exchange[None]:
        """Make sure that the session belongs to a connection of ours."""
        deadline = self._now() + self.options.timeout
        yield from self._insist(partial(self._attach, deadline), deadline)

    def ask(self, make: Callable[[int], SessionRequest], buffers: Sequence[bytes] = ()) -> Exchange[Answer]:
        """What the request with the session's next number gives. It is done once, whatever happens on the way.

        After a call that ran out of time or was interrupted, the same call again gets the answer of the first.

        Raises:
            RemoteTimeoutError: the server lives, but has not answered in time.
            ConnectionLostError: there is no server.
            StateError: the session is no more, or the server has gone back to an older state.
            HeliosError: what the server refuses.
        """
        deadline = self._now() + self.options.timeout
        if self._pending is not None and self._pending != Request(make(self._answered + 1), tuple(buffers)):
            yield from self._settle(deadline)
        self._pending = Request(make(self._answered + 1), tuple(buffers))
        return (yield from self._insist(partial(self._conclude, deadline), deadline))

    def listen(self, until: float) -> Exchange[ErrorMessage | None]:
        """Take what comes unasked, once: chunks go to `arrived`. An ERROR that answers nothing is returned.

        Raises:
            StateError: the session is no more.
        """
        try:
            return (yield from self._talk.listen(until))
        except Dropped as drop:
            self._drop(drop)
            return None
        except Ended as end:
            raise self._end(end) from None

    def ping(self) -> Exchange[Pong | None]:
        """How the server is; None if it does not say so in time."""
        deadline = self._now() + self.options.timeout
        return (yield from self._insist(partial(self._ping, deadline), deadline))

    def close(self) -> Exchange[None]:
        """Tell the server that the session is over, if that can be done quickly."""
        until = self._now() + min(self.options.timeout, _CLOSING_SECONDS)
        seq = self._asked + 1
        while self._is_attached and self._now() < until:
            try:
                answer = yield from self._talk.converse(Request(Close(sid=self.sid, seq=seq)), until)
            except (Dropped, Ended, HeliosError):
                return
            error = answer.message
            if not isinstance(error, ErrorMessage) or error.code not in ("gap", "busy"):
                return
            following = error.details.get("next_seq")
            seq = following if isinstance(following, int) else seq
            yield from self.line.pause(0.02, until + 1)

    def leave(self) -> Exchange[None]:
        """Tell the server that the session is over, and wait for nothing."""
        if self._is_attached:
            yield from self.line.send(Close(sid=self.sid, seq=self._asked + 1))

    def _insist(self, attempt: Callable[[], Exchange[T]], deadline: float) -> Exchange[T]:
        """Try on one connection after the other."""
        waits = pauses()
        while True:
            try:
                return (yield from attempt())
            except Dropped as drop:
                self._drop(drop)
            except Ended as end:
                raise self._end(end) from None
            yield from self.line.pause(next(waits), deadline)

    def _open(self, nonce: str, deadline: float) -> Exchange[None]:
        if not self.line.is_up:
            yield from self.line.connect(deadline)
        request = Request(self.options.open(self.line.number(), nonce))
        answer = yield from self._talk.converse(request, deadline)
        self._adopt(self._opened_of(answer))

    def _ping(self, deadline: float) -> Exchange[Pong | None]:
        yield from self._attach(deadline)
        return (yield from self.line.ping(deadline))

    def _attach(self, deadline: float) -> Exchange[None]:
        if self._over is not None:
            raise StateError(self._over)
        if self._is_attached and self.line.is_up:
            return
        assert self._opened is not None
        yield from self.line.connect(deadline)
        resume = Resume(sid=self.sid, seq=self.line.number(), token=self._opened.token, last_seq=self._answered)
        answer = yield from self._talk.converse(Request(resume), deadline)
        if isinstance(answer.message, ErrorMessage) and answer.message.code in ("auth", "unknown_session"):
            raise Ended(f"the server has lost the session ({answer.message.message}); connect again and reset()")
        self._adopt(self._opened_of(answer))

    def _opened_of(self, answer: Answer) -> Opened:
        message = answer.message
        if isinstance(message, Opened):
            return message
        assert isinstance(message, ErrorMessage)
        if message.code in ("draining", "route") or (message.code in _TRANSIENT and self._opened is not None):
            raise Dropped(message.message)
        raise failure(message)

    def _adopt(self, opened: Opened) -> None:
        """The session is on this connection now. Which number does the server expect next?"""
        if opened.next_seq > self._asked + 1:
            raise Ended("somebody else has used the session in the meantime; connect again")
        self._opened, self._talk.sid, self._talk.epoch = opened, opened.sid, opened.epoch
        self._is_attached = True
        self.attachments += 1
        went_back = opened.next_seq <= self._answered
        if went_back or self._pending is None:
            self._answered = self._asked = opened.next_seq - 1
        if went_back:
            self._pending = None
            raise _WentBackError(
                f"the server has gone back to an older state of this session, before chunk {opened.index}; what came "
                "after is undone there. The next call goes on from it"
            )

    def _settle(self, deadline: float) -> Exchange[None]:
        """Learn what became of an earlier request that nobody waits for any more."""
        try:
            yield from self._insist(partial(self._conclude, deadline), deadline)
        except HeliosError as error:
            if isinstance(error, _WentBackError) or self._pending is not None or self._over is not None:
                raise

    def _conclude(self, deadline: float) -> Exchange[Answer]:
        """The answer of the pending request, on the present connection or a new one."""
        waits = pauses()
        while True:
            yield from self._attach(deadline)
            if self._pending is None:
                raise StateError("the answer of this call is lost; the next call goes on from what the server has now")
            self._asked = max(self._asked, self._pending.message.seq)
            answer = yield from self._talk.converse(self._pending, deadline)
            if not isinstance(answer.message, ErrorMessage):
                return self._accept(answer)
            wait = max(next(waits), 0.01)
            will_pass = answer.message.code in _TRANSIENT and not isinstance(self._pending.message, Fork)
            if not will_pass or self._now() + wait >= deadline:
                raise self._refused(answer.message, will_pass)
            yield from self.line.pause(wait, deadline)

    def _accept(self, answer: Answer) -> Answer:
        self._done()
        if isinstance(answer.message, Done | ChunkMessage):
            self._talk.epoch = answer.message.epoch
        if answer.unreadable is not None:
            raise answer.unreadable
        if self.options.mode == "stream" and answer.received is not None:
            self.arrived.clear()
            self.arrived.append(answer.received)
        return answer

    def _refused(self, error: ErrorMessage, will_pass: bool) -> Exception:
        if error.code in _MOVED:
            return Dropped(error.message)
        if error.code == "stale":
            self._pending = None  # its number may be taken or not: RESUME tells
            return Dropped(error.message)
        if uses_up(error):
            self._done()
        elif not will_pass:
            self._pending = None
        return failure(error)

    def _done(self) -> None:
        assert self._pending is not None
        self._answered = self._pending.message.seq
        self._pending = None

    def _drop(self, drop: Dropped) -> None:
        """The connection is gone; the session is to be resumed on another one."""
        self._is_attached = False
        self.line.drop(str(drop))

    def _end(self, end: Ended) -> StateError:
        """No call will succeed any more."""
        self._over, self._is_attached = str(end), False
        return StateError(self._over)
