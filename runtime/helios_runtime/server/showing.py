"""Chunks on their way to a session: encoded and sent, whole or as they are decoded. In the loop's thread.

Encoding is the clerk's work, except where there is nothing to encode; either way the pieces leave in order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial

from helios_runtime.server.answers import Delivery, chunk_messages, group_messages
from helios_runtime.server.clerk import Task
from helios_runtime.server.errors import explain
from helios_runtime.server.floor import Floor
from helios_runtime.server.sequence import Multipart
from helios_runtime.server.sessions import Session
from helios_world.pending import PendingChunk
from helios_world.spec import Chunk

_log = logging.getLogger(__name__)
Lose = Callable[[Session, "Multipart | None"], None]


def _nothing() -> None:
    pass


class Showing:
    """Sends chunks.

    Args:
        idle: called when a chunk of a session has been dealt with.
        lose: gives up a session, given the answer of its request, None in stream mode.
    """

    def __init__(self, floor: Floor, idle: Callable[[Session], None], lose: Lose) -> None:
        self._floor, self._idle, self._lose = floor, idle, lose

    def show(
        self, session: Session, value: Chunk | PendingChunk, delivery: Delivery, since: float | None = None
    ) -> None:
        """Send a chunk, as soon as there is something of it.

        Args:
            since: stream mode: when it was allowed.
        """
        session.encoding_now += 1
        way = _Way(self._floor, session, delivery, since, self._arrived)
        if isinstance(value, Chunk):
            way.whole(value)
            return
        post, begin = self._floor.post, value.first_frame
        value.watch(
            lambda group: post(partial(way.group, group, begin)), lambda outcome: post(partial(way.decoded, outcome))
        )

    def _arrived(self, session: Session, seq: int | None, error: Exception | None, is_lost: bool) -> None:
        """All that will be sent of a chunk has been."""
        session.encoding_now -= 1
        if session.over:
            return
        parts = None
        if error is not None:
            parts = self._floor.mail.error(session.route, explain(error, seq=seq, sid=session.sid), session)
        if seq is not None:
            if parts is not None:
                session.sequence.replace(parts)
            session.sequence.finish()
        if is_lost:
            _log.error("session %s is given up, its chunk cannot be decoded: %r", session.sid, error)
            self._lose(session, None if seq is None else parts)
        else:
            self._idle(session)


class _Way:
    """That of one chunk.

    Args:
        arrived: called once at the end, with the session, the seq, what went wrong, and whether the session is lost.
    """

    def __init__(
        self,
        floor: Floor,
        session: Session,
        delivery: Delivery,
        since: float | None,
        arrived: Callable[[Session, int | None, Exception | None, bool], None],
    ) -> None:
        self._floor, self._session, self._delivery, self._since = floor, session, delivery, since
        self._arrived = arrived
        self._fault: Exception | None = None
        self._is_lost = False

    def whole(self, chunk: Chunk) -> None:
        """All frames are there."""
        self._note(chunk)
        self._encode(chunk_messages(chunk, self._delivery, self._floor.now), self._end)

    def group(self, group: Chunk, begin: int) -> None:
        """Some frames of a chunk that begins with frame `begin` are there."""
        if self._delivery.progressive:
            self._encode(group_messages(group, begin, self._delivery, self._floor.now))

    def decoded(self, outcome: Chunk | Exception) -> None:
        """All groups have been told, or there will be no more."""
        if isinstance(outcome, Exception):
            # The world has made the step, while a request that fails has to leave it as it was.
            self._behind(partial(self._fail, outcome, True))
            self._behind(self._end)
        elif self._delivery.progressive:
            self._note(outcome)
            self._behind(self._end)
        else:
            self.whole(outcome)

    def _note(self, chunk: Chunk) -> None:
        self._floor.metrics.chunk(chunk.timing, self._delivery.queue_ms)
        spec = self._session.spec
        assert spec is not None
        if self._since is not None and self._floor.now() - self._since > spec.chunk_seconds:
            self._floor.metrics.underrun()

    def _encode(self, messages: Iterable[Multipart], then: Task = _nothing) -> None:
        """Encode and send."""

        def work(give: Callable[[Task], None]) -> None:
            try:
                for parts in messages:
                    give(partial(self._piece, parts))
            except Exception as error:
                give(partial(self._fail, error, False))
            give(then)

        if self._delivery.encoding == "rgb24":
            work(lambda task: task())
        else:
            self._floor.clerk.submit(partial(work, self._floor.post))

    def _behind(self, task: Task) -> None:
        """Do it when all pieces so far have been encoded."""
        if self._delivery.encoding == "rgb24":
            task()
        else:
            self._floor.clerk.submit(partial(self._floor.post, task))

    def _piece(self, parts: Multipart) -> None:
        if self._session.over or self._fault is not None:
            return
        if self._delivery.seq is not None:
            self._session.sequence.add(parts)
        self._floor.mail.deliver(self._session, parts)

    def _fail(self, error: Exception, is_lost: bool) -> None:
        """The chunk was made, but cannot be shown to its end."""
        self._fault, self._is_lost = self._fault or error, self._is_lost or is_lost

    def _end(self) -> None:
        self._arrived(self._session, self._delivery.seq, self._fault, self._is_lost)
