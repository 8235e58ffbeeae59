"""A streamed world on an absolute clock: which frame to show now, and when to let the server make the next chunk.

Chunks are asked for one at a time, and as late as is safe, so that the input in them is as fresh as possible. At most
one is ahead of what is shown. No sockets here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from helios_runtime.client.chunks import Received
from helios_runtime.client.core import Session
from helios_runtime.client.exchange import Exchange
from helios_runtime.client.failures import failure
from helios_runtime.client.inputs import RemoteInputs
from helios_runtime.pacing import FrameClock, Pacing, Recent
from helios_runtime.protocol.messages import Credit
from helios_runtime.telemetry import Spread
from helios_world.errors import StateError
from helios_world.spec import Chunk, Frames

_KEPT = 2048
_A_WHILE = 1.0
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ShownFrame:
    """What is on screen.

    Args:
        chunk: that the frame belongs to.
        number: of the frame in it.
        is_new: it was not returned before.
    """

    chunk: Chunk
    number: int
    is_new: bool

    @property
    def picture(self) -> Frames:
        """uint8 [H, W, 3]."""
        picture: Frames = self.chunk.frames[self.number]
        return picture


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """A stream so far.

    Args:
        frames, chunks: shown.
        lost_chunks: that the server made and that never came, as after a broken connection.
        connections: that the session was on.
        underruns: chunks that were late.
        late_ms: by how much, in all.
        chunk_ms: from asking for a chunk to having it.
        delay_ms: from a change of the input to the first frame that shows it.
    """

    frames: int
    chunks: int
    lost_chunks: int
    connections: int
    underruns: int
    late_ms: float
    chunk_ms: Spread
    delay_ms: Spread

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Playback:
    """Paces one session in stream mode.

    Args:
        session: it has begun.
        wake: called when the input changes, from any thread.
        fps: frames per second to show; None for the world's own.
        pacing: how late a chunk is asked for.
        now: monotonic seconds.
    """

    def __init__(
        self,
        session: Session,
        wake: Callable[[], None],
        fps: float | None = None,
        *,
        pacing: Pacing | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if session.options.mode != "stream" or session.epoch == 0:
            raise StateError("streaming needs a session in stream mode that has begun: connect(mode='stream'), reset()")
        self.inputs = RemoteInputs(session.spec.actions, wake, now, session.last_input)
        self._session = session
        self._now = now
        self._pacing = pacing or Pacing()
        self._clock: FrameClock[Received] = FrameClock(session.spec.fps if fps is None else fps, now)
        self._epoch, self._attachments = session.epoch, session.attachments
        self._asked_at: float | None = None
        self._asked_with = session.last_input
        self._due: float | None = None
        self._next_index: int | None = None
        self._last: tuple[Received, int] | None = None
        self._changes: dict[int, tuple[float, ...]] = {}
        self._times, self._delays = Recent(_KEPT), Recent(_KEPT)
        self._recent = Recent(self._pacing.recent)
        self._frames = self._chunks = self._lost = 0

    def live(self) -> Exchange[None]:
        """Keep the session going, for ever: take chunks, send input, ask for more.

        Raises:
            ConnectionLostError: there is no server for `timeout` seconds.
            StateError: the session is no more, or the server has gone back to an older state.
            HeliosError: why a chunk could not be made.
        """
        session = self._session
        while True:
            yield from session.attach()
            if self._is_in_vain():
                self._asked_at = None
            yield from self._turn()
            error = yield from session.listen(self._look_again_at())
            if error is not None:
                self._asked_at = None
                raise failure(error)

    def poll(self) -> ShownFrame | None:
        """What to show now; None while nothing has come."""
        shown, self._due = self._clock.poll(), None
        if shown is None:
            return None
        now, present = self._now(), (shown.item, shown.frame)
        is_new = self._last is None or self._last[0] is not shown.item or self._last[1] != shown.frame
        self._last = present
        self._frames += is_new
        if shown.fresh:
            self._chunks += 1
            self._delays.add(*(now - at for at in self._changes.pop(shown.item.chunk.index, ())))
        return ShownFrame(shown.item.chunk, shown.frame, is_new)

    def next_at(self, latest: float) -> float:
        """When the picture changes after the last poll, as far as is known now, at most `latest`; monotonic seconds."""
        if self._due is None:
            boundary = self._clock.next_boundary()
            self._due = None if boundary is None else self._now() + boundary - self._clock.time()
        return latest if self._due is None else min(self._due, latest)

    def pause(self) -> None:
        self._clock.pause()

    def resume(self) -> None:
        self._clock.resume()

    def figures(self) -> StreamFigures:
        return StreamFigures(
            frames=self._frames,
            chunks=self._chunks,
            lost_chunks=self._lost,
            connections=self._session.attachments,
            underruns=self._clock.underruns,
            late_ms=round(1e3 * self._clock.late_seconds, 2),
            chunk_ms=Spread.of(self._times),
            delay_ms=Spread.of(self._delays),
        )

    def _turn(self) -> Exchange[None]:
        """Show what has come, then send what is to be sent: the input before the credit for a chunk that has it."""
        session = self._session
        self._notice_jumps()
        while session.arrived and self._has_room:
            self._push(session.arrived.popleft())
        message = self.inputs.take(session.sid, session.epoch)
        if message is not None:
            session.last_input = message.n
            yield from session.line.send(message)
        if self._is_time():
            self._asked_at, self._asked_with = self._now(), session.last_input
            yield from session.line.send(Credit(sid=session.sid, epoch=session.epoch, n=1))

    def _notice_jumps(self) -> None:
        session = self._session
        if session.attachments != self._attachments:
            self._attachments, self._asked_at = session.attachments, None
            if self._next_index is not None:  # a server that went back makes some chunks anew
                self._next_index = min(self._next_index, session.begins_at)
            self.inputs.repeat()
        if session.epoch != self._epoch:
            self._epoch, self._asked_at, self._next_index = session.epoch, None, None
            self._asked_with = 0
            self._changes.clear()
            self._clock.cut()
            self.inputs.renew()

    @property
    def _has_room(self) -> bool:
        return self._clock.caught_up or self._next_index is None

    def _push(self, received: Received) -> None:
        index = received.chunk.index
        if self._next_index is not None and index < self._next_index:
            return  # it was here before
        if self._asked_at is not None:
            self._times.add(received.at - self._asked_at)
            self._recent.add(received.at - self._asked_at)
        if self._next_index is not None:
            self._lost += max(index - self._next_index, 0)
        self._asked_at, self._next_index = None, index + 1
        changes = self.inputs.seen(received.applied)
        if changes:
            self._changes[index] = changes
        if (received.applied or 0) < self._asked_with:
            self.inputs.repeat()  # what was sent before the chunk was asked for has not arrived
        self._clock.push(received, len(received.chunk.frames))

    def _is_time(self) -> bool:
        return self._asked_at is None and self._may_ask and self._ask_in() <= _ROUNDING

    def _is_in_vain(self) -> bool:
        """Whether the chunk that was asked for will not come: a server drops what exceeds its rate of messages.

        If it does come, there is one more ahead for a moment.
        """
        if self._asked_at is None:
            return False
        line, options = self._session.line, self._session.options
        waited, pong = self._now() - self._asked_at, line.pong
        is_idle = pong is not None and line.pong_at > self._asked_at and pong.busy_since is None and not pong.queue
        return waited > (options.retry_seconds if is_idle else options.timeout)

    @property
    def _may_ask(self) -> bool:
        return self._clock.caught_up and not self._clock.paused and not self._session.arrived

    def _ask_in(self) -> float:
        """Seconds until the next chunk is to be asked for."""
        return self._clock.begin_at(self._pacing.lead(self._recent)) - self._clock.time()

    def _look_again_at(self) -> float:
        seconds = _A_WHILE
        if self._asked_at is None and self._may_ask:
            seconds = min(max(self._ask_in(), 0.0), seconds)
        return self._now() + seconds
