"""What the parts of the desk share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from helios_runtime.server.errands import Errand, Jobs, Post, Tasks
from helios_runtime.server.mail import Mail
from helios_runtime.server.metrics import Metrics
from helios_runtime.server.quota import Complaints
from helios_runtime.server.sessions import Session, Sessions
from helios_runtime.server.store import Store

_log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 15.0
_DEAD = 3
"""Heartbeats of silence after which a connection is taken for dead."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the server offers and allows.

    Args:
        worlds: names that OPEN may give, the default first.
        capabilities: as in WELCOME.
        server: its name and version.
        max_sessions: open at the same time.
        max_message: bytes of a client's message.
        rate: messages per second of one connection.
        heartbeat: seconds between signs of life of a client.
        idle_seconds: of silence, after which a session is put away or ended.
        session_seconds: after which a session is ended; None for never.
        resume_seconds: that a session without a connection can still be resumed.
    """

    worlds: tuple[str, ...]
    capabilities: tuple[str, ...]
    server: str
    max_sessions: int = 16
    max_message: int = 64 << 20
    rate: float = 200.0
    heartbeat: float = HEARTBEAT_SECONDS
    idle_seconds: float = 600.0
    session_seconds: float | None = None
    resume_seconds: float = 3600.0


@dataclass(eq=False)
class Floor:
    """The sessions, and the ways from them to everything else.

    Args:
        post: calls a function in the loop's thread.
        now: monotonic seconds.
        heard: when each connection was last heard of.
        complaints: how often the log is told that nothing can be saved.
        draining: the server is about to stop.
    """

    rules: Rules
    engine: Jobs
    clerk: Tasks
    mail: Mail
    metrics: Metrics
    post: Post
    store: Store | None = None
    now: Callable[[], float] = time.monotonic
    sessions: Sessions = field(default_factory=Sessions)
    heard: dict[bytes, float] = field(default_factory=dict)
    complaints: Complaints = field(default_factory=Complaints)
    draining: bool = False

    def silent(self, session: Session) -> float:
        """Seconds since its client was last heard of."""
        connection = -1.0 if session.route is None else self.heard.get(session.route, -1.0)
        return self.now() - max(session.heard, connection)

    def alive(self, session: Session) -> bool:
        """Whether somebody seems to listen."""
        return session.route is not None and self.silent(session) < _DEAD * self.rules.heartbeat

    def save(self, session: Session) -> Errand:
        """Write the session's record, if there is a store."""
        if self.store is not None and session.record is not None:
            yield partial(self.write, session)

    def write(self, session: Session) -> bool:
        """Write the session's record now; whether that worked. In any thread."""
        assert self.store is not None
        assert session.record is not None
        try:
            self.store.save(session.record)
        except OSError as error:
            # The session goes on; it is only lost if the server is.
            held_back = self.complaints.take(self.now())
            if held_back is not None:
                _log.error("session %s cannot be saved: %s (%d before it)", session.sid, error, held_back)
            self.metrics.error("store")
            return False
        return True

    def forget(self, session: Session) -> Errand:
        """Delete what is on disk of a session."""
        if self.store is not None:
            yield partial(self.store.delete, session.sid)
