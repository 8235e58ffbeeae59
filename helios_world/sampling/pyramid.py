"""From one resolution of the pyramid to the next.

Each stage runs part of the flow at half the resolution of the next. Between two stages the latents are
doubled in size, which copies noise into 2×2 blocks; noise that is anti-correlated within a block is added,
so that the sum is what the flow has at that noise level (Jin et al. 2024, Pyramidal Flow Matching,
arXiv 2410.05954).
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from helios_world.sampling.config import MOST_GAMMA
from helios_world.sampling.stages import Stage


def block_noise(normal: Tensor, gamma: float) -> Tensor:
    """Standard normal numbers [..., h, w] to noise that is correlated by -gamma within each 2×2 block.

    Its covariance (1 + gamma) I - gamma J, with J of ones, has the eigenvalue 1 - 3 gamma for the block's
    mean and 1 + gamma for the rest, and this is its symmetric square root. The published pipeline takes blocks
    of the model's patch size; the blocks here are those of the doubling, whatever the patches.

    Raises:
        ValueError: noise in 2×2 blocks cannot be correlated by -gamma.
    """
    if not 0 < gamma <= MOST_GAMMA:
        raise ValueError(f"gamma is {gamma}; noise in 2×2 blocks can be anti-correlated by up to 1/3")
    *lead, height, width = normal.shape
    blocks = normal.reshape(*lead, height // 2, 2, width // 2, 2)
    mean = blocks.mean((-3, -1), keepdim=True)
    mixed = math.sqrt(1 + gamma) * (blocks - mean) + math.sqrt(max(0.0, 1 - 3 * gamma)) * mean
    return mixed.reshape(normal.shape)


def halve_noise(noise: Tensor) -> Tensor:
    """Standard normal numbers [B, C, F, h, w] to others at half the size: sums of 2×2 blocks over 2.

    Frame by frame and by interpolation, as the published pipeline does it, whose last bits guidance would amplify.
    """
    batch, _, frames, height, width = noise.shape
    pictures = noise.transpose(1, 2).flatten(0, 1)
    halved = 2 * functional.interpolate(pictures, size=(height // 2, width // 2), mode="bilinear")
    return halved.reshape(batch, frames, *halved.shape[1:]).transpose(1, 2)


def enter_stage(latents: Tensor, stage: Stage, noise: Tensor) -> Tensor:
    """The end of a stage [..., h, w] to the start of the next, in the shape of `noise`, [..., 2h, 2w].

    Args:
        noise: from `block_noise`.
    """
    doubled = latents.repeat_interleave(2, -2).repeat_interleave(2, -1)
    return stage.keep * doubled + stage.renoise * noise
