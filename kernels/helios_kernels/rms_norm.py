"""Root-mean-square normalisation."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) · weight over the last axis, returned in the dtype of x.

    Args:
        x: [..., D].
        weight: [D].
        eps: added to the mean square.
    """
    return functional.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), eps)
