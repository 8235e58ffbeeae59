"""Every coding of the actions says the same of the world, and refuses what is not in its space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.envs.actions import CODINGS, code_actions
from helios_world.errors import ActionError, OptionError
from helios_world.lands.controls import LANDS_ACTIONS
from helios_world.spec import NO_ACTION, STANDARD_BUTTONS, Action, ActionSpec, Axis, Button

EVERYTHING = ActionSpec(
    tuple(Button(name, "does it") for name in STANDARD_BUTTONS),
    (
        Axis("turn", "turn", "degrees per frame", -9.0, 3.0),
        Axis("gas", "go", "metres per second", 0.0, 5.0),
    ),
)
AXES_ONLY = ActionSpec((), EVERYTHING.axes)


def test_the_list_is_what_one_expects_of_the_lands() -> None:
    coding = code_actions(LANDS_ACTIONS, "discrete")
    assert coding.names == (
        "nothing",
        "forward",
        "back",
        "strafe_left",
        "strafe_right",
        "turn_left",
        "turn_right",
        "forward+strafe_left",
        "forward+strafe_right",
        "forward+turn_left",
        "forward+turn_right",
    )
    assert coding.decode(0) == NO_ACTION
    assert coding.decode(np.int64(9)) == Action({"forward", "turn_left"})


def test_the_list_has_no_action_twice() -> None:
    actions = [code_actions(EVERYTHING, "discrete").decode(number) for number in range(21)]
    assert len(set(actions)) == 21


def test_a_list_of_ones_own() -> None:
    own = (Action({"jump"}), Action({"use", "back"}, {"turn": -9.0}))
    coding = code_actions(EVERYTHING, own)
    assert coding.names == ("jump", "back+use+turn=-9")
    assert [coding.decode(number) for number in range(2)] == list(own)
    with pytest.raises(ActionError, match="'fly'"):
        code_actions(EVERYTHING, [Action({"fly"})])
    with pytest.raises(OptionError, match="empty"):
        code_actions(EVERYTHING, [])


def test_buttons_are_held_or_not() -> None:
    coding = code_actions(LANDS_ACTIONS, "buttons")
    assert coding.names == LANDS_ACTIONS.button_names
    assert coding.decode(np.array([1, 0, 0, 0, 0, 1], np.int8)) == Action({"forward", "turn_right"})
    assert coding.decode([0] * 6) == NO_ACTION


def test_axes_are_shares_of_each_side_of_rest() -> None:
    decode = code_actions(AXES_ONLY, "dict").decode
    assert decode({"axes": np.array([-1.0, 1.0], np.float32)}) == Action(axes={"turn": -9.0, "gas": 5.0})
    assert decode({"axes": np.array([0.5, 0.0])}) == Action(axes={"turn": 1.5, "gas": 0.0})


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([EVERYTHING, LANDS_ACTIONS]), st.sampled_from(sorted(CODINGS)), st.integers(0, 99))
def test_every_member_is_an_action_of_the_world(spec: ActionSpec, name: str, seed: int) -> None:
    coding = CODINGS[name](spec)
    coding.space.seed(seed)
    for _ in range(20):
        spec.check(coding.decode(coding.space.sample()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("discrete", 21),
        ("discrete", -1),
        ("discrete", 1.5),
        ("discrete", None),
        ("buttons", [1] * 10),
        ("buttons", [2] + [0] * 10),
        ("buttons", 1),
        ("dict", {"buttons": [0] * 11}),
        ("dict", [0] * 11),
        ("dict", {"buttons": [0] * 11, "axes": [0.0]}),
        ("dict", {"buttons": [0] * 11, "axes": [1.01, 0.0]}),
        ("dict", {"buttons": [0] * 11, "axes": [0.0, -0.5]}),
        ("dict", {"buttons": [0] * 11, "axes": [float("nan"), 0.0]}),
        ("dict", {"buttons": [0] * 11, "axes": ["left", "right"]}),
        ("dict", {"buttons": [0] * 11, "axes": [0.0, 0.0], "more": 1}),
    ],
)
def test_anything_else_is_refused(name: Any, value: Any) -> None:
    with pytest.raises(ActionError):
        code_actions(EVERYTHING, name).decode(value)


def test_what_a_world_lacks_is_said() -> None:
    unknown: Any = "continuous"
    with pytest.raises(OptionError, match=r"'continuous'.*'discrete'"):
        code_actions(EVERYTHING, unknown)
    for name in ("discrete", "buttons"):
        with pytest.raises(OptionError, match="no buttons"):
            CODINGS[name](AXES_ONLY)
    with pytest.raises(OptionError, match="no controls"):
        code_actions(ActionSpec(()), "dict")
