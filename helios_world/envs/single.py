"""One world as a Gymnasium environment: a step is a chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium

from helios_world.envs.actions import code_actions
from helios_world.envs.view import RENDER_MODES, View, begin, describe
from helios_world.errors import StateError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames, World

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from helios_world.envs.view import Settings

Step = tuple[Frames, float, bool, bool, dict[str, Any]]


class WorldEnv(gymnasium.Env[Frames, Any]):
    """A world that an agent walks through.

    An episode never ends by itself: `terminated` ends it, or a time limit, for which gymnasium.make has
    max_episode_steps. The seed of reset(seed=…) is the world's; later calls without one draw theirs from it, so that
    the whole series of episodes repeats.

    Args:
        world: an open world, which now belongs to the environment and is closed with it; the name of one, as World.load
            takes it; or a function that opens one, such as functools.partial(World.load, "nano", device="cpu").
        settings: what the agent sees, does and gets; `helios_world.envs.view.View` lists them.

    Raises:
        OptionError: a setting that there is not.
        CheckpointError: there is no world of this name.
    """

    metadata = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 - gymnasium.make reads it from the class

    def __init__(self, world: World | str | Callable[[], World], **settings: Unpack[Settings]) -> None:
        self.view = View(**settings)
        self.world = open_world(world)
        self._settings = settings
        self._coding = code_actions(self.world.spec.actions, self.view.actions)
        self._chunk: Chunk | None = None
        self.action_space = self._coding.space
        self.observation_space = self.view.space(self.world.spec)
        self.metadata = self.view.metadata(self.world.spec)
        self.render_mode = self.view.render_mode

    @property
    def action_names(self) -> tuple[str, ...]:
        """What the numbers of a discrete action space mean; else the names of the buttons and axes."""
        return self._coding.names

    @property
    def chunk(self) -> Chunk:
        """The latest chunk, with all frames, the action and the timing."""
        if self._chunk is None:
            raise StateError("the environment has not begun; call reset() first")
        return self._chunk

    def to_action(self, action: Any) -> Action:
        """The world's action for a member of `action_space`; ActionError for anything else."""
        return self._coding.decode(action)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frames, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of the world, and of the seeds of the episodes that follow.
            options: "prompt", "image", "video" or "snapshot" to begin with, in place of the setting `start`.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31)) if seed is None else int(seed)
        self._chunk = begin(self.world, drawn, options or self.view.start)
        return self.view.observe(self._chunk), {**describe(self._chunk), "seed": drawn}

    def step(self, action: Any) -> Step:
        return self.receive(self.world.step(self.to_action(action)))

    def receive(self, chunk: Chunk) -> Step:
        """What the agent gets for a chunk that `world` has just made; a part of step()."""
        self._chunk = chunk
        reward, terminated = float(self.view.reward(chunk)), bool(self.view.terminated(chunk))
        return self.view.observe(chunk), reward, terminated, False, describe(chunk)

    def render(self) -> Any:
        """The last frame, uint8 [H, W, 3], or a list of all frames of the chunk. None without a render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn('render() shows nothing without a render mode; make(…, render_mode="rgb_array")')
            return None
        frames = self.chunk.frames.copy()
        return frames[-1] if self.render_mode == "rgb_array" else list(frames)

    def snapshot(self) -> Snapshot:
        """The state of the world. A time limit of gymnasium's counts on its own."""
        return self.world.snapshot()

    def restore(self, state: Snapshot) -> None:
        """Continue from `state` with the next step; no frame is made, and render() goes on to show the latest chunk."""
        self.world.restore(state)

    def fork(self) -> WorldEnv:
        """A second environment in the same state. It shares the weights, and draws other seeds."""
        twin = WorldEnv(self.world.fork(), **self._settings)
        twin._chunk = self._chunk
        return twin

    def close(self) -> None:
        self.world.close()


def open_world(world: World | str | Callable[[], World]) -> World:
    if isinstance(world, str):
        return World.load(world)
    return world() if callable(world) else world
