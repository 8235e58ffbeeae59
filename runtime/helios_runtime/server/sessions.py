"""The sessions of a server: what each one is, and the table of them all. No sockets, no threads, no clock."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from helios_runtime.protocol.messages import (
    Close,
    Fork,
    Input,
    Open,
    Prompt,
    Record,
    Reset,
    Restore,
    SnapshotRequest,
    Step,
)
from helios_runtime.protocol.values import MAX_CREDIT, Encoding, Mode
from helios_runtime.server.answers import Delivery
from helios_runtime.server.latest import LatestInput
from helios_runtime.server.sequence import Multipart, Sequence
from helios_runtime.server.store import SessionRecord, digest
from helios_world.errors import StateError
from helios_world.spec import WorldSpec

SessionRequest = Close | Reset | Step | Prompt | SnapshotRequest | Restore | Fork | Record
"""What is executed at most once per seq."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request that is to be executed.

    Args:
        raw: the message as it came.
        arrived: monotonic seconds.
    """

    message: SessionRequest
    buffers: list[memoryview]
    raw: Multipart
    arrived: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Who waits for an OPENED, and under which number."""

    route: bytes
    seq: int


@dataclass(eq=False)
class Session:
    """One client's world, as the loop knows it.

    Args:
        sid: its id; also that of its seat.
        token: digest of the secret.
        opened: seconds since 1970.
        heard: when its client was last heard of, monotonic seconds.
        route: of the connection that it belongs to, None if that is gone.
        busy: something is being done for it that nothing else may run beside.
        waiting: the request that is executed next.
        outbox: messages that the connection has no room for yet.
        encoding_now: chunks that are being encoded.
        index: of the next chunk.
        prompt: lockstep: was said, and no chunk has had it.
        credit: chunks that may be begun; credit_at: since when.
        record: what brings it back after a restart; None without a store.
        asked: who waits for it to be opened or brought back.
        opened_answer: the OPENED that its nonce is answered with.
        over: it was ended; whatever still comes for it is dropped.
        saved: all of it is on disk, since the server is about to stop.
    """

    sid: str
    token: bytes
    world: str
    mode: Mode
    encoding: Encoding
    quality: int
    progressive: bool
    opened: float
    heard: float
    spec: WorldSpec | None = None
    route: bytes | None = None
    nonce: str | None = None
    epoch: int = 0
    index: int = 0
    begun: bool = False
    recording: bool = False
    sequence: Sequence = field(default_factory=Sequence)
    busy: bool = False
    waiting: Request | None = None
    outbox: deque[Multipart] = field(default_factory=deque)
    encoding_now: int = 0
    prompt: str | None = None
    credit: int = 0
    credit_at: float = 0.0
    record: SessionRecord | None = None
    asked: Asked | None = None
    opened_answer: Multipart | None = None
    over: bool = False
    saved: bool = False
    latest: LatestInput | None = None

    def learn(self, spec: WorldSpec) -> None:
        """The world is open."""
        self.spec = spec
        self.latest = LatestInput(spec.actions) if self.mode == "stream" else None

    def put(self, message: Input, now: float) -> None:
        if self.latest is None:
            raise StateError(f"INPUT is for stream mode; this session is in {self.mode} mode")
        if message.epoch == self.epoch:
            self.latest.put(message, now)

    def grant(self, count: int, epoch: int, now: float) -> None:
        if self.latest is None:
            raise StateError(f"CREDIT is for stream mode; this session is in {self.mode} mode")
        if epoch != self.epoch or not self.begun:
            return
        if not self.credit:
            self.credit_at = now
        self.credit = min(self.credit + count, MAX_CREDIT)

    @property
    def is_held_up(self) -> bool:
        """Whether a request waits until the client has taken what came before; so answers do not pile up."""
        return self.waiting is not None and bool(self.outbox)

    @property
    def ready_to_stream(self) -> bool:
        """Whether a chunk may be begun without being asked for."""
        occupied = self.busy or self.over or self.waiting is not None or self.sequence.running is not None
        # The next chunk is made while one is being encoded, but not while one cannot be sent.
        held_up = bool(self.outbox) or self.encoding_now > 1
        return self.credit > 0 and self.route is not None and not occupied and not held_up

    def renew(self) -> None:
        """A new epoch begins."""
        self.epoch += 1
        self.credit, self.prompt, self.begun = 0, None, True
        if self.latest is not None:
            self.latest.renew()

    def attach(self, route: bytes, now: float) -> None:
        """It belongs to this connection from now on."""
        self.route, self.heard, self.credit = route, now, 0
        self.outbox.clear()

    def detach(self) -> None:
        """Its connection is gone; what that one did not take is not kept."""
        self.route, self.credit = None, 0
        self.outbox.clear()

    def delivery(self, seq: int | None = None) -> Delivery:
        return Delivery(self.sid, self.epoch, self.encoding, self.quality, self.progressive, seq)

    def settings(self) -> SessionRecord:
        """A record of the session that says nothing of its world."""
        return SessionRecord(
            sid=self.sid,
            token=self.token,
            world=self.world,
            mode=self.mode,
            encoding=self.encoding,
            quality=self.quality,
            progressive=self.progressive,
            recording=self.recording,
            opened=self.opened,
            epoch=self.epoch,
            index=self.index,
            seq=self.sequence.next_seq - 1,
            redo=self.sequence.redo,
            prompt=self.prompt,
        )


