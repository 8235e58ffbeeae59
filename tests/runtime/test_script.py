"""Scripts: JSON lines to events, and events to a sampler at their times."""

from __future__ import annotations

from pathlib import Path

import pytest

from helios_runtime.inputs import InputSampler
from helios_runtime.script import Axis, Event, Press, Prompt, Release, Script, ScriptPlayer
from helios_world.errors import ActionError
from helios_world.spec import Action
from helios_world.testing import PatternWorld

LINES = (
    '{"t": 0, "press": "forward"}',
    "",
    '{"t": 0.5, "axis": ["turn", -0.25]}',
    '{"t": 0.5, "prompt": "été"}',
    '{"t": 2, "release": "forward"}',
)
SPEC = PatternWorld().spec.actions


def test_lines_become_events() -> None:
    script = Script.parse(LINES)
    assert script.events == (
        Event(0.0, Press("forward")),
        Event(0.5, Axis("turn", -0.25)),
        Event(0.5, Prompt("été")),
        Event(2.0, Release("forward")),
    )
    assert script.seconds == 2.0
    assert script.check(SPEC) is script


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "walk.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")
    assert Script.load(path) == Script.parse(LINES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"nowhere\.jsonl"):
        Script.load(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        "press forward",
        "[]",
        "{}",
        '{"t": 1}',
        '{"t": -1, "press": "forward"}',
        '{"t": NaN, "press": "forward"}',
        '{"t": Infinity, "press": "forward"}',
        '{"t": true, "press": "forward"}',
        '{"t": 1, "press": 3}',
        '{"t": 1, "axis": ["turn"]}',
        '{"t": 1, "axis": ["turn", "left"]}',
        '{"t": 1, "press": "forward", "release": "back"}',
        '{"t": 1, "jump": "forward"}',
    ],
)
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(ActionError, match="tour:2"):
        Script.parse(['{"t": 0, "press": "forward"}', line], "tour")


def test_times_go_forward() -> None:
    with pytest.raises(ActionError, match=r"t is 1\.0, before 2\.0 in a line above"):
        Script.parse(['{"t": 2, "press": "forward"}', '{"t": 1, "release": "forward"}'])


@pytest.mark.parametrize("what", ['"press": "fly"', '"release": "fly"', '"axis": ["turn", 2]', '"axis": ["x", 0]'])
def test_controls_of_another_world_are_refused(what: str) -> None:
    with pytest.raises(ActionError):
        Script.parse([f'{{"t": 0, {what}}}']).check(SPEC)


def test_events_are_given_in_their_time() -> None:
    inputs = InputSampler(SPEC)
    player = ScriptPlayer(Script.parse(LINES), inputs, start=10.0)
    assert player.next_at == 10.0
    player.play_until(10.2)
    assert inputs.sample().action == Action({"forward"})
    player.play_until(11.0)
    sample = inputs.sample()
    assert (sample.action, sample.prompt) == (Action({"forward"}, {"turn": -0.25}), "été")
    assert sample.changes == (10.5, 10.5)
    player.play_until(99.0)
    assert inputs.sample().changes == (12.0,)
    assert player.next_at is None
