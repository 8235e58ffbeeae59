"""What changes a session's world: RESET, STEP, RESTORE, and the chunks of stream mode. In the loop's thread.

Before a world changes, the state before and the message that changes it are written down; see store.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from helios_runtime.protocol import wire
from helios_runtime.protocol.errors import CODES
from helios_runtime.protocol.messages import Bye, Done, Message, Reset, Restore, Step
from helios_runtime.protocol.values import WireAction
from helios_runtime.server import jobs
from helios_runtime.server.answers import Delivery
from helios_runtime.server.errands import Errand
from helios_runtime.server.errors import explain
from helios_runtime.server.floor import Floor
from helios_runtime.server.jobs import Ahead, Job, Outcome, StepInput
from helios_runtime.server.latest import Taken
from helios_runtime.server.sequence import Multipart
from helios_runtime.server.sessions import Request, Session
from helios_runtime.server.showing import Showing
from helios_world.errors import HeliosError, PromptError
from helios_world.pending import PendingChunk
from helios_world.spec import NO_ACTION, Chunk, Frames

_log = logging.getLogger(__name__)
_SMALL = 64 << 10
"""Bytes of an answer that is written down again with every chunk of a stream."""


class Chunks:
    """Changes worlds and sends what comes of it."""

    def __init__(self, floor: Floor, idle: Callable[[Session], None]) -> None:
        self._floor = floor
        self._showing = Showing(floor, idle, self._lose)

    def change(self, session: Session, request: Request, seq: int) -> Errand:
        """Execute a RESET, STEP or RESTORE, and answer it."""
        ahead = self._ahead(session, request.raw, owed=True)
        job = _job(session, request.message, request.buffers, ahead)
        waited = 1e3 * (self._floor.now() - request.arrived)
        outcome = yield job
        if outcome.error is not None:
            _forget_refused(session, request.message, outcome.error)
            self.fail(session, outcome.error, seq)
        elif isinstance(request.message, Restore):
            _apply(session, outcome)
            done = Done(sid=session.sid, seq=seq, epoch=session.epoch, index=session.index)
            self.answer(session, wire.encode(done))
        else:
            _apply(session, outcome)
            client_time = request.message.client_time if isinstance(request.message, Step) else None
            delivery = replace(session.delivery(seq), queue_ms=waited + outcome.queue_ms, client_time=client_time)
            self._showing.show(session, outcome.value, delivery)

    def stream(self, session: Session) -> Errand:
        """Make the next chunk of a stream."""
        now, latest = self._floor.now, session.latest
        assert latest is not None
        began, taken = 0.0, Taken(NO_ACTION)

        def sample() -> StepInput:
            nonlocal began, taken
            began, taken = now(), latest.sample()
            return StepInput(taken.action, taken.prompt, taken.applied)

        session.credit -= 1
        since, session.credit_at = session.credit_at, now()
        ahead = self._ahead(session, None, owed=False)
        outcome = yield jobs.Step(seat=session.sid, sample=sample, ahead=ahead)
        if outcome.error is not None:
            if isinstance(outcome.error, PromptError):
                session.prompt = None  # it would be refused with every chunk
            else:
                latest.put_back(taken.prompt)
            self.fail(session, outcome.error, None)
            return
        _apply(session, outcome)
        self._showing.show(session, outcome.value, _streamed(session, taken, 1e3 * (began - since)), since)

    def redo(self, session: Session, message: Message, buffers: list[memoryview], seq: int | None) -> Errand:
        """Do again what was done before a restart; if that was a request, keep its answer anew. Gives the Outcome."""
        outcome = yield _job(session, message, buffers, None)
        if outcome.error is None:
            _apply(session, outcome)
        else:
            _forget_refused(session, message, outcome.error)
        if seq is None:
            return outcome
        if outcome.error is not None:
            self.answer(session, wire.encode(explain(outcome.error, seq=seq, sid=session.sid)))
        elif isinstance(message, Restore):
            done = Done(sid=session.sid, seq=seq, epoch=session.epoch, index=session.index)
            self.answer(session, wire.encode(done))
        else:
            self._showing.show(session, outcome.value, session.delivery(seq))
        return outcome

    def answer(self, session: Session, parts: Multipart, *, redo: bool = False) -> None:
        """The running request is answered by this one message."""
        session.sequence.add(parts)
        session.sequence.finish(redo=redo)
        self._floor.mail.deliver(session, parts)

    def fail(self, session: Session, error: Exception, seq: int | None) -> None:
        """The running request, or without a `seq` a chunk of the stream, came to nothing."""
        message = explain(error, seq=seq, sid=session.sid)
        parts = self._floor.mail.error(session.route, message, session)
        if seq is not None and CODES[message.code].answers:
            session.sequence.add(parts)
            session.sequence.finish()
        elif seq is not None:
            session.sequence.abandon()
        if not isinstance(error, HeliosError):
            self._lose(session, None if seq is None else parts)

    def _lose(self, session: Session, answer: Multipart | None) -> None:
        """Its seat is gone. What is on disk can be resumed, without what went wrong."""
        floor, record, route = self._floor, session.record, session.route
        floor.sessions.remove(session)
        floor.engine.submit(jobs.Close(seat=session.sid))
        if record is not None:
            last = session.sequence.last
            is_at_fault = answer is None or (record.owed and record.seq == last)
            again = None if is_at_fault else record.again
            kept = record.answer if answer is None else [answer]
            session.record = replace(record, seq=last, again=again, owed=False, answer=kept, redo=False)
            floor.clerk.submit(partial(floor.write, session))
        floor.mail.tell(route, Bye(sid=session.sid, reason="internal", resumable=record is not None))

    def _ahead(self, session: Session, raw: Multipart | None, *, owed: bool) -> Ahead | None:
        """Writes down what is about to be done; called in the worker's thread while the session is busy."""
        if self._floor.store is None:
            return None
        base = session.settings()
        kept = None if owed else session.sequence.kept(_SMALL)

        def ahead(state: bytes | None, given: StepInput | None) -> None:
            again = raw if given is None else _encode_step(base.sid, base.epoch, given)
            session.record = replace(base, state=state, again=again, owed=owed, answer=kept)
            self._floor.write(session)

        return ahead


