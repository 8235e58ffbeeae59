"""Episodes from a Gymnasium environment, played here by a random player or by one that is given.

An environment is one of Gymnasium's registry, with `render_mode="rgb_array"`; "package:Name-v0" imports the package
first, as Gymnasium has it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from helios_world.data.episodes import Episode
from helios_world.data.table import AnyTable, AxisRule, ColumnsTable, DiscreteEntry, DiscreteTable, EqualsRule
from helios_world.errors import DependencyError, FrameError, OptionError
from helios_world.spec import Frames

if TYPE_CHECKING:
    import gymnasium

Policy = Callable[[Any, np.random.Generator], Any]
"""From an observation to an action of the environment's own."""


def open_environment(name: str) -> gymnasium.Env[Any, Any]:
    """The environment of this name.

    Raises:
        DependencyError: Gymnasium or the environment's package is missing.
        OptionError: there is no such environment, or it draws no pictures.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise DependencyError('Gymnasium is missing; pip install "helios-world[agents]"') from error
    try:
        return gymnasium.make(name, render_mode="rgb_array")
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise DependencyError(f"the environment {name!r} needs a package that is missing: {error}") from error
    except (gymnasium.error.Error, TypeError) as error:
        raise OptionError(
            f"the environment {name!r} cannot be made with render_mode='rgb_array': {error}. One from another package"
            ' is named with it, as in "minigrid:MiniGrid-Empty-8x8-v0"'
        ) from error


def frame_rate(environment: gymnasium.Env[Any, Any]) -> float:
    """Steps per second that the environment says it is meant for; 10 where it says nothing."""
    return float(environment.metadata.get("render_fps") or 10)


def gym_table(space: Any) -> AnyTable:
    """A first table for a space: a button for each number of a Discrete, an axis for each number of a Box.

    Raises:
        OptionError: the space is of another kind, or a Box without ends.
    """
    kind = type(space).__name__
    if kind == "Discrete" and int(space.start) == 0:
        return DiscreteTable(actions=tuple(DiscreteEntry(buttons=(f"action_{n}",)) for n in range(int(space.n))))
    if kind == "MultiBinary":
        count = int(np.prod(space.shape))
        return ColumnsTable(columns=tuple(EqualsRule(column=n, button=f"button_{n}", equals=1) for n in range(count)))
    if kind == "MultiDiscrete":
        sizes = np.asarray(space.nvec).reshape(-1).tolist()
        numbers = [(column, value) for column, size in enumerate(sizes) for value in range(1, size)]
        return ColumnsTable(columns=tuple(EqualsRule(column=c, button=f"c{c}_is_{v}", equals=v) for c, v in numbers))
    if kind == "Box" and np.isfinite(space.low).all() and np.isfinite(space.high).all():
        ends = zip(space.low.reshape(-1).tolist(), space.high.reshape(-1).tolist(), strict=True)
        return ColumnsTable(columns=tuple(_axis(column, low, high) for column, (low, high) in enumerate(ends)))
    raise OptionError(
        f"the environment's actions are {space}; tables are for Discrete from 0 on, Box, MultiBinary and MultiDiscrete"
    )


def random_player(space: Any, table: AnyTable) -> Policy:
    """Numbers of a Discrete by their weights in the table; any member of another space."""
    if not isinstance(table, DiscreteTable):
        return lambda _, rng: _sample(space, rng)
    weights = np.array([entry.weight for entry in table.actions])
    if weights.sum() == 0:
        raise OptionError("all weights of the table are 0, so that a random player can do nothing")
    return lambda _, rng: int(rng.choice(len(weights), p=weights / weights.sum()))


def load_player(name: str) -> Policy:
    """The function "package.module:function", which takes an observation and a random generator.

    Raises:
        OptionError: there is no such function.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(f"the policy {name!r} is not found ({error}); it is named package.module:function") from error
    if not callable(found):
        raise OptionError(f"the policy {name!r} is no function")
    return found  # type: ignore[no-any-return]


def play_episode(
    environment: gymnasium.Env[Any, Any], table: AnyTable, player: Policy, seed: int, *, hold: int, most: int
) -> Episode:
    """One episode, whose frames are the first picture and one for each step.

    Args:
        seed: of the environment and of the player.
        hold: steps for which an action is held; a world holds one for a chunk.
        most: steps at most.

    Raises:
        ActionError: the player does what the table does not have.
        FrameError: the environment's pictures are not uint8 [H, W, 3].
    """
    rng, controls = np.random.default_rng(seed), table.control_map()
    observation, _ = environment.reset(seed=seed)
    frames, told = [_picture(environment)], [np.zeros(len(controls.controls), np.float32)]
    ended = cut = False
    while not (ended or cut or len(frames) > most):
        action = player(observation, rng)
        vector = controls.vector(table.action(action))
        for _ in range(hold):
            observation, _, ended, cut, _ = environment.step(action)
            frames.append(_picture(environment))
            told.append(vector)
            if ended or cut or len(frames) > most:
                break
    name = f"seed {seed}"
    return Episode(name, name, np.stack(frames), np.stack(told), frame_rate(environment))


def _picture(environment: gymnasium.Env[Any, Any]) -> Frames:
    picture = np.asarray(environment.render())
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise FrameError(f"the environment draws {picture.dtype} {list(picture.shape)}; needed is uint8 [H, W, 3]")
    return picture


def _axis(column: int, low: float, high: float) -> AxisRule:
    rest = 0.0 if low <= 0 <= high else (low + high) / 2
    return AxisRule(column=column, axis=f"axis_{column}", low=low, high=high, rest=rest)


def _sample(space: Any, rng: np.random.Generator) -> Any:
    space.seed(int(rng.integers(2**31)))
    return space.sample()
