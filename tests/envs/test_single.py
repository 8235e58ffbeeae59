"""One world as an environment: gymnasium's own checker, and what the checker does not look at."""

from __future__ import annotations

import itertools
import subprocess
import sys
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.wrappers import HumanRendering, RecordEpisodeStatistics

from helios_world.envs import MAX_CHUNKS, WorldEnv
from helios_world.errors import ActionError, CheckpointError, OptionError, SnapshotError, StateError
from helios_world.spec import Action, Chunk
from helios_world.testing import PatternWorld
from helios_world.testing.pattern import read_code

Small = partial[PatternWorld]
FORWARD = 1


def brightness(chunk: Chunk) -> float:
    return float(chunk.frames[-1].mean())


@pytest.mark.parametrize(
    ("name", "actions", "observation"),
    [
        *(("Pattern", *pair) for pair in itertools.product(("discrete", "buttons", "dict"), ("last", "frames"))),
        ("Lands", "discrete", "last"),
        ("Lands", "dict", "frames"),
        ("Nano", "discrete", "last"),
    ],
)
def test_gymnasium_finds_nothing(name: str, actions: str, observation: str) -> None:
    env = gymnasium.make(f"helios_world/{name}-v0", actions=actions, observation=observation, reward=brightness)
    check_env(env.unwrapped)
    env.close()


def test_any_world_can_be_made(small: Small) -> None:
    env = gymnasium.make("helios_world/World-v0", world=small)
    assert env.observation_space.shape == (8, 16, 3)
    check_env(env.unwrapped)
    with pytest.raises(CheckpointError, match="no-such-world"):
        WorldEnv("no-such-world")


def test_the_agent_sees_the_world(small: Small) -> None:
    env, world = WorldEnv(small), small()
    assert np.array_equal(env.reset(seed=5)[0], world.reset(seed=5).frames[-1])
    observation, reward, terminated, truncated, info = env.step(FORWARD)
    chunk = world.step(Action({"forward"}))
    assert np.array_equal(observation, chunk.frames[-1])
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info == {"index": 1, "first_frame": 4, "prompt": (("a blue floor", 1.0),)}
    assert env.chunk.timing.total > 0


def test_all_frames_can_be_seen(small: Small) -> None:
    env = WorldEnv(small, observation="frames")
    observation, _ = env.reset(seed=5)
    assert observation.shape == (4, 8, 16, 3)
    assert [read_code(frame).frame for frame in observation] == [0, 1, 2, 3]


def test_reward_and_end_are_functions_of_the_chunk(small: Small) -> None:
    env = WorldEnv(small, reward=lambda chunk: len(chunk.action.buttons), terminated=lambda chunk: chunk.index == 2)
    env.reset(seed=1)
    assert env.step(7)[1:3] == (2.0, False)
    assert env.step(0)[1:3] == (0.0, True)


def test_a_seed_repeats_a_series_of_episodes(small: Small) -> None:
    def series(seed: int) -> list[Any]:
        env = WorldEnv(small, actions="dict", observation="frames")
        env.action_space.seed(seed)
        begun = [env.reset(seed=seed), env.reset()]
        return [*begun, *(env.step(env.action_space.sample()) for _ in range(4)), env.reset()]

    assert data_equivalence(series(3), series(3), exact=True)
    assert not data_equivalence(series(3), series(4), exact=True)


def test_unseeded_episodes_differ(small: Small) -> None:
    env = WorldEnv(small)
    assert env.reset()[1]["seed"] != env.reset()[1]["seed"]
    assert env.reset(seed=2**40)[1]["seed"] == 2**40


def test_an_episode_begins_as_one_says(small: Small) -> None:
    image = np.full((8, 16, 3), 200, np.uint8)
    env, world = WorldEnv(small, start={"prompt": "a green floor"}), small()
    assert env.reset(seed=1)[1]["prompt"] == (("a green floor", 1.0),)
    observation, _ = env.reset(seed=1, options={"image": image, "prompt": "a red floor"})
    assert np.array_equal(observation, world.reset(seed=1, image=image, prompt="a red floor").frames[-1])
    observation, _ = env.reset(seed=1, options={"video": np.stack([image] * 4)})
    assert np.array_equal(observation, world.reset(seed=1, video=np.stack([image] * 4)).frames[-1])
    assert env.reset(seed=1, options={})[1]["prompt"] == (("a green floor", 1.0),)


@pytest.mark.parametrize("form", [lambda state: state, bytes])
def test_an_episode_begins_with_a_snapshot(small: Small, form: Any) -> None:
    world = small()
    world.reset(seed=1)
    world.step(Action({"forward"}))
    env = WorldEnv(small, start={"snapshot": form(world.snapshot())})
    observation, info = env.reset()
    assert info["index"] == 2
    assert np.array_equal(observation, world.step().frames[-1])


