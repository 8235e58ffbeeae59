"""A chunk of latents from noise: one stage for Base, a pyramid of stages for Mid and Distilled.

Shapes: B batch, C channels, F latent frames, h w height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from helios_world.sampling.config import SamplingPlan, SchedulerConfig
from helios_world.sampling.dmd import dmd
from helios_world.sampling.euler import euler
from helios_world.sampling.guidance import Velocity, guided
from helios_world.sampling.pyramid import block_noise, enter_stage, halve_noise
from helios_world.sampling.schedule import Schedule, schedules
from helios_world.sampling.solver import Place, Step
from helios_world.sampling.stages import stages
from helios_world.sampling.unipc import unipc

Draw = Callable[[int, tuple[int, ...]], Tensor]
"""(number, shape) to standard normal float32 numbers: 0 the chunk's noise, 1, 2, … those of stage 1, 2, …"""
Tick = Callable[[], None]
"""Called at the end of every stage."""

_STEPS: dict[str, Callable[[SchedulerConfig], Step]] = {
    "euler": lambda config: euler,
    "unipc": lambda config: partial(unipc, config),
    "dmd": lambda config: dmd,
}


def sample_chunk(
    plan: SamplingPlan,
    velocity: Velocity,
    draw: Draw,
    shape: tuple[int, int, int, int, int],
    patch_size: tuple[int, int, int],
    first: bool,
    tick: Tick = lambda: None,
) -> Tensor:
    """A chunk of latents, float32 of `shape` [B, C, F, h, w], on the device of what `draw` gives.

    Args:
        velocity: the model; its sample grows from stage to stage, and its timesteps are from 0 to 1000.
        draw: the random numbers; called once for each stage, in order, and always for the stage's size except the
            first, which is drawn at full size and halved.
        patch_size: latents of a token along frames, height and width; the noise schedule depends on their number.
        first: whether it is the session's first chunk.

    Raises:
        ValueError: the height or the width cannot be halved often enough.
    """
    config = plan.scheduler
    _check_size(shape, config.stages)
    sample = draw(0, shape)
    for _ in range(config.stages - 1):
        sample = halve_noise(sample)
    tables = zip(stages(config), schedules(plan, shape, patch_size, first), strict=True)
    for number, (stage, schedule) in enumerate(tables):
        if number:
            normal = draw(number, (*shape[:3], sample.shape[-2] * 2, sample.shape[-1] * 2))
            sample = enter_stage(sample, stage, block_noise(normal, config.gamma))
        sample = _run(plan, velocity, sample, schedule, number)
        tick()
    return sample


def _run(plan: SamplingPlan, velocity: Velocity, first: Tensor, schedule: Schedule, stage: int) -> Tensor:
    step: Step = _STEPS[plan.scheduler.solver](plan.scheduler)
    sample, past = first, None
    for index, timestep in enumerate(schedule.timesteps):
        # On the host, where it can be looked at without waiting for the device.
        told = torch.full((first.shape[0],), timestep, dtype=torch.float32)
        direction = guided(plan.guidance, velocity, sample, told, stage, index)
        sample, past = step(sample, direction, Place(schedule.sigmas, index, first), past)
    return sample


def _check_size(shape: tuple[int, ...], count: int) -> None:
    *_, height, width = shape
    multiple = 2 ** (count - 1)
    if height % multiple or width % multiple:
        raise ValueError(f"{count} stages need multiples of {multiple}; the latents are {height}×{width}")
