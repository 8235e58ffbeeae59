"""Shows a streamed world in the thread that asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from helios_runtime.client.exchange import Exchange
from helios_runtime.client.inputs import RemoteInputs
from helios_runtime.client.playback import Playback, ShownFrame, StreamFigures

GoOn = Callable[[Callable[[], Exchange[None]], Callable[[], float]], None]
_LONGEST_WAIT = 0.1


class FramePlayer:
    """The frames of a streamed world, each at its time. `RemoteWorld.stream` makes one.

    >>> player = world.stream()
    >>> player.inputs.press("forward")
    >>> for frame in player:
    ...     show(frame.picture)

    With a loop of one's own, call `poll` once per turn. The world's methods, such as reset() or snapshot(), can be
    called in between; a new beginning is shown at once. What the server reports, and a connection that cannot be had
    again, is raised here; polling again goes on.
    """

    def __init__(self, playback: Playback, go_on: GoOn) -> None:
        self._playback = playback
        self._go_on = go_on

    @property
    def inputs(self) -> RemoteInputs:
        """What is held now. Changes go to the server with the next poll, or at once while one waits here."""
        return self._playback.inputs

    def poll(self) -> ShownFrame | None:
        """What to show now; None while nothing has come. Waits for nothing."""
        return self._polled(lambda: 0.0)

    def wait(self, most: float) -> ShownFrame | None:
        """Wait for a new frame for at most `most` seconds; what to show then."""
        until = time.monotonic() + most
        shown = self.poll()
        while (shown is None or not shown.is_new) and time.monotonic() < until:
            shown = self._polled(lambda: self._playback.next_at(until))
        return shown

    def __iter__(self) -> Iterator[ShownFrame]:
        """Every frame once, at its time."""
        while True:
            shown = self.wait(_LONGEST_WAIT)
            if shown is not None and shown.is_new:
                yield shown

    def pause(self) -> None:
        """Let the picture stand still, and the server rest."""
        self._playback.pause()

    def resume(self) -> None:
        self._playback.resume()

    def figures(self) -> StreamFigures:
        return self._playback.figures()

    def _polled(self, until: Callable[[], float]) -> ShownFrame | None:
        self._go_on(self._playback.live, until)
        shown = self._playback.poll()
        if shown is not None and shown.is_new:
            self._go_on(self._playback.live, lambda: 0.0)  # a chunk that begins to be shown makes room for the next one
        return shown
