"""Dreams whose quality is known: a perfect one, and several that fail in one way each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from helios_world.evaluate.classifier import SceneClassifier
from helios_world.evaluate.truth import Controls, Start, Truth, generator
from helios_world.lands.captions import parse
from helios_world.lands.controls import action_vector
from helios_world.lands.scene import Scene
from helios_world.lands.world import LandsWorld
from helios_world.spec import NO_ACTION, Action, Chunk, Frames, MemoryLayout, Timing, World, WorldSpec

Change = Callable[[Frames, Frames, int], Frames]


def dreamt_spec() -> WorldSpec:
    return replace(LandsWorld().spec, starts=("prompt", "image", "video"), memory=MemoryLayout(16, 2, 1, 1))


class KnownDream(World):
    """Plays the truth from starts it was told of, with the controls bent by `twist` and the frames by `change`."""

    def __init__(
        self,
        starts: Sequence[Start] = (),
        twist: Callable[[Controls], Controls] = lambda control: control,
        change: Change = lambda frames, first, index: frames,
    ) -> None:
        self._truth = Truth.of(dreamt_spec())
        self._known = {start.last.tobytes(): start for start in starts}
        self._twist, self._change = twist, change
        self._state, self._scene = self._truth.spawn(Scene(0, 0)), Scene(0, 0)
        self._first, self._index = np.zeros((64, 128, 3), np.uint8), 0

    @property
    def spec(self) -> WorldSpec:
        return dreamt_spec()

    def reset(self, *, seed=0, prompt=None, image=None, video=None) -> Chunk:
        picture = video[-1] if video is not None else image
        if picture is None:
            self._scene = parse(prompt)
            self._state = self._truth.spawn(self._scene)
            picture = self._truth.render(self._state[None, :3], self._scene)[0]
        else:
            start = self._known[picture.tobytes()]
            self._scene, self._state = start.scene, start.state
        self._first, self._index = picture, -1
        return self.step()

    def fork(self) -> KnownDream:
        return copy.copy(self)

    def close(self) -> None:
        pass

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        control = self._twist(action_vector(action or NO_ACTION)).astype(np.float32)
        self._state, frames = self._truth.rollout(self._state, self._scene, control[None])
        self._index += 1
        frames = self._change(frames, self._first, self._index)
        return Chunk(frames, self._index, 4 * self._index, action or NO_ACTION, (), Timing())


def _frozen(frames: Frames, first: Frames, index: int) -> Frames:
    return np.broadcast_to(first, frames.shape).copy()


def _noise(frames: Frames, first: Frames, index: int) -> Frames:
    return np.random.default_rng(index).integers(0, 256, frames.shape, np.uint8)


def _darker(frames: Frames, first: Frames, index: int) -> Frames:
    return (frames * max(1 - 0.02 * index, 0)).astype(np.uint8)


def _blurred(frames: Frames, first: Frames, index: int) -> Frames:
    wide = np.pad(frames.astype(np.float32), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = frames.shape[1:3]
    return (sum(wide[:, i : i + height, j : j + width] for i in range(5) for j in range(5)) / 25).astype(np.uint8)


def _deaf(control: Controls) -> Controls:
    """What is done whatever was asked for: turn slowly to the right."""
    return np.array([0, 0, 0.5], np.float32)


WORLDS: dict[str, Callable[[Sequence[Start]], KnownDream]] = {
    "truth": KnownDream,
    "blurred": lambda starts=(): KnownDream(starts, change=_blurred),
    "deaf": lambda starts=(): KnownDream(starts, twist=_deaf),
    "frozen": lambda starts=(): KnownDream(starts, change=_frozen),
    "noise": lambda starts=(): KnownDream(starts, change=_noise),
}


@pytest.fixture
def worlds():
    """Every world of known quality, by name: made from the starts that it has to know."""
    return WORLDS


@pytest.fixture(scope="session")
def truth() -> Truth:
    return Truth.of(dreamt_spec())


@pytest.fixture(scope="session")
def classifier(truth) -> SceneClassifier:
    return SceneClassifier.fit(truth, generator(0, "test classifier"), 30)


@pytest.fixture
def perfect():
    return KnownDream


@pytest.fixture
def frozen():
    return lambda starts=(): KnownDream(starts, change=_frozen)


@pytest.fixture
def noisy():
    return lambda starts=(): KnownDream(starts, change=_noise)


@pytest.fixture
def swapped():
    return lambda starts=(): KnownDream(starts, twist=lambda control: -control)


@pytest.fixture
def darkening():
    return lambda starts=(): KnownDream(starts, change=_darker)
