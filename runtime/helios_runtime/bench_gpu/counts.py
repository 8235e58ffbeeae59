"""How many operations and bytes the work of a pass is at the least, from its shapes alone.

A multiplication and an addition are two operations. Counted are matrix products and attention, which is what the
matrix units do; of the rest only the bytes that it has to read and write.

Shapes: M history tokens, N noisy tokens, S = M + N, L text tokens, D width, F width of the feed-forward.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from helios_runtime.bench_gpu.sizes import Size
from helios_world.memory import HistoryLayout
from helios_world.model import TransformerConfig


@dataclass(frozen=True)
class Pass:
    """The tokens of one call of the transformer."""

    history: int
    noisy: int
    text: int

    @property
    def tokens(self) -> int:
        return self.history + self.noisy


@dataclass(frozen=True)
class Operations:
    """Of one call, or of a chunk.

    Args:
        linear: projections and feed-forward.
        attention: scores and sums of self-attention.
        cross: cross-attention, its projections included.
    """

    linear: int = 0
    attention: int = 0
    cross: int = 0

    @property
    def total(self) -> int:
        return self.linear + self.attention + self.cross

    def __add__(self, other: Operations) -> Operations:
        return Operations(self.linear + other.linear, self.attention + other.attention, self.cross + other.cross)


def passes(size: Size, steps: tuple[int, ...]) -> list[Pass]:
    """Of the calls of a chunk, in order."""
    height, width = size.latent
    history = history_tokens(size.layout, height, width)
    halvings = len(steps) - 1
    made = []
    for stage, count in enumerate(steps):
        rows, columns = (side >> halvings - stage for side in (height, width))
        made += [Pass(history, size.layout.chunk * (rows // 2) * (columns // 2), size.text_tokens)] * count
    return made


def history_tokens(layout: HistoryLayout, height: int, width: int) -> int:
    """Of latents of this size: a token of the short part is 1 × 2 × 2 of them, of mid 2 × 4 × 4, of long 4 × 8 × 8."""
    parts = ((layout.short + 1, 1, 2), (layout.mid, 2, 4), (layout.long, 4, 8))
    return sum(ceil(latents / time) * ceil(height / side) * ceil(width / side) for latents, time, side in parts)


def as_written(config: TransformerConfig, one: Pass) -> Operations:
    """Of a call that computes everything for all tokens, as diffusers does."""
    width, inner, blocks = config.width, config.ffn_dim, config.num_layers
    linear = one.tokens * (8 * width**2 + 4 * width * inner)
    attention = 4 * one.tokens**2 * width
    cross = 4 * one.noisy * width**2 + 4 * one.text * width**2 + 4 * one.noisy * one.text * width
    return Operations(blocks * linear, blocks * attention, blocks * cross)


def needed(config: TransformerConfig, one: Pass) -> Operations:
    """Of a call with the text's keys and values there already, whose last block asks for the noisy tokens alone."""
    width, inner, blocks = config.width, config.ffn_dim, config.num_layers
    whole = as_written(config, one)
    spared = one.history * (4 * width**2 + 4 * width * inner)
    return Operations(
        whole.linear - spared,
        whole.attention - 4 * one.history * one.tokens * width,
        whole.cross - blocks * 4 * one.text * width**2,
    )


def chunk_operations(config: TransformerConfig, calls: list[Pass], *, least: bool) -> Operations:
    """Of all calls of a chunk: the least that there are, or as they are written down."""
    count = needed if least else as_written
    return sum((count(config, one) for one in calls), Operations())


def weight_bytes(config: TransformerConfig, item: int) -> int:
    """Of the matrices that a call reads, each once; the text's projections are not among them."""
    width = config.width
    block = 4 * width**2 + 2 * width * config.ffn_dim + 2 * width**2
    return config.num_layers * block * item


def activation_bytes(config: TransformerConfig, one: Pass, item: int) -> int:
    """That the operations between the matrix products read and write, each input and output once.

    In every block: queries and keys normed and turned (4 S), three sums each with the norm that follows (4 S, of the
    cross-attention 3 S + N), the norm of its queries (2 N), and the activation of the feed-forward (2 S of width F).
    """
    rows = 4 * one.tokens + 2 * 4 * one.tokens + (3 * one.tokens + one.noisy) + 2 * one.noisy
    return config.num_layers * item * (rows * config.width + 2 * one.tokens * config.ffn_dim)


def codec_operations(vae: Any, size: Size) -> int:
    """Of decoding a chunk, counted on tensors without memory."""
    module = copy.deepcopy(vae).to("meta")
    latents = torch.zeros(1, size.transformer.in_channels, size.layout.chunk, *size.latent, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.decode(latents.to(next(module.parameters()).dtype))
    return int(counter.get_total_flops())


def parameters(module: Any) -> int:
    return sum(prod(weight.shape) for weight in module.parameters())
