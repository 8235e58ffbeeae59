"""Sampling in stages of growing resolution, as the Mid and Distilled checkpoints do.

Each stage runs part of the flow at half the resolution of the next. Between two stages the latents are
doubled in size, which copies noise into 2×2 blocks; noise that is anti-correlated within a block is added,
so that the sum is what the flow has at that noise level (Jin et al. 2024, Pyramidal Flow Matching,
arXiv 2410.05954).

Sigma is a noise level of the whole flow, or the place within a stage from 1 (its start) to 0 (its end).
Shapes: B batch, C channels, F latent frames, h w height and width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from helios_world.sampling.flow import euler_step, interpolate, predict_clean, shifted

GAMMA = 1 / 3
"""How strongly the noise of a block is anti-correlated; 1/3 is the most there can be."""
STAGE_RANGE = (0.0, 1 / 3, 2 / 3, 1.0)
"""Where in the flow the stages meet."""
_LEVELS = 1000
_HIGHEST = 0.999

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(sample [B, C, F, h, w], timestep [B]) to the velocity, in the shape of the sample."""
Draw = Callable[[int, tuple[int, ...]], Tensor]
"""(number of the draw, shape) to standard normal numbers; the number is that of the stage."""
Step = Callable[[Tensor, Tensor, float, float, Tensor], Tensor]
"""(sample, velocity, sigma, following sigma, the stage's first sample) to the next sample."""


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


@dataclass(frozen=True)
class Schedule:
    """The steps of a stage: `timesteps` for the model, and one more of `sigmas`, from near 1 to 0."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]


def stages(stage_range: Sequence[float] = STAGE_RANGE, gamma: float = GAMMA) -> tuple[Stage, ...]:
    """The stages of a pyramid, the smallest resolution first."""
    _check_gamma(gamma)
    places = [int(part * _LEVELS) for part in stage_range]
    boundaries = [_level(place) for place in places[:-1]]
    ends = [*boundaries[1:], 0.0]
    keeps = [1.0, *(_keep(boundary, gamma) for boundary in boundaries[1:])]
    starts = [boundaries[0], *(1 - keep * (1 - b) for keep, b in zip(keeps[1:], boundaries[1:], strict=True))]
    lengths = [start - end for start, end in zip(starts, ends, strict=True)]
    ratios = [sum(lengths[:count]) / sum(lengths) for count in range(len(lengths))]
    times = [_LEVELS * _level(int(ratio * _LEVELS)) for ratio in (*ratios, (_LEVELS - 1) / _LEVELS)]
    return tuple(
        Stage(
            boundary=boundary,
            start=start,
            end=end,
            first_timestep=first,
            last_timestep=last + (first - last) / _LEVELS,
            keep=keep,
            renoise=keep * boundary / math.sqrt(gamma) if number else 0.0,
        )
        for number, (boundary, start, end, keep, first, last) in enumerate(
            zip(boundaries, starts, ends, keeps, times[:-1], times[1:], strict=True)
        )
    )


def euler_schedule(stage: Stage, steps: int, shift: float | None) -> Schedule:
    """Evenly spaced steps, moved towards the start by `shift` unless that is None. For `euler`."""
    timesteps, sigmas = _even(stage, steps)
    return _shift(stage, timesteps, (*sigmas, 0.0), shift)


def restart_schedule(stage: Stage, steps: int, shift: float | None) -> Schedule:
    """As `euler_schedule` with one step more, the last of which is left out. For `restart`."""
    timesteps, sigmas = _even(stage, steps + 1)
    return _shift(stage, timesteps[:-1], (*sigmas[:-1], 0.0), shift)


def euler(sample: Tensor, velocity: Tensor, sigma: float, following: float, first: Tensor) -> Tensor:
    """A step of the Mid checkpoint's flow."""
    return euler_step(sample, velocity, sigma, following)


def restart(sample: Tensor, velocity: Tensor, sigma: float, following: float, first: Tensor) -> Tensor:
    """A step of the Distilled checkpoint: to the stage's end, and back along the line to its first sample."""
    return interpolate(predict_clean(sample, velocity, sigma), first, following)


