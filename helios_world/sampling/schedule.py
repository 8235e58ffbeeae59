"""The steps of each stage: what the model is told, and the noise levels between which it moves.

Sigma is the place within a stage, from 1 (its start) to 0 (its end); for a single stage it is the noise level itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helios_world.sampling.config import SamplingPlan, SchedulerConfig
from helios_world.sampling.shift import dynamic_shift, shifted
from helios_world.sampling.stages import Stage, stages

_HIGHEST = 0.999


@dataclass(frozen=True)
class Schedule:
    """The steps of a stage: `timesteps` for the model, and one more of `sigmas`, from near 1 to 0."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]


def single_schedule(config: SchedulerConfig, steps: int, shift: float | None) -> Schedule:
    """Evenly spaced steps through the whole flow, moved towards its start by `shift` unless that is None. For Base."""
    even = np.linspace(_HIGHEST, 0.0, steps + 1).tolist()
    sigmas = tuple(even) if shift is None else tuple(shifted(sigma, shift) for sigma in even)
    return Schedule(tuple(sigma * config.num_train_timesteps for sigma in sigmas[:-1]), sigmas)


def stage_schedule(config: SchedulerConfig, stage: Stage, steps: int, shift: float | None) -> Schedule:
    """Evenly spaced steps, moved towards the start by `shift` unless that is None. For the solvers euler and unipc."""
    timesteps, sigmas = _even(config, stage, steps)
    return _shift(stage, timesteps, (*sigmas, 0.0), shift)


def restart_schedule(config: SchedulerConfig, stage: Stage, steps: int, shift: float | None) -> Schedule:
    """As `stage_schedule` with one step more, the last of which is left out. For the solver dmd."""
    timesteps, sigmas = _even(config, stage, steps + 1)
    return _shift(stage, timesteps[:-1], (*sigmas[:-1], 0.0), shift)


def whole(schedule: Schedule) -> Schedule:
    """With timesteps cut to whole numbers, as the checkpoints with a pyramid were trained and published."""
    return Schedule(tuple(float(int(timestep)) for timestep in schedule.timesteps), schedule.sigmas)


def schedules(
    plan: SamplingPlan, shape: tuple[int, int, int, int, int], patch_size: tuple[int, int, int], first: bool
) -> tuple[Schedule, ...]:
    """What every stage of a chunk does.

    Args:
        shape: of the chunk's latents at full size, [B, C, F, h, w].
        patch_size: latents of a token along frames, height and width.
        first: whether it is the session's first chunk.
    """
    config = plan.scheduler
    shifts = _shifts(plan, shape, patch_size)
    if config.stages == 1:
        return (single_schedule(config, plan.steps[0], shifts[0]),)
    schedule = restart_schedule if config.solver == "dmd" else stage_schedule
    factor = 2 if plan.amplify_first and first else 1
    rows = zip(stages(config), plan.steps, shifts, strict=True)
    return tuple(whole(schedule(config, stage, factor * steps, shift)) for stage, steps, shift in rows)


def _shifts(
    plan: SamplingPlan, shape: tuple[int, int, int, int, int], patch_size: tuple[int, int, int]
) -> list[float | None]:
    """The dynamic shift of every stage."""
    _, _, frames, height, width = shape
    sizes = [2 ** (plan.scheduler.stages - 1 - number) for number in range(plan.scheduler.stages)]
    if plan.shift_resolution == "previous":
        sizes = [sizes[0], *sizes[:-1]]
    volumes = [frames * (height // size) * (width // size) for size in sizes]
    patch = patch_size[0] * patch_size[1] * patch_size[2]
    return [dynamic_shift(volume // patch, plan.scheduler) for volume in volumes]


def _even(config: SchedulerConfig, stage: Stage, steps: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    lowest = float(np.linspace(_HIGHEST, 0.0, config.num_train_timesteps + 1)[-2])
    timesteps = np.linspace(stage.first_timestep, stage.last_timestep, steps)
    return tuple(timesteps.tolist()), tuple(np.linspace(_HIGHEST, lowest, steps).tolist())


def _shift(stage: Stage, timesteps: tuple[float, ...], sigmas: tuple[float, ...], shift: float | None) -> Schedule:
    if shift is None:
        return Schedule(timesteps, sigmas)
    moved = tuple(shifted(sigma, shift) for sigma in sigmas)
    low, high = sorted((stage.first_timestep, stage.last_timestep))
    return Schedule(tuple(low + sigma * (high - low) for sigma in moved[:-1]), moved)
