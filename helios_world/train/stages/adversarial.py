"""Heads that tell data from what the generator makes, by the hidden states of the fake score.

Losses are softplus functions of the logits (Goodfellow et al. 2014, arXiv 1406.2661, the non-saturating form); the
penalty is an approximate R1, the squared change of the logits of data under a little noise (Lin et al. 2025, arXiv
2501.08316). A head's logit is a projection on the words (Miyato and Koyama 2018, arXiv 1802.05637).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Head(nn.Module):
    """One logit for each token of one block."""

    def __init__(self, width: int, text_dim: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, channels)
        self.mix = nn.Linear(channels, channels)
        self.logit = nn.Linear(channels, 1)
        self.words = nn.Linear(text_dim, channels)

    def forward(self, tokens: Tensor, text: Tensor) -> Tensor:
        """Tokens [B, N, D] and text [B, L, E] to logits [B, N]."""
        features = self.mix(functional.silu(self.enter(self.norm(tokens))))
        projected = (features * self.words(text.mean(1)).unsqueeze(1)).mean(-1)
        logits: Tensor = self.logit(functional.silu(features)).squeeze(-1) + projected
        return logits


class Discriminator(nn.Module):
    """A head for each block that is listened to."""

    def __init__(self, count: int, width: int, text_dim: int, channels: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList([Head(width, text_dim, channels) for _ in range(count)])

    def forward(self, hidden: Sequence[Tensor], text: Tensor) -> Tensor:
        """Hidden tokens of each block, [B, N, D], to all logits [B, heads · N], float32."""
        pairs = zip(self.heads, hidden, strict=True)
        return torch.cat([head(tokens, text) for head, tokens in pairs], dim=1).float()


def generator_loss(made: Tensor) -> Tensor:
    """Small where the logits of what was made are large."""
    return functional.softplus(-made).mean()


def critic_loss(made: Tensor, data: Tensor) -> Tensor:
    """Small where the logits of data are large and those of what was made are not."""
    return functional.softplus(made).mean() + functional.softplus(-data).mean()


def approximate_r1(data: Tensor, disturbed: Tensor) -> Tensor:
    """The mean squared change of the logits of data under noise on what the heads see: on data that is noised already.

    Not divided by the noise's size, as published.
    """
    return (data - disturbed).square().mean()
