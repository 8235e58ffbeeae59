from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from helios_world.arguments import MAX_PROMPT
from helios_world.conditioning.steering import Steering, default_table
from helios_world.errors import CheckpointError
from helios_world.spec import NO_ACTION, STANDARD_BUTTONS, Action, ActionSpec

STEERING = Steering.default()
TABLE: dict[str, Any] = json.loads(default_table())
OPPOSITES = (
    ("forward", "back"),
    ("strafe_left", "strafe_right"),
    ("turn_left", "turn_right"),
    ("look_up", "look_down"),
)

buttons = st.sets(st.sampled_from(STANDARD_BUTTONS))
axis_values = st.floats(-1, 1)
axes = st.dictionaries(st.sampled_from(["turn", "look"]), axis_values)
GARDEN = "a brick garden at noon"


def edited(change: Callable[[dict[str, Any]], object]) -> Steering:
    """The shipped table after an edit."""
    table = copy.deepcopy(TABLE)
    change(table)
    return Steering.parse(json.dumps(table).encode(), "edited.json")


def is_said(text: str) -> bool:
    return text == "" or re.fullmatch(r"(?:[A-Z][a-z ,]*[a-z]\. )*[A-Z][a-z ,]*[a-z]\.", text) is not None


@given(buttons, axes)
@example(set(STANDARD_BUTTONS), {"turn": 1.0, "look": -1.0})
@settings(deadline=None)
def test_what_is_said_is_sentences_of_bounded_length(held: set[str], moved: dict[str, float]) -> None:
    said = STEERING.phrase(STEERING.actions.check(Action(held, moved)))
    assert is_said(said)
    assert len(said) <= 300
    assert "{" not in said
    assert "  " not in said


@given(st.permutations(STANDARD_BUTTONS), st.integers(0, 11), axis_values, axis_values)
@settings(deadline=None)
def test_the_order_of_buttons_and_axes_does_not_matter(names: list[str], count: int, turn: float, look: float) -> None:
    held = names[:count]
    one = Action(held, {"turn": turn, "look": look})
    other = Action(reversed(held), {"look": look, "turn": turn})
    assert STEERING.phrase(one) == STEERING.phrase(other) == Steering.default().phrase(one)


@given(buttons, axes, st.sampled_from(OPPOSITES))
@settings(deadline=None)
def test_opposites_cancel(held: set[str], moved: dict[str, float], pair: tuple[str, str]) -> None:
    both, neither = held | set(pair), held - set(pair)
    assert STEERING.phrase(Action(both, moved)) == STEERING.phrase(Action(neither, moved))


@given(buttons, st.floats(0, 1), st.booleans())
@settings(deadline=None)
def test_opposite_axis_values_say_opposite_things(held: set[str], value: float, looks: bool) -> None:
    still = held - {"turn_left", "turn_right", "look_up", "look_down"}
    name, words = ("look", ("up", "down")) if looks else ("turn", ("right", "left"))
    above, below = (STEERING.phrase(Action(still, {name: sign * value})) for sign in (1, -1))
    swapped = re.sub(rf"((?:turns|tilts) (?:\w+ )?){words[0]}\b", rf"\1{words[1]}", above)
    assert swapped == below
    assert (above == below) == (value < 0.1)


@given(buttons, axes)
@settings(deadline=None)
def test_every_control_that_is_alone_is_heard(held: set[str], moved: dict[str, float]) -> None:
    assume(not any(set(pair) <= held for pair in OPPOSITES))
    assume(not any(abs(value) >= 0.1 for value in moved.values()))
    assert (STEERING.phrase(Action(held, moved)) == "") == (not held)


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (NO_ACTION, ""),
        (Action({"forward"}), "The camera moves forward."),
        (Action({"forward", "turn_left"}), "The camera moves forward and turns left."),
        (
            Action({"forward", "turn_left", "look_up", "jump"}),
            "The camera moves forward, jumps up, turns left and tilts up.",
        ),
        (Action({"forward", "back", "use"}), "A hand in the foreground reaches out to what is ahead."),
        (Action({"forward", "strafe_left"}), "The camera moves diagonally forward to the left."),
        (
            Action({"forward", "strafe_left", "turn_right"}),
            "The camera moves diagonally forward to the left and turns right.",
        ),
        (
            Action({"attack", "strafe_right"}),
            "The camera moves sideways to the right. A hand in the foreground strikes what is ahead.",
        ),
        (Action(axes={"turn": -0.05}), ""),
        (Action(axes={"turn": -0.1}), "The camera turns slightly left."),
        (Action(axes={"turn": 0.4, "look": 0.8}), "The camera turns right and tilts quickly up."),
    ],
)
def test_what_the_shipped_table_says(action: Action, said: str) -> None:
    assert STEERING.phrase(action) == said


