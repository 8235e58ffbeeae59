"""Measures of one frame or of two. Frames are uint8 [..., H, W, 3]; results have the leading shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from helios_world.spec import Frames

F64 = npt.NDArray[np.float64]

BEST_PSNR = 60.0  # dB; equal frames would be infinite and swallow every mean
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def psnr(frames: Frames, reference: Frames) -> F64:
    """10·log10(255² / mean squared error) in dB, at most BEST_PSNR. Rewards blur where it is unsure."""
    error = np.square(frames.astype(np.float64) - reference).mean(axis=(-3, -2, -1))
    decibels: F64 = np.minimum(10 * np.log10(255.0**2 / np.maximum(error, 1e-9)), BEST_PSNR)
    return decibels


def difference(frames: Frames, others: Frames) -> F64:
    """Mean absolute difference in grey levels, 0 to 255."""
    result: F64 = np.abs(frames.astype(np.float64) - others).mean(axis=(-3, -2, -1))
    return result


def luma(frames: Frames) -> F64:
    """Brightness of every pixel [..., H, W], 0 to 255 (BT.601)."""
    result: F64 = (frames.astype(np.float32) @ _LUMA).astype(np.float64)
    return result


def brightness(frames: Frames) -> F64:
    """Mean luma."""
    result: F64 = luma(frames).mean(axis=(-2, -1))
    return result


def contrast(frames: Frames) -> F64:
    """Standard deviation of luma."""
    result: F64 = luma(frames).std(axis=(-2, -1))
    return result


def saturation(frames: Frames) -> F64:
    """Mean of the largest minus the smallest colour of a pixel."""
    spread = frames.max(axis=-1).astype(np.float64) - frames.min(axis=-1)
    result: F64 = spread.mean(axis=(-2, -1))
    return result


def sharpness(frames: Frames) -> F64:
    """Standard deviation of the luma's Laplacian (4 neighbours); noise raises it as edges do."""
    y = luma(frames)
    inner = y[..., 1:-1, 1:-1]
    laplacian = y[..., :-2, 1:-1] + y[..., 2:, 1:-1] + y[..., 1:-1, :-2] + y[..., 1:-1, 2:] - 4 * inner
    result: F64 = laplacian.std(axis=(-2, -1))
    return result
