"""Input for a world that streams: what changes is sent at once, and the server samples it when a chunk begins."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from helios_runtime.protocol.messages import Input
from helios_world.arguments import check_prompt
from helios_world.errors import ActionError
from helios_world.spec import ActionSpec, Axis

_MOST_UNSEEN = 1024


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was new in an INPUT that no chunk has had, as far as is known."""

    n: int
    changed_at: float
    pressed: tuple[str, ...]
    prompt: str | None


class RemoteInputs:
    """The present state of the controls; an `InputSampler` that the server samples. Safe to use from several threads.

    Args:
        spec: the world's controls.
        wake: called after every change.
        now: monotonic seconds.
        n: of the session's last INPUT.

    Every `at` is when the change happened, in the seconds of `now`; None means now.
    """

    def __init__(
        self,
        spec: ActionSpec,
        wake: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
        n: int = 0,
    ) -> None:
        self._wake, self._now = wake, now
        self._lock = threading.Lock()
        self._buttons = spec.button_names
        self._axes = {axis.name: axis for axis in spec.axes}
        self._held: set[str] = set()
        self._pressed: set[str] = set()
        self._values: dict[str, float] = {}
        self._amounts: dict[str, float] = {}
        self._nudges: list[tuple[int, str, float]] = []
        self._prompt: str | None = None
        self._changed_at: float | None = None
        self._is_news = False
        self._n = n
        self._unseen: deque[_Sent] = deque(maxlen=_MOST_UNSEEN)

    def press(self, button: str, at: float | None = None) -> None:
        """Hold `button` from now on. Pressing a held button changes nothing."""
        with self._lock:
            if self._button(button) not in self._held:
                self._held.add(button)
                self._pressed.add(button)
                self._change(at)
        self._wake()

    def release(self, button: str, at: float | None = None) -> None:
        """Let go of `button`. Releasing a button that is not held changes nothing."""
        with self._lock:
            if self._button(button) in self._held:
                self._held.remove(button)
                self._change(at)
        self._wake()

    def move(self, axis: str, value: float, at: float | None = None) -> None:
        """Set an axis that combines by latest; add to one that combines by sum. Clipped to its range."""
        with self._lock:
            if self._axis(axis).combine == "sum":
                self._add(axis, value, at)
            elif value != self._values.get(axis, 0.0):
                self._values[axis] = value
                self._change(at)
        self._wake()

    def nudge(self, axis: str, amount: float, at: float | None = None) -> None:
        """Add `amount` to one chunk's value of `axis`, however it combines. For a mouse, say."""
        with self._lock:
            if self._axis(axis).combine == "sum":
                self._add(axis, amount, at)
            elif amount:
                self._nudges.append((self._n + 1, axis, amount))
                self._change(at)
        self._wake()

    def say(self, prompt: str, at: float | None = None) -> None:
        """Give the next chunk a prompt; of several the last one counts."""
        with self._lock:
            self._prompt = check_prompt(prompt)
            self._change(at)
        self._wake()

    def release_all(self, at: float | None = None) -> None:
        """Let go of everything, as when the window loses the keyboard."""
        with self._lock:
            if self._held or any(self._values.values()):
                self._held.clear()
                self._values.clear()
                self._change(at)
        self._wake()

    def take(self, sid: str, epoch: int) -> Input | None:
        """The message that tells of all changes since the last one; None if there are none."""
        with self._lock:
            if not self._is_news:
                return None
            self._n += 1
            pressed, prompt = tuple(sorted(self._pressed)), self._prompt
            message = Input(
                sid=sid,
                epoch=epoch,
                n=self._n,
                buttons=tuple(sorted(self._held)),
                pressed=pressed,
                axes=self._sent_axes(),
                prompt=prompt,
            )
            if self._changed_at is not None:
                self._unseen.append(_Sent(self._n, self._changed_at, pressed, prompt))
            self._forget_what_counts_once()
            self._is_news = False
            return message

    def seen(self, n: int | None) -> tuple[float, ...]:
        """A chunk has had INPUT `n` and all before. When the changes in them were made that no chunk had before."""
        with self._lock:
            times = []
            while n is not None and self._unseen and self._unseen[0].n <= n:
                times.append(self._unseen.popleft().changed_at)
            left = [nudge for nudge in self._nudges if n is None or nudge[0] > n]
            self._is_news = self._is_news or len(left) < len(self._nudges)
            self._nudges = left
            return tuple(times)

    def repeat(self) -> None:
        """On a new connection: tell all again that no chunk has had. Amounts are not, for they might count twice."""
        with self._lock:
            for sent in reversed(self._unseen):
                self._pressed |= set(sent.pressed)
                self._prompt = sent.prompt if self._prompt is None else self._prompt
                self._mark(sent.changed_at)
            self._unseen.clear()
            self._is_news = self._n > 0 or self._is_news

    def renew(self) -> None:
        """A new epoch begins: what is held stays so, and what no chunk has had is over."""
        with self._lock:
            self._forget_what_counts_once()
            self._nudges.clear()
            self._unseen.clear()
            self._is_news = bool(self._held or any(self._values.values()))

    def _sent_axes(self) -> dict[str, float]:
        values = dict(self._values)
        for _, name, amount in self._nudges:
            values[name] = values.get(name, 0.0) + amount
        sent = {name: _clip(self._axes[name], value) for name, value in values.items()} | self._amounts
        return {name: value for name, value in sent.items() if value}

    def _forget_what_counts_once(self) -> None:
        self._pressed.clear()
        self._amounts.clear()
        self._prompt, self._changed_at = None, None

    def _add(self, axis: str, amount: float, at: float | None) -> None:
        if amount:
            self._amounts[axis] = self._amounts.get(axis, 0.0) + amount
            self._change(at)

    def _change(self, at: float | None) -> None:
        self._is_news = True
        self._mark(self._now() if at is None else at)

    def _mark(self, at: float) -> None:
        self._changed_at = at if self._changed_at is None else min(at, self._changed_at)

    def _button(self, name: str) -> str:
        if name not in self._buttons:
            raise ActionError(f"unknown button {name!r}; this world has {list(self._buttons)}")
        return name

    def _axis(self, name: str) -> Axis:
        if name not in self._axes:
            raise ActionError(f"unknown axis {name!r}; this world has {list(self._axes)}")
        return self._axes[name]


def _clip(axis: Axis, value: float) -> float:
    return min(max(value, axis.low), axis.high)