@pytest.mark.parametrize(
    ("held", "value", "said"),
    [
        ({"turn_left"}, 0.05, "The camera turns left."),
        ({"turn_left"}, -0.5, "The camera turns quickly left."),
        ({"turn_left"}, 0.5, "The camera turns left."),
        ({"turn_left"}, 0.85, "The camera turns slightly left."),
        ({"turn_left"}, 1.0, ""),
        ({"turn_left", "turn_right"}, 0.5, "The camera turns right."),
    ],
)
def test_an_axis_speaks_for_the_buttons_that_move_it(held: set[str], value: float, said: str) -> None:
    assert STEERING.phrase(Action(held, {"turn": value})) == said


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (GARDEN, f"{GARDEN}. Go."),
        (f"{GARDEN}.", f"{GARDEN}. Go."),
        (f" {GARDEN}.\n", f"{GARDEN}. Go."),
        (f"{GARDEN},", f"{GARDEN}. Go."),
        (f"{GARDEN}!", f"{GARDEN}! Go."),
        (f"{GARDEN} …", f"{GARDEN} … Go."),
        (f"{GARDEN} (in May)", f"{GARDEN} (in May). Go."),
        ('a sign says "stop!"', 'a sign says "stop!" Go.'),
        ("中午的花园。", "中午的花园。 Go."),
        ("a {scene} of {braces}", "a {scene} of {braces}. Go."),
        ("", "Go."),
        (" \n", "Go."),
        (",", "Go."),
    ],
)
def test_a_scene_and_a_phrase_become_one_text(scene: str, expected: str) -> None:
    assert STEERING.compose(scene, "Go.") == expected


@given(st.text(max_size=50))
@settings(deadline=None)
def test_without_a_phrase_the_scene_stays_as_it_is(scene: str) -> None:
    assert STEERING.compose(scene, STEERING.phrase(NO_ACTION)) == scene


@given(st.text(max_size=50), buttons)
@settings(deadline=None)
def test_a_composed_text_ends_with_the_phrase(scene: str, held: set[str]) -> None:
    phrase = STEERING.phrase(Action(held))
    assert STEERING.compose(scene, phrase).endswith(phrase)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{phrase} {scene}", f"Go. {GARDEN}."),
        ("{scene}. {phrase}", f"{GARDEN}. Go."),
        ("{scene} Now: {phrase}", f"{GARDEN}. Now: Go."),
    ],
)
@pytest.mark.parametrize("scene", [GARDEN, f"{GARDEN}."])
def test_the_template_says_how_they_join(template: str, expected: str, scene: str) -> None:
    assert edited(lambda table: table.update(template=template)).compose(scene, "Go.") == expected


