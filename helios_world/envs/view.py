"""What an agent sees of a chunk, and what it gets for it. The same for one environment and for many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, get_args

import numpy as np
from gymnasium import spaces

from helios_world.envs.actions import Coding
from helios_world.errors import OptionError
from helios_world.snapshot import Snapshot
from helios_world.spec import Action, Chunk, Frames, World, WorldSpec

Observation = Literal["last", "frames"]
START_KEYS = ("prompt", "image", "video", "snapshot")
RENDER_MODES = ("rgb_array", "rgb_array_list")


class Settings(TypedDict, total=False):
    """The keywords of an environment; `View` says what they mean."""

    reward: Callable[[Chunk], float]
    terminated: Callable[[Chunk], bool]
    observation: Observation
    actions: Coding | Sequence[Action]
    start: Mapping[str, Any]
    render_mode: str | None


def no_reward(chunk: Chunk) -> float:
    return 0.0


def never(chunk: Chunk) -> bool:
    return False


@dataclass(frozen=True)
class View:
    """How a world is shown to an agent.

    Args:
        reward: of a step: a function of its chunk, which holds the frames and the action.
        terminated: whether an episode ends with this chunk.
        observation: "last" is the chunk's last frame, uint8 [H, W, 3]; "frames" is all of them, uint8 [T, H, W, 3].
        actions: "discrete" is one of a list of useful actions, "buttons" every button held or not, "dict" buttons and
            axes; a sequence of actions is a list of one's own.
        start: what an episode begins with when reset() is given no options: "prompt", "image", "video" or "snapshot".
        render_mode: "rgb_array" gives the last frame, "rgb_array_list" the frames of the chunk.

    Raises:
        OptionError: a choice that there is not.
    """

    reward: Callable[[Chunk], float] = no_reward
    terminated: Callable[[Chunk], bool] = never
    observation: Observation = "last"
    actions: Coding | Sequence[Action] = "discrete"
    start: Mapping[str, Any] = field(default_factory=dict)
    render_mode: str | None = None

    def __post_init__(self) -> None:
        if self.observation not in get_args(Observation):
            raise OptionError(f"observation is {self.observation!r}; allowed are {list(get_args(Observation))}")
        if self.render_mode not in (None, *RENDER_MODES):
            raise OptionError(f"render_mode is {self.render_mode!r}; allowed are {list(RENDER_MODES)}, or None")
        check_start(self.start)

    def space(self, spec: WorldSpec) -> spaces.Space[Any]:
        """Of the observations."""
        frame = (spec.height, spec.width, 3)
        shape = frame if self.observation == "last" else (spec.frames_per_chunk, *frame)
        return spaces.Box(0, 255, shape, np.uint8)

    def observe(self, chunk: Chunk) -> Frames:
        """A copy: agents keep and change what they get, and a chunk's frames may be read-only."""
        return np.array(chunk.frames[-1] if self.observation == "last" else chunk.frames, order="C")

    def metadata(self, spec: WorldSpec) -> dict[str, Any]:
        """How often the frames that render() gives are meant to be shown, when it is called once for every step."""
        shown = spec.frames_per_chunk if self.render_mode == "rgb_array_list" else 1
        return {"render_modes": list(RENDER_MODES), "render_fps": shown / spec.chunk_seconds}


def describe(chunk: Chunk) -> dict[str, Any]:
    """Gymnasium's info. Nothing that differs from run to run: the timing is in the chunk itself."""
    prompt = tuple((part.text, part.weight) for part in chunk.prompt)
    return {"index": chunk.index, "first_frame": chunk.first_frame, "prompt": prompt}


def begin(world: World, seed: int, start: Mapping[str, Any]) -> Chunk:
    """The first chunk of an episode, made with no action. From a snapshot it is the one that comes next in it."""
    check_start(start)
    if "snapshot" not in start:
        return world.reset(seed=seed, **start)
    state = start["snapshot"]
    world.restore(state if isinstance(state, Snapshot) else Snapshot.from_bytes(state))
    return world.step()


def check_start(start: Mapping[str, Any]) -> None:
    unknown = set(start) - set(START_KEYS)
    if unknown:
        raise OptionError(f"unknown options {sorted(unknown)} for an episode; allowed are {list(START_KEYS)}")
    if "snapshot" in start and len(start) > 1:
        raise OptionError(f"an episode begins with a snapshot alone, not also with {sorted(set(start) - {'snapshot'})}")
