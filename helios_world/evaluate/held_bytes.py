"""Does a session grow? Bytes of its arrays and of its snapshot, and of the whole process, early and late.

The arrays are the state proper; the snapshot's header holds counters, which take a few more digits with time.
The process's resident bytes also hold whatever the libraries keep, and are read on Linux only (elsewhere 0).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helios_world.evaluate.truth import Truth, action_of, generator
from helios_world.lands.scene import Scene
from helios_world.spec import World

EARLY = 20


@dataclass(frozen=True, slots=True)
class Held:
    """After so many chunks: bytes of the state's arrays, of the snapshot as bytes, and of the process."""

    chunks: int
    arrays: int
    snapshot: int
    resident: int


@dataclass(frozen=True, slots=True)
class HeldReport:
    early: Held
    late: Held

    @property
    def equal(self) -> bool:
        """The state holds as many bytes late as early."""
        return self.early.arrays == self.late.arrays


def measure(
    world: World, truth: Truth, chunks: int, seed: int, advance: Callable[[], None] = lambda: None
) -> HeldReport:
    """Wander for `chunks` chunks."""
    scene = Scene(0, 0)
    lands = np.array([scene.land])
    controls = truth.wander(generator(seed, "held"), truth.spawn(scene)[None], lands, chunks - 1)[0]
    world.reset(seed=seed)
    early = held(world, 1)
    for number, control in enumerate(controls, start=2):
        world.step(action_of(control))
        early = held(world, number) if number == EARLY else early
        advance()
    return HeldReport(early, held(world, chunks))


def held(world: World, chunks: int) -> Held:
    """What the world holds now, after so many chunks."""
    state = world.snapshot()
    return Held(chunks, state.nbytes, len(bytes(state)), resident_bytes())


def resident_bytes() -> int:
    """The process's resident memory; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0