def test_the_controls_say_that_they_are_words() -> None:
    spec = STEERING.actions
    assert spec.steering == "prompt"
    assert spec.button_names == STANDARD_BUTTONS
    assert [(axis.name, axis.low, axis.high) for axis in spec.axes] == [("turn", -1, 1), ("look", -1, 1)]
    meanings = [button.meaning for button in spec.buttons] + [axis.meaning for axis in spec.axes]
    assert all("asks the model in words" in text and text.endswith("is the model's choice") for text in meanings)
    assert '"The camera moves forward."' in spec.buttons[0].meaning
    assert ActionSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_an_edited_copy_says_what_was_written(tmp_path: Path) -> None:
    table = copy.deepcopy(TABLE)
    table["rest"] = "the camera stands still"
    table["blend"] = 5
    table["subjects"]["event"] = ""
    table["buttons"] = [
        *[button for button in table["buttons"] if button["name"] not in ("use", "attack")],
        {"name": "rain", "group": "event", "phrase": "it begins to rain"},
    ]
    table["combinations"] = [
        {"buttons": ["turn_left", "forward"], "phrase": "moves forward in a curve to the left"},
        {"buttons": ["forward", "turn_left", "jump"], "phrase": "flies through a bend to the left"},
    ]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    steering = Steering.load(path)
    assert steering.blend == 5
    assert steering.phrase(NO_ACTION) == "The camera stands still."
    assert steering.phrase(Action({"forward", "back"})) == "The camera stands still."
    said = steering.phrase(Action({"rain", "forward", "turn_left"}))
    assert said == "The camera moves forward in a curve to the left. It begins to rain."
    assert steering.phrase(Action({"forward", "turn_left", "jump"})) == "The camera flies through a bend to the left."
    assert steering.actions.button_names[-1] == "rain"
    assert '"It begins to rain."' in steering.actions.buttons[-1].meaning


def test_equal_tables_are_equal_and_edits_are_seen() -> None:
    assert Steering.default() == STEERING
    assert Steering.default().to_json() == STEERING.to_json()
    assert Steering.parse(STEERING.to_json().encode(), "again") == STEERING
    assert edited(lambda table: table.update(blend=3)).to_json() != STEERING.to_json()


def test_a_one_sided_axis_needs_one_phrase() -> None:
    def push(table: dict[str, Any]) -> None:
        axis = table["axes"][0]
        del axis["negative"]
        axis.update(name="throttle", group="movement", low=0, positive="moves {how} forward", buttons={"forward": 0.5})

    steering = edited(push)
    assert steering.phrase(Action({"forward"}, {"throttle": 0.5})) == "The camera moves quickly forward."
    assert steering.phrase(Action({"forward"}, {"throttle": 0.2})) == "The camera moves forward."
    assert steering.phrase(Action({"forward"})) == "The camera moves forward."


