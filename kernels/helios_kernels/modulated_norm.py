"""Layer normalisation whose scale and shift come from the conditioning."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def modulated_layer_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """layer_norm(x) · (1 + scale) + shift over the last axis, in float32, returned in the dtype of x.

    Args:
        x: [B, N, D].
        scale, shift: [B or 1, R, D]; row r holds for the tokens r·N/R … (r+1)·N/R - 1.
        eps: added to the variance.
    """
    _, tokens, width = x.shape
    rows = scale.shape[1]
    normed = functional.layer_norm(x.float(), (width,), eps=eps)
    if rows == 1:
        return torch.addcmul(shift, normed, 1 + scale).to(x.dtype)
    grouped = normed.view(-1, rows, tokens // rows, width)
    return torch.addcmul(shift.unsqueeze(2), grouped, (1 + scale).unsqueeze(2)).to(x.dtype).view(x.shape)
