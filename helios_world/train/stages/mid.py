"""The mid stage: flow matching over a pyramid of resolutions (Jin et al. 2024, arXiv 2410.05954).

Stage i goes from `start` to `end` on its own straight line:

    start = a_i n_i + (1 - a_i) up(x_{i-1})      (stage 0: n_0)
    end   = e_i n_i + (1 - e_i) x_i              (last stage: x)

with x_i the clean latents and n_i one noise, both at the stage's size, and a_i, e_i the flow's levels at which the
stage begins and ends (`helios_world.sampling.stages`). The model learns start - end at start + (1 - s)(end - start).

Rows of a batch belong to stages by the recipe's ratios. Those of one stage go through the model together, so that a
step is as many passes as there are stages in it; sequences of different lengths are not packed into one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from helios_world.model import HeliosTransformer
from helios_world.sampling.config import SchedulerConfig
from helios_world.sampling.flow import interpolate
from helios_world.sampling.pyramid import halve_noise
from helios_world.sampling.schedule import Schedule, stage_schedule, whole
from helios_world.sampling.shift import dynamic_shift
from helios_world.sampling.stages import Stage, stages
from helios_world.train.stages.base import TIMESTEPS, prepare
from helios_world.train.stages.dice import Dice, place
from helios_world.train.stages.recipe import MidRecipe
from helios_world.train.stages.run import Run
from helios_world.train.stages.windows import Told, rows_of

LARGEST_SHIFT = 7.0
"""Training clamps the shift there; sampling does not."""


@dataclass(frozen=True)
class Line:
    """A stage's line for one batch: start and end [B, C, F, h, w] at the stage's size."""

    start: Tensor
    end: Tensor


def pyramid_lines(clean: Tensor, noise: Tensor, config: SchedulerConfig) -> list[Line]:
    """The lines of all stages, the smallest size first, for clean latents and noise [B, C, F, h, w]."""
    sizes = [(clean, noise)]
    for _ in range(config.stages - 1):
        sizes.insert(0, (halve(sizes[0][0]), halve_noise(sizes[0][1])))
    below = [None, *(small for small, _ in sizes[:-1])]
    return [_line(stage, *size, small) for stage, size, small in zip(stages(config), sizes, below, strict=True)]


def halve(clean: Tensor) -> Tensor:
    """Latents [B, C, F, h, w] at half the size, by the mean of 2×2 blocks, which bilinear interpolation amounts to."""
    return halve_noise(clean) / 2


def stage_table(config: SchedulerConfig, number: int, tokens: int) -> Schedule:
    """The timesteps and the levels within stage `number` that are trained, for `tokens` noisy tokens."""
    shift = dynamic_shift(tokens, config)
    return _table(config, number, None if shift is None else min(shift, LARGEST_SHIFT))


@lru_cache(64)
def _table(config: SchedulerConfig, number: int, shift: float | None) -> Schedule:
    return whole(stage_schedule(config, stages(config)[number], TIMESTEPS, shift))


def stage_of_rows(ratios: tuple[int, ...], step: int, count: int) -> list[int]:
    """The stage of each of a process's `count` rows: every `sum(ratios)` rows in turn have the ratios exactly.

    All processes have the same, because in each step they have to make the same passes.
    """
    pattern = [number for number, times in enumerate(ratios) for _ in range(times)]
    return [pattern[(step * count + row) % len(pattern)] for row in range(count)]


def stage_loss(model: HeliosTransformer, given: Told, line: Line, timestep: Tensor, sigma: Tensor) -> Tensor:
    """Squared errors of a stage's velocity at the levels `sigma` [B] within it, meaned over all but the batch: [B]."""
    noisy = interpolate(line.end, line.start, sigma)
    error = functional.mse_loss(given.velocity(model, noisy, timestep), line.start - line.end, reduction="none")
    return error.flatten(1).mean(1)


def train_mid(run: Run, recipe: MidRecipe) -> None:
    """The stage's loop."""
    layout, empty = recipe.layout.layout(), run.source.empty_text
    config = recipe.schedule.config("unipc")
    for dice in run.steps():
        window, given = prepare(recipe, run.source.next(dice.rows), empty, layout, dice)
        lines = pyramid_lines(window.target, dice.normal(*window.target.shape[1:]), config)
        places = stage_of_rows(recipe.ratios, run.step, dice.rows.count)
        with run.autocast():
            losses = stage_losses(run.model, given, lines, places, config, dice)
        loss = sum(losses.values(), torch.zeros((), device=run.device))
        run.learn("model", loss)
        run.report(loss=loss)


def stage_losses(
    model: HeliosTransformer,
    given: Told,
    lines: list[Line],
    places: list[int],
    config: SchedulerConfig,
    dice: Dice,
) -> dict[int, Tensor]:
    """Each stage's part of the batch's mean loss; `places` [B] are the stages of the rows."""
    draws = dice.below(TIMESTEPS)
    losses = {}
    for number in sorted(set(places)):
        rows = [row for row, place_of_row in enumerate(places) if place_of_row == number]
        line = Line(rows_of(lines[number].start, rows), rows_of(lines[number].end, rows))
        table = stage_table(config, number, math.prod(model.grid(line.end)))
        timestep = place(torch.tensor([table.timesteps[draws[row]] for row in rows]), dice.device)
        sigma = place(torch.tensor([table.sigmas[draws[row]] for row in rows]), dice.device)
        losses[number] = stage_loss(model, given.rows(rows), line, timestep, sigma).sum() / len(places)
    return losses


def _line(stage: Stage, clean: Tensor, noise: Tensor, below: Tensor | None) -> Line:
    if below is None:
        return Line(noise, interpolate(clean, noise, stage.end))
    doubled = below.repeat_interleave(2, -2).repeat_interleave(2, -1)
    return Line(interpolate(doubled, noise, stage.start), interpolate(clean, noise, stage.end))
