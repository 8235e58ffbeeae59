"""Away from the negative prompt: classifier-free guidance, plain (Ho and Salimans 2022, arXiv 2207.12598) and as
CFG-Zero* (Fan et al. 2025, arXiv 2503.18886).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from helios_world.sampling.config import Guidance

Velocity = Callable[[Tensor, Tensor, bool], Tensor]
"""(sample [B, C, F, h, w] float32, timestep [B] float32 on the host, whether with the prompt) to the velocity."""


def guided(guidance: Guidance, velocity: Velocity, sample: Tensor, timestep: Tensor, stage: int, index: int) -> Tensor:
    """The velocity to follow in step `index` of stage `stage`, float32 in the shape of `sample`."""
    if guidance.scale <= 1:
        return velocity(sample, timestep, True).float()
    if stands_still(guidance, stage, index):
        return sample.new_zeros(sample.shape)
    conditional, negative = velocity(sample, timestep, True).float(), velocity(sample, timestep, False).float()
    combine = zero_star if guidance.zero_star else classifier_free
    return combine(conditional, negative, guidance.scale)


def stands_still(guidance: Guidance, stage: int, index: int) -> bool:
    """Whether a step has no velocity, because the model knows too little so early: CFG-Zero*'s zero-init."""
    return guidance.zero_star and guidance.zero_init and stage == 0 and index <= guidance.zero_steps


def classifier_free(conditional: Tensor, negative: Tensor, scale: float) -> Tensor:
    """From the negative prompt's velocity [B, …] through the prompt's, `scale` times as far."""
    return negative + scale * (conditional - negative)


def zero_star(conditional: Tensor, negative: Tensor, scale: float) -> Tensor:
    """`classifier_free` with the negative velocity scaled to come as near to the other as it can, row by row."""
    rows, others = conditional.flatten(1), negative.flatten(1)
    fit = (rows * others).sum(1) / ((others * others).sum(1) + 1e-8)
    return classifier_free(conditional, fit.reshape(-1, *(1,) * (negative.dim() - 1)) * negative, scale)
