"""The files of docs/your_game.md are what the commands read."""

from __future__ import annotations

from pathlib import Path

from helios_runtime.cli.inputs import given_inputs
from helios_world.data.table import DiscreteTable, read_table
from helios_world.testing import PatternWorld

HOME = Path(__file__).parents[2] / "docs" / "your_game"


def test_the_table() -> None:
    table = read_table(HOME / "minigrid-table.json")
    assert isinstance(table, DiscreteTable)
    assert len(table.actions) == 7
    assert [part.name for part in table.control_parts()] == ["turn", "forward"]


def test_the_script() -> None:
    inputs = given_inputs(PatternWorld(), HOME / "minigrid-script.jsonl", None)
    assert inputs.seconds(PatternWorld().spec) == 3.0
