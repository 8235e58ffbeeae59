"""Bringing foreign pictures to a world's size: scaled to cover it, then cropped about the centre. No torch here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from helios_world.spec import Frames


def fit(frames: Frames, height: int, width: int) -> Frames:
    """Scale and crop frames.

    Args:
        frames: uint8 [..., H, W, 3].
        height, width: of the result, in pixels.

    Returns:
        uint8 [..., height, width, 3], C-contiguous. Frames that already fit come back unchanged.
    """
    if frames.shape[-3:-1] == (height, width):
        return np.ascontiguousarray(frames)
    cropped = _crop(frames, height / width)
    rows = triangle_weights(cropped.shape[-3], height)
    columns = triangle_weights(cropped.shape[-2], width)
    flat = cropped.reshape(-1, *cropped.shape[-3:])
    scaled = np.stack([_resample(frame, rows, columns) for frame in flat])
    return scaled.reshape(*frames.shape[:-3], height, width, 3)


def triangle_weights(size: int, result: int) -> npt.NDArray[np.float32]:
    """The matrix [result, size] of a triangle filter: bilinear to enlarge, widened against aliasing to reduce."""
    scale = size / result
    support = max(scale, 1.0)
    centres = (np.arange(result) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(size)[None, :] - centres[:, None]) / support
    weights = np.maximum(0.0, 1.0 - distance)
    normed: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normed.astype(np.float32)


def _crop(frames: Frames, aspect: float) -> Frames:
    height, width = frames.shape[-3:-1]
    rows = max(1, min(height, round(width * aspect)))
    columns = max(1, min(width, round(height / aspect)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return frames[..., top : top + rows, left : left + columns, :]


def _resample(frame: Frames, rows: npt.NDArray[np.float32], columns: npt.NDArray[np.float32]) -> Frames:
    narrow = np.einsum("yi,ixc->yxc", rows, frame.astype(np.float32), optimize=True)
    scaled = np.einsum("xj,yjc->yxc", columns, narrow, optimize=True)
    result: Frames = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return result
