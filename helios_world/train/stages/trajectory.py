"""The beginning of distill: the teacher's way from noise to a chunk, and a student that sees its end from any point.

From a sample x on the way, at the level s within its stage, the student's end of the stage is x - s v; the loss is half
its squared distance to where the teacher's stage ended, times a weight (Helios, arXiv 2603.04379, after the trajectory
initialisation of Yin et al. 2025, CausVid, arXiv 2412.07772). The teacher samples as the published Mid pipeline does.

Shapes: B batch, C channels, F latent frames, h w latent height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from helios_world.sampling.chunk import Draw
from helios_world.sampling.config import SamplingPlan
from helios_world.sampling.flow import predict_clean
from helios_world.sampling.guidance import Velocity, guided
from helios_world.sampling.pyramid import block_noise, enter_stage, halve_noise
from helios_world.sampling.schedule import Schedule, schedules
from helios_world.sampling.solver import Past, Place
from helios_world.sampling.stages import stages
from helios_world.sampling.unipc import unipc

Network = Callable[[Tensor, Tensor], Tensor]
"""(sample [B, C, F, h, w], timestep [B] on the host) to the velocity, float32."""


@dataclass(frozen=True)
class Leg:
    """One stage of the way: the sample before each step, [B, C, F, h, w], the steps, and the stage's end."""

    samples: tuple[Tensor, ...]
    schedule: Schedule
    end: Tensor


@torch.no_grad()
def teacher_way(
    plan: SamplingPlan,
    velocity: Velocity,
    draw: Draw,
    shape: tuple[int, int, int, int, int],
    patch_size: tuple[int, int, int],
) -> list[Leg]:
    """What `sample_chunk` does with the solver unipc, with everything on the way kept; the last end is its result."""
    config = plan.scheduler
    sample = draw(0, shape)
    for _ in range(config.stages - 1):
        sample = halve_noise(sample)
    legs: list[Leg] = []
    for number, (stage, schedule) in enumerate(
        zip(stages(config), schedules(plan, shape, patch_size, False), strict=True)
    ):
        if number:
            normal = draw(number, (*shape[:3], sample.shape[-2] * 2, sample.shape[-1] * 2))
            sample = enter_stage(sample, stage, block_noise(normal, config.gamma))
        legs.append(_leg(plan, velocity, sample, schedule, number))
        sample = legs[-1].end
    return legs


def trajectory_loss(network: Network, legs: Sequence[Leg], chosen: Sequence[int], weight: float) -> Tensor:
    """The mean over the stages of weight / 2 times the squared error of their ends, from step `chosen` of each."""
    losses = []
    for leg, index in zip(legs, chosen, strict=True):
        sample = leg.samples[index]
        timestep = torch.full((len(sample),), leg.schedule.timesteps[index])
        end = predict_clean(sample, network(sample, timestep), leg.schedule.sigmas[index])
        losses.append(0.5 * weight * functional.mse_loss(end, leg.end))
    return torch.stack(losses).mean()


def _leg(plan: SamplingPlan, velocity: Velocity, first: Tensor, schedule: Schedule, stage: int) -> Leg:
    samples: list[Tensor] = []
    sample, past = first, None
    for index, timestep in enumerate(schedule.timesteps):
        samples.append(sample)
        told = torch.full((first.shape[0],), timestep, dtype=torch.float32)
        direction = guided(plan.guidance, velocity, sample, told, stage, index)
        place = Place(schedule.sigmas, index, first)
        step: tuple[Tensor, Past | None] = unipc(plan.scheduler, sample, direction, place, past)
        sample, past = step
    return Leg(tuple(samples), schedule, sample)
