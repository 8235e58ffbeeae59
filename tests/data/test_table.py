"""From a game's actions to a world's and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_world.data.table import (
    AboveRule,
    AxisRule,
    ColumnsTable,
    DiscreteEntry,
    DiscreteTable,
    EqualsRule,
    RecordingTable,
    default_controls,
    likely_action,
    read_table,
)
from helios_world.errors import ActionError, OptionError
from helios_world.lands.controls import LANDS_ACTIONS
from helios_world.spec import Action
from helios_world.train.export import CONTROLS
from helios_world.worldfile import ActionsPart

COLUMNS = ColumnsTable(
    columns=(
        AxisRule(column=0, axis="turn", low=-2, high=4, rest=1),
        AboveRule(column=2, button="jump", above=0.5),
        EqualsRule(column=1, button="use", equals=2),
    )
)
NAMES = st.sampled_from(["forward", "back", "turn_left", "turn_right", "jump", "use", "fire"])


@given(entries=st.lists(st.sets(NAMES), min_size=1, max_size=8), data=st.data())
def test_a_discrete_action_is_found_again_from_its_controls(entries: list[set[str]], data: st.DataObject) -> None:
    opposite = [{"forward", "back"}, {"turn_left", "turn_right"}]
    entries = [entry for entry in entries if not any(pair <= entry for pair in opposite)] or [set()]
    table = DiscreteTable(actions=tuple(DiscreteEntry(buttons=tuple(sorted(entry))) for entry in entries))
    number = data.draw(st.integers(0, len(entries) - 1))
    action = table.action(number)
    vector = table.control_map().vector(action)
    assert action.buttons == entries[number]
    assert likely_action(table, vector.tolist()) == action
    assert (np.abs(vector) <= 1).all()


@given(turn=st.floats(-50, 50), use=st.integers(0, 3), jump=st.floats(-1, 2))
def test_columns(turn: float, use: int, jump: float) -> None:
    action = COLUMNS.action([turn, use, jump])
    assert action.buttons == {name for name, held in (("jump", jump > 0.5), ("use", use == 2)) if held}
    assert action.axes["turn"] == pytest.approx(min(4, max(-2, turn)) - 1)
    COLUMNS.action_spec().check(action)
    vector = COLUMNS.control_map().vector(action)
    assert np.abs(vector).max() <= 1
    again = likely_action(COLUMNS, vector.tolist())
    assert again.buttons == action.buttons
    assert again.axes["turn"] == pytest.approx(action.axes["turn"], abs=1e-5)


def test_the_controls_of_the_lands_follow_from_their_actions() -> None:
    assert default_controls(ActionsPart.model_validate(LANDS_ACTIONS.to_dict())) == CONTROLS


def test_own_controls_have_to_use_everything() -> None:
    with pytest.raises(ValueError, match="controls use"):
        DiscreteTable(actions=(DiscreteEntry(buttons=("jump",)),), controls=())


@pytest.mark.parametrize("value", [4, -1, 0.5, [0, 1], "jump", None])
def test_a_number_that_is_not_in_the_table(value: object) -> None:
    table = DiscreteTable(actions=(DiscreteEntry(buttons=("jump",)),))
    with pytest.raises(ActionError, match="entries 0 to 0"):
        table.action(value)


@pytest.mark.parametrize("value", [[0.0, 1.0], [0.0, 1.0, float("nan")], ["a", "b", "c"], None])
def test_a_vector_that_does_not_fit(value: object) -> None:
    with pytest.raises(ActionError, match="3 finite numbers"):
        COLUMNS.action(value)


def test_a_recording_that_uses_another_button() -> None:
    table = RecordingTable(actions=ActionsPart.model_validate(LANDS_ACTIONS.to_dict()))
    with pytest.raises(ActionError, match="jump"):
        table.action(Action({"jump"}))


def test_a_table_goes_to_a_file_and_back(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(COLUMNS.model_dump_json())
    assert read_table(path) == COLUMNS


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"kind": "discrete", "actions": [{"button": "jump"}]}', "button"),
        (
            '{"kind": "columns", "columns": [{"column": 0, "axis": "a", "low": 1, "high": 2, "rest": 0}]}',
            "out of order",
        ),
        ("{", "not valid"),
        ('{"kind": "other"}', "kind|tag"),
    ],
)
def test_a_wrong_table_names_what_is_wrong(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(OptionError, match=match):
        read_table(path)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        read_table(tmp_path / "none.json")
