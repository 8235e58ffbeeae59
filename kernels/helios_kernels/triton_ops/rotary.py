"""Rotary position embedding: every pair of channels times its complex number. Backward: times the conjugate."""

# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,no-untyped-def"
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from helios_kernels.triton_ops.device import turned
from helios_kernels.triton_ops.launch import head_tile_of, launch, row_major


def rotary(x: Tensor, rotation: Tensor) -> Tensor:
    y: Tensor = turn(x, table_of(rotation), 1.0)
    return y


def table_of(rotation: Tensor) -> Tensor:
    """complex64 [N, E/2] as float32 [N, E], real and imaginary parts in turn."""
    return torch.view_as_real(rotation.detach()).flatten(1).contiguous()


@torch.library.custom_op("helios_kernels::turn", mutates_args=())
def turn(x: Tensor, table: Tensor, sign: float) -> Tensor:
    """[B, N, H, E] times the table [N, E], or for a sign of -1 its conjugate."""
    x = row_major(x)
    batch, tokens, heads, channels = x.shape
    y, tile = x.new_empty(x.shape), head_tile_of(heads, channels)
    arguments = (x, table, y, tokens, heads, channels, *x.stride()[:3], sign)
    launch(_forward, (tokens, batch), tile.warps, *arguments, HEADS=tile.rows, BLOCK=tile.block)
    return y


@turn.register_fake
def _(x: Tensor, table: Tensor, sign: float) -> Tensor:
    return x.new_empty(x.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, table, ctx.sign = inputs
    ctx.save_for_backward(table)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return turn(grad, *ctx.saved_tensors, -ctx.sign), None, None


turn.register_autograd(_gradients, setup_context=_keep)


@triton.jit
def _forward(
    x, table, y, tokens, heads, channels, x_batch, x_token, x_head, sign, HEADS: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    batch = tl.program_id(1).to(tl.int64)
    head = tl.arange(0, HEADS)
    channel = tl.arange(0, BLOCK)
    inside = (head < heads)[:, None] & (channel < channels)[None, :]
    at = x + batch * x_batch + token * x_token + head[:, None] * x_head + channel[None, :]
    values = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    result = turned(values, table + token * channels, channels, sign, HEADS, BLOCK)
    at = y + ((batch * tokens + token) * heads + head)[:, None] * channels + channel[None, :]
    tl.store(at, result.to(y.dtype.element_ty), mask=inside)
