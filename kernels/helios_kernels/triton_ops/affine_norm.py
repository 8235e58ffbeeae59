"""Layer normalisation with a scale and a shift: those of the conditioning, or weights.

normed = (x - mean) / sqrt(variance + eps); y = normed · (base + scale) + shift, where base is 1 for conditions and
0 for weights. Backward, with g the gradient of y and h = g · (base + scale):
dx = (h - mean(h) - normed · mean(h · normed)) / sqrt(variance + eps), dscale = Σ g · normed, dshift = Σ g.
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
from helios_kernels.triton_ops.device import condition, normalised, tokens_of
from helios_kernels.triton_ops.launch import (
    as_tokens,
    fold,
    launch,
    like,
    programs,
    row_major,
    row_strides,
    summing_tile_of,
    tile_of,
)


def modulated_layer_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float, ends: Ends) -> Tensor:
    y: Tensor = affine_norm(x, scale, shift, ends or (), eps, 1.0)[0]
    return y


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    y: Tensor = affine_norm(as_tokens(x), weight.view(1, 1, -1), bias.view(1, 1, -1), (), eps, 0.0)[0]
    return y.view(x.shape)


@torch.library.custom_op("helios_kernels::affine_norm", mutates_args=())
def affine_norm(
    x: Tensor, scale: Tensor, shift: Tensor, ends: Sequence[int], eps: float, base: float
) -> tuple[Tensor, Tensor, Tensor]:
    """[B, N, D] to y [B, N, D] and, float32 [B, N], means and inverse deviations."""
    x, scale, shift = row_major(x), row_major(scale), row_major(shift)
    batch, tokens, width = x.shape
    y, mean, inverse = _outputs(x)
    rows, cut, tile = max(scale.shape[1], shift.shape[1]), tuple(ends), tile_of(width)
    grid = (sum(programs(tokens, rows, cut, tile.rows)), batch)
    sizes = (tokens // rows, tokens, width, *x.stride()[:2], *row_strides(scale), *row_strides(shift))
    arguments = (x, scale, shift, y, mean, inverse, cut, *sizes, eps, base)
    launch(_forward, grid, tile.warps, *arguments, ROWS=tile.rows, BLOCK=tile.block)
    return y, mean, inverse


@torch.library.custom_op("helios_kernels::affine_norm_backward", mutates_args=())
def affine_norm_backward(
    grad: Tensor, x: Tensor, scale: Tensor, mean: Tensor, inverse: Tensor, ends: Sequence[int], rows: int, base: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x [B, N, D], and those of scale and shift, one row for each of so many segments: [B, R, D]."""
    grad, x, scale = row_major(grad), row_major(x), row_major(scale)
    batch, tokens, width = x.shape
    (tile, each), cut = summing_tile_of(width), tuple(ends)
    counts = programs(tokens, rows, cut, each)
    dx, sums = x.new_empty(x.shape), x.new_empty((2, batch, sum(counts), width), dtype=torch.float32)
    sizes = (tokens // rows, tokens, width, *grad.stride()[:2], *x.stride()[:2], *row_strides(scale))
    arguments = (grad, x, scale, mean, inverse, dx, sums[0], sums[1], cut, *sizes, base)
    launch(_backward, (sum(counts), batch), tile.warps, *arguments, EACH=each, ROWS=tile.rows, BLOCK=tile.block)
    return dx, fold(sums[0], counts), fold(sums[1], counts)


def _outputs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, inverse = (x.new_empty(x.shape[:2], dtype=torch.float32) for _ in range(2))
    return x.new_empty(x.shape), mean, inverse


@affine_norm.register_fake
def _(x: Tensor, scale: Tensor, shift: Tensor, ends: Sequence[int], eps: float, base: float) -> tuple[Tensor, ...]:
    return _outputs(x)


@affine_norm_backward.register_fake
def _(grad: Tensor, x: Tensor, scale: Tensor, mean: Tensor, inverse: Tensor, ends: Any, rows: int, base: float) -> Any:
    sums = (x.new_empty((x.shape[0], rows, x.shape[2]), dtype=torch.float32) for _ in range(2))
    return x.new_empty(x.shape), *sums


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, scale, shift, ctx.ends, _, ctx.base = inputs
    ctx.rows = len(ctx.ends) or max(scale.shape[1], shift.shape[1])
    ctx.save_for_backward(x, scale, shift, *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _gradients(ctx: Any, grad: Tensor, *_: Any) -> tuple[Any, ...]:
    x, scale, shift, mean, inverse = ctx.saved_tensors
    dx, dscale, dshift = affine_norm_backward(grad, x, scale, mean, inverse, ctx.ends, ctx.rows, ctx.base)
    return dx, like(scale, dscale), like(shift, dshift), None, None, None


affine_norm.register_autograd(_gradients, setup_context=_keep)


@triton.jit
def _forward(
    x, scale, shift, y, means, inverses, ends, length, tokens, width, x_batch, x_token,
    scale_batch, scale_row, shift_batch, shift_row, eps, base, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    segment, first, stop = tokens_of(tl.program_id(0), ends, length, ROWS)
    token = first + tl.arange(0, ROWS)
    channel = tl.arange(0, BLOCK)
    within = channel < width
    inside = (token < stop)[:, None] & within[None, :]
    at = x + batch * x_batch + token[:, None] * x_token + channel[None, :]
    values = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    normed, mean, inverse = normalised(values, inside, width, eps)
    factor = condition(scale + batch * scale_batch + segment * scale_row, channel, within)
    offset = condition(shift + batch * shift_batch + segment * shift_row, channel, within)
    result = normed * (base + factor)[None, :] + offset[None, :]
    place = batch * tokens + token
    tl.store(y + place[:, None] * width + channel[None, :], result.to(y.dtype.element_ty), mask=inside)
    tl.store(means + place, mean, mask=token < stop)
    tl.store(inverses + place, inverse, mask=token < stop)


@triton.jit
def _backward(
    grad, x, scale, means, inverses, dx, dscale, dshift, ends, length, tokens, width, g_batch, g_token,
    x_batch, x_token, scale_batch, scale_row, base, EACH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    segment, first, stop = tokens_of(tl.program_id(0), ends, length, EACH)
    channel = tl.arange(0, BLOCK)
    within = channel < width
    factor = condition(scale + batch * scale_batch + segment * scale_row, channel, within)
    factor = base + factor
    scale_sum = tl.zeros((BLOCK,), tl.float32)
    shift_sum = tl.zeros((BLOCK,), tl.float32)
    for step in range(0, EACH, ROWS):
        token = first + step + tl.arange(0, ROWS)
        here = token < stop
        inside = here[:, None] & within[None, :]
        place = batch * tokens + token
        mean = tl.load(means + place, mask=here, other=0.0)
        inverse = tl.load(inverses + place, mask=here, other=0.0)
        at = x + batch * x_batch + token[:, None] * x_token + channel[None, :]
        values = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        normed = tl.where(inside, (values - mean[:, None]) * inverse[:, None], 0.0)
        at = grad + batch * g_batch + token[:, None] * g_token + channel[None, :]
        received = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        scale_sum += tl.sum(received * normed, 0)
        shift_sum += tl.sum(received, 0)
        passed = received * factor[None, :]
        along = tl.sum(passed * normed, 1) / width
        result = (passed - (tl.sum(passed, 1) / width)[:, None] - normed * along[:, None]) * inverse[:, None]
        at = dx + place[:, None] * width + channel[None, :]
        tl.store(at, result.to(dx.dtype.element_ty), mask=inside)
    slot = (batch * tl.num_programs(0) + tl.program_id(0)) * width + channel
    tl.store(dscale + slot, scale_sum, mask=within)
    tl.store(dshift + slot, shift_sum, mask=within)
