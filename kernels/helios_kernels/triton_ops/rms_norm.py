"""Root-mean-square normalisation.

y = x · r · weight with r = 1 / sqrt(mean(x²) + eps). Backward, with g the gradient of y and h = g · weight:
dx = r · (h - x · r² · mean(h · x)), dweight = Σ g · x · r.
"""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,no-untyped-def"
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from helios_kernels.triton_ops.device import condition
from helios_kernels.triton_ops.launch import as_tokens, launch, row_major, summing_tile_of, tile_of


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    y: Tensor = scaled_by_rms(as_tokens(x), weight, eps)[0]
    return y.view(x.shape)


@torch.library.custom_op("helios_kernels::scaled_by_rms", mutates_args=())
def scaled_by_rms(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """[B, N, D] to y [B, N, D] and the inverse roots, float32 [B, N]."""
    x, weight = row_major(x), weight.contiguous()
    batch, tokens, width = x.shape
    y, inverse = _outputs(x)
    tile = tile_of(width)
    grid = (triton.cdiv(tokens, tile.rows), batch)
    arguments = (x, weight, y, inverse, tokens, width, *x.stride()[:2], eps)
    launch(_forward, grid, tile.warps, *arguments, ROWS=tile.rows, BLOCK=tile.block)
    return y, inverse


@torch.library.custom_op("helios_kernels::scaled_by_rms_backward", mutates_args=())
def scaled_by_rms_backward(grad: Tensor, x: Tensor, weight: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of x [B, N, D] and, float32, of weight [D]."""
    grad, x, weight = row_major(grad), row_major(x), weight.contiguous()
    batch, tokens, width = x.shape
    tile, each = summing_tile_of(width)
    count = triton.cdiv(tokens, each)
    dx, sums = x.new_empty(x.shape), x.new_empty((batch, count, width), dtype=torch.float32)
    arguments = (grad, x, weight, inverse, dx, sums, tokens, width, *grad.stride()[:2], *x.stride()[:2])
    launch(_backward, (count, batch), tile.warps, *arguments, EACH=each, ROWS=tile.rows, BLOCK=tile.block)
    return dx, sums.sum(1).sum(0)


def _outputs(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape[:2], dtype=torch.float32)


@scaled_by_rms.register_fake
def _(x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return _outputs(x)


@scaled_by_rms_backward.register_fake
def _(grad: Tensor, x: Tensor, weight: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), weight.new_empty(weight.shape, dtype=torch.float32)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, _ = inputs
    ctx.save_for_backward(x, weight, output[1])
    ctx.mark_non_differentiable(output[1])


def _gradients(ctx: Any, grad: Tensor, *_: Any) -> tuple[Any, ...]:
    x, weight, inverse = ctx.saved_tensors
    dx, dweight = scaled_by_rms_backward(grad, x, weight, inverse)
    return dx, dweight.to(weight.dtype), None


scaled_by_rms.register_autograd(_gradients, setup_context=_keep)


@triton.jit
def _forward(
    x, weight, y, inverses, tokens, width, x_batch, x_token, eps, ROWS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    token = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, BLOCK)
    within = channel < width
    inside = (token < tokens)[:, None] & within[None, :]
    at = x + batch * x_batch + token[:, None] * x_token + channel[None, :]
    values = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    inverse = tl.rsqrt(tl.sum(values * values, 1) / width + eps)
    factor = condition(weight, channel, within).to(x.dtype.element_ty).to(tl.float32)
    result = values * inverse[:, None] * factor[None, :]
    place = batch * tokens + token
    tl.store(y + place[:, None] * width + channel[None, :], result.to(y.dtype.element_ty), mask=inside)
    tl.store(inverses + place, inverse, mask=token < tokens)


@triton.jit
def _backward(
    grad, x, weight, inverses, dx, dweight, tokens, width, g_batch, g_token, x_batch, x_token,
    EACH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    first = tl.program_id(0).to(tl.int64) * EACH
    channel = tl.arange(0, BLOCK)
    within = channel < width
    factor = condition(weight, channel, within).to(x.dtype.element_ty).to(tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    for step in range(0, EACH, ROWS):
        token = first + step + tl.arange(0, ROWS)
        here = token < tokens
        inside = here[:, None] & within[None, :]
        place = batch * tokens + token
        inverse = tl.load(inverses + place, mask=here, other=0.0)
        at = x + batch * x_batch + token[:, None] * x_token + channel[None, :]
        normed = tl.load(at, mask=inside, other=0.0).to(tl.float32) * inverse[:, None]
        at = grad + batch * g_batch + token[:, None] * g_token + channel[None, :]
        received = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        total += tl.sum(received * normed, 0)
        passed = received * factor[None, :]
        along = tl.sum(passed * normed, 1) / width
        result = (passed - normed * along[:, None]) * inverse[:, None]
        tl.store(dx + place[:, None] * width + channel[None, :], result.to(dx.dtype.element_ty), mask=inside)
    slot = (batch * tl.num_programs(0) + tl.program_id(0)) * width + channel
    tl.store(dweight + slot, total, mask=within)
