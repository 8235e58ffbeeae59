"""The input of a streaming session: the latest state wins, and a tap is kept until a chunk has had it."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from helios_runtime.protocol.messages import Input
from helios_world.errors import ActionError
from helios_world.spec import Action, ActionSpec


@dataclass(frozen=True, slots=True)
class Taken:
    """The input of one chunk.

    Args:
        applied: the number of the newest INPUT that was seen.
        client_time: of that INPUT, if no chunk has had it before.
        changed_at: when the oldest change came that no chunk has had before.
    """

    action: Action
    prompt: str | None = None
    applied: int | None = None
    client_time: float | None = None
    changed_at: float | None = None


class LatestInput:
    """Collects INPUTs in one thread to be sampled in another, at the moment a chunk begins."""

    def __init__(self, actions: ActionSpec) -> None:
        self._actions = actions
        self._sums = {axis.name for axis in actions.axes if axis.combine == "sum"}
        self._ranges = {axis.name: (axis.low, axis.high) for axis in actions.axes}
        self._lock = threading.Lock()
        self._applied: int | None = None
        self._client_time: float | None = None
        self._changed_at: float | None = None
        self._prompt: str | None = None
        self._held: frozenset[str] = frozenset()
        self._seen: frozenset[str] = frozenset()
        self._axes: dict[str, float] = {}
        self._amounts: dict[str, float] = {}

    def put(self, message: Input, at: float) -> None:
        """Take an INPUT that came at `at`; an old one counts for nothing.

        Raises:
            ActionError: a button or an axis that the world does not have, or a value out of range.
        """
        held, axes = frozenset(message.buttons), dict(message.axes)
        amounts = {name: axes.pop(name) for name in self._sums & set(axes)}
        self._actions.check(Action(held | set(message.pressed), axes))
        if not all(map(math.isfinite, amounts.values())):
            raise ActionError(f"an amount of {amounts} is not finite")
        with self._lock:
            if self._applied is not None and message.n <= self._applied:
                return
            news = held != self._held or message.pressed or axes != self._axes or any(amounts.values())
            self._applied, self._client_time = message.n, message.client_time
            self._seen |= (held - self._held) | set(message.pressed)
            self._held, self._axes = held, axes
            for name, amount in amounts.items():
                self._amounts[name] = self._amounts.get(name, 0.0) + amount
            self._prompt = message.prompt if message.prompt is not None else self._prompt
            self._mark(bool(news) or message.prompt is not None, at)

    def say(self, prompt: str, at: float) -> None:
        """The prompt of the next chunk."""
        with self._lock:
            self._prompt = prompt
            self._mark(True, at)

    def sample(self) -> Taken:
        """The input of the chunk that begins now."""
        with self._lock:
            axes = {name: value for name, value in self._axes.items() if value}
            axes |= {name: self._clip(name, amount) for name, amount in self._amounts.items() if amount}
            action = Action(self._held | self._seen, axes)
            taken = Taken(action, self._prompt, self._applied, self._client_time, self._changed_at)
            self._clear()
        return taken

    def put_back(self, prompt: str | None) -> None:
        """The chunk with this prompt was not made; the next one is to have it, unless there is a newer one."""
        with self._lock:
            self._prompt = prompt if self._prompt is None else self._prompt

    def renew(self) -> None:
        """A new epoch: nothing is held, and what no chunk has had is over. The count of INPUTs goes on."""
        with self._lock:
            self._held, self._axes = frozenset(), {}
            self._clear()

    def _clear(self) -> None:
        """What counts for one chunk only."""
        self._seen, self._amounts = frozenset(), {}
        self._prompt = self._client_time = self._changed_at = None

    def _mark(self, news: bool, at: float) -> None:
        if news and self._changed_at is None:
            self._changed_at = at

    def _clip(self, name: str, value: float) -> float:
        low, high = self._ranges[name]
        return min(max(value, low), high)
