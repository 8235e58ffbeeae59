"""Frames of a world for a start and inputs. The only place where the evaluation drives a world."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helios_world.evaluate.truth import Controls, Start, action_of
from helios_world.lands.scene import Scene, canonical
from helios_world.spec import Chunk, Frames, World

FIRST_SEED = 1_000_000  # of the worlds' own noise; case i uses FIRST_SEED + i

OTHER_SEEDS = 500_000  # added to a case's number, it gives the same case other noise


def from_video(world: World, start: Start, controls: Controls, case: int = 0) -> Frames:
    """Frames [(1 + K)·chunk, H, W, 3]: what reset() returns, then a chunk per row of `controls` [K, 3].

    The world is given the true frames and the scene's plainest caption.
    """
    first = world.reset(seed=FIRST_SEED + case, prompt=canonical(start.scene), video=start.video)
    return _follow(world, first, controls)


def from_image(world: World, start: Start, controls: Controls, case: int = 0) -> Frames:
    """As `from_video`, from the newest true frame alone."""
    first = world.reset(seed=FIRST_SEED + case, prompt=canonical(start.scene), image=start.last)
    return _follow(world, first, controls)


def from_words(world: World, scene: Scene, controls: Controls, case: int = 0) -> Frames:
    """As `from_video`, from the plainest caption alone."""
    return from_prompt(world, canonical(scene), controls, case)


def from_prompt(world: World, prompt: str, controls: Controls, case: int = 0) -> Frames:
    """As `from_video`, from any caption."""
    return _follow(world, world.reset(seed=FIRST_SEED + case, prompt=prompt), controls)


def onward(world: World, controls: Controls) -> Frames:
    """Frames [K·chunk, H, W, 3] of a world that has begun, a chunk per row of `controls` [K, 3], K ≥ 1."""
    return join(world.step(action_of(control)) for control in controls)


def _follow(world: World, first: Chunk, controls: Controls) -> Frames:
    return join([first, *(world.step(action_of(control)) for control in controls)])


def join(chunks: Iterable[Chunk]) -> Frames:
    """The frames of consecutive chunks in one array."""
    return np.concatenate([chunk.frames for chunk in chunks])