def test_wrong_options_are_named(small: Small) -> None:
    env = WorldEnv(small)
    with pytest.raises(OptionError, match=r"'colour'.*'prompt'"):
        env.reset(options={"colour": "red"})
    with pytest.raises(OptionError, match="snapshot alone"):
        env.reset(options={"snapshot": b"", "prompt": "a red floor"})
    with pytest.raises(SnapshotError):
        env.reset(options={"snapshot": b"no snapshot"})


@pytest.mark.parametrize(
    "setting",
    [{"observation": "first"}, {"actions": "keys"}, {"render_mode": "human"}, {"start": {"colour": "red"}}],
)
def test_wrong_settings_are_named(small: Small, setting: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        WorldEnv(small, **setting)
    with pytest.raises(TypeError, match="rewards"):
        WorldEnv(small, rewards=brightness)  # type: ignore[call-arg]


def test_a_refused_action_changes_nothing(small: Small) -> None:
    env = WorldEnv(small)
    env.reset(seed=1)
    before = env.snapshot()
    with pytest.raises(ActionError, match="99"):
        env.step(99)
    assert env.snapshot() == before


def test_order_and_close(small: Small) -> None:
    env = WorldEnv(small)
    with pytest.raises(StateError, match="reset"):
        env.step(0)
    with pytest.raises(StateError, match="reset"):
        env.chunk  # noqa: B018
    env.close()
    env.close()
    with pytest.raises(StateError, match="closed"):
        env.reset()


def test_going_back_and_forking(small: Small) -> None:
    env = WorldEnv(small, reward=brightness, actions="buttons", render_mode="rgb_array")
    env.reset(seed=4)
    env.step([1, 0, 0, 0, 0, 0])
    state, twin = env.snapshot(), env.fork()
    steps = [[0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]
    future = [env.step(step) for step in steps]
    assert data_equivalence(future, [twin.step(step) for step in steps], exact=True)
    env.restore(state)
    assert data_equivalence(future, [env.step(step) for step in steps], exact=True)
    assert twin.render_mode == "rgb_array"
    twin.close()
    env.step(steps[0])


def test_the_agent_may_write_into_what_it_got(small: Small) -> None:
    env = WorldEnv(small, observation="frames", render_mode="rgb_array_list")
    observation, _ = env.reset(seed=1)
    observation[:] = 0
    for frame in env.render():
        frame[:] = 0
    assert env.chunk.frames.any()


def test_rendering(small: Small) -> None:
    still = WorldEnv(small, render_mode="rgb_array")
    observation, _ = still.reset(seed=1)
    assert np.array_equal(still.render(), observation)
    assert still.metadata["render_fps"] == 6
    film = WorldEnv(small, render_mode="rgb_array_list")
    film.reset(seed=1)
    assert [read_code(frame).frame for frame in film.render()] == [0, 1, 2, 3]
    assert film.metadata["render_fps"] == 24
    assert HumanRendering(still).metadata["render_fps"] == 6


def test_rendering_without_a_mode_warns(small: Small) -> None:
    env = WorldEnv(small)
    env.reset(seed=1)
    with pytest.warns(UserWarning, match="render mode"):
        assert env.render() is None


def test_time_limits_are_gymnasiums() -> None:
    env = RecordEpisodeStatistics(
        gymnasium.make("helios_world/Pattern-v0", max_episode_steps=3, reward=lambda chunk: chunk.index)
    )
    env.reset(seed=1)
    steps = [env.step(FORWARD) for _ in range(3)]
    assert [step[3] for step in steps] == [False, False, True]
    assert steps[-1][4]["episode"]["r"] == 6.0
    limit = gymnasium.spec("helios_world/Lands-v0").max_episode_steps
    assert limit == MAX_CHUNKS


def test_the_action_names_are_told(small: Small) -> None:
    env = WorldEnv(small)
    assert len(env.action_names) == env.action_space.n  # type: ignore[attr-defined]
    assert env.to_action(FORWARD) == Action({env.action_names[FORWARD]})


def test_an_open_world_belongs_to_the_environment() -> None:
    world = PatternWorld()
    env = WorldEnv(world)
    assert env.world is world
    env.close()
    with pytest.raises(StateError):
        world.reset()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import sys; sys.modules['gymnasium'] = None; import helios_world.envs", 'pip install "helios-world[agents]"'),
        (
            "import gymnasium, sys; gymnasium.make('helios_world.envs:helios_world/Pattern-v0').reset();"
            "assert 'torch' not in sys.modules; import helios_world.envs; sys.exit('fine')",
            "fine",
        ),
    ],
)
def test_importing(statement: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", statement], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip().splitlines()[-1].endswith(expected)
