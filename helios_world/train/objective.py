"""The loss of the embedded world: flow matching at two noise levels, and the pose as a hint.

Every sequence is denoised twice on one encoding of its history: once from pure noise, which is where a few-step sampler
makes its decisions, and once from a random level. Flow matching: x_s = (1 - s) x + s n, v = n - x (spec of Helios, and
Lipman et al. 2023, arXiv 2210.02747, with time reversed).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helios_world.memory import HistoryLayout
from helios_world.model import HeliosTransformer, HistoryCache, TextCache
from helios_world.text import TextEncoder
from helios_world.train.streams import Batch


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
    """A batch's loss, its parts for the log, and what is needed to let the model go its own way."""

    loss: Tensor
    parts: dict[str, Tensor]
    clean: Tensor
    noise: Tensor
    text: TextCache
    history: HistoryCache


def embed_prompts(encoder: TextEncoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """(mixture of both prompts, present prompt): [K, L, text_dim] each."""
    with torch.autocast(batch.target.device.type, enabled=False):
        now = encoder(batch.prompts)
        if not bool((batch.share < 1).any()):
            return now, now
        share = batch.share[:, None, None]
        return share * now + (1 - share) * encoder(batch.before), now


def batch_loss(
    model: HeliosTransformer,
    encoder: TextEncoder,
    hints: Hints,
    batch: Batch,
    layout: HistoryLayout,
    weights: dict[str, Tensor],
    generator: torch.Generator,
) -> Result:
    """The loss of one batch. `weights` has "channel" [C] (mean 1), "pose" and "scene"."""
    mixture, now = embed_prompts(encoder, batch)
    text = model.embed_text(mixture)
    history = model.encode_history(batch.history, layout)
    target, count = batch.target, len(batch.target)
    noise = torch.randn(target.shape, generator=generator).to(target)
    other = torch.randn(target.shape, generator=generator).to(target)
    sigma = torch.rand(count, generator=generator).to(target).mul(0.98).add(0.02)
    level = sigma[:, None, None, None, None]
    noisy = torch.cat([noise, (1 - level) * target + level * other])
    timestep = torch.cat([torch.ones_like(sigma), sigma]) * 1000
    velocity, hidden = model.denoise(
        noisy, timestep, text, history, layout, batch.actions.repeat(2, 1, 1), return_hidden=True
    )
    wanted = torch.cat([noise, other]) - target.repeat(2, 1, 1, 1, 1)
    squared = (velocity.float() - wanted).square().mean((2, 3, 4)) * weights["channel"]
    first, second = torch.split(squared.mean(1), count)
    pose = hints.pose_loss(hidden[:count], batch.poses)
    used = torch.tensor([float(bool(p)) for p in batch.prompts], device=target.device)
    scene = hints.scene_loss(now, batch.scenes, used)
    loss = first.mean() + second.mean() + weights["pose"] * pose + weights["scene"] * scene
    own = torch.from_numpy(batch.own).to(target.device)
    parts = {
        "first": first[~own].mean() if bool((~own).any()) else first.mean(),
        "own": first[own].mean() if bool(own.any()) else first.mean() * float("nan"),
        "second": second.mean(),
        "pose": pose,
        "scene": scene,
    }
    clean = noise - velocity[:count].detach().float()
    return Result(loss, parts, clean, noise, text, history)


@torch.no_grad()
def go_on(
    model: HeliosTransformer, result: Result, batch: Batch, layout: HistoryLayout, sigmas: tuple[float, ...]
) -> Tensor:
    """What the sampler would make of this chunk: the remaining Euler steps after the first; [K, C, 1, h, w]."""
    clean = result.clean
    for sigma in sigmas[1:-1]:
        noisy = (1 - sigma) * clean + sigma * result.noise
        timestep = torch.full((len(noisy),), 1000 * sigma, device=noisy.device)
        velocity = model.denoise(noisy, timestep, result.text, result.history, layout, batch.actions)
        clean = noisy - sigma * velocity.float()
    return clean
