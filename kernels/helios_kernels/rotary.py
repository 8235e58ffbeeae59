"""Rotary position embedding."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary(x: Tensor, rotation: Tensor) -> Tensor:
    """Multiply each pair of neighbouring channels, read as a complex number, by its entry of `rotation`.

    Computed in float32 and returned in the dtype of x. The entries need not be of modulus 1: those of pooled
    positions are shorter.

    Args:
        x: [B, N, H, E], E even.
        rotation: complex64 [N, E/2], the same for every head.
    """
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation.unsqueeze(1)).flatten(-2).to(x.dtype)
