"""Residual addition with a gate. Backward, with g the gradient of y: dupdate = g · gate, dgate = Σ g · update."""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,no-untyped-def"
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from helios_kernels.segments import Ends
from helios_kernels.triton_ops.device import condition, tokens_of
from helios_kernels.triton_ops.launch import (
    fold,
    launch,
    like,
    programs,
    row_major,
    row_strides,
    summing_tile_of,
    tile_of,
)


def gated_residual(x: Tensor, update: Tensor, gate: Tensor, ends: Ends) -> Tensor:
    y: Tensor = gated_sum(x, update, gate, ends or ())
    return y


@torch.library.custom_op("helios_kernels::gated_sum", mutates_args=())
def gated_sum(x: Tensor, update: Tensor, gate: Tensor, ends: Sequence[int]) -> Tensor:
    """x + update · gate, [B, N, D]."""
    x, update, gate = row_major(x), row_major(update), row_major(gate)
    batch, tokens, width = x.shape
    y, rows, cut, tile = x.new_empty(x.shape), gate.shape[1], tuple(ends), tile_of(width)
    grid = (sum(programs(tokens, rows, cut, tile.rows)), batch)
    sizes = (tokens // rows, tokens, width, *x.stride()[:2], *update.stride()[:2], *row_strides(gate))
    launch(_forward, grid, tile.warps, x, update, gate, y, cut, *sizes, ROWS=tile.rows, BLOCK=tile.block)
    return y


@torch.library.custom_op("helios_kernels::gated_sum_backward", mutates_args=())
def gated_sum_backward(grad: Tensor, update: Tensor, gate: Tensor, ends: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Gradients of update [B, N, D] and of gate, one row for each segment: [B, R, D]."""
    grad, update, gate = row_major(grad), row_major(update), row_major(gate)
    batch, tokens, width = grad.shape
    (tile, each), rows, cut = summing_tile_of(width), len(ends) or gate.shape[1], tuple(ends)
    counts = programs(tokens, rows, cut, each)
    dupdate, sums = update.new_empty(update.shape), grad.new_empty((batch, sum(counts), width), dtype=torch.float32)
    sizes = (tokens // rows, tokens, width, *grad.stride()[:2], *update.stride()[:2], *row_strides(gate))
    arguments = (grad, update, gate, dupdate, sums, cut, *sizes)
    launch(_backward, (sum(counts), batch), tile.warps, *arguments, EACH=each, ROWS=tile.rows, BLOCK=tile.block)
    return dupdate, fold(sums, counts)


@gated_sum.register_fake
def _(x: Tensor, update: Tensor, gate: Tensor, ends: Sequence[int]) -> Tensor:
    return x.new_empty(x.shape)


@gated_sum_backward.register_fake
def _(grad: Tensor, update: Tensor, gate: Tensor, ends: Sequence[int]) -> tuple[Tensor, Tensor]:
    shape = (update.shape[0], len(ends) or gate.shape[1], update.shape[2])
    return update.new_empty(update.shape), update.new_empty(shape, dtype=torch.float32)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, update, gate, ctx.ends = inputs
    ctx.save_for_backward(update, gate)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    update, gate = ctx.saved_tensors
    dupdate, dgate = gated_sum_backward(grad, update, gate, ctx.ends)
    return grad, dupdate, like(gate, dgate), None


gated_sum.register_autograd(_gradients, setup_context=_keep)


@triton.jit
def _forward(
    x, update, gate, y, ends, length, tokens, width, x_batch, x_token, u_batch, u_token,
    gate_batch, gate_row, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    segment, first, stop = tokens_of(tl.program_id(0), ends, length, ROWS)
    token = first + tl.arange(0, ROWS)
    channel = tl.arange(0, BLOCK)
    within = channel < width
    inside = (token < stop)[:, None] & within[None, :]
    at = x + batch * x_batch + token[:, None] * x_token + channel[None, :]
    values = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    at = update + batch * u_batch + token[:, None] * u_token + channel[None, :]
    added = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    factor = condition(gate + batch * gate_batch + segment * gate_row, channel, within)
    result = values + added * factor[None, :]
    place = batch * tokens + token
    tl.store(y + place[:, None] * width + channel[None, :], result.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _backward(
    grad, update, gate, dupdate, dgate, ends, length, tokens, width, g_batch, g_token, u_batch, u_token,
    gate_batch, gate_row, EACH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    batch = tl.program_id(1).to(tl.int64)
    segment, first, stop = tokens_of(tl.program_id(0), ends, length, EACH)
    channel = tl.arange(0, BLOCK)
    within = channel < width
    factor = condition(gate + batch * gate_batch + segment * gate_row, channel, within)
    total = tl.zeros((BLOCK,), tl.float32)
    for step in range(0, EACH, ROWS):
        token = first + step + tl.arange(0, ROWS)
        inside = (token < stop)[:, None] & within[None, :]
        at = grad + batch * g_batch + token[:, None] * g_token + channel[None, :]
        received = tl.load(at, mask=inside, other=0.0).to(tl.float32)
        at = update + batch * u_batch + token[:, None] * u_token + channel[None, :]
        total += tl.sum(received * tl.load(at, mask=inside, other=0.0).to(tl.float32), 0)
        at = dupdate + (batch * tokens + token)[:, None] * width + channel[None, :]
        tl.store(at, (received * factor[None, :]).to(dupdate.dtype.element_ty), mask=inside)
    slot = (batch * tl.num_programs(0) + tl.program_id(0)) * width + channel
    tl.store(dgate + slot, total, mask=within)
