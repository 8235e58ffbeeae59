"""How sessions begin, change hands, come back from disk, are put away, and end. In the loop's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from helios_runtime.protocol import wire
from helios_runtime.protocol.messages import Bye, Open, Resume
from helios_runtime.server import jobs
from helios_runtime.server.chunks import Chunks
from helios_runtime.server.errands import Errand, Errands
from helios_runtime.server.errors import explain, refusal
from helios_runtime.server.floor import Floor
from helios_runtime.server.requests import opened
from helios_runtime.server.sequence import Sequence
from helios_runtime.server.sessions import Asked, Session, open_session, revive_session
from helios_runtime.server.store import SessionRecord, matches
from helios_world.errors import HeliosError

_log = logging.getLogger(__name__)
Asking = TypeVar("Asking", Open, Resume)


class Life:
    """Begins and ends sessions."""

    def __init__(self, floor: Floor, chunks: Chunks, errands: Errands) -> None:
        self._floor, self._chunks, self._errands = floor, chunks, errands

    def open(self, route: bytes, message: Open) -> None:
        """A client asks for a session."""
        floor = self._floor
        known = floor.sessions.by_nonce(route, message.nonce)
        if known is not None:
            self._open_again(known, route, message.seq)
            return
        world = floor.rules.worlds[0] if message.world is None else message.world
        wrong = self._unavailable(message, world)
        if wrong is not None:
            floor.mail.tell(route, refusal("option", wrong, seq=message.seq))
        elif self._has_room:
            session, token = open_session(message, world, route, time.time(), floor.now())
            floor.sessions.add(session)
            self._errands.start(session, self._open(session, token))
        else:
            self._make_room(route, message, self.open)

    def resume(self, route: bytes, message: Resume) -> None:
        """A client wants a session back."""
        session, floor = self._floor.sessions.get(message.sid), self._floor
        if session is not None:
            self._take_over(session, route, message)
        elif floor.store is None:
            self._refuse(route, message, "unknown_session", "this server saves no sessions, and none has this sid")
        else:
            floor.clerk.submit(partial(self._fetch, route, message))

    def put_away_idle(self) -> None:
        """End sessions that are too old, and put away those that are silent."""
        for session in self._floor.sessions:
            if session.outbox and not self._floor.alive(session):
                session.detach()
            if session.busy or session.sequence.running is not None or self.end_if_old(session):
                continue
            if self._floor.silent(session) > self._patience(session):
                begin = self._end(session, "idle") if self._floor.store is None else self._put_away(session)
                self._errands.start(session, begin)

    def end_if_old(self, session: Session) -> bool:
        """End a session that nothing is being done for, if it has lived for too long; whether it has."""
        if session.busy or session.over or not self._too_old(session.opened):
            return False
        self._errands.start(session, self._end(session, "lifetime"))
        return True

    def save_all(self) -> bool:
        """Save what is not saved yet, since the server is about to stop. Whether all is done."""
        for session in self._floor.sessions:
            if session.is_held_up:
                session.detach()
            if not (session.busy or session.saved or session.sequence.running is not None):
                self._errands.start(session, self._save_last(session))
        return all(session.saved and not session.encoding_now for session in self._floor.sessions)

    def _patience(self, session: Session) -> float:
        """Seconds of silence after which a session is put away."""
        rules = self._floor.rules
        gone = session.route is None and self._floor.store is None
        return max(rules.resume_seconds, rules.idle_seconds) if gone else rules.idle_seconds

    def _unavailable(self, message: Open, world: str) -> str | None:
        """What the server does not have of what is asked for."""
        rules = self._floor.rules
        if world not in rules.worlds:
            return f"there is no world {world[:100]!r} here; this server has {list(rules.worlds)}"
        wanted = {message.encoding: message.encoding != "rgb24", "record": message.record}
        missing = [name for name, needed in wanted.items() if needed and name not in rules.capabilities]
        return f"this server cannot do {missing}; it can do {list(rules.capabilities)}" if missing else None

    @property
    def _has_room(self) -> bool:
        return len(self._floor.sessions) < self._floor.rules.max_sessions

    def _make_room(self, route: bytes, message: Asking, again: Callable[[bytes, Asking], None]) -> None:
        """Put the session away that has been without a connection for longest, if there is one; then try again."""
        free = [each for each in self._floor.sessions if not each.busy and each.sequence.running is None]
        gone = [session for session in free if not self._floor.alive(session)]
        if gone and self._floor.store is not None:
            oldest = max(gone, key=self._floor.silent)
            self._errands.start(oldest, self._give_place(oldest, route, message, again))
        else:
            self._tell_full(route, message)

    def _give_place(
        self, session: Session, route: bytes, message: Asking, again: Callable[[bytes, Asking], None]
    ) -> Errand:
        yield from self._put_away(session)
        if self._has_room and not self._floor.draining:
            again(route, message)
        else:
            self._tell_full(route, message)

    def _tell_full(self, route: bytes, message: Open | Resume) -> None:
        most = self._floor.rules.max_sessions
        why = f"all {most} sessions are taken; try again later"
        self._floor.mail.tell(route, refusal("limit", why, seq=message.seq, sessions=most))

    def _open(self, session: Session, token: str) -> Errand:
        outcome = yield jobs.Open(seat=session.sid, world=session.world)
        if outcome.error is None:
            session.learn(outcome.value)
            if session.recording:
                outcome = yield jobs.Record(seat=session.sid, on=True)
        if outcome.error is not None:
            yield from self._give_up(session, outcome.error)
            return
        if self._floor.store is not None:
            session.record = session.settings()
        yield from self._floor.save(session)
        asked, session.asked = session.asked, None
        assert asked is not None
        session.opened_answer = opened(session, token, asked.seq)
        self._floor.mail.deliver(session, session.opened_answer)

    def _open_again(self, session: Session, route: bytes, seq: int) -> None:
        """An OPEN is repeated, perhaps on another connection than the one that broke."""
        if session.asked is not None:
            session.route, session.asked = route, Asked(route, seq)
            return
        assert session.opened_answer is not None
        before, _ = wire.decode_server(session.opened_answer)
        if session.route != route:
            self._change_hands(session, route)
        self._floor.mail.tell(route, before.model_copy(update={"seq": seq}))

    def _take_over(self, session: Session, route: bytes, message: Resume) -> None:
        if not matches(message.token, session.token):
            self._refuse(route, message, "auth", "this is not the token of the session")
        elif session.spec is None or session.asked is not None:
            session.asked = Asked(route, message.seq)  # answered once the world is back
        else:
            self._attach(session, route, message.token, message.seq)

    def _attach(self, session: Session, route: bytes, token: str, seq: int) -> None:
        """Give the session to a connection."""
        self._change_hands(session, route)
        self._floor.metrics.resumed()
        _log.info("session %s was resumed", session.sid)
        self._floor.mail.deliver(session, opened(session, token, seq))

    def _change_hands(self, session: Session, route: bytes) -> None:
        if session.route is not None and session.route != route:
            self._floor.mail.tell(session.route, Bye(sid=session.sid, reason="replaced", resumable=True))
        session.attach(route, self._floor.now())

    def _fetch(self, route: bytes, message: Resume) -> None:
        """In the clerk's thread."""
        assert self._floor.store is not None
        record = self._floor.store.load(message.sid)
        self._floor.post(partial(self._fetched, route, message, record))

    def _fetched(self, route: bytes, message: Resume, record: SessionRecord | None) -> None:
        floor = self._floor
        session = floor.sessions.get(message.sid)
        if session is not None:
            self._take_over(session, route, message)
        elif record is None or record.world not in floor.rules.worlds or self._too_old(record.opened):
            self._refuse(route, message, "unknown_session", "no session with this sid is running or saved")
        elif not matches(message.token, record.token):
            self._refuse(route, message, "auth", "this is not the token of the session")
        elif floor.draining:
            self._refuse(route, message, "draining", "the server is about to stop")
        elif self._has_room:
            session = revive_session(record, route, message.seq, floor.now())
            floor.sessions.add(session)
            self._errands.start(session, self._revive(session, record, message.token))
        else:
            self._make_room(route, message, self.resume)

    def _too_old(self, opened_at: float) -> bool:
        limit = self._floor.rules.session_seconds
        return limit is not None and time.time() - opened_at > limit

    def _revive(self, session: Session, record: SessionRecord, token: str) -> Errand:
        """The world as it was: its state, and the last thing that was done, once more."""
        outcome = yield jobs.Open(seat=session.sid, world=session.world)
        if outcome.error is None:
            session.learn(outcome.value)
            if record.state is not None:
                outcome = yield jobs.Restore(seat=session.sid, state=record.state)
        if outcome.error is not None:
            yield from self._give_up(session, outcome.error)
            return
        if record.again is not None:
            outcome = yield from self._redo(session, record)
            if outcome.error is not None and not isinstance(outcome.error, HeliosError):
                # The seat is gone, and would be again: next time without what went wrong.
                session.record = replace(record, again=None, owed=False, answer=session.sequence.kept())
                yield from self._floor.save(session)
                yield from self._give_up(session, outcome.error)
                return
        if record.later is not None:
            session.prompt = record.later
        if session.prompt is not None and session.latest is not None:
            session.latest.say(session.prompt, self._floor.now())
        if record.recording:
            outcome = yield jobs.Record(seat=session.sid, on=True)
            session.recording = outcome.error is None
        asked, session.asked = session.asked, None
        assert asked is not None
        self._attach(session, asked.route, token, asked.seq)

    def _redo(self, session: Session, record: SessionRecord) -> Errand:
        assert record.again is not None
        message, buffers = wire.decode_client(record.again)
        if record.owed:
            session.sequence = Sequence(record.seq - 1)
            session.sequence.begin(record.seq)
        outcome = yield from self._chunks.redo(session, message, buffers, record.seq if record.owed else None)
        # The clerk does one thing after the other: after this the answer is encoded.
        yield lambda: None
        return outcome

    def abandon(self, session: Session, error: Exception) -> None:
        """A session could not be opened or brought back because of a fault of ours."""
        self._errands.start(session, self._give_up(session, error))

    def _give_up(self, session: Session, error: Exception) -> Errand:
        """The world cannot be opened, or not be brought back. What is on disk stays there."""
        asked, session.asked = session.asked, None
        assert asked is not None
        self._floor.mail.tell(asked.route, explain(error, seq=asked.seq, sid=session.sid))
        yield jobs.Close(seat=session.sid)
        self._floor.sessions.remove(session)

    def _put_away(self, session: Session) -> Errand:
        """Save a session and give up its seat, unless it is heard of in the meantime."""
        since, floor = self._floor.now(), self._floor
        is_saved = yield from self._settle(session)
        if floor.silent(session) < floor.now() - since or session.waiting is not None:
            return
        if is_saved or floor.silent(session) > self._patience(session):
            yield from self._leave(session, Bye(sid=session.sid, reason="idle", resumable=is_saved))

    def _end(self, session: Session, reason: str) -> Errand:
        yield from self._floor.forget(session)
        yield from self._leave(session, Bye(sid=session.sid, reason=reason, resumable=False))

    def _leave(self, session: Session, farewell: Bye) -> Errand:
        yield jobs.Close(seat=session.sid)
        self._floor.sessions.remove(session)
        self._floor.mail.tell(session.route, farewell)
        _log.info("session %s has ended: %s", session.sid, farewell.reason)

    def _save_last(self, session: Session) -> Errand:
        if self._floor.store is not None:
            yield from self._settle(session)
        session.saved = True

    def _settle(self, session: Session) -> Errand:
        """Save the present state and the last answer, so that nothing has to be done again. Whether that worked."""
        state = None
        if session.begun:
            outcome = yield jobs.TakeSnapshot(seat=session.sid)
            if outcome.error is not None:
                _log.error("session %s keeps its older state: %r", session.sid, outcome.error)
                return False
            state = outcome.value
        # A request that has come in the meantime is still to be executed.
        last, answer = session.sequence.last, session.sequence.kept()
        session.record = replace(session.settings(), state=state, seq=last, answer=answer)
        return (yield partial(self._floor.write, session)) is True

    def _refuse(self, route: bytes, message: Resume, code: str, why: str) -> None:
        self._floor.mail.tell(route, refusal(code, why, seq=message.seq, sid=message.sid))
