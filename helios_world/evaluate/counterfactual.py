"""What if one had done something else? Two forks of one session, told the same or different things.

A session is forked after a second of walking. Told the same, the forks must give the same bytes: `same`, the mean
absolute difference in grey levels, is 0. Told to turn left and right, they must part: `one_chunk` and `one_second` are
the differences after so long, and beside them those of the truth for the same two inputs. `other_seed` is how far two
sessions part that differ in nothing but the noise: what an input changes should be well above. `gain`, the ratio
one_second / other_seed, is 1 where inputs change no more than chance does.

What fools it: a dream that parts, but to wrong places; the faithfulness sees that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.pixels import difference
from helios_world.evaluate.truth import Controls, Start, Truth, hold, spread
from helios_world.lands.physics import FPS
from helios_world.spec import Frames, World

BEFORE_SECONDS = 1.0
LEFT, RIGHT = (0.0, 0.0, -1.0), (0.0, 0.0, 1.0)
FLOOR = 0.1  # grey levels; less than what rounding does


@dataclass(frozen=True, slots=True)
class CounterfactualReport:
    """Mean absolute differences in grey levels, means over the starts; `gain` is a ratio."""

    starts: int
    same: float
    one_chunk: float
    one_second: float
    truth_one_chunk: float
    truth_one_second: float
    other_seed: float
    gain: float


def starts(truth: Truth, rng: np.random.Generator, count: int) -> list[Start]:
    """Random starts, spread over the scenes."""
    return truth.starts(rng, spread(rng, count))


def measure(
    world: World, truth: Truth, given: Sequence[Start], advance: Callable[[], None] = lambda: None
) -> CounterfactualReport:
    """Fork after BEFORE_SECONDS of standing still, and turn left and right for a second."""
    chunks = max(round(FPS / truth.chunk), 1)
    before = hold((0, 0, 0), max(round(BEFORE_SECONDS * FPS / truth.chunk), 1))
    rows = []
    for number, start in enumerate(given):
        rows.append([*_forked(world, start, before, chunks, number), *_true(truth, start, chunks)])
        advance()
    same, other, chunk, second, true_chunk, true_second = (float(value) for value in np.mean(rows, axis=0))
    gain = second / max(other, FLOOR)
    return CounterfactualReport(len(given), same, chunk, second, true_chunk, true_second, other, gain)


def _forked(world: World, start: Start, before: Controls, chunks: int, case: int) -> tuple[float, float, float, float]:
    rollout.from_video(world, start, before, case)
    left, again, right = world.fork(), world.fork(), world.fork()
    ways = [rollout.onward(fork, hold(way, chunks)) for fork, way in ((left, LEFT), (again, LEFT), (right, RIGHT))]
    for fork in (left, again, right):
        fork.close()
    rollout.from_video(world, start, before, case + rollout.OTHER_SEEDS)
    other = rollout.onward(world, hold(LEFT, chunks))
    size = world.spec.frames_per_chunk
    return (
        float(difference(ways[0], ways[1]).max()),
        _last(ways[0], other, size),
        _last(ways[0][:size], ways[2][:size], size),
        _last(ways[0], ways[2], size),
    )


def _true(truth: Truth, start: Start, chunks: int) -> tuple[float, float]:
    left, right = (truth.rollout(start.state, start.scene, hold(way, chunks))[1] for way in (LEFT, RIGHT))
    return _last(left[: truth.chunk], right[: truth.chunk], truth.chunk), _last(left, right, truth.chunk)


def _last(frames: Frames, others: Frames, chunk: int) -> float:
    """Over the last chunk."""
    return float(difference(frames[-chunk:], others[-chunk:]).mean())
