"""From an action to the numbers that a model was trained on. The table is part of the checkpoint. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from helios_world.errors import CheckpointError
from helios_world.spec import Action, ActionSpec


@dataclass(frozen=True)
class Control:
    """One component of the vector: the sum of held buttons and axes, each times its factor, cut to [-1, 1]."""

    name: str
    buttons: Mapping[str, float] = field(default_factory=dict)
    axes: Mapping[str, float] = field(default_factory=dict)

    def value(self, action: Action) -> float:
        held = math.fsum(self.buttons.get(name, 0.0) for name in action.buttons)
        moved = math.fsum(factor * action.axes.get(name, 0.0) for name, factor in self.axes.items())
        return max(-1.0, min(1.0, held + moved))


@dataclass(frozen=True)
class ControlMap:
    """The components in the order in which the model has them."""

    controls: tuple[Control, ...]

    def check(self, spec: ActionSpec) -> None:
        """Raise CheckpointError unless every control uses what `spec` has, and everything it has is used."""
        for what, known, used in (
            ("buttons", spec.button_names, [name for control in self.controls for name in control.buttons]),
            ("axes", spec.axis_names, [name for control in self.controls for name in control.axes]),
        ):
            if set(used) != set(known):
                raise CheckpointError(
                    f"world.json: controls use the {what} {sorted(set(used))}, actions define {sorted(known)}"
                )

    def vector(self, action: Action) -> npt.NDArray[np.float32]:
        """float32 [number of controls], each in [-1, 1]."""
        return np.array([control.value(action) for control in self.controls], dtype=np.float32)

    def transition(self, previous: Action, present: Action) -> npt.NDArray[np.float32]:
        """float32 [2 × number of controls]: those of the previous chunk, then those of this one.

        A body with inertia moves by both.
        """
        return np.concatenate([self.vector(previous), self.vector(present)])

    @classmethod
    def from_list(cls, entries: Sequence[Mapping[str, Any]]) -> ControlMap:
        return cls(tuple(Control(**entry) for entry in entries))
