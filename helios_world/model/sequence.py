"""A transformer block over one sequence, the history's tokens before the noisy ones: the fast twin of `Block.forward`.

Each block takes its tokens normalised already and gives them on normalised for the next one, so that every addition
to the residual stream shares a pass over memory with the normalisation after it. For inference.

Shapes: B batch, M history tokens, N noisy tokens, S = M + N, D width, H heads, E channels per head, L text tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from helios_kernels import gated_residual, gated_residual_norm, layer_norm, qk_norm_rotary, rms_norm, rotary
from helios_world.model.block import Block, KeyValue, Modulation
from helios_world.model.products import Products

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention of every query [B, N, H, E] to every key and value [B, K, H, E]; returns [B, N, H·E]."""
Scale = tuple[Tensor, Tensor]
"""Scale and shift of a normalisation, each [B or 1, R, D], float32."""


@dataclass(frozen=True)
class Sequence:
    """The tokens between two blocks.

    Args:
        tokens: [B, S, D].
        normed: the tokens as the next block's self-attention reads them, [B, S, D].
    """

    tokens: Tensor
    normed: Tensor


@dataclass(frozen=True)
class Frame:
    """What all blocks of a pass share.

    Args:
        split: M.
        ends: where the rows of conditions end, (M, S).
        rotation: of all tokens, complex64 [S, E/2].
        attend: how attention is computed.
    """

    split: int
    ends: tuple[int, int]
    rotation: Tensor
    attend: Attend


def advance(
    block: Block, products: Products, state: Sequence, rows: Modulation, following: Scale, text: KeyValue, frame: Frame
) -> Sequence:
    """All tokens after the block.

    Args:
        rows: of this block, one for the history and one for the noisy tokens: each [B or 1, 2, D].
        following: of the next block's self-attention, in such rows too.
        text: keys and values of the cross-attention, each [B or 1, L, H, E].
    """
    eps, ends = block.config.eps, frame.ends
    update = products.output(_self_attention(block, products.query_key_value(state.normed), frame))
    tokens = gated_residual(state.tokens, update, rows.gate, ends)
    reading = tokens[:, frame.split :] if block.config.guidance_cross_attn else tokens
    told = _cross_attention(block, reading, text, frame.attend)
    tokens, normed = gated_residual_norm(tokens, told, None, rows.ffn_scale, rows.ffn_shift, eps, ends)
    grown = products.feed_forward(normed)
    return Sequence(*gated_residual_norm(tokens, grown, rows.ffn_gate, *following, eps, ends))


def conclude(
    block: Block, products: Products, state: Sequence, rows: Modulation, following: Scale, text: KeyValue, frame: Frame
) -> Sequence:
    """The noisy tokens, [B, N, D], after the last block: of the history only keys and values are left to compute.

    Args:
        rows: of the noisy tokens, each [B or 1, 1, D].
        following: of the output's normalisation, in such rows too.
    """
    eps = block.config.eps
    noisy, normed = state.tokens[:, frame.split :], state.normed[:, frame.split :]
    update = products.output(_noisy_attention(block, products, state.normed, normed, frame))
    tokens = gated_residual(noisy, update, rows.gate)
    told = _cross_attention(block, tokens, text, frame.attend)
    tokens, normed = gated_residual_norm(tokens, told, None, rows.ffn_scale, rows.ffn_shift, eps)
    return Sequence(*gated_residual_norm(tokens, products.feed_forward(normed), rows.ffn_gate, *following, eps))


def _self_attention(block: Block, projected: Tensor, frame: Frame) -> Tensor:
    attention, split = block.attn1, frame.split
    query, key, value = projected.chunk(3, dim=-1)
    weights = attention.norm_q.weight, attention.norm_k.weight
    query, key = qk_norm_rotary(query, key, *weights, frame.rotation, attention.eps)
    key, value = _amplified(block, key, split), _heads(value, attention.heads)
    if not block.config.restrict_self_attn or split == 0:
        return frame.attend(query, key, value)
    past = frame.attend(query[:, :split], key[:, :split], value[:, :split])
    return torch.cat((past, frame.attend(query[:, split:], key, value)), dim=1)


def _noisy_attention(block: Block, products: Products, normed: Tensor, noisy: Tensor, frame: Frame) -> Tensor:
    attention, split = block.attn1, frame.split
    key, value = products.key_value(normed).chunk(2, dim=-1)
    key = _turned(key, attention.norm_k.weight, frame.rotation, attention.eps)
    query = _turned(products.query(noisy), attention.norm_q.weight, frame.rotation[split:], attention.eps)
    return frame.attend(query, _amplified(block, key, split), _heads(value, attention.heads))


def _turned(x: Tensor, weight: Tensor, rotation: Tensor, eps: float) -> Tensor:
    normed = rms_norm(x, weight, eps)
    return rotary(_heads(normed, x.shape[-1] // (2 * rotation.shape[-1])), rotation)


def _heads(x: Tensor, heads: int) -> Tensor:
    """[B, N, D] as [B, N, H, E]; no copy, of a slice of D either."""
    return x.view(*x.shape[:-1], heads, -1)


def _amplified(block: Block, key: Tensor, split: int) -> Tensor:
    if not block.attn1.amplifies:
        return key
    return torch.cat((block.attn1.amplify(key[:, :split]), key[:, split:]), dim=1)


def _cross_attention(block: Block, tokens: Tensor, text: KeyValue, attend: Attend) -> Tensor:
    attention, norm = block.attn2, block.norm2
    normed = tokens if norm is None else layer_norm(tokens, norm.weight, norm.bias, block.config.eps)
    key, value = (kept.expand(len(tokens), -1, -1, -1) for kept in text)
    return attention.output(attend(attention.query(normed), key, value)).to(tokens.dtype)
