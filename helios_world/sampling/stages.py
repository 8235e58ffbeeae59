"""Which part of the flow each resolution of the pyramid runs (Jin et al. 2024, arXiv 2410.05954).

Sigma is a noise level of the whole flow here. Every number is computed in the order of the published schedulers and
equals theirs to the last bit: the model is told timesteps that are cut to whole numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from helios_world.sampling.config import SchedulerConfig

_LAST_SHARE = 0.9999999999999999
_HIGHEST_TIMESTEP = 999.0


@dataclass(frozen=True)
class Stage:
    """One resolution's part of the flow.

    Args:
        boundary: the flow's noise level where the stage before ends.
        start, end: the flow's noise levels at its start, after the latents were doubled, and at its end.
        first_timestep, last_timestep: what the model is told at the start and at the end.
        keep, renoise: factors of the doubled latents and of the block noise at its start.
    """

    boundary: float
    start: float
    end: float
    first_timestep: float
    last_timestep: float
    keep: float
    renoise: float


def stages(config: SchedulerConfig) -> tuple[Stage, ...]:
    """The stages of a pyramid, the smallest resolution first."""
    count = config.num_train_timesteps
    places = [int(part * count) for part in config.stage_range]
    boundaries = [_level(config, place) for place in places[:-1]]
    ends = [_level(config, place) if place < count else 0.0 for place in places[1:]]
    keeps = [1.0, *(_keep(boundary, config.gamma) for boundary in boundaries[1:])]
    starts = [boundaries[0], *(1 - keep * (1 - b) for keep, b in zip(keeps[1:], boundaries[1:], strict=True))]
    times = _times(config, [start - end for start, end in zip(starts, ends, strict=True)])
    return tuple(
        Stage(boundary, start, end, *span, keep, renoise=keep * boundary / math.sqrt(config.gamma) if number else 0.0)
        for number, (boundary, start, end, span, keep) in enumerate(
            zip(boundaries, starts, ends, times, keeps, strict=True)
        )
    )


def _times(config: SchedulerConfig, lengths: list[float]) -> list[tuple[float, float]]:
    """The timesteps of the stages, whose shares of the model's range are those of their lengths in the flow."""
    count, total = config.num_train_timesteps, sum(lengths)
    shares = [*(sum(lengths[:number]) / total for number in range(len(lengths))), _LAST_SHARE]
    levels = [count * _level(config, min(int(share * count), count - 1)) for share in shares]
    firsts = [min(level, _HIGHEST_TIMESTEP) for level in levels[:-1]]
    return [
        (first, float(np.linspace(first, following, count + 1)[-2]))
        for first, following in zip(firsts, levels[1:], strict=True)
    ]


def _level(config: SchedulerConfig, place: int) -> float:
    """The noise level `place` steps of training below the highest."""
    count, shift = config.num_train_timesteps, config.shift
    level = 1 - float(np.linspace(1, 1 / count, count + 1)[count - place])
    return shift * level / (1 + (shift - 1) * level)


def _keep(boundary: float, gamma: float) -> float:
    signal = 1 - boundary
    return 1 / (math.sqrt(1 + 1 / gamma) * (1 - signal) + signal)
