"""How a game's own actions become those of a world: an editable table, a JSON file whose unknown keys are errors.

    {"kind": "discrete", "actions": [{"buttons": ["turn_left"]}, {"buttons": ["forward"], "weight": 3}]}
    {"kind": "columns", "columns": [{"column": 0, "axis": "turn", "low": -1, "high": 1}]}
    {"kind": "recording", "actions": {"buttons": [{"name": "forward", "meaning": "walk"}]}}

`discrete` lists what each number of a Discrete space means. `columns` reads the numbers of a vector, of a Box,
MultiBinary or MultiDiscrete space or of a robot. `recording` is for recordings of this package, which have names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from helios_world.conditioning.action import Control, ControlMap
from helios_world.errors import ActionError, CheckpointError, OptionError
from helios_world.spec import Action, ActionSpec
from helios_world.worldfile import ActionsPart, AxisPart, ButtonPart, ControlPart, wrong_keys

OPPOSITES = {
    "forward": ("forward", "back"),
    "strafe": ("strafe_right", "strafe_left"),
    "turn": ("turn_right", "turn_left"),
    "look": ("look_up", "look_down"),
}
"""Controls with two sides: the button that counts 1 and the one that counts -1; an axis of that name joins them."""

Number = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Table(_Part):
    """What all kinds have.

    Args:
        meanings: of buttons and axes, for people.
        controls: what the model is told, as in world.json; None for `default_controls`.
    """

    meanings: dict[str, str] = {}
    controls: tuple[ControlPart, ...] | None = None

    @model_validator(mode="after")
    def _fits(self) -> _Table:
        try:
            self.control_map().check(self.action_spec())
        except CheckpointError as error:
            raise ValueError(str(error).replace("world.json: ", "")) from error
        return self

    def actions_part(self) -> ActionsPart:
        """The world's buttons and axes."""
        raise NotImplementedError

    def action_spec(self) -> ActionSpec:
        return ActionSpec.from_dict(self.actions_part().model_dump())

    def control_parts(self) -> tuple[ControlPart, ...]:
        return default_controls(self.actions_part()) if self.controls is None else self.controls

    def control_map(self) -> ControlMap:
        return ControlMap(tuple(Control(part.name, part.buttons, part.axes) for part in self.control_parts()))


class DiscreteEntry(_Part):
    """What one number does. `weight` says how often a random player chooses it; 0 is never."""

    buttons: tuple[str, ...] = ()
    axes: dict[str, Number] = {}
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0


class DiscreteTable(_Table):
    """Entry n is what the number n does."""

    kind: Literal["discrete"] = "discrete"
    actions: Annotated[tuple[DiscreteEntry, ...], Field(min_length=1)]

    def actions_part(self) -> ActionsPart:
        buttons = dict.fromkeys(name for entry in self.actions for name in entry.buttons)
        axes = dict.fromkeys(name for entry in self.actions for name in entry.axes)
        return ActionsPart(
            buttons=tuple(ButtonPart(name=name, meaning=self.meanings.get(name, name)) for name in buttons),
            axes=tuple(self._axis(name) for name in axes),
        )

    def action(self, value: Any) -> Action:
        """The world's action for a number of the game.

        Raises:
            ActionError: there is no such number in the table.
        """
        number = np.asarray(value)
        if number.size != 1 or number.dtype.kind not in "iu" or not 0 <= number.item() < len(self.actions):
            raise ActionError(f"the game's action is {value!r}; the table has entries 0 to {len(self.actions) - 1}")
        entry = self.actions[int(number.item())]
        return Action(entry.buttons, entry.axes)

    def _axis(self, name: str) -> AxisPart:
        values = [entry.axes[name] for entry in self.actions if name in entry.axes]
        low, high = min(0.0, *values), max(0.0, *values)
        return AxisPart(name=name, meaning=self.meanings.get(name, name), unit="of the game", low=low, high=high)


class AxisRule(_Part):
    """Number `column` of the vector moves an axis: at rest it is `rest`, and it goes from `low` to `high`."""

    column: Annotated[int, Field(ge=0)]
    axis: str
    unit: str = "of the game"
    low: Number
    high: Number
    rest: Number = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> AxisRule:
        if not self.low <= self.rest <= self.high or self.low == self.high:
            raise ValueError(f"axis {self.axis!r}: low {self.low}, rest {self.rest}, high {self.high} are out of order")
        return self


class AboveRule(_Part):
    """A button is held while number `column` is above a threshold."""

    column: Annotated[int, Field(ge=0)]
    button: str
    above: Number


class EqualsRule(_Part):
    """A button is held while number `column` is this whole number."""

    column: Annotated[int, Field(ge=0)]
    button: str
    equals: int


