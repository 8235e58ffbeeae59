"""A full turn on the spot: what one left behind should be there again. PSNR of the last frame against the
first.

A frozen world closes the loop perfectly, so the PSNR half way round, which must be low, stands beside it; `gain` is
last minus half way, and 0 for anything that does not move or does not come back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helios_world.evaluate import rollout
from helios_world.evaluate.pixels import psnr
from helios_world.evaluate.truth import Start, Truth, hold
from helios_world.lands.controls import TURN_RATE
from helios_world.lands.physics import FPS
from helios_world.spec import Frames, World

COAST = 2  # chunks without input until the turn has come to rest


@dataclass(frozen=True, slots=True)
class FullTurnReport:
    """Means over the starts, in dB: last and half-way frame against the first, of the dream and of the truth.

    `against_truth` compares the dream's last frame with the true one.
    """

    starts: int
    last: float
    half_way: float
    gain: float
    truth_last: float
    truth_half_way: float
    truth_gain: float
    against_truth: float


def measure(
    world: World, truth: Truth, starts: Sequence[Start], advance: Callable[[], None] = lambda: None
) -> tuple[FullTurnReport, list[tuple[Frames, Frames]]]:
    """The report, and of each start the frames of dream and truth, beginning with the one before the turn."""
    turning = round(360 / TURN_RATE * FPS / truth.chunk)
    controls = np.concatenate([hold((0, 0, 1), turning), hold((0, 0, 0), COAST)])
    pairs = []
    for number, start in enumerate(starts):
        frames = rollout.from_video(world, start, controls, number)[truth.chunk - 1 :]
        _, true_frames = truth.rollout(start.state, start.scene, controls)
        pairs.append((frames, np.concatenate([start.last[None], true_frames])))
        advance()
    return _report(pairs, turning * truth.chunk // 2), pairs


def _report(pairs: Sequence[tuple[Frames, Frames]], half: int) -> FullTurnReport:
    rows = [(*_loop(dream, half), *_loop(true, half), float(psnr(dream[-1], true[-1]))) for dream, true in pairs]
    return FullTurnReport(len(pairs), *(float(value) for value in np.mean(rows, axis=0)))


def _loop(frames: Frames, half: int) -> tuple[float, float, float]:
    """PSNR of the last and of the half-way frame against the first, and the difference."""
    last, away = float(psnr(frames[-1], frames[0])), float(psnr(frames[half], frames[0]))
    return last, away, last - away
