"""InputSampler: nothing that was pressed is lost, and every change has its time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_runtime.inputs import InputSampler, Sample
from helios_world.errors import ActionError
from helios_world.spec import Action, ActionSpec, Axis, Button

SPEC = ActionSpec(
    buttons=(Button("forward", "walk"), Button("back", "walk back"), Button("jump", "jump")),
    axes=(Axis("turn", "turn", "share", -1.0, 1.0), Axis("roll", "roll", "degrees", -9.0, 9.0, "sum")),
)


@pytest.fixture
def inputs() -> InputSampler:
    return InputSampler(SPEC, now=lambda: 100.0)


def test_nothing_held_is_no_action(inputs: InputSampler) -> None:
    assert inputs.sample() == Sample()


def test_held_button_stays_and_is_news_once(inputs: InputSampler) -> None:
    inputs.press("forward", 1.0)
    assert inputs.sample() == Sample(Action({"forward"}), None, (1.0,))
    assert inputs.sample() == Sample(Action({"forward"}))
    inputs.release("forward", 2.0)
    assert inputs.sample() == Sample(Action(), None, (2.0,))


def test_tap_between_two_samples_lasts_one_sample(inputs: InputSampler) -> None:
    inputs.press("jump", 1.0)
    inputs.release("jump", 1.1)
    assert inputs.sample() == Sample(Action({"jump"}), None, (1.0,))
    assert inputs.sample() == Sample()


def test_letting_go_and_pressing_again_is_no_change(inputs: InputSampler) -> None:
    inputs.press("forward", 1.0)
    inputs.sample()
    inputs.release("forward", 2.0)
    inputs.press("forward", 2.1)
    assert inputs.sample() == Sample(Action({"forward"}))


def test_time_of_several_presses_is_that_of_the_first(inputs: InputSampler) -> None:
    for at in (1.0, 2.0):
        inputs.press("jump", at)
        inputs.release("jump", at + 0.1)
    inputs.press("back", 2.5)
    assert inputs.sample().changes == (1.0, 2.5)


def test_latest_axis_keeps_its_value_and_sum_axis_starts_anew(inputs: InputSampler) -> None:
    for value in (0.2, 0.5):
        inputs.move("turn", value, 1.0 + value)
        inputs.move("roll", 3.0, 1.0 + value)
    assert inputs.sample() == Sample(Action(axes={"turn": 0.5, "roll": 6.0}), None, (1.2, 1.2))
    assert inputs.sample().action == Action(axes={"turn": 0.5})
    inputs.move("turn", 0.0, 2.0)
    assert inputs.sample() == Sample(Action(), None, (2.0,))


def test_axes_are_clipped_to_their_range(inputs: InputSampler) -> None:
    inputs.move("turn", -7.0)
    inputs.move("roll", 30.0)
    assert SPEC.check(inputs.sample().action).axes == {"turn": -1.0, "roll": 9.0}


def test_nudge_counts_for_one_sample(inputs: InputSampler) -> None:
    inputs.move("turn", 0.1, 1.0)
    inputs.sample()
    for _ in range(3):
        inputs.nudge("turn", 0.2, 2.0)
    sample = inputs.sample()
    assert sample.action.axes["turn"] == pytest.approx(0.7)
    assert sample.changes == (2.0,)
    assert inputs.sample().action.axes["turn"] == 0.1


def test_of_several_prompts_the_last_one_counts_once(inputs: InputSampler) -> None:
    inputs.say("one", 1.0)
    inputs.say("two", 2.0)
    assert inputs.sample() == Sample(prompt="two", changes=(2.0,))
    assert inputs.sample().prompt is None


def test_release_all_lets_go_of_buttons_and_axes(inputs: InputSampler) -> None:
    inputs.press("forward", 1.0)
    inputs.move("turn", 1.0, 1.0)
    inputs.sample()
    inputs.release_all(3.0)
    assert inputs.sample() == Sample(Action(), None, (3.0, 3.0))


def test_forgiven_changes_have_no_time(inputs: InputSampler) -> None:
    inputs.press("forward", 99.0)
    inputs.forgive()
    inputs.press("back", 101.0)
    assert inputs.sample() == Sample(Action({"forward", "back"}), None, (101.0,))


def test_unknown_controls_are_named_with_those_that_exist(inputs: InputSampler) -> None:
    with pytest.raises(ActionError, match=r"'fly'.*forward"):
        inputs.press("fly")
    with pytest.raises(ActionError, match=r"'yaw'.*turn"):
        inputs.nudge("yaw", 1.0)


EVENTS = st.lists(st.tuples(st.sampled_from(SPEC.button_names), st.sampled_from(["press", "release", "sample"])))


@settings(deadline=None)
@given(EVENTS)
def test_every_press_is_in_the_next_sample(events: list[tuple[str, str]]) -> None:
    inputs = InputSampler(SPEC)
    held: set[str] = set()
    pressed: set[str] = set()
    for button, what in events:
        if what == "sample":
            assert inputs.sample().action.buttons == held | pressed
            pressed.clear()
        elif what == "press":
            inputs.press(button)
            pressed |= {button} - held
            held.add(button)
        else:
            inputs.release(button)
            held.discard(button)
    assert inputs.sample().action.buttons == held | pressed
