"""From events that come at any time to one action per chunk. No torch, no pygame.

Events come in from one thread and are sampled by another, at chunk start. What is pressed and let go
between two samples is still in the next one, so a tap is never lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from helios_world.errors import ActionError
from helios_world.spec import NO_ACTION, Action, ActionSpec, Axis

__all__ = ["InputSampler", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The input of one chunk.

    Args:
        action: buttons held or pressed since the last sample, and axes.
        prompt: a prompt said since the last sample, None to keep the present one.
        changes: for each button, axis and prompt that differs from the last sample, when it was first changed
            (monotonic seconds).
    """

    action: Action = NO_ACTION
    prompt: str | None = None
    changes: tuple[float, ...] = ()


class _ButtonState:
    """One button: what is held, what was active in the last sample, and the edges in between."""

    def __init__(self) -> None:
        self.held = False
        self.pressed_at: float | None = None
        self.released_at: float | None = None
        self._active = False

    def press(self, at: float) -> None:
        if self.held:
            return
        self.held = True
        if self.pressed_at is None:
            self.pressed_at = at

    def release(self, at: float) -> None:
        if self.held:
            self.held = False
            self.released_at = at

    def sample(self) -> tuple[bool, float | None]:
        """Whether the button is active now, and when it changed if that is news."""
        active = self.held or self.pressed_at is not None
        changed_at = None
        if active != self._active:
            changed_at = self.pressed_at if active else self.released_at
        # The end of a tap is no change of its own: a tap lasts one chunk, however short it was.
        self._active, self.pressed_at, self.released_at = active, None, None
        return active, changed_at


class _AxisState:
    """One axis: a value that stays ("latest"), and amounts that count for one sample only."""

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.value = 0.0
        self.amount = 0.0
        self.changed_at: float | None = None
        self._sampled = 0.0

    def sample(self) -> tuple[float, float | None]:
        total = min(max(self.value + self.amount, self.axis.low), self.axis.high)
        changed_at = self.changed_at if total != self._sampled else None
        self._sampled, self.amount, self.changed_at = total, 0.0, None
        return total, changed_at


class InputSampler:
    """Collects input for the controls of one world; safe to use from several threads.

    Args:
        spec: the world's controls.
        now: monotonic seconds.

    Every `at` is when the change happened, in the seconds of `now`; None means now.
    """

    def __init__(self, spec: ActionSpec, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._buttons = {button.name: _ButtonState() for button in spec.buttons}
        self._axes = {axis.name: _AxisState(axis) for axis in spec.axes}
        self._prompt: str | None = None
        self._prompt_at = 0.0
        self._forgiven = float("-inf")

    def press(self, button: str, at: float | None = None) -> None:
        """Hold `button` from now on. Pressing a held button changes nothing."""
        with self._lock:
            self._button(button).press(self._time(at))

    def release(self, button: str, at: float | None = None) -> None:
        """Let go of `button`. Releasing a button that is not held changes nothing."""
        with self._lock:
            self._button(button).release(self._time(at))

    def move(self, axis: str, value: float, at: float | None = None) -> None:
        """Set an axis that combines by latest; add to one that combines by sum. Clipped when sampled."""
        with self._lock:
            state = self._axis(axis)
            if state.axis.combine == "sum":
                self._add(state, value, at)
            elif value != state.value:
                state.value = value
                self._mark(state, at)

    def nudge(self, axis: str, amount: float, at: float | None = None) -> None:
        """Add `amount` to the next sample of `axis` only, however it combines. For a mouse, say."""
        with self._lock:
            self._add(self._axis(axis), amount, at)

    def say(self, prompt: str, at: float | None = None) -> None:
        """Give the next sample a prompt; of several the last one counts."""
        with self._lock:
            self._prompt, self._prompt_at = prompt, self._time(at)

    def release_all(self, at: float | None = None) -> None:
        """Let go of everything, as when the window loses the keyboard."""
        with self._lock:
            when = self._time(at)
            for button in self._buttons.values():
                button.release(when)
            for state in self._axes.values():
                if state.value:
                    state.value = 0.0
                    self._mark(state, when)

    def forgive(self) -> None:
        """Forget when the pending changes were made, as after a pause: they were not waiting for a chunk."""
        with self._lock:
            self._forgiven = self._now()

    def sample(self) -> Sample:
        """Return the input of the chunk that begins now, and forget what counts once."""
        with self._lock:
            buttons = {name: state.sample() for name, state in self._buttons.items()}
            axes = {name: state.sample() for name, state in self._axes.items()}
            prompt, self._prompt = self._prompt, None
        times = [changed_at for _, changed_at in (*buttons.values(), *axes.values()) if changed_at is not None]
        if prompt is not None:
            times.append(self._prompt_at)
        held = [name for name, (active, _) in buttons.items() if active]
        values = {name: value for name, (value, _) in axes.items() if value}
        changes = tuple(sorted(at for at in times if at > self._forgiven))
        return Sample(Action(held, values), prompt, changes)

    def _add(self, state: _AxisState, amount: float, at: float | None) -> None:
        if amount:
            state.amount += amount
            self._mark(state, at)

    def _mark(self, state: _AxisState, at: float | None) -> None:
        if state.changed_at is None:
            state.changed_at = self._time(at)

    def _time(self, at: float | None) -> float:
        return self._now() if at is None else at

    def _button(self, name: str) -> _ButtonState:
        if name not in self._buttons:
            raise ActionError(f"unknown button {name!r}; this world has {list(self._buttons)}")
        return self._buttons[name]

    def _axis(self, name: str) -> _AxisState:
        if name not in self._axes:
            raise ActionError(f"unknown axis {name!r}; this world has {list(self._axes)}")
        return self._axes[name]