def block_noise(normal: Tensor, gamma: float = GAMMA) -> Tensor:
    """Standard normal numbers [..., h, w] to noise that is correlated by -gamma within each 2×2 block.

    Its covariance (1 + gamma) I - gamma J, with J of ones, has the eigenvalue 1 - 3 gamma for the block's
    mean and 1 + gamma for the rest, and this is its symmetric square root.
    """
    _check_gamma(gamma)
    *lead, height, width = normal.shape
    blocks = normal.reshape(*lead, height // 2, 2, width // 2, 2)
    mean = blocks.mean((-3, -1), keepdim=True)
    mixed = math.sqrt(1 + gamma) * (blocks - mean) + math.sqrt(max(0.0, 1 - 3 * gamma)) * mean
    return mixed.reshape(normal.shape)


def halve_noise(noise: Tensor) -> Tensor:
    """Standard normal numbers [..., h, w] to as many at half the height and width: block sums over 2."""
    *lead, height, width = noise.shape
    return noise.reshape(*lead, height // 2, 2, width // 2, 2).sum((-3, -1)) / 2


def enter_stage(latents: Tensor, stage: Stage, normal: Tensor, gamma: float = GAMMA) -> Tensor:
    """The end of a stage [..., h, w] to the start of the next, in the shape of `normal`, [..., 2h, 2w]."""
    doubled = latents.repeat_interleave(2, -2).repeat_interleave(2, -1)
    return stage.keep * doubled + stage.renoise * block_noise(normal, gamma)


def generate_pyramid(
    velocity: Velocity,
    draw: Draw,
    shape: tuple[int, int, int, int, int],
    plan: Sequence[tuple[Stage, Schedule]],
    step: Step,
    gamma: float = GAMMA,
) -> Tensor:
    """A chunk of latents, float32 of `shape` [B, C, F, h, w].

    Args:
        velocity: the model; its sample grows from stage to stage.
        draw: the random numbers; called once for each stage, in order.
        plan: the stages and the steps in each.
        step: `euler` with `euler_schedule`, `restart` with `restart_schedule`.

    Raises:
        ValueError: the height or the width cannot be halved often enough.
    """
    *lead, height, width = shape
    halvings = len(plan) - 1
    if height % 2**halvings or width % 2**halvings:
        raise ValueError(f"{len(plan)} stages need multiples of {2**halvings}; the latents are {height}×{width}")
    sample = draw(0, shape)
    for _ in range(halvings):
        sample = halve_noise(sample)
    for number, (stage, schedule) in enumerate(plan):
        if number:
            size = (sample.shape[-2] * 2, sample.shape[-1] * 2)
            sample = enter_stage(sample, stage, draw(number, (*lead, *size)), gamma)
        sample = _run(velocity, sample, schedule, step)
    return sample


def _run(velocity: Velocity, first: Tensor, schedule: Schedule, step: Step) -> Tensor:
    sample = first
    levels = zip(schedule.timesteps, schedule.sigmas[:-1], schedule.sigmas[1:], strict=True)
    for timestep, sigma, following in levels:
        # The checkpoints were trained and published with timesteps cut to whole numbers.
        told = torch.full((first.shape[0],), float(int(timestep)), device=first.device)
        sample = step(sample, velocity(sample, told).float(), sigma, following, first)
    return sample


def _level(place: int) -> float:
    return _HIGHEST * (1 - place / _LEVELS)


def _keep(boundary: float, gamma: float) -> float:
    signal = 1 - boundary
    return 1 / (math.sqrt(1 + 1 / gamma) * boundary + signal)


def _even(stage: Stage, steps: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if steps < 1:
        raise ValueError(f"a stage takes at least one step; got {steps}")
    parts = [step / max(1, steps - 1) for step in range(steps)]
    timesteps = (stage.first_timestep + part * (stage.last_timestep - stage.first_timestep) for part in parts)
    lowest = _HIGHEST / _LEVELS
    return tuple(timesteps), tuple(_HIGHEST + part * (lowest - _HIGHEST) for part in parts)


def _shift(stage: Stage, timesteps: tuple[float, ...], sigmas: tuple[float, ...], shift: float | None) -> Schedule:
    if shift is None:
        return Schedule(timesteps, sigmas)
    moved = tuple(shifted(sigma, shift) for sigma in sigmas)
    span = stage.first_timestep - stage.last_timestep
    return Schedule(tuple(stage.last_timestep + sigma * span for sigma in moved[:-1]), moved)


def _check_gamma(gamma: float) -> None:
    if not 0 < gamma <= GAMMA:
        raise ValueError(f"gamma is {gamma}; noise in 2×2 blocks can be anti-correlated by up to 1/3")
