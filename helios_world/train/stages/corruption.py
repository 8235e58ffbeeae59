"""Frame-aware corruption: a history like the ones that a model makes itself, so that it learns to live with them.

Of a history either the frames get noise, each its own amount, or windows of it are blurred; then windows become duller
or brighter than they are (Helios, arXiv 2603.04379, with the ranges of its training configuration). All of it in latent
space, as published. What is meant there by saturation and exposure is spelled out here: saturation is the distance from
the mean of a position's channels, exposure the mean of a channel over the picture.

Shapes: B batch, C channels, M = 1 + layout.length remembered latents, the anchor first, h w latent height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import interpolate as resize

from helios_world.memory import HistoryLayout
from helios_world.sampling.flow import interpolate
from helios_world.train.stages.dice import Dice, place
from helios_world.train.stages.parts import CorruptionPart, LightPart


def corrupt(past: Tensor, part: CorruptionPart, dice: Dice, layout: HistoryLayout) -> Tensor:
    """`past` [B, C, M, h, w] as a model's own mistakes might have left it."""
    chances = dice.uniform(2)
    clean, blurred = chances[:, 0] < part.clean, chances[:, 1] < part.blur
    past = add_noise(past, part, dice, noisy=~clean & ~blurred)
    past = blur(past, part, dice, blurred=~clean & blurred, layout=layout)
    for light, change in ((part.saturation, saturate), (part.exposure, expose)):
        if light is not None:
            past = change_light(past, light, change, dice, layout)
    return past


def add_noise(past: Tensor, part: CorruptionPart, dice: Dice, noisy: Tensor) -> Tensor:
    """Noise on every frame of the `noisy` rows [B] and on the anchor, its level drawn frame by frame."""
    low, high = part.noise
    levels = (low + (high - low) * dice.uniform(past.shape[2])) * noisy[:, None]
    flat, normal = past.transpose(1, 2).flatten(0, 1), dice.normal(*past.shape[1:]).transpose(1, 2).flatten(0, 1)
    mixed = interpolate(flat, normal, place(levels.flatten(), past.device))
    return mixed.view(past.shape[0], past.shape[2], *mixed.shape[1:]).transpose(1, 2)


def blur(past: Tensor, part: CorruptionPart, dice: Dice, blurred: Tensor, layout: HistoryLayout) -> Tensor:
    """The windows of the `blurred` rows [B] made smaller and larger again, each by its own ratio."""
    spans = windows_of(layout)
    low, high = part.blur_ratio
    ratios = low + (high - low) * dice.uniform(len(spans))
    result = past.clone()
    for row in torch.nonzero(blurred).flatten().tolist():
        for span, ratio in zip(spans, ratios[row].tolist(), strict=True):
            result[row, :, span] = down_and_up(past[row, :, span], ratio)
    return result


def down_and_up(frames: Tensor, ratio: float) -> Tensor:
    """Frames [C, F, h, w] at `ratio` of their size and back, by linear interpolation with antialiasing."""
    *_, height, width = frames.shape
    size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    small = resize(frames.transpose(0, 1), size=size, mode="bilinear", antialias=True)
    return resize(small, size=(height, width), mode="bilinear", antialias=True).transpose(0, 1)


def change_light(
    past: Tensor,
    part: LightPart,
    change: Callable[[Tensor, Tensor], Tensor],
    dice: Dice,
    layout: HistoryLayout,
) -> Tensor:
    """`change` of every window by a factor of its own; the anchor stays as it is."""
    spans = windows_of(layout)
    chances = dice.uniform(3, len(spans))
    factors = torch.where(
        chances[:, 0] < part.clean,
        1.0,
        torch.where(chances[:, 1] < 0.5, _within(part.less, chances[:, 2]), _within(part.more, chances[:, 2])),
    )
    lengths = torch.tensor([span.stop - span.start for span in spans])
    each = torch.cat((torch.ones(len(past), 1), factors.repeat_interleave(lengths, dim=1)), dim=1)
    return change(past, place(each, past.device)[:, None, :, None, None])


def saturate(past: Tensor, factor: Tensor) -> Tensor:
    """`factor` times as far from the mean of a position's channels."""
    return past + (factor - 1) * (past - past.mean(1, keepdim=True))


def expose(past: Tensor, factor: Tensor) -> Tensor:
    """The mean of each channel over the picture times `factor`, the picture's details as they were."""
    return past + (factor - 1) * past.mean((-2, -1), keepdim=True)


def windows_of(layout: HistoryLayout) -> list[slice]:
    """The past in chunks, counted back from the newest latent; what is left at the old end is a window too."""
    whole, tail = divmod(layout.length, layout.chunk)
    edges = [1, *([1 + tail] if tail else []), *(1 + tail + layout.chunk * (n + 1) for n in range(whole))]
    return [slice(first, last) for first, last in pairwise(edges)]


def _within(bounds: tuple[float, float], chance: Tensor) -> Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * chance
