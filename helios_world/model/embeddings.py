"""Conditions to vectors: the timestep, the text and the action.

Shapes: B batch, F latent frames, L text tokens, D width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from helios_world.model.config import TransformerConfig


class TwoLayers(nn.Module):
    """Two linear layers. The activation between them is the caller's."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inputs, width)
        self.linear_2 = nn.Linear(width, width)


class TimestepEmbedder(TwoLayers):
    def forward(self, frequencies: Tensor) -> Tensor:
        hidden = self.linear_1(frequencies.to(self.linear_1.weight.dtype))
        return self.linear_2(functional.silu(hidden))  # type: ignore[no-any-return]


class TextEmbedder(TwoLayers):
    def forward(self, text: Tensor) -> Tensor:
        hidden = self.linear_1(text.to(self.linear_1.weight.dtype))
        return self.linear_2(functional.gelu(hidden, approximate="tanh"))  # type: ignore[no-any-return]


class ActionEmbedder(TwoLayers):
    """Begins as zero, so that adding it to a trained model changes nothing at first."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width)
        nn.init.zeros_(self.linear_2.weight)
        nn.init.zeros_(self.linear_2.bias)

    def forward(self, actions: Tensor) -> Tensor:
        hidden = self.linear_1(actions.to(self.linear_1.weight.dtype))
        return self.linear_2(functional.silu(hidden))  # type: ignore[no-any-return]


class ConditionEmbedder(nn.Module):
    """The timestep's and the text's embedders, and the projection that all blocks share."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.freq_dim = config.freq_dim
        self.time_embedder = TimestepEmbedder(config.freq_dim, config.width)
        self.time_proj = nn.Linear(config.width, 6 * config.width)
        self.text_embedder = TextEmbedder(config.text_dim, config.width)

    def time(self, timestep: Tensor) -> Tensor:
        """Timesteps [B] in [0, 1000] to [B, D]."""
        with torch.autocast(timestep.device.type, enabled=False):
            return row_by_row(lambda row: self.time_embedder(sinusoid(row, self.freq_dim)), timestep)

    def modulation(self, time: Tensor) -> Tensor:
        """Embedded times [B, R, D] to the rows that the blocks are modulated with, [B, R, 6, D]."""
        dtype = self.time_proj.weight.dtype
        projected = row_by_row(lambda row: self.time_proj(functional.silu(row.to(dtype))), time)
        rows: Tensor = projected.view(*projected.shape[:-1], 6, -1).float()
        return rows


def sinusoid(timestep: Tensor, channels: int) -> Tensor:
    """Cosines, then sines, of timesteps [B] at frequencies 10000^(-2k/channels): float32 [B, channels]."""
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float32, device=timestep.device)
    angles = timestep.float()[:, None] * torch.exp(steps * (-math.log(10000.0) / half))
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


def row_by_row(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """`function` of [B, …], one row at a time where a row would otherwise depend on how many there are.

    On a CPU a small matrix product, of one to three vectors above all, is summed in another order than a larger one;
    all others of the model are large enough. Without gradients only: training has no use for it.
    """
    if len(batch) == 1 or batch.device.type != "cpu" or torch.is_grad_enabled():
        return function(batch)
    return torch.cat([function(row) for row in torch.split(batch, 1)])
