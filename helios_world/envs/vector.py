"""Many sessions of one world as a Gymnasium vector environment: all take their step in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, iterate

from helios_world.batch import step_together
from helios_world.envs.single import Step, WorldEnv
from helios_world.envs.view import RENDER_MODES
from helios_world.errors import OptionError
from helios_world.spec import Chunk, Frames, World

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from helios_world.envs.view import Settings

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class WorldVectorEnv(VectorEnv[Frames, Any, npt.NDArray[Any]]):
    """`num_envs` sessions of one world, which share its weights. Gives what as many single environments give.

    An environment whose episode has ended begins the next one with the following step, whose action it ignores
    (gymnasium's AutoresetMode.NEXT_STEP). Steps are taken in one batch, first chunks one after the other.

    Args:
        num_envs: how many.
        world: as for WorldEnv. The others are forks of it, made by the first reset().
        max_episode_steps: truncates an episode; None for no limit.
        settings: as for WorldEnv. Functions are called for every environment and must not hold what belongs to one.

    Raises:
        OptionError: a setting that there is not.
        CheckpointError: there is no world of this name.
    """

    metadata = {"render_modes": list(RENDER_MODES), "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int,
        world: World | str | Callable[[], World],
        *,
        max_episode_steps: int | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        self.envs: list[WorldEnv] = []
        if num_envs < 1 or (max_episode_steps is not None and max_episode_steps < 1):
            raise OptionError(f"num_envs is {num_envs}, max_episode_steps {max_episode_steps}; both are at least 1")
        first = WorldEnv(world, **settings)
        self.envs.append(first)
        self.num_envs, self.max_episode_steps = num_envs, max_episode_steps
        self.single_observation_space, self.single_action_space = first.observation_space, first.action_space
        self.observation_space = batch_space(first.observation_space, num_envs)
        self.action_space = batch_space(first.action_space, num_envs)
        self.metadata = {**first.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.render_mode = first.render_mode
        self._steps = np.zeros(num_envs, np.int64)
        self._over = np.zeros(num_envs, np.bool_)
        self._begun = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """Begin an episode in all environments.

        Args:
            seed: of the first environment; the others get the following numbers. Or one seed for each, or None.
            options: as for WorldEnv, for all.
        """
        self._begun, seeds = False, self._seeds(seed)
        begun = [self.envs[0].reset(seed=seeds[0], options=options)]
        self.envs += [self.envs[0].fork() for _ in range(self.num_envs - len(self.envs))]
        begun += [env.reset(seed=own, options=options) for env, own in zip(self.envs[1:], seeds[1:], strict=True)]
        self._steps[:], self._over[:], self._begun = 0, False, True
        return np.stack([observation for observation, _ in begun]), self._infos([info for _, info in begun])

    def step(self, actions: Any) -> tuple[Frames, Floats, Flags, Flags, dict[str, Any]]:
        """One chunk in every environment.

        Raises:
            ActionError: one of the actions is not in the space; nothing was done.
            HeliosError: a world failed, while others may have gone on; so too what `reward` and `terminated` raise.
                Only reset() helps then.
        """
        if not self._begun:
            raise gymnasium.error.ResetNeeded("the environments have not begun, or one has failed; call reset() first")
        chunks = self._advance(actions)
        results = [self._result(env, chunk) for env, chunk in zip(self.envs, chunks, strict=True)]
        observations, rewards, terminated, _, infos = zip(*results, strict=True)
        self._steps = np.where(self._over, 0, self._steps + 1)
        ended = np.array(terminated, np.bool_)
        truncated = self._steps >= (self.max_episode_steps or np.inf)
        self._over, self._begun = ended | truncated, True
        return np.stack(observations), np.array(rewards, np.float64), ended, truncated, self._infos(infos)

    def render(self) -> tuple[Any, ...]:
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        for env in self.envs:
            env.close()

    def _advance(self, actions: Any) -> list[Chunk | None]:
        """The next chunk of every environment; None where an episode is over."""
        wanted = zip(self.envs, iterate(self.action_space, actions), self._over, strict=True)
        asked = {env: env.to_action(action) for env, action, over in wanted if not over}
        worlds = [env.world for env in asked]
        self._begun = False  # until all have their result
        made = step_together(worlds, list(asked.values()), [None] * len(worlds))
        chunks: dict[WorldEnv, Chunk] = {}
        for env, result in zip(asked, made, strict=True):
            if isinstance(result, Exception):
                raise result
            chunks[env] = result
        return [chunks.get(env) for env in self.envs]

    def _result(self, env: WorldEnv, chunk: Chunk | None) -> Step:
        if chunk is not None:
            return env.receive(chunk)
        observation, info = env.reset()
        return observation, 0.0, False, False, info

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int):
            return [seed + number for number in range(self.num_envs)]
        seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise OptionError(f"{len(seeds)} seeds were given; there are {self.num_envs} environments")
        return seeds

    def _infos(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        collected: dict[str, Any] = {}
        for number, info in enumerate(infos):
            collected = self._add_info(collected, info, number)
        return collected
