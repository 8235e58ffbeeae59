"""Residual addition and the normalisation that follows it, in one pass over the tokens.

The sum is rounded to the type of x before it is normalised, as it is when the two run one after the other.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,no-untyped-def"
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from helios_kernels.segments import Ends
from helios_kernels.triton_ops.affine_norm import affine_norm_backward
from helios_kernels.triton_ops.device import condition, normalised, tokens_of
from helios_kernels.triton_ops.gated_residual import gated_sum_backward
from helios_kernels.triton_ops.launch import launch, like, programs, row_major, row_strides, tile_of


def gated_residual_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float, ends: Ends
) -> tuple[Tensor, Tensor]:
    total, normed, _, _ = sum_and_norm(x, update, gate, scale, shift, ends or (), eps, 1.0)
    return total, normed


def gated_residual_layer_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, weight: Tensor, bias: Tensor, eps: float, ends: Ends
) -> tuple[Tensor, Tensor]:
    rows = (weight.view(1, 1, -1), bias.view(1, 1, -1))
    total, normed, _, _ = sum_and_norm(x, update, gate, *rows, ends or (), eps, 0.0)
    return total, normed


@torch.library.custom_op("helios_kernels::sum_and_norm", mutates_args=())
def sum_and_norm(
    x: Tensor,
    update: Tensor,
    gate: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    ends: Sequence[int],
    eps: float,
    base: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum and its norm, [B, N, D], and, float32 [B, N], means and inverse deviations."""
    x, update, scale, shift = (row_major(each) for each in (x, update, scale, shift))
    gated = gate is not None
    gate = scale if gate is None else row_major(gate)
    batch, tokens, width = x.shape
    outputs, tile = _outputs(x), tile_of(width)
    rows, cut = max(each.shape[1] for each in (gate, scale, shift)), tuple(ends)
    grid = (sum(programs(tokens, rows, cut, tile.rows)), batch)
    sizes = (tokens // rows, tokens, width, tokens - update.shape[1], *x.stride()[:2], *update.stride()[:2])
    strides = (*row_strides(gate), *row_strides(scale), *row_strides(shift))
    arguments = (x, update, gate, scale, shift, *outputs, cut, *sizes, *strides, eps, base)
    launch(_forward, grid, tile.warps, *arguments, GATED=gated, ROWS=tile.rows, BLOCK=tile.block)
    return outputs


def _outputs(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mean, inverse = (x.new_empty(x.shape[:2], dtype=torch.float32) for _ in range(2))
    return x.new_empty(x.shape), x.new_empty(x.shape), mean, inverse


@sum_and_norm.register_fake
def _(x: Tensor, *_: Any) -> tuple[Tensor, ...]:
    return _outputs(x)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, update, gate, scale, shift, ctx.ends, _, ctx.base = inputs
    ctx.rows = len(ctx.ends) or max(1 if row is None else row.shape[1] for row in (gate, scale, shift))
    total, _, *statistics = output
    ctx.save_for_backward(update, gate, scale, shift, total, *statistics)
    ctx.mark_non_differentiable(*statistics)


def _gradients(ctx: Any, dsum: Tensor, dnormed: Tensor, *_: Any) -> tuple[Any, ...]:
    update, gate, scale, shift, total, mean, inverse = ctx.saved_tensors
    statistics = (mean, inverse, ctx.ends, ctx.rows, ctx.base)
    dx, dscale, dshift = affine_norm_backward(dnormed, total, scale, *statistics)
    dx = dx + dsum
    rows = (like(scale, dscale), like(shift, dshift), None, None, None)
    if gate is None:
        return dx, dx[:, dx.shape[1] - update.shape[1] :].to(update.dtype), None, *rows
    dupdate, dgate = gated_sum_backward(dx, update, gate, ctx.ends)
    return dx, dupdate, like(gate, dgate), *rows


sum_and_norm.register_autograd(_gradients, setup_context=_keep)


@triton.jit
def _forward(
    x, update, gate, scale, shift, y, normed, means, inverses, ends, length, tokens, width, kept, x_batch, x_token,
    u_batch, u_token, gate_batch, gate_row, scale_batch, scale_row, shift_batch, shift_row, eps, base,
    GATED: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    segment, first, stop = tokens_of(tl.program_id(0), ends, length, ROWS)
    token = first + tl.arange(0, ROWS)
    channel = tl.arange(0, BLOCK)
    within = channel < width
    inside = (token < stop)[:, None] & within[None, :]
    at = x + batch * x_batch + token[:, None] * x_token + channel[None, :]
    total = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    at = update + batch * u_batch + (token - kept)[:, None] * u_token + channel[None, :]
    added = tl.load(at, mask=inside & (token >= kept)[:, None], other=0.0).to(tl.float32)
    if GATED:
        factor = condition(gate + batch * gate_batch + segment * gate_row, channel, within)
        total += added * factor[None, :]
    else:
        total += added
    place = batch * tokens + token
    at = place[:, None] * width + channel[None, :]
    rounded = total.to(y.dtype.element_ty)
    tl.store(y + at, rounded, mask=inside)
    values, mean, inverse = normalised(rounded.to(tl.float32), inside, width, eps)
    factor = condition(scale + batch * scale_batch + segment * scale_row, channel, within)
    offset = condition(shift + batch * shift_batch + segment * shift_row, channel, within)
    result = values * (base + factor)[None, :] + offset[None, :]
    tl.store(normed + at, result.to(normed.dtype.element_ty), mask=inside)
    tl.store(means + place, mean, mask=token < stop)
    tl.store(inverses + place, inverse, mask=token < stop)
