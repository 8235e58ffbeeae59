"""Noise levels moved towards 1: more noisy tokens need more of the steps at high noise.

The arithmetic is in the order of the published schedulers, down to a product with a reciprocal in place of a quotient,
so that their timesteps, which are cut to whole numbers, come out the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from helios_world.sampling.config import SchedulerConfig


def shifted(sigma: float, shift: float) -> float:
    """`sigma` moved towards 1 by a shift above 1: shift / (shift + 1/sigma - 1), and 0 for 0.

    Esser et al. 2024, arXiv 2403.03206, section 5.3.2.
    """
    return shift * (1 / (shift + (1 / sigma - 1))) if sigma else 0.0


def linear_shift(tokens: int, config: SchedulerConfig) -> float:
    """The Distilled checkpoint's shift for a chunk of `tokens` noisy tokens: by default 0.5 at 256, 1.15 at 4096."""
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return tokens * slope + (config.base_shift - slope * config.base_image_seq_len)


def exponential_shift(tokens: int, config: SchedulerConfig) -> float:
    """The shift of the checkpoints that are not distilled."""
    return math.exp(linear_shift(tokens, config))


def dynamic_shift(tokens: int, config: SchedulerConfig) -> float | None:
    """The shift that a checkpoint uses for `tokens` noisy tokens, None where it uses none."""
    return None if config.dynamic_shift is None else _SHIFTS[config.dynamic_shift](tokens, config)


_SHIFTS: dict[str, Callable[[int, SchedulerConfig], float]] = {
    "linear": linear_shift,
    "exponential": exponential_shift,
}
