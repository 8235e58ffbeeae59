"""Where messages come in: who may say what, and whose it is to answer. In the loop's thread; no sockets here."""

from __future__ import annotations

import logging
from collections.abc import Sequence as Several
from dataclasses import dataclass

from helios_runtime.protocol import wire
from helios_runtime.protocol.errors import ProtocolError
from helios_runtime.protocol.messages import (
    Bye,
    ClientMessage,
    Credit,
    Hello,
    Input,
    Message,
    Open,
    Ping,
    Pong,
    Resume,
    Welcome,
)
from helios_runtime.protocol.values import SUPPORTED, WireWorld
from helios_runtime.protocol.wire import Buffer
from helios_runtime.server.chunks import Chunks
from helios_runtime.server.errands import Errands
from helios_runtime.server.errors import explain, refusal
from helios_runtime.server.floor import Floor
from helios_runtime.server.life import Life
from helios_runtime.server.quota import Bucket, Complaints
from helios_runtime.server.requests import Requests
from helios_runtime.server.sessions import Request, Session
from helios_world.errors import HeliosError
from helios_world.spec import WorldSpec

_log = logging.getLogger(__name__)
_MOST_PEERS = 4096
_FORGET_SECONDS = 120.0
_COMPLAINTS_PER_SECOND, _COMPLAINTS_AT_ONCE = 5.0, 20.0
_SWEEP_SECONDS, _EXPIRE_SECONDS = 1.0, 60.0


@dataclass(eq=False)
class _Peer:
    """A connection.

    Args:
        complaints: how often it may be told that it does something wrong.
        greeted: it has said HELLO.
    """

    quota: Bucket
    complaints: Bucket
    greeted: bool = False


