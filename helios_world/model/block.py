"""One transformer block, over two streams: the tokens of the history and the noisy ones.

Shapes: B batch, M history tokens, N noisy tokens, L text tokens, R rows of conditions, D width, H heads,
E channels per head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from helios_kernels import gated_residual, modulated_layer_norm
from helios_world.model.attention import Attention, SelfAttention, attend
from helios_world.model.cache import draws_of, join_draws
from helios_world.model.config import TransformerConfig

KeyValue = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Modulation:
    """Shift, scale and gate of a block's two modulated halves, each [B or 1, R, D], float32."""

    shift: Tensor
    scale: Tensor
    gate: Tensor
    ffn_shift: Tensor
    ffn_scale: Tensor
    ffn_gate: Tensor

    def last_row(self) -> Modulation:
        """The last row alone, each [B or 1, 1, D]."""
        parts = (self.shift, self.scale, self.gate, self.ffn_shift, self.ffn_scale, self.ffn_gate)
        return Modulation(*(part[:, -1:] for part in parts))


@dataclass(frozen=True)
class Stream:
    """One kind of tokens on its way through the blocks.

    Args:
        tokens: [B, N, D].
        rows: the conditions of its frames, [B or 1, R, 6, D] with R a divisor of N.
        rotation: its positions, complex64 [N, E/2].
    """

    tokens: Tensor
    rows: Tensor
    rotation: Tensor


class GeluProjection(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        # The official names leave place 1 to a dropout layer.
        self.net = nn.ModuleList([GeluProjection(width, hidden), nn.Identity(), nn.Linear(hidden, width)])

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.net[2](self.net[0](x))
        return projected


class Block(nn.Module):
    """Self-attention, cross-attention to the text, feed-forward; the first and the last are modulated."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.attn1 = SelfAttention(config)
        self.attn2 = Attention(config)
        self.norm2 = nn.LayerNorm(config.width, config.eps) if config.cross_attn_norm else None
        self.ffn = FeedForward(config.width, config.ffn_dim)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, config.width) / config.width**0.5)

    def forward(self, history: Stream, noisy: Stream, text: KeyValue) -> tuple[Tensor, Tensor]:
        """All tokens at once; returns the new history tokens and the new noisy tokens."""
        past, now = self._modulation(history.rows), self._modulation(noisy.rows)
        split = history.tokens.shape[1]
        normed = torch.cat((self._norm(history.tokens, past), self._norm(noisy.tokens, now)), dim=1)
        rotation = torch.cat((history.rotation, noisy.rotation))
        key = self.attn1.key(normed, rotation)
        key = torch.cat((self.attn1.amplify(key[:, :split]), key[:, split:]), dim=1)
        query, value = self.attn1.query(normed, rotation), self.attn1.value(normed)
        attended = self._self_attention(query, key, value, split)
        history_text = None if self.config.guidance_cross_attn else text
        return (
            self._finish(history.tokens, attended[:, :split], past, history_text),
            self._finish(noisy.tokens, attended[:, split:], now, text),
        )

    def history_key_value(self, history: Stream) -> KeyValue:
        """What the history gives to the self-attention of this block, each [B, M, H, E]."""
        normed = self._norm(history.tokens, self._modulation(history.rows))
        return self.attn1.amplify(self.attn1.key(normed, history.rotation)), self.attn1.value(normed)

    def advance_history(self, history: Stream, own: KeyValue) -> Tensor:
        """The history's tokens after this block, which attend to the history only."""
        past = self._modulation(history.rows)
        query = self.attn1.query(self._norm(history.tokens, past), history.rotation)
        return self._finish(history.tokens, attend(query, *own), past, None)

    def denoise(self, noisy: Stream, history: KeyValue, text: KeyValue) -> Tensor:
        """The noisy tokens after this block. Their batch may be k times that of history and text."""
        now = self._modulation(noisy.rows)
        normed = self._norm(noisy.tokens, now)
        key = join_draws(history[0], self.attn1.key(normed, noisy.rotation))
        value = join_draws(history[1], self.attn1.value(normed))
        attended = attend(self.attn1.query(normed, noisy.rotation), key, value)
        return self._finish(noisy.tokens, attended, now, text)

    def text_key_value(self, text: Tensor) -> KeyValue:
        """Embedded text [B, L, D] to the keys and values of the cross-attention, each [B, L, H, E]."""
        return self.attn2.key(text), self.attn2.value(text)

    def _self_attention(self, query: Tensor, key: Tensor, value: Tensor, split: int) -> Tensor:
        if not self.config.restrict_self_attn or split == 0:
            return attend(query, key, value)
        past = attend(query[:, :split], key[:, :split], value[:, :split])
        return torch.cat((past, attend(query[:, split:], key, value)), dim=1)

    def _modulation(self, rows: Tensor) -> Modulation:
        return Modulation(*(self.scale_shift_table.unsqueeze(1) + rows).unbind(2))

    def _norm(self, tokens: Tensor, modulation: Modulation) -> Tensor:
        return modulated_layer_norm(tokens, modulation.scale, modulation.shift, self.config.eps)

    def _finish(self, tokens: Tensor, attended: Tensor, rows: Modulation, text: KeyValue | None) -> Tensor:
        tokens = gated_residual(tokens, self.attn1.output(attended), rows.gate)
        if text is not None:
            tokens = tokens + self._cross_attention(tokens, text)
        normed = modulated_layer_norm(tokens, rows.ffn_scale, rows.ffn_shift, self.config.eps)
        return gated_residual(tokens, self.ffn(normed), rows.ffn_gate)

    def _cross_attention(self, tokens: Tensor, text: KeyValue) -> Tensor:
        normed = tokens if self.norm2 is None else self.norm2(tokens.float()).to(tokens.dtype)
        key, value = (draws_of(cached, tokens.shape[0]) for cached in text)
        return self.attn2.output(attend(self.attn2.query(normed), key, value)).to(tokens.dtype)
