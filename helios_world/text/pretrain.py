"""Trains a text encoder on captions alone, before any video: a caption must tell its land and its moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helios_world.text.augment import disturbed
from helios_world.text.config import TextConfig
from helios_world.text.encoder import SceneHead, TextEncoder

Captions = tuple[list[str], npt.NDArray[np.int64]]
CaptionSource = Callable[[np.random.Generator, int], Captions]
"""(rng, size) to prompts and labels int64 [size, 2]: land and moment, -1 where the prompt does not tell."""

PEAK_RATE = 3e-3
CLOSENESS = 0.5
UNKNOWN = -1


def pretrain(config: TextConfig, steps: int, seed: int, batch: int, caption_source: CaptionSource) -> TextEncoder:
    """Train an encoder from nothing; the same arguments give the same weights on one machine.

    700 steps of 128 captions take about a minute on one core.
    """
    return pretrain_with_head(config, steps, seed, batch, caption_source)[0]


def pretrain_with_head(
    config: TextConfig, steps: int, seed: int, batch: int, caption_source: CaptionSource
) -> tuple[TextEncoder, SceneHead]:
    """As `pretrain`, and the head that tells land and moment from the embedding."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, head = TextEncoder(config), SceneHead(config.text_dim)
        _fit(encoder, head, steps, lambda rng: caption_source(rng, batch), np.random.default_rng(seed))
    return encoder.eval(), head.eval()


def _fit(
    encoder: TextEncoder,
    head: SceneHead,
    steps: int,
    draw: Callable[[np.random.Generator], Captions],
    rng: np.random.Generator,
) -> None:
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for _ in range(steps):
        prompts, labels = draw(rng)
        text = encoder([disturbed(rng, prompt) for prompt in prompts])
        loss = scene_loss(head, text, torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()


def scene_loss(head: SceneHead, text: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of land and moment, plus the spread of the embeddings of one scene around their mean.

    Args:
        text: [B, L, text_dim].
        labels: int64 [B, 2], -1 where unknown.
    """
    land, moment = head(text)
    told = F.cross_entropy(land, labels[:, 0], ignore_index=UNKNOWN) + F.cross_entropy(
        moment, labels[:, 1], ignore_index=UNKNOWN
    )
    return told + CLOSENESS * scene_spread(text, labels)


def scene_spread(text: Tensor, labels: Tensor) -> Tensor:
    """Mean squared distance of an embedding to its scene's mean in the batch; unknown labels do not count."""
    known = (labels >= 0).all(dim=1)
    text, labels = text[known].flatten(1), labels[known]
    same = (labels[:, None] == labels[None]).all(dim=-1).to(text.dtype)
    means = same / same.sum(dim=1, keepdim=True) @ text
    return (text - means).square().mean()


@torch.no_grad()
def accuracy(
    encoder: TextEncoder, head: SceneHead, prompts: Sequence[str], labels: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """The share of prompts whose land, and whose moment, the head tells right."""
    land, moment = head(encoder(prompts))
    target = torch.from_numpy(labels)
    return float((land.argmax(1) == target[:, 0]).float().mean()), float(
        (moment.argmax(1) == target[:, 1]).float().mean()
    )


def _rate(step: int, steps: int) -> float:
    """A short warm-up, then a cosine to zero."""
    warm = max(1, steps // 20)
    return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / steps)))
