"""The controls of a world, and what is held of them. No torch here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from helios_world.errors import ActionError

STANDARD_BUTTONS = (
    "forward",
    "back",
    "strafe_left",
    "strafe_right",
    "turn_left",
    "turn_right",
    "look_up",
    "look_down",
    "jump",
    "use",
    "attack",
)


@dataclass(frozen=True, slots=True)
class Button:
    """A control that is either held or not. `meaning` says what it does, with its unit."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A continuous control in [low, high], 0 at rest.

    `combine` says how samples that arrive within one chunk become one value: their sum, or the latest.
    """

    name: str
    meaning: str
    unit: str
    low: float
    high: float
    combine: Literal["sum", "latest"] = "latest"


@dataclass(frozen=True)
class Action:
    """What is held while a chunk is made. The same for every frame of the chunk.

    >>> Action(buttons={"forward"}, axes={"turn": 0.3})
    """

    buttons: frozenset[str] = frozenset()
    axes: Mapping[str, float] = field(default_factory=dict)

    def __init__(self, buttons: Iterable[str] = (), axes: Mapping[str, float] | None = None) -> None:
        if isinstance(buttons, str):
            raise ActionError(f"buttons is a collection of names; got the string {buttons!r}, write {{{buttons!r}}}")
        object.__setattr__(self, "buttons", frozenset(buttons))
        values = {name: float(value) for name, value in sorted((axes or {}).items())}
        object.__setattr__(self, "axes", MappingProxyType(values))

    def __hash__(self) -> int:
        return hash((self.buttons, tuple(self.axes.items())))

    def __reduce__(self) -> tuple[type[Action], tuple[list[str], dict[str, float]]]:
        return Action, (sorted(self.buttons), dict(self.axes))

    def __repr__(self) -> str:
        return f"Action(buttons={sorted(self.buttons)}, axes={dict(self.axes)})"

    def to_dict(self) -> dict[str, Any]:
        return {"buttons": sorted(self.buttons), "axes": dict(self.axes)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Action:
        unknown = set(data) - {"buttons", "axes"}
        if unknown:
            raise ActionError(f"an action has the keys 'buttons' and 'axes'; got also {sorted(unknown)}")
        return cls(data.get("buttons", ()), data.get("axes"))


NO_ACTION = Action()


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """The controls of a world.

    `steering` is "trained" when the model was trained on these controls, and "prompt" when they are turned into words.
    """

    buttons: tuple[Button, ...]
    axes: tuple[Axis, ...] = ()
    steering: Literal["trained", "prompt"] = "trained"

    @property
    def button_names(self) -> tuple[str, ...]:
        return tuple(button.name for button in self.buttons)

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    def check(self, action: Action) -> Action:
        """Return `action`, or raise ActionError naming what is allowed."""
        unknown = action.buttons - set(self.button_names)
        if unknown:
            raise ActionError(f"unknown button {sorted(unknown)}; this world has {list(self.button_names)}")
        known = {axis.name: axis for axis in self.axes}
        for name, value in action.axes.items():
            if name not in known:
                raise ActionError(f"unknown axis {name!r}; this world has {list(known)}")
            axis = known[name]
            if not math.isfinite(value) or not axis.low <= value <= axis.high:
                raise ActionError(f"axis {name!r} is {value}; allowed is {axis.low} to {axis.high} ({axis.unit})")
        return action

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ActionSpec:
        return cls(
            buttons=tuple(Button(**button) for button in data["buttons"]),
            axes=tuple(Axis(**axis) for axis in data["axes"]),
            steering=data["steering"],
        )
