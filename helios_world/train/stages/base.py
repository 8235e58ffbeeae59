"""The base stage: flow matching on chunks with a corrupted, sometimes dropped history.

x_s = (1 - s) x + s n, and the model learns n - x (Lipman et al. 2023, arXiv 2210.02747, with time reversed); s is
logit-normal with mean 0 and deviation 1 (Esser et al. 2024, arXiv 2403.03206) or uniform.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer
from helios_world.sampling.flow import interpolate, velocity_target
from helios_world.train.stages.clips import Clips
from helios_world.train.stages.corruption import corrupt
from helios_world.train.stages.dice import Dice, place
from helios_world.train.stages.recipe import BaseRecipe, DistillRecipe, MidRecipe
from helios_world.train.stages.run import Run
from helios_world.train.stages.windows import (
    Told,
    Window,
    count_sections,
    cut_windows,
    drop_captions,
    drop_history,
    told,
)

TIMESTEPS = 1000


def logit_normal(dice: Dice) -> Tensor:
    """A noise level for each row of the batch, on the device: the logistic function of standard normal numbers."""
    return torch.sigmoid(dice.normal())


def uniform(dice: Dice) -> Tensor:
    """As `logit_normal`, evenly spread."""
    return place(dice.uniform(), dice.device)


LEVELS: dict[str, Callable[[Dice], Tensor]] = {"logit_normal": logit_normal, "uniform": uniform}


def prepare(
    recipe: BaseRecipe | MidRecipe | DistillRecipe, clips: Clips, empty: Tensor, layout: HistoryLayout, dice: Dice
) -> tuple[Window, Told]:
    """A chunk of each clip with what the model is told: dropped, corrupted and sometimes without words."""
    count = count_sections(clips, layout)
    window = cut_windows(clips, dice.below(count), layout)
    return window, spoil(recipe, window, empty, layout, dice)


def spoil(
    recipe: BaseRecipe | MidRecipe | DistillRecipe, window: Window, empty: Tensor, layout: HistoryLayout, dice: Dice
) -> Told:
    """What the model is told of a window in training."""
    past = window.past if recipe.corruption is None else corrupt(window.past, recipe.corruption, dice, layout)
    spoiled = Window(window.target, past, window.present, window.text, window.actions)
    spoiled = drop_history(spoiled, recipe.dropping, dice, layout)
    return told(drop_captions(spoiled, recipe.caption_dropout, empty, dice), layout)


def flow_loss(model: HeliosTransformer, given: Told, clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Mean squared error of the velocity at noise levels `sigma` [B] between clean and noise [B, C, F, h, w]."""
    noisy = interpolate(clean, noise, sigma)
    return functional.mse_loss(given.velocity(model, noisy, TIMESTEPS * sigma), velocity_target(clean, noise))


def train_base(run: Run, recipe: BaseRecipe) -> None:
    """The stage's loop."""
    layout, empty = recipe.layout.layout(), run.source.empty_text
    for dice in run.steps():
        window, given = prepare(recipe, run.source.next(dice.rows), empty, layout, dice)
        sigma = LEVELS[recipe.levels](dice)
        with run.autocast():
            loss = flow_loss(run.model, given, window.target, dice.normal(*window.target.shape[1:]), sigma)
        run.learn("model", loss)
        run.report(loss=loss)
