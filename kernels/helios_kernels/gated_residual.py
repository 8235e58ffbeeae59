"""Residual addition with a gate per group of tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def gated_residual(x: Tensor, update: Tensor, gate: Tensor) -> Tensor:
    """x + update · gate, in float32, returned in the dtype of x.

    Args:
        x: [B, N, D], the residual stream.
        update: [B, N, D].
        gate: [B or 1, R, D]; row r holds for the tokens r·N/R … (r+1)·N/R - 1.
    """
    _, tokens, width = x.shape
    rows = gate.shape[1]
    if rows == 1:
        return torch.addcmul(x.float(), update.float(), gate).to(x.dtype)
    grouped = (-1, rows, tokens // rows, width)
    total = torch.addcmul(x.float().reshape(grouped), update.float().reshape(grouped), gate.unsqueeze(2))
    return total.to(x.dtype).view(x.shape)
