"""A way of getting chunks from a server, and the world that all of them serve. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from helios_world.errors import SnapshotError
from helios_world.snapshot import Snapshot
from helios_world.spec import (
    NO_ACTION,
    Action,
    ActionSpec,
    Axis,
    Button,
    Chunk,
    Frames,
    PromptWeight,
    Timing,
    World,
    WorldSpec,
)

SCHEMA = 1
MEGABYTE = 1e6
ACTIONS = ActionSpec((Button("forward", "changes nothing"),), (Axis("turn", "changes nothing", "share", -1.0, 1.0),))
WALK = Action({"forward"}, {"turn": 0.25})


@dataclass(frozen=True)
class ChunkSize:
    """The frames of a chunk, [T, H, W, 3] of uint8."""

    name: str
    frames: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.frames, self.height, self.width, 3

    @property
    def megabytes(self) -> float:
        return 3 * self.frames * self.height * self.width / MEGABYTE


LARGE = ChunkSize("large", 33, 384, 640)
SMALL = ChunkSize("small", 4, 64, 128)


class Connection(Protocol):
    """The client's side of a way: it asks for a chunk, and has its frames as an array."""

    def step(self, action: Action) -> Frames: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Way:
    """One protocol with its server and its client.

    Args:
        name: what it is called in a report.
        like: whose it is, or who writes servers like it.
        serve: serves the world until the process ends; says its address once it can be connected to.
        connect: a client of that address.
        module, package: what has to be imported beyond what is always there, and how pip calls it.
    """

    name: str
    like: str
    serve: Callable[[InstantWorld, Callable[[str], None]], None]
    connect: Callable[[str], Connection]
    module: str | None = None
    package: str | None = None

    @property
    def missing(self) -> str | None:
        """The package that is not installed."""
        return self.package if self.module is not None and find_spec(self.module) is None else None


class InstantWorld(World):
    """A world whose frames are there before they are asked for, so that only the wire takes time."""

    def __init__(self, size: ChunkSize, frames: Frames | None = None) -> None:
        self._size, self._index = size, 0
        self._frames = prepared(size) if frames is None else frames
        self._spec = WorldSpec(
            name=f"instant-{size.name}",
            fps=24,
            height=size.height,
            width=size.width,
            frames_per_chunk=size.frames,
            actions=ACTIONS,
            prompts=("noise",),
            blend=1,
            fingerprint=f"instant {size.shape}",
            starts=("prompt",),
        )

    @property
    def spec(self) -> WorldSpec:
        return self._spec

    def reset(
        self, *, seed: int = 0, prompt: str | None = None, image: Frames | None = None, video: Frames | None = None
    ) -> Chunk:
        self._index = -1
        return self.step(NO_ACTION)

    def step(self, action: Action | None = None, prompt: str | None = None) -> Chunk:
        self._index += 1
        first = self._index * self._size.frames
        return Chunk(self._frames, self._index, first, action or NO_ACTION, (PromptWeight("noise", 1.0),), Timing())

    def prepare(self) -> None:
        pass

    def snapshot(self) -> Snapshot:
        return Snapshot(SCHEMA, self._spec.name, self._spec.fingerprint, {"index": self._index}, {})

    def restore(self, state: Snapshot) -> None:
        state.check(self._spec.name, self._spec.fingerprint, SCHEMA)
        if not isinstance(state.meta.get("index"), int):
            raise SnapshotError(f"a snapshot of {self._spec.name!r} without an index: {dict(state.meta)}")
        self._index = state.meta["index"]

    def fork(self) -> InstantWorld:
        twin = InstantWorld(self._size, self._frames)
        twin._index = self._index
        return twin

    def close(self) -> None:
        pass


def prepared(size: ChunkSize) -> Frames:
    """Noise, which no layer below can make smaller."""
    return np.random.default_rng(0).integers(0, 256, size.shape, np.uint8)
