"""Takes the requests of sessions, one after the other; executes those that change no world. In the loop's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from helios_runtime.protocol import wire
from helios_runtime.protocol.messages import (
    Close,
    Closed,
    Done,
    Fork,
    Opened,
    Prompt,
    Record,
    SnapshotRequest,
    State,
    Step,
)
from helios_runtime.protocol.values import BytesPart, WireWorld
from helios_runtime.server import jobs
from helios_runtime.server.chunks import Chunks
from helios_runtime.server.errands import Errand, Errands
from helios_runtime.server.errors import refusal
from helios_runtime.server.floor import Floor
from helios_runtime.server.sequence import Multipart, Verdict
from helios_runtime.server.sessions import Request, Session, SessionRequest, fork_session
from helios_world.errors import HeliosError, OptionError, StateError


class Requests:
    """What sessions ask for, in order and at most once."""

    def __init__(self, floor: Floor, chunks: Chunks, errands: Errands) -> None:
        self._floor, self._chunks, self._errands = floor, chunks, errands

    def take(self, session: Session, seq: int, request: Request) -> None:
        """A request has come, for the first time or again."""
        verdict, sequence = session.sequence.judge(seq), session.sequence
        if verdict is Verdict.NEW:
            self._take_new(session, seq, request)
        elif verdict is Verdict.AGAIN and not session.outbox:
            self._floor.mail.deliver(session, *sequence.answer)
        elif verdict is Verdict.STALE:
            self._refuse(session, seq, "stale", f"seq {seq} is over; the next one is {sequence.next_seq}")
        elif verdict is Verdict.GAP:
            self._refuse(session, seq, "gap", f"seq {seq} skips some; the next one is {sequence.next_seq}")
        elif verdict is Verdict.BUSY:
            self._refuse(session, seq, "busy", f"seq {seq - 1} is still being executed")

    def advance(self, session: Session) -> None:
        """Begin what is next for a session, if it is free for it."""
        if session.busy or session.over or session.is_held_up:
            return
        if session.waiting is not None:
            request, session.waiting = session.waiting, None
            assert session.sequence.running is not None
            self._errands.start(session, self._execute(session, request, session.sequence.running))
        elif session.ready_to_stream and self._floor.alive(session) and not self._floor.draining:
            self._errands.start(session, self._chunks.stream(session))

    def _take_new(self, session: Session, seq: int, request: Request) -> None:
        message = request.message
        if self._floor.draining:
            self._refuse(session, seq, "draining", "the server is about to stop")
        elif isinstance(message, Step) and session.mode == "lockstep" and message.epoch != session.epoch:
            self._refuse(session, seq, "stale", f"epoch {message.epoch} is over; the present one is {session.epoch}")
        elif isinstance(message, Fork) and len(self._floor.sessions) >= self._floor.rules.max_sessions:
            self._refuse(session, seq, "limit", f"all {self._floor.rules.max_sessions} sessions are taken")
        else:
            session.sequence.begin(seq)
            session.waiting = request
            self.advance(session)

    def _refuse(self, session: Session, seq: int, code: str, message: str) -> None:
        """Nothing is done, and the seq stays free."""
        next_seq = session.sequence.next_seq
        told = refusal(code, message, seq=seq, sid=session.sid, next_seq=next_seq, epoch=session.epoch)
        self._floor.mail.error(session.route, told)

    def _execute(self, session: Session, request: Request, seq: int) -> Errand:
        try:
            yield from self._choose(session, request)(session, request, seq)
        except HeliosError as error:
            self._chunks.fail(session, error, seq)
        record, sequence = session.record, session.sequence
        if record is not None and not session.over and sequence.running is None and record.seq < sequence.last:
            # An error has taken the number, and nothing was written of it yet.
            yield from self._note(session, answer=sequence.answer[0])

    def _choose(self, session: Session, request: Request) -> Callable[[Session, Request, int], Errand]:
        others: dict[type[SessionRequest], Callable[[Session, Request, int], Errand]] = {
            Prompt: self._say,
            SnapshotRequest: self._snapshot,
            Fork: self._fork,
            Record: self._record,
            Close: self._close,
        }
        kind = type(request.message)
        if kind is Step and session.mode == "stream":
            raise StateError("STEP is for lockstep mode; this session is in stream mode: give CREDIT")
        if kind is Record and "record" not in self._floor.rules.capabilities:
            raise OptionError("this server makes no recordings; it was started without a folder for them")
        return others.get(kind, self._chunks.change)

    def _say(self, session: Session, request: Request, seq: int) -> Errand:
        assert isinstance(request.message, Prompt)
        session.prompt = request.message.prompt
        if session.latest is not None:
            session.latest.say(session.prompt, request.arrived)
        yield from self._answer_done(session, seq)

    def _snapshot(self, session: Session, request: Request, seq: int) -> Errand:
        outcome = yield jobs.TakeSnapshot(seat=session.sid)
        if outcome.error is not None:
            self._chunks.fail(session, outcome.error, seq)
            return
        part = BytesPart(bytes=len(outcome.value))
        state = State(sid=session.sid, seq=seq, epoch=session.epoch, index=session.index, parts=(part,))
        yield from self._note(session, redo=True)
        self._chunks.answer(session, wire.encode(state, [outcome.value]), redo=True)

    def _record(self, session: Session, request: Request, seq: int) -> Errand:
        assert isinstance(request.message, Record)
        outcome = yield jobs.Record(seat=session.sid, on=request.message.on)
        if outcome.error is not None:
            self._chunks.fail(session, outcome.error, seq)
            return
        session.recording = request.message.on
        yield from self._answer_done(session, seq, outcome.value)

    def _close(self, session: Session, request: Request, seq: int) -> Errand:
        outcome = yield jobs.Close(seat=session.sid)
        session.record = None
        yield from self._floor.forget(session)
        if outcome.error is not None:
            self._chunks.fail(session, outcome.error, seq)
        else:
            self._chunks.answer(session, wire.encode(Closed(sid=session.sid, seq=seq)))
        self._floor.sessions.remove(session)

    def _fork(self, session: Session, request: Request, seq: int) -> Errand:
        twin, token = fork_session(session, self._floor.now())
        twin.busy = True
        self._floor.sessions.add(twin)
        outcome = yield jobs.Fork(seat=session.sid, twin=twin.sid)
        if outcome.error is None and self._floor.store is not None:
            outcome = yield jobs.TakeSnapshot(seat=twin.sid)
        if outcome.error is None and self._floor.store is not None:
            twin.record = replace(twin.settings(), state=outcome.value)
            yield from self._floor.save(twin)
        if outcome.error is not None:
            yield jobs.Close(seat=twin.sid)
            self._floor.sessions.remove(twin)
            self._chunks.fail(session, outcome.error, seq)
            return
        yield from self._note(session, redo=True)
        twin.busy = False
        self._chunks.answer(session, opened(twin, token, seq, parent=session.sid), redo=True)

    def _answer_done(self, session: Session, seq: int, path: str | None = None) -> Errand:
        done = Done(sid=session.sid, seq=seq, epoch=session.epoch, index=session.index, path=path)
        parts = wire.encode(done)
        yield from self._note(session, answer=parts)
        self._chunks.answer(session, parts)

    def _note(self, session: Session, *, answer: Multipart | None = None, redo: bool = False) -> Errand:
        """Write down that the running request was executed, before its answer is sent."""
        if session.record is not None:
            session.record = replace(
                session.record,
                seq=session.sequence.next_seq - 1,
                redo=redo,
                later=session.prompt,
                recording=session.recording,
                owed=False,
                answer=None if answer is None else [answer],
            )
        yield from self._floor.save(session)


def opened(session: Session, token: str, seq: int, *, parent: str | None = None) -> Multipart:
    """An OPENED that answers request `seq`."""
    assert session.spec is not None
    message = Opened(
        seq=seq,
        sid=session.sid,
        token=token,
        epoch=session.epoch,
        next_seq=session.sequence.next_seq,
        index=session.index,
        parent=parent,
        world=WireWorld.of(session.spec),
    )
    return wire.encode(message)
