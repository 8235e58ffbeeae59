"""How soon does an input show? The lag at which the measured motion goes best with what was held.

A random turn, left, right or none, is held for a few chunks at a time. Per pair of frames the turn is measured
(`motion.fit_pairs`) in the dream and in the truth, and cross-correlated with the input of the later frame:
c(lag) = corr(input[t], turn[t + lag]) over all cases. The delay is the lag of the largest c in frames; 0 means that the
first frame made after the input already moves. The truth itself has inertia, so its own delay stands beside.

What fools it: nothing that does not move with the input; where c stays under `LEAST_CORRELATION` there is no delay but
no response at all, and `within_chunk` is false. A dream that turns in the right rhythm but by wrong amounts passes
here, and fails in the faithfulness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.motion import turns
from helios_world.evaluate.pixels import F64
from helios_world.evaluate.truth import Controls, Start, Truth, spread
from helios_world.spec import Frames, World

CHUNKS, HELD = 24, 3  # of a case; the same input is held for up to HELD chunks
MOST_LAG_CHUNKS = 4
LEAST_CORRELATION = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """A start and the turns [K, 3] that are held from there."""

    start: Start
    controls: Controls


@dataclass(frozen=True, slots=True)
class ResponseReport:
    """Delays in frames, NaN where nothing answers; `correlations` by lag, from 0."""

    cases: int
    delay: float
    correlation: float
    within_chunk: bool
    truth_delay: float
    truth_correlation: float
    correlations: list[float]
    truth_correlations: list[float]


def cases(truth: Truth, rng: np.random.Generator, count: int) -> list[Case]:
    """Random starts with a random rhythm of turns."""
    return [Case(start, _rhythm(rng)) for start in truth.starts(rng, spread(rng, count))]


def measure(
    world: World, truth: Truth, given: Sequence[Case], advance: Callable[[], None] = lambda: None
) -> ResponseReport:
    """Turn in the world and in the truth, and look for the lag of each."""
    commands, seen, real = [], [], []
    for number, case in enumerate(given):
        frames = rollout.from_video(world, case.start, case.controls, number)[truth.chunk - 1 :]
        commands.append(np.repeat(case.controls[:, 2].astype(np.float64), truth.chunk))
        seen.append(turns(frames))
        real.append(turns(_true(truth, case)))
        advance()
    lags = MOST_LAG_CHUNKS * truth.chunk
    return _report(len(given), truth.chunk, _correlations(commands, seen, lags), _correlations(commands, real, lags))


def _rhythm(rng: np.random.Generator) -> Controls:
    turn: list[int] = []
    while len(turn) < CHUNKS:
        turn += [int(rng.integers(-1, 2))] * int(rng.integers(1, HELD + 1))
    controls = np.zeros((CHUNKS, 3), np.float32)
    controls[:, 2] = turn[:CHUNKS]
    return controls


def _true(truth: Truth, case: Case) -> Frames:
    _, frames = truth.rollout(case.start.state, case.start.scene, case.controls)
    return np.concatenate([case.start.last[None], frames])


def _correlations(commands: Sequence[F64], motions: Sequence[F64], lags: int) -> list[float]:
    """c(0), c(1), … c(lags - 1) over all cases together."""
    return [_pearson(np.stack([c[: len(c) - lag] for c in commands]), _later(motions, lag)) for lag in range(lags)]


def _later(motions: Sequence[F64], lag: int) -> F64:
    return np.stack([motion[lag:] for motion in motions])


def _pearson(a: F64, b: F64) -> float:
    """Correlation of [N, T] and [N, T]; 0 where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float((a * b).sum() / size) if size > 1e-9 else 0.0


def _report(count: int, chunk: int, seen: list[float], real: list[float]) -> ResponseReport:
    delay, true_delay = _delay(seen), _delay(real)
    return ResponseReport(count, delay, max(seen), delay < chunk, true_delay, max(real), seen, real)


def _delay(correlations: Sequence[float]) -> float:
    best = int(np.argmax(correlations))
    return float(best) if correlations[best] >= LEAST_CORRELATION else float("nan")
