"""Attention with normalised queries and keys.

Shapes: B batch, N tokens, D width, H heads, E channels per head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from helios_kernels import rms_norm, rotary
from helios_world.model.config import TransformerConfig

_MAX_HISTORY_SCALE = 10.0


class Attention(nn.Module):
    """The projections of an attention layer. What attends to what is the caller's to say."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.num_attention_heads
        self.eps = config.eps
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.norm_q = nn.RMSNorm(width, eps=config.eps)
        self.norm_k = nn.RMSNorm(width, eps=config.eps)

    def query(self, x: Tensor, rotation: Tensor | None = None) -> Tensor:
        """[B, N, D] to [B, N, H, E], turned by `rotation`, complex64 [N, E/2]."""
        query = self._split(rms_norm(self.to_q(x), self.norm_q.weight, self.eps))
        return query if rotation is None else rotary(query, rotation)

    def key(self, x: Tensor, rotation: Tensor | None = None) -> Tensor:
        """As `query`."""
        key = self._split(rms_norm(self.to_k(x), self.norm_k.weight, self.eps))
        return key if rotation is None else rotary(key, rotation)

    def value(self, x: Tensor) -> Tensor:
        return self._split(self.to_v(x))

    def output(self, attended: Tensor) -> Tensor:
        """[B, N, D] to [B, N, D]."""
        projected: Tensor = self.to_out[0](attended)
        return projected

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1)


class SelfAttention(Attention):
    """Attention with a learned weight on the history where the checkpoint has one."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        if config.is_amplify_history:
            scales = self.heads if config.history_scale_mode == "per_head" else 1
            self.history_key_scale = nn.Parameter(torch.ones(scales))
        self.amplifies = config.is_amplify_history

    def amplify(self, key: Tensor) -> Tensor:
        """Scale the keys of the history [B, M, H, E] by 1 to 10, per head or all alike."""
        if not self.amplifies:
            return key
        scale = 1.0 + torch.sigmoid(self.history_key_scale.float()) * (_MAX_HISTORY_SCALE - 1.0)
        return (key * scale.view(-1, 1)).to(key.dtype)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of every query [B, N, H, E] to every key [B, K, H, E]; returns [B, N, H·E]."""
    if query.requires_grad and query.device.type == "cpu":
        # On a CPU the backward pass of this operation is several times slower in bfloat16 than in float32.
        with torch.autocast("cpu", enabled=False):
            return _attend(query.float(), key.float(), value.float()).to(value.dtype)
    return _attend(query, key, value)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
