import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.lands import physics
from helios_world.lands.controls import TURN_RATE, WALK_SPEED, action_vector
from helios_world.lands.explorer import Explorer
from helios_world.lands.maps import ALL_LANDS, CLEARANCE, REACH, WALL
from helios_world.spec import Action


def test_walking_reaches_the_documented_speeds() -> None:
    land = np.array([0])
    states = physics.at_rest(np.zeros((1, 3)))
    states[0, :3] = (-3.5, -1.0, -1.2)
    states, _ = physics.walk(states, np.array([[0, 0, 1]], np.float32), land, 24)
    assert abs(np.degrees(states[0, 5]) - TURN_RATE) < 0.1
    states, _ = physics.walk(states, np.array([[1, 0, 0]], np.float32), land, 24)
    assert abs(states[0, 3] - WALK_SPEED) < 0.01
    assert abs(states[0, 5]) < 1e-4


def test_turning_right_moves_the_heading_clockwise() -> None:
    states = physics.at_rest(np.zeros((1, 3)))
    turned, _ = physics.walk(states, action_vector(Action({"turn_right"}))[None], np.array([2]), 4)
    assert turned[0, 2] > 0
    moved, _ = physics.walk(states, action_vector(Action({"strafe_right"}))[None], np.array([2]), 4)
    assert moved[0, 1] > 0
    assert abs(moved[0, 0]) < 1e-9


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    held=st.lists(st.tuples(*[st.floats(-1, 1, width=32)] * 3), min_size=1, max_size=8),
)
def test_nobody_leaves_the_yard_or_enters_a_landmark(seed: int, held: list[tuple[float, float, float]]) -> None:
    lands = np.arange(4)
    states = physics.at_rest(physics.random_poses(np.random.default_rng(seed), lands))
    for controls in held:
        states, poses = physics.walk(states, np.tile(np.float32(controls), (4, 1)), lands, 12)
        assert np.abs(poses[..., :2]).max() <= REACH + 1e-9
        for land in range(4):
            for m in ALL_LANDS[land].landmarks:
                if max(abs(m.x), abs(m.y)) < WALL:
                    gap = np.hypot(poses[land, :, 0] - m.x, poses[land, :, 1] - m.y) - m.radius
                    assert gap.min() > CLEARANCE - 0.02, m


def test_ticks_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(2)
    lands = np.arange(12) % 4
    states = physics.at_rest(physics.random_poses(rng, lands))
    controls = rng.uniform(-1, 1, (12, 3)).astype(np.float32)
    together, _ = physics.walk(states, controls, lands, 20)
    alone = [physics.walk(states[i : i + 1], controls[i : i + 1], lands[i : i + 1], 20)[0] for i in range(12)]
    assert np.array_equal(together, np.concatenate(alone))


def test_spawns_are_free_places() -> None:
    for land in range(4):
        pose = physics.spawn_pose(land)
        assert np.allclose(physics.keep_out(pose[None, :2], np.array([land]))[0], pose[:2])


def test_explorers_see_the_whole_yard_and_use_every_control() -> None:
    count, lands = 64, np.arange(64) % 4
    explorer = Explorer(count, np.random.default_rng(0))
    states = physics.at_rest(physics.random_poses(np.random.default_rng(1), lands))
    seen, places = np.zeros((3, 3), bool), []
    for _ in range(120):
        controls = explorer.sample(states)
        for axis in range(3):
            seen[axis] |= [
                (controls[:, axis] < 0).any(),
                (controls[:, axis] == 0).any(),
                (controls[:, axis] > 0).any(),
            ]
        states, poses = physics.walk(states, controls, lands, 4)
        places.append(poses[:, -1, :2])
    assert seen.all()
    cells = np.unique(np.floor(np.concatenate(places) / 2), axis=0)
    assert len(cells) >= 20


def test_opposed_buttons_cancel_and_the_axis_adds() -> None:
    assert np.array_equal(action_vector(Action({"forward", "back"})), [0, 0, 0])
    assert np.allclose(action_vector(Action({"turn_right"}, {"turn": -0.25})), [0, 0, 0.75])
    assert np.allclose(action_vector(Action({"turn_right"}, {"turn": 1.0})), [0, 0, 1])
