"""What an atlas is trained on: views from anywhere in the lands, and walkers that go about in them.

Letters: K samples, P numbers of a place, S numbers of a scene.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from helios_world.codec import LatentCodec
from helios_world.lands import physics
from helios_world.lands.controls import STRAFE_SPEED, TURN_RATE, WALK_SPEED
from helios_world.lands.explorer import Explorer
from helios_world.lands.painters import Painter, upload
from helios_world.lands.world import FRAMES_PER_CHUNK as FRAMES
from helios_world.places.odometry import way_between
from helios_world.places.place import KNOWN, POSITION, SPEED, UNIT, heading_of, place_of
from helios_world.train.recipe import AtlasPart

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
LANDS = MOMENTS = 4
RENEWED_EVERY = 4
"""Steps."""
GREATEST = (WALK_SPEED, STRAFE_SPEED, math.radians(TURN_RATE))


def places(before: F64, after: F64, scenes: I64, device: torch.device) -> Tensor:
    """Places [K, P] of walkers that a chunk took from the states `before` to `after` [K, 6], in scenes [K, 2]."""
    old, new = (standing(states, scenes, device) for states in (before, after))
    way = way_between(old, UNIT * new[:, POSITION], heading_of(new))
    return torch.cat([new[:, : SPEED.stop], way, new[:, KNOWN.start :]], dim=1)


def scenes_of(scenes: I64, device: torch.device) -> Tensor:
    """Pairs of land and moment [K, 2] as shares [K, S]."""
    pairs = upload(scenes, device)
    return torch.cat([F.one_hot(pairs[:, 0], LANDS), F.one_hot(pairs[:, 1], MOMENTS)], dim=1).float()


def standing(states: F64, scenes: I64, device: torch.device) -> Tensor:
    """Places of walkers with states [K, 6] of which it is not known how they got there."""
    rows = upload(states.astype(np.float32), device)
    speed = rows[:, 3:] / rows.new_tensor(GREATEST)
    return place_of(rows[:, :2], rows[:, 2], speed, torch.zeros_like(speed), scenes_of(scenes, device))


def sights(
    codec: LatentCodec, painter: Painter, count: int, rng: np.random.Generator, land: int | None = None
) -> tuple[Tensor, Tensor]:
    """What is seen from anywhere: places [K, P] and latents [K, C, 1, h, w]; a quarter of the walkers stand still."""
    scenes = rng.integers(0, 4, (count, 2))
    if land is not None:
        scenes[:, 0] = land
    states = physics.at_rest(physics.random_poses(rng, scenes[:, 0]))
    explorer, moves = Explorer(count, rng), rng.random((count, 1)) > 0.25
    warm = (explorer.sample(states) * moves).astype(np.float32)
    before, _ = physics.walk(states, warm, scenes[:, 0], int(rng.integers(1, 9)))
    held = np.where(rng.random((count, 1)) < 0.6, warm, explorer.sample(before) * moves).astype(np.float32)
    after, poses = physics.walk(before, held, scenes[:, 0], FRAMES)
    painted = painter(poses.reshape(-1, 3), np.repeat(scenes, FRAMES, axis=0))
    device = codec.mean.device
    latents = codec.encode(painted.view(count, FRAMES, *painted.shape[1:]))
    return places(before, after, scenes, device), latents


class Views:
    """Views of every land, of which the oldest are replaced all the time.

    A thread of its own paints the next ones while a network is trained on those that are there. Which ones are there at
    which step depends on the seed alone.
    """

    def __init__(self, codec: LatentCodec, painter: Painter, part: AtlasPart, seed: int, pool: Executor) -> None:
        self.codec, self.painter, self.part, self.pool = codec, painter, part, pool
        self.rng = np.random.default_rng(seed)
        self.room = part.kept // LANDS
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.painted = [0] * LANDS
        for land in range(LANDS):
            place, latents = self._paint(land)
            blank = latents.new_zeros((self.room, *latents.shape[1:]))
            self.kept.append((place.new_zeros((self.room, place.shape[1])), blank))
            self._put(land, place, latents)
        self.turn = 0
        self.coming = pool.submit(self._paint, self.turn)

    def renew(self, step: int) -> None:
        """Take the next views, when it is time for them."""
        if step % RENEWED_EVERY:
            return
        self._put(self.turn, *self.coming.result())
        self.turn = (self.turn + 1) % LANDS
        self.coming = self.pool.submit(self._paint, self.turn)

    def draw(self, land: int, count: int) -> tuple[Tensor, Tensor]:
        """Places and latents of random views of a land, among those that are there."""
        place, latents = self.kept[land]
        index = torch.randint(min(self.painted[land], self.room), (count,), device=place.device)
        return place[index], latents[index].float()

    def _paint(self, land: int) -> tuple[Tensor, Tensor]:
        place, latents = sights(self.codec, self.painter, self.part.painted, self.rng, land)
        return place, latents.half()

    def _put(self, land: int, place: Tensor, latents: Tensor) -> None:
        index = (self.painted[land] + torch.arange(len(place), device=place.device)) % self.room
        for mine, new in zip(self.kept[land], (place, latents), strict=True):
            mine.index_copy_(0, index, new)
        self.painted[land] += len(place)


@contextmanager
def views(codec: LatentCodec, painter: Painter, part: AtlasPart, seed: int) -> Iterator[Views]:
    with ThreadPoolExecutor(1) as pool:
        yield Views(codec, painter, part, seed, pool)


@dataclass
class Walks:
    """Walkers that go about for ever, and are put elsewhere now and then.

    Half of them look where they go, as those of the videos do. The others hold any controls, and walk into everything.
    """

    count: int
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.scenes = self.rng.integers(0, 4, (self.count, 2))
        self.states = physics.at_rest(physics.random_poses(self.rng, self.scenes[:, 0]))
        self.explorer = Explorer(self.count, self.rng, 0.18)
        self.held = np.zeros((self.count, 3), np.float32)

    def next(self) -> tuple[F64, F64, npt.NDArray[np.float32], I64]:
        """States before and after a chunk, its controls, and the scenes."""
        new = np.flatnonzero(self.rng.random(self.count) < 0.03)
        self.scenes[new] = self.rng.integers(0, 4, (len(new), 2))
        self.states[new] = physics.at_rest(physics.random_poses(self.rng, self.scenes[new, 0]))
        before, controls = self.states, self.explorer.sample(self.states)
        half = self.count // 2
        changed = np.flatnonzero(self.rng.random(half) < 0.15)
        full = self.rng.integers(-1, 2, (len(changed), 3))
        part = self.rng.uniform(-1, 1, (len(changed), 3))
        self.held[changed] = np.where(self.rng.random((len(changed), 1)) < 0.7, full, part)
        controls[:half] = self.held[:half]
        self.states, _ = physics.walk(before, controls, self.scenes[:, 0], FRAMES)
        return before, self.states, controls, self.scenes.copy()
