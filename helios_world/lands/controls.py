"""The controls of the lands, shared by the ground-truth game and the worlds trained on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from helios_world.spec import Action, ActionSpec, Axis, Button

WALK_SPEED = 2.4  # metres per second
STRAFE_SPEED = 2.0  # metres per second
TURN_RATE = 54.0  # degrees per second

LANDS_ACTIONS = ActionSpec(
    buttons=(
        Button("forward", f"walk forward, up to {WALK_SPEED} metres per second"),
        Button("back", f"walk backward, up to {WALK_SPEED} metres per second"),
        Button("strafe_left", f"step to the left, up to {STRAFE_SPEED} metres per second"),
        Button("strafe_right", f"step to the right, up to {STRAFE_SPEED} metres per second"),
        Button("turn_left", f"turn to the left, up to {TURN_RATE} degrees per second"),
        Button("turn_right", f"turn to the right, up to {TURN_RATE} degrees per second"),
    ),
    axes=(Axis("turn", "turn, positive to the right", f"share of {TURN_RATE} degrees per second", -1.0, 1.0),),
)

COMPONENTS = ("forward", "strafe", "turn")
_PLUS_MINUS = (("forward", "back"), ("strafe_right", "strafe_left"), ("turn_right", "turn_left"))


def action_vector(action: Action) -> npt.NDArray[np.float32]:
    """What an action asks for: float32 [3] in [-1, 1], (forward, strafe right, turn right). Opposed buttons cancel."""
    held = action.buttons
    vector = np.array([(plus in held) - (minus in held) for plus, minus in _PLUS_MINUS], dtype=np.float32)
    vector[2] = np.clip(vector[2] + action.axes.get("turn", 0.0), -1.0, 1.0)
    return vector
