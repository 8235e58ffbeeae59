"""Queries and keys normalised over the full width and turned, in one pass.

Normed values are rounded to the type of the queries before they are turned, as they are when the two operations run
one after the other. A program has a few tokens; it holds the weights while it goes over them, first as queries,
then as keys.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,no-untyped-def"
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from helios_kernels.triton_ops.device import turned
from helios_kernels.triton_ops.launch import head_tile_of, launch, row_major
from helios_kernels.triton_ops.rms_norm import scaled_by_rms_backward
from helios_kernels.triton_ops.rotary import table_of, turn

_TOKENS = 4  # tokens of a program: enough to share a reading of the weights, few enough to fill the device


def qk_norm_rotary(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, rotation: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    turned_query, turned_key, _, _ = norm_and_turn(query, key, query_weight, key_weight, table_of(rotation), eps)
    return turned_query, turned_key


@torch.library.custom_op("helios_kernels::norm_and_turn", mutates_args=())
def norm_and_turn(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, table: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries and keys [B, N, H, E], and the inverse roots of both, float32 [B, N]."""
    query, key = row_major(query), row_major(key)
    query_weight, key_weight = query_weight.contiguous(), key_weight.contiguous()
    outputs, channels = _outputs(query, table), table.shape[1]
    batch, tokens, width = query.shape
    heads = width // channels
    tile = head_tile_of(heads, channels)
    sizes = (tokens, heads, channels, *query.stride()[:2], *key.stride()[:2], eps)
    arguments = (query, key, query_weight, key_weight, table, *outputs, *sizes)
    grid = (triton.cdiv(tokens, _TOKENS), batch)
    launch(_forward, grid, tile.warps, *arguments, TOKENS=_TOKENS, HEADS=tile.rows, BLOCK=tile.block)
    return outputs


def _outputs(query: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, tokens, width = query.shape
    shape = (batch, tokens, width // table.shape[1], table.shape[1])
    query_root, key_root = (query.new_empty((batch, tokens), dtype=torch.float32) for _ in range(2))
    return query.new_empty(shape), query.new_empty(shape), query_root, key_root


@norm_and_turn.register_fake
def _(query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, table: Tensor, eps: float) -> Any:
    return _outputs(query, table)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, _ = inputs
    ctx.save_for_backward(*tensors, *output[2:])
    ctx.mark_non_differentiable(*output[2:])


def _gradients(ctx: Any, dquery: Tensor, dkey: Tensor, *_: Any) -> tuple[Any, ...]:
    query, key, query_weight, key_weight, table, query_root, key_root = ctx.saved_tensors
    turned_back = [turn(grad, table, -1.0).flatten(2) for grad in (dquery, dkey)]
    dquery, dquery_weight = scaled_by_rms_backward(turned_back[0], query, query_weight, query_root)
    dkey, dkey_weight = scaled_by_rms_backward(turned_back[1], key, key_weight, key_root)
    return dquery, dkey, dquery_weight.to(query_weight.dtype), dkey_weight.to(key_weight.dtype), None, None


norm_and_turn.register_autograd(_gradients, setup_context=_keep)


@triton.jit
def _forward(
    query, key, query_weight, key_weight, table, query_out, key_out, query_roots, key_roots, tokens, heads, channels,
    q_batch, q_token, k_batch, k_token, eps, TOKENS: tl.constexpr, HEADS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    _one(query + batch * q_batch, query_weight, table, query_out, query_roots, tokens, heads, channels, q_token, eps,
         TOKENS, HEADS, BLOCK)  # fmt: skip
    _one(key + batch * k_batch, key_weight, table, key_out, key_roots, tokens, heads, channels, k_token, eps,
         TOKENS, HEADS, BLOCK)  # fmt: skip


@triton.jit
def _one(
    x, weight, table, y, roots, tokens, heads, channels, x_token, eps,
    TOKENS: tl.constexpr, HEADS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    before = tl.program_id(1).to(tl.int64) * tokens
    first = tl.program_id(0).to(tl.int64) * TOKENS
    head = tl.arange(0, HEADS)
    channel = tl.arange(0, BLOCK)
    inside = (head < heads)[:, None] & (channel < channels)[None, :]
    at = head[:, None] * channels + channel[None, :]
    factor = tl.load(weight + at, mask=inside, other=0.0, eviction_policy="evict_last")
    factor = factor.to(y.dtype.element_ty).to(tl.float32)
    for step in range(TOKENS):
        # The last program may have fewer tokens; it does its last one again.
        token = tl.minimum(first + step, tokens - 1)
        values = tl.load(x + token * x_token + at, mask=inside, other=0.0).to(tl.float32)
        root = tl.rsqrt(tl.sum(tl.sum(values * values, 1), 0) / (heads * channels) + eps)
        normed = (values * root * factor).to(y.dtype.element_ty).to(tl.float32)
        result = turned(normed, table + token * channels, channels, 1.0, HEADS, BLOCK)
        place = before + token
        tl.store(y + place * (heads * channels) + at, result.to(y.dtype.element_ty), mask=inside)
        tl.store(roots + place, root)
