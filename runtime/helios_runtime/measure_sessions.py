"""How fast several sessions of a world are, stepped together and one after the other. Works on every `World`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from helios_runtime.measure import action_cycle, nothing
from helios_world.batch import step_together
from helios_world.spec import Action, Chunk, World

COUNTS = (1, 2, 4, 8, 16)
WARM_UP = 3


@dataclass(frozen=True)
class SessionsSpeed:
    """The measurement of one number of sessions, each of which makes a chunk per round.

    Args:
        together, alone: milliseconds of a round, medians; in one pass and one after the other.
        together_frames, alone_frames: frames per second of all sessions.
        times_as_fast: median over the rounds of the ratio of the two.
        difference: between the frames of the two, at most, of 255, from the same moment.
    """

    sessions: int
    together: float
    alone: float
    together_frames: float
    alone_frames: float
    times_as_fast: float
    difference: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_sessions(
    begin: Callable[[], World],
    *,
    counts: Sequence[int] = COUNTS,
    rounds: int = 10,
    done: Callable[[], None] = nothing,
) -> tuple[SessionsSpeed, ...]:
    """Step every number of sessions in `counts` for `rounds` rounds, after two that warm up.

    All numbers and both ways take turns in every round, so that what else the machine does falls on all alike.

    Args:
        begin: opens a world, as `helios_world.batch.opener` makes it.
        done: called after each number of sessions in each round.
    """
    if rounds < 1 or not counts or min(counts) < 1:
        raise ValueError(f"at least one round and one session are needed; got {rounds} and {list(counts)}")
    worlds = [begin() for _ in range(max(counts))]
    for number, world in enumerate(worlds):
        world.reset(seed=number)
    differences = {count: compare(worlds[:count], done) for count in counts}
    samples: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for number in range(WARM_UP + rounds):
        for count in counts:
            samples[count].append(one_round(worlds[:count], number))
            done()
    frames = worlds[0].spec.frames_per_chunk
    return tuple(summarise(samples[count][WARM_UP:], count, frames, differences[count]) for count in counts)


def calls(counts: Sequence[int], rounds: int) -> int:
    """How often `measure_sessions` calls `done`."""
    return len(counts) * (WARM_UP + rounds + 1)


def one_round(worlds: Sequence[World], number: int) -> tuple[float, float]:
    """A chunk of every world together, and another one alone: milliseconds. The way that begins changes."""
    ways = (together, alone) if number % 2 else (alone, together)
    actions = actions_of(worlds, number)
    spent = {}
    for way in ways:
        start = time.perf_counter()
        way(worlds, actions)
        spent[way] = 1000 * (time.perf_counter() - start)
    return spent[together], spent[alone]


def together(worlds: Sequence[World], actions: Sequence[Action]) -> list[Chunk]:
    """One chunk of each, in as few passes as can be. Raises the first error there is."""
    made = step_together(worlds, actions, [None] * len(worlds))
    for chunk in made:
        if isinstance(chunk, Exception):
            raise chunk
    return [chunk for chunk in made if isinstance(chunk, Chunk)]


def alone(worlds: Sequence[World], actions: Sequence[Action]) -> list[Chunk]:
    """One chunk of each, one after the other."""
    return [world.step(action) for world, action in zip(worlds, actions, strict=True)]


def actions_of(worlds: Sequence[World], number: int) -> list[Action]:
    """Another action for every world, held for six rounds."""
    cycle = action_cycle(worlds[0].spec.actions)
    return [cycle[(place + number // 6) % len(cycle)] for place in range(len(worlds))]


def compare(worlds: Sequence[World], done: Callable[[], None] = nothing) -> int:
    """How far the frames of the two ways are apart from the same moment, at most, of 255."""
    twins = [world.fork() for world in worlds]
    actions = actions_of(worlds, 0)
    pairs = zip(together(worlds, actions), alone(twins, actions), strict=True)
    furthest = max(int(np.abs(one.frames.astype(int) - other.frames).max()) for one, other in pairs)
    for twin in twins:
        twin.close()
    done()
    return furthest


def summarise(samples: Sequence[tuple[float, float]], sessions: int, frames: int, difference: int) -> SessionsSpeed:
    """Medians of what `one_round` returned; `frames` are those of a chunk."""
    jointly, singly = (statistics.median(column) for column in zip(*samples, strict=True))
    return SessionsSpeed(
        sessions=sessions,
        together=jointly,
        alone=singly,
        together_frames=1000 * frames * sessions / jointly,
        alone_frames=1000 * frames * sessions / singly,
        times_as_fast=statistics.median(other / one for one, other in samples),
        difference=difference,
    )
