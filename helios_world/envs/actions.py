"""How an agent's actions become a world's: each coding is a space, and what its members mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from helios_world.errors import ActionError, OptionError
from helios_world.spec import NO_ACTION, Action, ActionSpec

Coding = Literal["discrete", "buttons", "dict"]


@dataclass(frozen=True)
class ActionCoding:
    """What an agent may do.

    Args:
        space: the agent's actions.
        names: what they mean: of the actions, for a space that lists them; of the buttons and then the axes otherwise.
        decode: a member of `space` to the world's action; ActionError for anything else.
    """

    space: spaces.Space[Any]
    names: tuple[str, ...]
    decode: Callable[[Any], Action]


def code_actions(spec: ActionSpec, coding: Coding | Sequence[Action]) -> ActionCoding:
    """The coding of this name, or the list of these actions.

    Raises:
        OptionError: there is no such coding, or the world lacks what it is made of.
        ActionError: an action of the list is not one of the world's.
    """
    if not isinstance(coding, str):
        return listed(tuple(spec.check(action) for action in coding))
    if coding not in CODINGS:
        raise OptionError(f"actions is {coding!r}; allowed are {list(CODINGS)}, or a sequence of actions")
    return CODINGS[coding](spec)


def table(spec: ActionSpec) -> tuple[Action, ...]:
    """Nothing, every button alone, and forward together with every other button but back."""
    alone = [Action({name}) for name in spec.button_names]
    companions = [name for name in spec.button_names if name not in ("forward", "back")]
    pairs = [Action({"forward", name}) for name in companions] if "forward" in spec.button_names else []
    return (NO_ACTION, *alone, *pairs)


def listed(actions: tuple[Action, ...]) -> ActionCoding:
    """Discrete(n): one of the given actions."""
    if not actions:
        raise OptionError("the list of actions is empty; give at least one, such as NO_ACTION")
    space: spaces.Discrete[Any] = spaces.Discrete(len(actions))

    def decode(value: Any) -> Action:
        _require(space.contains(value), value, space)
        return actions[int(value)]

    return ActionCoding(space, tuple(_name(action) for action in actions), decode)


def discrete(spec: ActionSpec) -> ActionCoding:
    """Discrete(n): one of `table(spec)`. Axes stay at rest."""
    _buttons_of(spec)
    return listed(table(spec))


def multi_binary(spec: ActionSpec) -> ActionCoding:
    """MultiBinary(n): every button held or not. Axes stay at rest."""
    names = _buttons_of(spec)
    space = spaces.MultiBinary(len(names))

    def decode(value: Any) -> Action:
        return Action(_held(value, names, space))

    return ActionCoding(space, names, decode)


def dictionary(spec: ActionSpec) -> ActionCoding:
    """Dict of "buttons", MultiBinary(n), and "axes", Box in [-1, 1]: everything that the world has.

    An axis is given as a share of what is allowed on its side of rest: 1 is its `high`, -1 its `low`.
    """
    parts: dict[str, Any] = {}
    if spec.buttons:
        parts["buttons"] = spaces.MultiBinary(len(spec.buttons))
    if spec.axes:
        parts["axes"] = _shares(spec)
    if not parts:
        raise OptionError("this world has no controls; give a list of actions, such as [NO_ACTION]")
    space = spaces.Dict(parts)

    def decode(value: Any) -> Action:
        _require(isinstance(value, dict) and set(value) == set(parts), value, space)
        buttons = _held(value["buttons"], spec.button_names, parts["buttons"]) if spec.buttons else ()
        return Action(buttons, _axes(value["axes"], spec, parts["axes"]) if spec.axes else {})

    return ActionCoding(space, (*spec.button_names, *spec.axis_names), decode)


CODINGS: dict[str, Callable[[ActionSpec], ActionCoding]] = {
    "discrete": discrete,
    "buttons": multi_binary,
    "dict": dictionary,
}


def _held(value: Any, names: tuple[str, ...], space: spaces.MultiBinary) -> list[str]:
    _require(space.contains(value), value, space)
    return [name for name, held in zip(names, value, strict=True) if held]


def _shares(spec: ActionSpec) -> spaces.Box:
    low = np.array([-1 if axis.low < 0 else 0 for axis in spec.axes], np.float32)
    return spaces.Box(low, np.ones_like(low), dtype=np.float32)


def _axes(value: Any, spec: ActionSpec, space: spaces.Box) -> dict[str, float]:
    """Numbers of any type; Box.contains would refuse 64 bits."""
    shares = np.asarray(value)
    _require(shares.shape == space.shape and shares.dtype.kind in "fiu", value, space)
    _require(bool(((space.low <= shares) & (shares <= space.high)).all()), value, space)
    pairs = zip(spec.axes, shares.tolist(), strict=True)
    return {axis.name: share * axis.high if share > 0 else share * -axis.low for axis, share in pairs}


def _buttons_of(spec: ActionSpec) -> tuple[str, ...]:
    if not spec.buttons:
        raise OptionError('this world has no buttons; use actions="dict", or give a list of actions')
    return spec.button_names


def _name(action: Action) -> str:
    axes = [f"{name}={value:g}" for name, value in action.axes.items()]
    return "+".join([*sorted(action.buttons), *axes]) or "nothing"


def _require(member: bool, value: Any, space: spaces.Space[Any]) -> None:
    if not member:
        raise ActionError(f"the action is {value!r}; allowed is a member of {space}")
