from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.conditioning import Control, ControlMap
from helios_world.errors import CheckpointError
from helios_world.lands.controls import LANDS_ACTIONS, action_vector
from helios_world.spec import NO_ACTION, Action

CONTROLS = ControlMap(
    (
        Control("forward", {"forward": 1.0, "back": -1.0}),
        Control("strafe", {"strafe_right": 1.0, "strafe_left": -1.0}),
        Control("turn", {"turn_right": 1.0, "turn_left": -1.0}, {"turn": 1.0}),
    )
)
_actions = st.builds(
    Action,
    buttons=st.sets(st.sampled_from(LANDS_ACTIONS.button_names)),
    axes=st.fixed_dictionaries({}, optional={"turn": st.floats(-1, 1, width=32)}),
)


@given(_actions)
@settings(deadline=None)
def test_the_table_says_what_the_lands_understand(action: Action) -> None:
    assert np.allclose(CONTROLS.vector(action), action_vector(action), atol=1e-6)


@given(_actions)
@settings(deadline=None)
def test_components_stay_in_range(action: Action) -> None:
    vector = CONTROLS.vector(action)
    assert vector.dtype == np.float32
    assert np.abs(vector).max() <= 1


def test_a_transition_is_the_previous_and_the_present() -> None:
    walk, turn = Action({"forward"}), Action({"turn_right"}, {"turn": -0.25})
    assert CONTROLS.transition(walk, turn).tolist() == [1, 0, 0, 0, 0, 0.75]
    assert CONTROLS.transition(NO_ACTION, walk).tolist() == [0, 0, 0, 1, 0, 0]


def test_the_table_has_to_fit_the_controls() -> None:
    CONTROLS.check(LANDS_ACTIONS)
    with pytest.raises(CheckpointError, match="jump"):
        ControlMap((*CONTROLS.controls, Control("jump", {"jump": 1.0}))).check(LANDS_ACTIONS)
    with pytest.raises(CheckpointError, match="axes"):
        ControlMap((*CONTROLS.controls[:2], Control("turn", {"turn_right": 1.0, "turn_left": -1.0}))).check(
            LANDS_ACTIONS
        )