class ColumnsTable(_Table):
    """Rules for the numbers of a vector; numbers without a rule are passed over."""

    kind: Literal["columns"] = "columns"
    columns: Annotated[tuple[AxisRule | AboveRule | EqualsRule, ...], Field(min_length=1)]

    def actions_part(self) -> ActionsPart:
        buttons = dict.fromkeys(rule.button for rule in self.columns if not isinstance(rule, AxisRule))
        return ActionsPart(
            buttons=tuple(ButtonPart(name=name, meaning=self.meanings.get(name, name)) for name in buttons),
            axes=tuple(self._axis(rule) for rule in self.columns if isinstance(rule, AxisRule)),
        )

    def action(self, value: Any) -> Action:
        """The world's action for a vector of the game; numbers beyond an axis are cut to its end.

        Raises:
            ActionError: the vector is too short, or holds something that is no number.
        """
        given, needed = np.asarray(value).reshape(-1), 1 + max(rule.column for rule in self.columns)
        if given.dtype.kind not in "fiub" or len(given) < needed or not np.isfinite(given).all():
            raise ActionError(f"the game's action is {value!r}; the table needs {needed} finite numbers")
        numbers = given.astype(np.float64)
        held, axes = [], {}
        for rule in self.columns:
            number = float(numbers[rule.column])
            if isinstance(rule, AxisRule):
                axes[rule.axis] = min(rule.high, max(rule.low, number)) - rule.rest
            elif number > rule.above if isinstance(rule, AboveRule) else number == rule.equals:
                held.append(rule.button)
        return Action(held, axes)

    def _axis(self, rule: AxisRule) -> AxisPart:
        meaning = self.meanings.get(rule.axis, rule.axis)
        low, high = rule.low - rule.rest, rule.high - rule.rest
        return AxisPart(name=rule.axis, meaning=meaning, unit=rule.unit, low=low, high=high)


class RecordingTable(_Table):
    """The controls that the recorded world had."""

    kind: Literal["recording"] = "recording"
    actions: ActionsPart

    def actions_part(self) -> ActionsPart:
        return self.actions

    def action(self, value: Any) -> Action:
        """An action of a log, checked.

        Raises:
            ActionError: it uses what the table does not have.
        """
        if not isinstance(value, Action):
            raise ActionError(f"the game's action is {value!r}; this table is for recordings of this package")
        return self.action_spec().check(value)


Table = Annotated[DiscreteTable | ColumnsTable | RecordingTable, Field(discriminator="kind")]
AnyTable = DiscreteTable | ColumnsTable | RecordingTable
_ANY: TypeAdapter[AnyTable] = TypeAdapter(Table)


def read_table(path: Path) -> AnyTable:
    """OptionError names the file and every wrong key."""
    try:
        return _ANY.validate_json(path.read_bytes())
    except OSError as error:
        raise OptionError(f"the table {str(path)!r} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise OptionError(f"the table {str(path)!r} is not valid: {'; '.join(wrong_keys(error))}") from error


def default_controls(actions: ActionsPart) -> tuple[ControlPart, ...]:
    """A control for each pair of opposite buttons, for each other button and for each other axis, in [-1, 1]."""
    names = {button.name for button in actions.buttons}
    axes = {axis.name: 1 / max(-axis.low, axis.high) for axis in actions.axes}
    controls, paired = [], set()
    for name, (plus, minus) in OPPOSITES.items():
        if plus in names and minus in names:
            joined = {name: axes.pop(name)} if name in axes else {}
            controls.append(ControlPart(name=name, buttons={plus: 1.0, minus: -1.0}, axes=joined))
            paired |= {plus, minus}
    alone = _in_order(names - paired, (button.name for button in actions.buttons))
    controls += [ControlPart(name=name, buttons={name: 1.0}) for name in alone]
    for name, scale in axes.items():
        controls.append(ControlPart(name=f"{name}_axis" if name in names else name, axes={name: scale}))
    return tuple(controls)


def _in_order(chosen: set[str], order: Iterable[str]) -> list[str]:
    return [name for name in order if name in chosen]


def likely_action(table: AnyTable, vector: Iterable[float]) -> Action:
    """An action whose controls are nearest to `vector`: axes as far as they go, a button where half is reached."""
    buttons, axes = [], {}
    limits = {axis.name: axis for axis in table.actions_part().axes}
    for part, value in zip(table.control_parts(), vector, strict=True):
        for name, factor in part.axes.items():
            axes[name] = min(limits[name].high, max(limits[name].low, float(value) / factor))
        if not part.axes:
            buttons += [name for name, factor in part.buttons.items() if value * factor >= 0.5 * factor**2]
    return Action(buttons, axes)