class Desk:
    """Answers messages.

    Args:
        spec: of the default world.
    """

    def __init__(self, floor: Floor, spec: WorldSpec) -> None:
        self._floor, self._spec = floor, spec
        self._peers: dict[bytes, _Peer] = {}
        self._log_lines = Complaints()
        self._swept_at = self._expired_at = floor.now()
        errands = Errands(floor.engine, floor.clerk, floor.post, self._idle, self._fault)
        self._chunks = Chunks(floor, self._idle)
        self._requests = Requests(floor, self._chunks, errands)
        self._life = Life(floor, self._chunks, errands)

    @property
    def is_blocked(self) -> bool:
        """Whether messages wait for room on their connections."""
        return self._floor.mail.blocked

    def receive(self, route: bytes, frames: Several[Buffer]) -> None:
        """A message has come from a connection."""
        now = self._floor.now()
        peer = self._peer(route, now)
        was_away = now - self._floor.heard.get(route, now) > self._floor.rules.heartbeat
        self._floor.heard[route] = now
        if not peer.quota.take(now):
            self._over_quota(route, peer, frames)
            return
        try:
            message, buffers = wire.decode_client(frames, self._floor.rules.max_message)
        except ProtocolError as error:
            self._malformed(route, peer, error)
            return
        self._take(route, peer, message, buffers, frames)
        if was_away:
            for session in self._floor.sessions.of(route):
                self._requests.advance(session)

    def leave(self, route: bytes) -> None:
        """A connection has ended; its sessions wait for another one."""
        for session in self._floor.sessions.of(route):
            session.heard = self._floor.now() - self._floor.silent(session)
            session.detach()
        self._peers.pop(route, None)
        self._floor.heard.pop(route, None)

    def tick(self) -> None:
        """What time brings; to be called often."""
        for session in self._floor.mail.retry():
            self._idle(session)
        now = self._floor.now()
        if now - self._swept_at >= _SWEEP_SECONDS and not self._floor.draining:
            self._swept_at = now
            self._life.put_away_idle()
            self._forget_peers(now)
        if self._floor.store is not None and now - self._expired_at >= _EXPIRE_SECONDS:
            self._expired_at = now
            keep = frozenset(session.sid for session in self._floor.sessions)
            seconds, store = self._floor.rules.resume_seconds, self._floor.store
            self._floor.clerk.submit(lambda: store.expire(seconds, keep))

    def drain(self) -> bool:
        """Begin nothing new, and save all sessions. Whether that is done; to be called until it is."""
        self._floor.draining = True
        return self._life.save_all()

    def say_goodbye(self) -> None:
        """Tell every connection that the server stops."""
        resumable = self._floor.store is not None
        for route, peer in self._peers.items():
            if peer.greeted:
                self._floor.mail.tell(route, Bye(reason="draining", resumable=resumable))

    def _take(
        self, route: bytes, peer: _Peer, message: ClientMessage, buffers: list[memoryview], frames: Several[Buffer]
    ) -> None:
        match message:
            case Ping():
                self._floor.mail.tell(route, self._pong(message))
            case Hello():
                self._greet(route, peer, message)
            case Open() | Resume() if not peer.greeted:
                self._tell(route, refusal("route", "say HELLO first", seq=message.seq))
            case Open() | Resume() if self._floor.draining:
                self._tell(route, refusal("draining", "the server is about to stop", seq=message.seq))
            case Open():
                self._life.open(route, message)
            case Resume():
                self._life.resume(route, message)
            case Input() | Credit():
                session = self._session(route, peer, message.sid, None)
                if session is not None:
                    self._steer(session, peer, message)
            case _:
                session = self._session(route, peer, message.sid, message.seq)
                if session is not None:
                    request = Request(message, buffers, list(frames), self._floor.now())
                    self._requests.take(session, message.seq, request)

    def _steer(self, session: Session, peer: _Peer, message: Input | Credit) -> None:
        now = self._floor.now()
        try:
            if isinstance(message, Input):
                session.put(message, now)
            else:
                session.grant(message.n, message.epoch, now)
                self._requests.advance(session)
        except HeliosError as error:
            if peer.complaints.take(now):
                self._floor.mail.error(session.route, explain(error, sid=session.sid))

    def _session(self, route: bytes, peer: _Peer, sid: str, seq: int | None) -> Session | None:
        """The session that a message is for, if it may be."""
        session = self._floor.sessions.get(sid)
        if session is not None and session.route == route and session.spec is not None:
            return session
        if not peer.complaints.take(self._floor.now()):
            return None
        if session is None and peer.greeted:
            why = "no session with this sid is running; RESUME brings it back if it was saved"
            self._tell(route, refusal("unknown_session", why, seq=seq, sid=sid))
        else:
            why = "this connection has not opened or resumed the session; HELLO and RESUME do it"
            self._tell(route, refusal("route", why, seq=seq, sid=sid))
        return None

    def _greet(self, route: bytes, peer: _Peer, message: Hello) -> None:
        if not set(message.versions) & set(SUPPORTED):
            why = f"versions {list(message.versions)} of the protocol; this server speaks {list(SUPPORTED)}"
            self._tell(route, refusal("version", why, seq=message.seq, versions=SUPPORTED))
            return
        if not peer.greeted:
            _log.info("client %r has connected", message.client)
        peer.greeted = True
        rules = self._floor.rules
        welcome = Welcome(
            seq=message.seq,
            version=max(set(message.versions) & set(SUPPORTED)),
            server=rules.server,
            worlds=rules.worlds,
            capabilities=rules.capabilities,
            max_message=rules.max_message,
            heartbeat_s=rules.heartbeat,
            idle_s=rules.idle_seconds,
            lifetime_s=rules.session_seconds,
            session_limit=rules.max_sessions,
            world=WireWorld.of(self._spec),
        )
        self._tell(route, welcome)

    def _pong(self, message: Ping) -> Pong:
        engine, sessions, now = self._floor.engine, self._floor.sessions, self._floor.now()
        since = engine.busy_since
        return Pong(
            n=message.n,
            client_time=message.client_time,
            server_time=now,
            busy_since=None if since is None else max(now - since, 0.0),
            queue=engine.queue_length + sum(session.credit + (session.waiting is not None) for session in sessions),
            sessions=len(sessions),
        )

    def _over_quota(self, route: bytes, peer: _Peer, frames: Several[Buffer]) -> None:
        """Drop the message; now and then, say so."""
        self._floor.metrics.limited()
        if not peer.complaints.take(self._floor.now()):
            return
        try:
            message, _ = wire.decode_client(frames, self._floor.rules.max_message)
        except ProtocolError as error:
            self._malformed(route, peer, error)
            return
        if not isinstance(message, Input | Credit):
            why = f"more than {self._floor.rules.rate:g} messages per second"
            seq, sid = getattr(message, "seq", None), getattr(message, "sid", None)
            self._tell(route, refusal("limit", why, seq=seq, sid=sid))

    def _malformed(self, route: bytes, peer: _Peer, error: ProtocolError) -> None:
        now = self._floor.now()
        self._floor.metrics.malformed()
        held_back = self._log_lines.take(now)
        if held_back is not None:
            _log.warning("a message of connection %s is refused: %s (%d before it)", route.hex(), error, held_back)
        if peer.complaints.take(now):
            details = {"versions": SUPPORTED} if error.code == "version" else {}
            self._tell(route, refusal(error.code, str(error), seq=error.seq, sid=error.sid, **details))

    def _tell(self, route: bytes, message: Message) -> None:
        self._floor.mail.tell(route, message)

    def _idle(self, session: Session) -> None:
        """Nothing is being done for a session."""
        if not self._life.end_if_old(session):
            self._requests.advance(session)

    def _fault(self, session: Session, error: Exception) -> None:
        """Something that was being done for a session ended in a fault of ours."""
        if session.asked is not None:
            self._life.abandon(session, error)
        else:
            self._chunks.fail(session, error, session.sequence.running)

    def _peer(self, route: bytes, now: float) -> _Peer:
        peer = self._peers.get(route)
        if peer is None:
            if len(self._peers) >= _MOST_PEERS:
                self._forget_peers(now, patience=0.0)
            rate = self._floor.rules.rate
            complaints = Bucket(_COMPLAINTS_PER_SECOND, _COMPLAINTS_AT_ONCE, now)
            peer = self._peers[route] = _Peer(Bucket(rate, 2 * rate, now), complaints)
        return peer

    def _forget_peers(self, now: float, patience: float = _FORGET_SECONDS) -> None:
        """Forget connections without a session that have been silent; they would have to say HELLO again."""
        used = {session.route for session in self._floor.sessions}
        heard = self._floor.heard
        for route in [route for route in self._peers if route not in used and now - heard[route] >= patience]:
            del self._peers[route], heard[route]
