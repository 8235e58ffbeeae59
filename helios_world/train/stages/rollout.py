"""The generator's chunk in training: few steps in each stage of the pyramid, with gradients at one of them.

In each stage the rollout leaves at a step that is drawn at random, and the network is differentiated there only; the
steps before it run without gradients. What a stage began with, which every step goes back to in part, carries the
gradient of the stage before, so that all stages learn (Helios, arXiv 2603.04379; leaving at a random step is from Huang
et al. 2025, Self Forcing, arXiv 2506.08009).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from helios_world.sampling.chunk import Draw
from helios_world.sampling.config import SamplingPlan
from helios_world.sampling.flow import interpolate, predict_clean
from helios_world.sampling.pyramid import block_noise, enter_stage, halve_noise
from helios_world.sampling.schedule import Schedule, schedules
from helios_world.sampling.stages import stages
from helios_world.train.stages.trajectory import Network

Shape = tuple[int, int, int, int, int]


def roll_out(
    plan: SamplingPlan,
    network: Network,
    draw: Draw,
    shape: Shape,
    patch_size: tuple[int, int, int],
    first: bool,
    exits: Sequence[int],
) -> Tensor:
    """A chunk [B, C, F, h, w] as `sample_chunk` makes it with the solver dmd, each stage left after step `exits[i]`.

    With the last step of every stage it is the same chunk. Arguments as there; gradients as the caller enables them.
    """
    config = plan.scheduler
    sample = draw(0, shape)
    for _ in range(config.stages - 1):
        sample = halve_noise(sample)
    tables = zip(stages(config), schedules(plan, shape, patch_size, first), exits, strict=True)
    for number, (stage, schedule, leave) in enumerate(tables):
        if number:
            normal = draw(number, (*shape[:3], sample.shape[-2] * 2, sample.shape[-1] * 2))
            sample = enter_stage(sample, stage, block_noise(normal, config.gamma))
        sample = _run(network, sample, schedule, leave)
    return sample


def _run(network: Network, first: Tensor, schedule: Schedule, leave: int) -> Tensor:
    sample, learns = first, torch.is_grad_enabled()
    for index in range(leave):
        told = torch.full((first.shape[0],), schedule.timesteps[index], dtype=torch.float32)
        with torch.no_grad():
            velocity = network(sample, told)
        end = predict_clean(sample, velocity, schedule.sigmas[index])
        sample = interpolate(end, first, schedule.sigmas[index + 1])
    told = torch.full((first.shape[0],), schedule.timesteps[leave], dtype=torch.float32)
    with torch.set_grad_enabled(learns):
        return predict_clean(sample, network(sample, told), schedule.sigmas[leave])
