"""Many environments in one: the same as each alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

import helios_world.envs.vector
from helios_world.envs import WorldVectorEnv
from helios_world.errors import ActionError, OptionError, StateError
from helios_world.spec import Action, Chunk, World
from helios_world.testing import PatternWorld

Small = partial[PatternWorld]
NAME = "helios_world/Pattern-v0"


def strange(chunk: Chunk) -> float:
    return float(chunk.frames[-1].astype(int).sum() % 1000)


def sometimes(chunk: Chunk) -> bool:
    return int(chunk.frames[0].astype(int).sum()) % 5 == 0


def walk(envs: VectorEnv[Any, Any, Any], count: int, seed: Any = 3) -> list[Any]:
    envs.action_space.seed(1)
    results: list[Any] = [envs.reset(seed=seed)]
    results += [envs.step(envs.action_space.sample()) for _ in range(count)]
    envs.close()
    return results


@pytest.mark.parametrize("actions", ["discrete", "buttons", "dict"])
@pytest.mark.parametrize("observation", ["last", "frames"])
def test_equal_to_single_environments(actions: str, observation: str) -> None:
    settings: dict[str, Any] = {"actions": actions, "observation": observation, "reward": strange}
    both = [
        gymnasium.make_vec(NAME, 3, vectorization_mode=mode, max_episode_steps=4, terminated=sometimes, **settings)
        for mode in ("vector_entry_point", "sync")
    ]
    assert isinstance(both[0], WorldVectorEnv)
    assert isinstance(both[1], SyncVectorEnv)
    ours, theirs = (walk(envs, 24) for envs in both)
    assert data_equivalence(ours, theirs, exact=True)
    ended, cut = (np.array([step[place] for step in ours[1:]]) for place in (2, 3))
    assert ended.any()
    assert cut.any()
    over = (ended | cut).sum(axis=1)
    assert {1, 2} & set(over.tolist()), "no step with environments that go on beside one that is over"


def test_what_gymnasium_asks_of_vector_environments() -> None:
    envs = gymnasium.make_vec(NAME, 4, render_mode="rgb_array")
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert envs.spec is not None
    observations, _ = envs.reset(seed=1)
    assert observations in envs.observation_space
    assert envs.observation_space.shape == (4, 64, 128, 3)
    results = envs.step(envs.action_space.sample())
    assert results[0] in envs.observation_space
    assert [result.dtype for result in results[1:4]] == [np.float64, np.bool_, np.bool_]
    frames = envs.render()
    assert frames is not None
    assert np.array_equal(np.stack(frames), results[0])
    envs.close()
    envs.close()


def test_gymnasiums_wrappers_fit(small: Small) -> None:
    walked = walk(RecordEpisodeStatistics(WorldVectorEnv(2, small, reward=strange, max_episode_steps=2)), 2)
    assert walked[-1][4]["episode"]["l"].tolist() == [2, 2]
    walked = walk(DictInfoToList(WorldVectorEnv(2, small, max_episode_steps=2)), 3)
    assert [info["seed"] for info in walked[0][1]] == [3, 4]
    assert [info["index"] for info in walked[3][4]] == [0, 0]


def test_the_step_after_the_last_begins_anew(small: Small) -> None:
    envs = WorldVectorEnv(2, small, reward=strange, terminated=lambda chunk: "back" in chunk.action.buttons)
    envs.reset(seed=3)
    assert envs.step([2, 1])[2].tolist() == [True, False]
    _, rewards, terminated, truncated, infos = envs.step([99, 1])  # nobody asks for the first action
    assert infos["index"].tolist() == [0, 2]
    assert rewards[0] == 0
    assert not terminated.any()
    assert not truncated.any()
    assert envs.step([1, 1])[4]["index"].tolist() == [1, 3]


def test_one_batch_and_shared_weights(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[Action]] = []

    def together(worlds: Sequence[World], actions: Sequence[Action], prompts: Sequence[None]) -> list[Chunk]:
        batches.append(list(actions))
        return [world.step(action) for world, action in zip(worlds, actions, strict=True)]

    opened: list[World] = []

    def opening() -> World:
        opened.append(small())
        return opened[-1]

    monkeypatch.setattr(helios_world.envs.vector, "step_together", together)
    envs = WorldVectorEnv(5, opening, max_episode_steps=2)
    walk(envs, 3)
    assert [len(batch) for batch in batches] == [5, 5, 0]
    assert len(opened) == 1


@pytest.mark.parametrize(("seed", "expected"), [(7, [7, 8, 9]), ([3, 1, 2], [3, 1, 2])])
def test_given_seeds(small: Small, seed: Any, expected: list[int]) -> None:
    assert WorldVectorEnv(3, small).reset(seed=seed)[1]["seed"].tolist() == expected


@pytest.mark.parametrize("seed", [None, [4, None, None]])
def test_seeds_that_are_not_given_differ(small: Small, seed: Any) -> None:
    envs = WorldVectorEnv(3, small)
    assert len({*envs.reset(seed=seed)[1]["seed"].tolist(), *envs.reset()[1]["seed"].tolist()}) == 6


def test_options_are_for_all(small: Small) -> None:
    _, infos = WorldVectorEnv(2, small).reset(seed=1, options={"prompt": "a red floor"})
    assert infos["prompt"].tolist() == [(("a red floor", 1.0),)] * 2


def test_a_refused_action_changes_nothing(small: Small) -> None:
    envs = WorldVectorEnv(2, small)
    envs.reset(seed=1)
    with pytest.raises(ActionError, match="99"):
        envs.step([1, 99])
    assert envs.step([1, 1])[4]["index"].tolist() == [1, 1]


def test_a_failing_reward_asks_for_a_reset(small: Small) -> None:
    envs = WorldVectorEnv(2, small, reward=lambda chunk: 1 / (2 - chunk.index))
    envs.reset(seed=1)
    assert envs.step([1, 1])[1].tolist() == [1, 1]
    with pytest.raises(ZeroDivisionError):
        envs.step([1, 1])
    with pytest.raises(gymnasium.error.ResetNeeded, match="failed"):
        envs.step([1, 1])
    envs.reset()
    envs.step([1, 1])


def test_a_failing_world_is_told_and_asks_for_a_reset(small: Small) -> None:
    envs = WorldVectorEnv(2, small)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step([1, 1])
    envs.reset(seed=1)
    envs.envs[1].world.close()
    with pytest.raises(StateError, match="closed"):
        envs.step([1, 1])
    with pytest.raises(gymnasium.error.ResetNeeded, match="failed"):
        envs.step([1, 1])


@pytest.mark.parametrize("wrong", [{"num_envs": 0}, {"num_envs": 1, "max_episode_steps": 0}])
def test_wrong_numbers_are_named(small: Small, wrong: Any) -> None:
    with pytest.raises(OptionError, match="0"):
        WorldVectorEnv(world=small, **wrong)


def test_as_many_seeds_as_environments(small: Small) -> None:
    with pytest.raises(OptionError, match="2 seeds"):
        WorldVectorEnv(3, small).reset(seed=[1, 2])