class Sessions:
    """All sessions that are open."""

    def __init__(self) -> None:
        self._all: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        """Over a copy, so that sessions may come and go."""
        return iter(list(self._all.values()))

    def __contains__(self, sid: str) -> bool:
        return sid in self._all

    def get(self, sid: str) -> Session | None:
        return self._all.get(sid)

    def add(self, session: Session) -> None:
        self._all[session.sid] = session

    def remove(self, session: Session) -> None:
        session.over = True
        session.outbox.clear()
        self._all.pop(session.sid, None)

    def of(self, route: bytes) -> list[Session]:
        """Those of one connection."""
        return [session for session in self._all.values() if session.route == route]

    def by_nonce(self, route: bytes, nonce: str | None) -> Session | None:
        """The session that an OPEN with this nonce has opened; on another connection only while it is unused."""
        same = [session for session in self._all.values() if nonce is not None and session.nonce == nonce]
        usable = [session for session in same if session.route == route or session.sequence.next_seq == 1]
        return usable[0] if usable else None


def new_ids() -> tuple[str, str]:
    """A session's id and its token."""
    return secrets.token_hex(16), secrets.token_hex(32)


def open_session(message: Open, world: str, route: bytes, opened: float, now: float) -> tuple[Session, str]:
    """A session that was asked for, and its token."""
    sid, token = new_ids()
    session = Session(
        sid=sid,
        token=digest(token),
        world=world,
        mode=message.mode,
        encoding=message.encoding,
        quality=message.quality,
        progressive=message.progressive,
        opened=opened,
        heard=now,
        route=route,
        nonce=message.nonce,
        recording=message.record,
        busy=True,
        asked=Asked(route, message.seq),
    )
    return session, token


def fork_session(parent: Session, now: float) -> tuple[Session, str]:
    """A session in the state of another one, and its token."""
    sid, token = new_ids()
    twin = replace(
        parent,
        sid=sid,
        token=digest(token),
        heard=now,
        nonce=None,
        recording=False,
        sequence=Sequence(),
        busy=False,
        waiting=None,
        outbox=deque(),
        encoding_now=0,
        credit=0,
        record=None,
        asked=None,
        opened_answer=None,
    )
    assert parent.spec is not None
    twin.learn(parent.spec)
    if twin.latest is not None and twin.prompt is not None:
        twin.latest.say(twin.prompt, now)
    return twin, token


def revive_session(record: SessionRecord, route: bytes, seq: int, now: float) -> Session:
    """A session from disk, whose world is still to be brought back."""
    return Session(
        sid=record.sid,
        token=record.token,
        world=record.world,
        mode=record.mode,  # type: ignore[arg-type]
        encoding=record.encoding,  # type: ignore[arg-type]
        quality=record.quality,
        progressive=record.progressive,
        opened=record.opened,
        heard=now,
        epoch=record.epoch,
        index=record.index,
        begun=record.state is not None,
        sequence=Sequence(record.seq, record.answer, redo=record.redo),
        busy=True,
        prompt=record.prompt,
        record=record,
        asked=Asked(route, seq),
    )
