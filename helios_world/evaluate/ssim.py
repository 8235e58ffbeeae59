"""Structural similarity of two pictures (Wang, Bovik, Sheikh and Simoncelli 2004), of their luma.

In windows of 11 × 11 with Gaussian weights of σ 1.5, means μ, variances σ² and the covariance σab:
SSIM = (2·μa·μb + C1)(2·σab + C2) / ((μa² + μb² + C1)(σa² + σb² + C2)), C1 = (0.01·255)², C2 = (0.03·255)²,
averaged over the windows that lie wholly inside the picture. 1 for equal pictures, near 0 for unrelated ones.
Colours do not count. What fools it: where both pictures are flat, C1 and C2 decide, and any two greys are alike.
"""

from __future__ import annotations

import numpy as np

from helios_world.evaluate.pixels import F64, luma
from helios_world.spec import Frames

WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(frames: Frames, reference: Frames) -> F64:
    """SSIM of uint8 frames [..., H, W, 3], H and W at least 11; the leading shape is kept."""
    a, b = luma(frames), luma(reference)
    mean_a, mean_b = _average(a), _average(b)
    var_a = _average(a * a) - mean_a * mean_a
    var_b = _average(b * b) - mean_b * mean_b
    covariance = _average(a * b) - mean_a * mean_b
    alike = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    size = (mean_a * mean_a + mean_b * mean_b + C1) * (var_a + var_b + C2)
    result: F64 = (alike / size).mean(axis=(-2, -1))
    return result


def window() -> F64:
    """The weights along one axis, [WINDOW], with sum 1."""
    offset = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offset / SIGMA) ** 2)
    result: F64 = weights / weights.sum()
    return result


def _average(values: F64) -> F64:
    """The weighted mean around each pixel that has a whole window: [..., H - 10, W - 10]."""
    weights = window()
    for axis in (-2, -1):
        size = values.shape[axis] - WINDOW + 1
        starts = range(WINDOW)
        values = sum(weights[i] * values.take(range(i, i + size), axis) for i in starts)
    return values
