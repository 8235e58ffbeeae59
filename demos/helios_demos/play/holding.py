"""Buttons that several keys, or a key and a stick, may hold at once: the last one lets go."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from helios_runtime.inputs import InputSampler
from helios_world.spec import ActionSpec

__all__ = ["Holding"]


class Holding:
    """Passes presses on to a sampler. A source is whatever tells one key or stick direction from another."""

    def __init__(self, spec: ActionSpec, inputs: InputSampler) -> None:
        self._names = set(spec.button_names)
        self._inputs = inputs
        self._held: dict[Hashable, str] = {}

    def choose(self, wanted: Sequence[str]) -> str | None:
        """The first of `wanted` that the world has, None if it has none of them."""
        return next((name for name in wanted if name in self._names), None)

    def press(self, source: Hashable, wanted: Sequence[str], at: float | None = None) -> None:
        button = self.choose(wanted)
        if button is not None and source not in self._held:
            self._held[source] = button
            self._inputs.press(button, at)

    def release(self, source: Hashable, at: float | None = None) -> None:
        button = self._held.pop(source, None)
        if button is not None and button not in self._held.values():
            self._inputs.release(button, at)

    def release_all(self, at: float | None = None) -> None:
        self._held.clear()
        self._inputs.release_all(at)
