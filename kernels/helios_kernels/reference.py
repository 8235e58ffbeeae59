"""The operations in plain torch: what they compute. `operations` documents them.

Sums and products are taken in float32, or in float64 for inputs in float64, and every result is rounded once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from helios_kernels.segments import Ends, each_segment


def modulated_layer_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float, ends: Ends = None) -> Tensor:
    if ends is not None:
        parts = each_segment(ends, (scale, shift))
        return torch.cat([modulated_layer_norm(x[:, at], own[0], own[1], eps) for at, own in parts], dim=1)
    _, tokens, width = x.shape
    rows = scale.shape[1]
    normed = functional.layer_norm(wide(x), (width,), eps=eps)
    scale, shift = wide(scale), wide(shift)
    if rows == 1 or tokens == 0:
        return torch.addcmul(shift[:, :1], normed, 1 + scale[:, :1]).to(x.dtype)
    grouped = normed.view(-1, rows, tokens // rows, width)
    return torch.addcmul(shift.unsqueeze(2), grouped, (1 + scale).unsqueeze(2)).to(x.dtype).view(x.shape)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    values = wide(x)
    return functional.layer_norm(values, (x.shape[-1],), weight.to(values.dtype), bias.to(values.dtype), eps).to(
        x.dtype
    )


def gated_residual(x: Tensor, update: Tensor, gate: Tensor, ends: Ends = None) -> Tensor:
    if ends is not None:
        parts = each_segment(ends, (gate,))
        return torch.cat([gated_residual(x[:, at], update[:, at], own[0]) for at, own in parts], dim=1)
    _, tokens, width = x.shape
    rows = gate.shape[1]
    if rows == 1 or tokens == 0:
        return torch.addcmul(wide(x), wide(update), wide(gate[:, :1])).to(x.dtype)
    grouped = (-1, rows, tokens // rows, width)
    total = torch.addcmul(wide(x).reshape(grouped), wide(update).reshape(grouped), wide(gate).unsqueeze(2))
    return total.to(x.dtype).view(x.shape)


def gated_residual_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float, ends: Ends = None
) -> tuple[Tensor, Tensor]:
    total = _residual(x, update, gate, ends)
    return total, modulated_layer_norm(total, scale, shift, eps, ends)


def gated_residual_layer_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, weight: Tensor, bias: Tensor, eps: float, ends: Ends = None
) -> tuple[Tensor, Tensor]:
    total = _residual(x, update, gate, ends)
    return total, layer_norm(total, weight, bias, eps)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), eps)


def rotary(x: Tensor, rotation: Tensor) -> Tensor:
    pairs = torch.view_as_complex(wide(x).reshape(*x.shape[:-1], x.shape[-1] // 2, 2))
    return torch.view_as_real(pairs * rotation.unsqueeze(1)).flatten(-2).to(x.dtype)


def qk_norm_rotary(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, rotation: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    def turned(x: Tensor, weight: Tensor) -> Tensor:
        channels = 2 * rotation.shape[-1]
        return rotary(rms_norm(x, weight, eps).view(*x.shape[:2], x.shape[2] // channels, channels), rotation)

    return turned(query, query_weight), turned(key, key_weight)


def wide(x: Tensor) -> Tensor:
    """In float32, or in float64 where it is that already."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _residual(x: Tensor, update: Tensor, gate: Tensor | None, ends: Ends) -> Tensor:
    kept = x.shape[1] - update.shape[1]
    if gate is not None:
        return gated_residual(x, update, gate, ends)
    last = (wide(x[:, kept:]) + wide(update)).to(x.dtype)
    return torch.cat((x[:, :kept], last), dim=1) if kept else last
