"""The loss of the embedded world: flow matching at two noise levels, and the pose as a hint.

Every sequence is denoised from pure noise, which is where a few-step sampler makes its decisions, and a part of them on
the same encoding of their history from a random level too, the error being that of the clean latents. Flow matching:
x_s = (1 - s) x + s n, v = n - x (Lipman et al. 2023, arXiv 2210.02747, with time reversed, as Helios does).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer, HistoryCache, TextCache
from helios_world.model.guide import Guide
from helios_world.text import TextEncoder
from helios_world.train.streams import Batch
from helios_world.train.words import embed

C = TypeVar("C", TextCache, HistoryCache)


class Hints(nn.Module):
    """Heads that exist in training only: the pose from the hidden state, the scene from the words."""

    def __init__(self, width: int, text_dim: int) -> None:
        super().__init__()
        self.pose = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 4))
        self.scene = nn.Linear(text_dim, 8)

    def pose_loss(self, hidden: Tensor, poses: Tensor) -> Tensor:
        """Mean squared error of (x, y, cos, sin) [K, 4] read from hidden tokens [K, N, D]."""
        return F.mse_loss(self.pose(hidden.float().mean(1)), poses)

    def scene_loss(self, text: Tensor, scenes: Tensor, used: Tensor) -> Tensor:
        """Cross entropy of land and moment [K, 2] read from words [K, L, text_dim], where `used` [K]."""
        logits = self.scene(text.float().mean(1))
        land = F.cross_entropy(logits[:, :4], scenes[:, 0], reduction="none")
        moment = F.cross_entropy(logits[:, 4:], scenes[:, 1], reduction="none")
        return ((land + moment) * used).mean()


@dataclass(frozen=True)
class Result:
    """A batch's loss, its parts for the log, and the way from noise to latents as far as it went.

    Args:
        noise, clean: [K, C, 1, h, w], where it began and what one step makes of it.
        text, history: the caches that it was made with.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    noise: Tensor
    clean: Tensor
    text: TextCache
    history: HistoryCache


@dataclass(frozen=True)
class Weights:
    """How the parts of the loss count.

    Args:
        channel: [C], of the errors of the latent channels (mean 1); pose, scene: of the hints.
        second: share of the batch that is denoised a second time, from a level between `lowest` and 1.
    """

    channel: Tensor
    pose: float
    scene: float
    second: float
    lowest: float


def embed_prompts(encoder: TextEncoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """(mixture of both prompts, present prompt): [K, L, text_dim] each."""
    with torch.autocast(batch.target.device.type, enabled=False):
        now = embed(encoder, batch.words)
        if batch.before is None:
            return now, now
        share = batch.share[:, None, None]
        mixed = share * now[batch.fading] + (1 - share) * embed(encoder, batch.before)
        return now.index_copy(0, batch.fading, mixed), now


def batch_loss(
    model: HeliosTransformer,
    encoder: TextEncoder,
    hints: Hints,
    batch: Batch,
    layout: HistoryLayout,
    weights: Weights,
    generator: torch.Generator,
) -> Result:
    """The loss of one batch; `generator` belongs to the batch's device. A part that no sequence has is not a number."""
    mixture, now = embed_prompts(encoder, batch)
    text = model.embed_text(mixture)
    history = model.encode_history(batch.history, layout)
    target, count = batch.target, len(batch.target)
    noise = _normal(target, generator)
    velocity, hidden = model.denoise(
        noise,
        torch.full((count,), 1000.0, device=target.device),
        text,
        history,
        layout,
        batch.actions,
        return_hidden=True,
        guide=batch.guide,
    )
    first = _errors(velocity, noise - target, weights.channel)
    some = slice(0, max(1, round(count * weights.second)))
    second = _second_errors(model, batch, layout, (_part(text, some), _part(history, some)), weights, generator)
    pose = hints.pose_loss(hidden, batch.poses)
    scene = hints.scene_loss(now, batch.scenes, batch.words.spoken)
    loss = first.mean() + second.mean() + weights.pose * pose + weights.scene * scene
    parts = {
        "first": _mean_where(first, ~batch.own),
        "own": _mean_where(first, batch.own),
        "second": second.mean(),
        "pose": pose,
        "scene": scene,
    }
    detached = {name: value.detach() for name, value in parts.items()}
    return Result(loss, detached, noise, noise - velocity.detach().float(), text, history)


@torch.no_grad()
def remembered(
    model: HeliosTransformer,
    result: Result,
    batch: Batch,
    layout: HistoryLayout,
    sigmas: tuple[float, ...],
    share: float,
) -> Tensor:
    """What the model remembers of the batch as its own: [K, C, 1, h, w].

    One step of the sampler for most, all steps of `sigmas` for the last `share` of the sequences; those of a batch
    come in random order. The first step is taken from `result`.
    """
    count = round(len(result.clean) * share)
    if count == 0:
        return result.clean
    some = slice(len(result.clean) - count, None)
    clean, noise, actions = result.clean[some], result.noise[some], batch.actions[some]
    text, history = _part(result.text, some), _part(result.history, some)
    guide = _guide(batch, some)
    for sigma in sigmas[1:-1]:
        noisy = (1 - sigma) * clean + sigma * noise
        timestep = torch.full((count,), 1000 * sigma, device=noisy.device)
        velocity = model.denoise(noisy, timestep, text, history, layout, actions, guide=guide).float()
        clean, noise = noisy - sigma * velocity, noisy + (1 - sigma) * velocity
    return torch.cat([result.clean[: -count or None], clean])


def _second_errors(
    model: HeliosTransformer,
    batch: Batch,
    layout: HistoryLayout,
    caches: tuple[TextCache, HistoryCache],
    weights: Weights,
    generator: torch.Generator,
) -> Tensor:
    """Errors of the clean latents at random noise levels, for as many sequences as the caches hold."""
    text, history = caches
    target = batch.target[: len(text.keys[0])]
    noise = _normal(target, generator)
    sigma = torch.rand(len(target), generator=generator, device=target.device) * (1 - weights.lowest) + weights.lowest
    level = sigma[:, None, None, None, None]
    noisy = (1 - level) * target + level * noise
    some = slice(0, len(target))
    guide = _guide(batch, some)
    velocity = model.denoise(noisy, 1000 * sigma, text, history, layout, batch.actions[some], guide=guide)
    return _errors(velocity, noise - target, weights.channel) * sigma.square()


def _guide(batch: Batch, rows: slice) -> Guide | None:
    """The guide of some sequences, if there is one."""
    return None if batch.guide is None else batch.guide.rows(rows)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)


def _errors(velocity: Tensor, wanted: Tensor, channel: Tensor) -> Tensor:
    """Mean squared error per sequence [K], the channels weighted by `channel` [C]."""
    return ((velocity.float() - wanted).square().mean((2, 3, 4)) * channel).mean(1)


def _mean_where(values: Tensor, used: Tensor) -> Tensor:
    """The mean of those values [K] that are used; not a number if none is."""
    return torch.where(used, values, 0.0).sum() / used.sum()


def _part(cache: C, rows: slice) -> C:
    """Some sequences of a cache."""
    return type(cache)(keys=tuple(k[rows] for k in cache.keys), values=tuple(v[rows] for v in cache.values))
