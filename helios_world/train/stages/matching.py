"""Distribution matching: a generator whose samples two scores cannot tell from data (Yin et al. 2024, arXiv 2311.18828
and 2405.14867).

The real score knows the data, the fake score is trained on what the generator makes at present. The difference of their
predictions for a noised sample says in which direction the generator's distribution is off.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from helios_world.train.stages.dice import Dice, place
from helios_world.train.stages.parts import MatchingPart


def matching_gradient(sample: Tensor, fake: Tensor, real: Tensor) -> Tensor:
    """(fake - real) / mean |sample - real|, the mean over each row [C, F, h, w]; in float64, as published.

    Args:
        sample: what the generator made, [B, C, F, h, w].
        fake, real: what the scores take the clean latents to be.
    """
    sample, fake, real = sample.double(), fake.double(), real.double()
    scale = (sample - real).abs().flatten(1).mean(1).reshape(-1, 1, 1, 1, 1)
    return torch.nan_to_num((fake - real) / scale)


def matching_loss(sample: Tensor, gradient: Tensor) -> Tensor:
    """Half the mean squared distance to where `gradient` leads; its own gradient is `gradient` / element count."""
    goal = (sample.double() - gradient).detach()
    return 0.5 * functional.mse_loss(sample.double(), goal)


def beta_of(part: MatchingPart, step: int) -> tuple[float, float]:
    """The generator's Beta distribution at a step: a cosine from `part.beta` to (1, 1), which is even."""
    share = min(1.0, step / part.beta_steps) if part.beta_steps else 1.0
    left = 0.5 * (1 + math.cos(math.pi * share))
    return 1 + left * (part.beta[0] - 1), 1 + left * (part.beta[1] - 1)


def score_levels(part: MatchingPart, drawn: Tensor, shift: float | None, dice: Dice) -> Tensor:
    """Noise levels [B] on the device from numbers in [0, 1]: shifted as in sampling, then kept within bounds."""
    moved = drawn if shift is None else shift * drawn / (1 + (shift - 1) * drawn)
    return place(moved.clamp(*part.levels), dice.device)