def _apply(session: Session, outcome: Outcome) -> None:
    """The session, now that its world has changed."""
    job, value = outcome.job, outcome.value
    if isinstance(job, jobs.Reset | jobs.Restore):
        session.renew()
    if isinstance(value, Chunk | PendingChunk):
        session.index = value.index + 1
    else:
        assert isinstance(value, int)
        session.index = value + 1
    session.prompt = None


def _forget_refused(session: Session, message: Message, error: Exception) -> None:
    """A prompt that was said before and that the world refuses would be refused with every step."""
    if isinstance(error, PromptError) and isinstance(message, Step) and message.prompt is None:
        session.prompt = None


def _job(session: Session, message: Message, buffers: list[memoryview], ahead: Ahead | None) -> Job:
    match message:
        case Reset(seed=seed, prompt=prompt, start=start):
            given = _frames(message, buffers)
            image, video = (given if start == kind else None for kind in ("image", "video"))
            return jobs.Reset(seat=session.sid, seed=seed, prompt=prompt, image=image, video=video, ahead=ahead)
        case Restore():
            return jobs.Restore(seat=session.sid, state=bytes(buffers[0]), ahead=ahead)
        case Step():
            said = session.prompt if message.prompt is None else message.prompt
            given_input = StepInput(message.action.action(), said)
            return jobs.Step(seat=session.sid, sample=lambda: given_input, ahead=ahead)
    raise AssertionError(f"{message.t} changes no world")


def _frames(message: Reset, buffers: list[memoryview]) -> Frames | None:
    # A copy, so that the world may do with it what it likes.
    return np.array(buffers[0], np.uint8).reshape(message.parts[0].shape) if buffers else None


def _streamed(session: Session, taken: Taken, queue_ms: float) -> Delivery:
    return replace(
        session.delivery(),
        queue_ms=max(queue_ms, 0.0),
        changed_at=taken.changed_at,
        applied=taken.applied,
        client_time=taken.client_time,
    )


def _encode_step(sid: str, epoch: int, given: StepInput) -> Multipart:
    return wire.encode(Step(sid=sid, seq=1, epoch=epoch, action=WireAction.of(given.action), prompt=given.prompt))