def with_axis(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda table: table["axes"][0].update(changes)


def with_button(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda table: table["buttons"][0].update(changes)


def with_combination(*names: str) -> Callable[[dict[str, Any]], None]:
    return lambda table: table["combinations"].append({"buttons": names, "phrase": "moves"})


def long_words(table: dict[str, Any]) -> None:
    for button in table["buttons"]:
        button["phrase"] = "x" * 190


BROKEN: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda table: table["buttons"].append(table["buttons"][0]), r"buttons: more than once: forward"),
    (lambda table: table["axes"].append({**table["axes"][0], "buttons": {}}), r"axes: more than once: turn"),
    (with_axis(buttons={"look_up": 1}), r"axes: buttons: more than once: look_up"),
    (with_combination("forward", "fly"), r"combinations\.7\.buttons: no button is called \['fly'\].*'jump'"),
    (with_combination("forward"), r"combinations\.7\.buttons: .*at least 2"),
    (with_combination("forward", "forward"), r"combinations\.7\.buttons: more than once: forward"),
    (with_combination("attack", "use"), r"combinations: more than once: \['attack', 'use'\]"),
    (with_combination("jump", "back", "forward"), r"combinations\.7\.buttons: is never said, because back and forward"),
    (with_button(cancels="fly"), r"buttons\.forward\.cancels: no button is called \['fly'\]"),
    (with_button(cancels="forward"), r"buttons\.forward\.cancels: a button is not its own opposite"),
    (with_button(phrase=""), r"buttons\.0\.phrase: a phrase cannot be empty"),
    (with_button(phrase="  "), r"buttons\.0\.phrase: a phrase cannot be empty"),
    (with_button(phrase="x" * 201), r"buttons\.0\.phrase: .*at most 200 characters"),
    (with_button(phrase="moves on."), r"buttons\.0\.phrase: 'moves on\.' ends with '\.'"),
    (with_button(phrase="moves\non"), r"buttons\.0\.phrase: "),
    (with_button(phrase="moves {how} on"), r"buttons\.0\.phrase: .*only the phrases of an axis"),
    (with_button(phrase=3), r"buttons\.0\.phrase: .*string"),
    (with_button(group="sideways"), r"buttons\.0\.group: .*'movement'"),
    (with_button(name="Go forward"), r"buttons\.0\.name: "),
    (with_button(colour="red"), r"buttons\.0\.colour: "),
    (lambda table: table["buttons"][0].pop("phrase"), r"buttons\.0\.phrase: .*required"),
    (long_words, r"buttons, axes: up to \d+ characters at once; allowed are 1000"),
    (with_axis(low=0.5, negative=None), r"axes\.0: goes from 0\.5 to 1\.0; 0, at rest, has to be within"),
    (with_axis(low=0, high=0), r"axes\.0: goes from 0\.0 to 0\.0"),
    (with_axis(low="-1"), r"axes\.0\.low: .*number"),
    (with_axis(low=float("nan")), r"axes\.0\.low: .*finite"),
    (with_axis(positive=None), r"axes\.0: positive: is missing"),
    (with_axis(low=0), r"axes\.0: negative: is never said"),
    (with_axis(positive="turns right"), r"axes\.0: positive: 'turns right' needs \{how\}"),
    (with_axis(positive="turns {much} {how}"), r"axes\.0: positive: .* needs \{how\}"),
    (with_axis(buttons={"turn_left": -2}), r"axes\.0: buttons: 'turn_left' adds -2\.0; allowed is -1\.0 to 1\.0"),
    (with_axis(buttons={"turn_left": 0}), r"axes\.0: buttons: 'turn_left' adds 0\.0"),
    (with_axis(buttons={"fly": 1}), r"axes\.turn\.buttons: no button is called \['fly'\]"),
    (with_axis(bands=[]), r"axes\.0\.bands: .*at least 1"),
    (with_axis(bands=[{"at_least": -0.1, "how": ""}]), r"axes\.0\.bands\.0\.at_least: "),
    (with_axis(bands=[{"at_least": 0.5, "how": ""}] * 2), r"axes\.0: bands begin at \[0\.5, 0\.5\]"),
    (with_axis(bands=[{"at_least": 2, "how": ""}]), r"axes\.0: bands: no value .* as far from 0 as 2\.0"),
    (lambda table: table.update(template="{scene}"), r"template: .*needs \{scene\} and \{phrase\}"),
    (lambda table: table.update(template="{scene} {scene} {phrase}"), r"template: .*each once"),
    (lambda table: table.update(template="{scene!r} {phrase}"), r"template: .*needs"),
    (lambda table: table.update(template="{scene} {phrase} {"), r"template: .*no other braces"),
    (lambda table: table.update(template="{scene} {phrase} {{x}}"), r"template: .*no other braces"),
    (lambda table: table.update(blend=0), r"blend: .*greater than 0"),
    (lambda table: table.update(blend=1.5), r"blend: "),
    (lambda table: table.update(format=2), r"format: "),
    (lambda table: table.update(rest="x" * 201), r"rest: .*200"),
    (lambda table: table.update(speed=1), r"speed: "),
    (lambda table: table["subjects"].pop("look"), r"subjects\.look: .*required"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_table_is_refused_by_key(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(CheckpointError, match=r"'edited\.json' is no steering table: .*" + message):
        edited(change)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", default_table()[:-40]])
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"table\.json' is no steering table: "):
        Steering.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.json' cannot be read: No such file"):
        Steering.load(tmp_path / "nowhere.json")


def test_the_longest_words_fit_into_a_prompt() -> None:
    """The words have a cross-fade of their own, which takes only what fits into a prompt."""
    phrases = [{**button, "phrase": "x" * 60} for button in TABLE["buttons"]]
    steering = edited(lambda table: table.update(buttons=phrases, combinations=[]))
    everything = Action({"forward", "strafe_left", "turn_left", "look_up", "jump", "use", "attack"})
    assert 400 < len(steering.phrase(everything)) < MAX_PROMPT


def test_words_need_no_torch() -> None:
    code = (
        "import sys, helios_world.conditioning.steering as s; s.Steering.default()\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
