"""How the camera moved, from frames alone: a least-squares fit of three motions to what changed between two
frames.

The fit is Lucas and Kanade's (1981), with the image motion that a turn, a step forward and a step to the
right cause (Longuet-Higgins and Prazdny, 1980) as its basis: the ground is a plane at eye height, all that
stands is taken to be `FAR` metres away. Colours and depth are not known, so amounts are rough and only signs
and shares are used.

What fools it: frames without texture (nothing moves there that could be seen), flicker, and objects that move
by themselves. A frozen picture gives zero, noise gives values near zero, as the fit is held back by `PRIOR`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from helios_world.lands.tables import EYE, HORIZON
from helios_world.spec import Frames

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

FAR = 9.0
PRIOR = (0.15, 0.4, 0.4)  # radians, metres, metres per pair of frames
NOISE = 0.35  # how much a pixel may differ for other reasons; high, as neighbouring pixels differ together
BLURS = (2.5, 1.2, 0.7)  # pixels at half size, from coarse to fine
ITERATIONS = 2
STRIDE = 2


@dataclass(frozen=True, slots=True)
class Motion:
    """Per frame: radians turned to the right, metres forward, metres to the right."""

    turn: float
    forward: float
    strafe: float


def estimate(frames: Frames) -> Motion:
    """The median motion over frames uint8 [T, H, W, 3], T ≥ 3."""
    small = _half(frames)
    motions = fit_pairs(small[:-STRIDE:STRIDE], small[STRIDE::STRIDE])
    turn, forward, strafe = np.median(motions, axis=0) / STRIDE
    return Motion(float(turn), float(forward), float(strafe))


def turns(frames: Frames) -> F64:
    """Radians turned to the right between neighbours of frames uint8 [T, H, W, 3]: [T - 1]."""
    small = _half(frames)
    found: F64 = fit_pairs(small[:-1], small[1:])[:, 0]
    return found


def fit_pairs(before: F32, after: F32) -> F64:
    """Motions [N, 3] (turn, forward, strafe) between half-size pictures [N, h, w, 3] in [0, 1]."""
    basis = _basis(before.shape[1], before.shape[2])
    motions = np.zeros((len(before), 3))
    for sigma in BLURS:
        first, second = _blur(before, sigma), _blur(after, sigma)
        for _ in range(ITERATIONS):
            motions = motions + _improve(first, second, motions, basis)
    return motions


def _improve(first: F32, second: F32, motions: F64, basis: F32) -> F64:
    """One Gauss-Newton step: motions [N, 3], basis [3, 2, h, w]."""
    flow = np.einsum("nk,kchw->nchw", motions.astype(np.float32), basis)
    warped = _warp(second, flow)
    picture = 0.5 * (first + warped)
    across, down = np.gradient(picture, axis=2), np.gradient(picture, axis=1)
    slopes = across[None] * basis[:, 0, None, :, :, None] + down[None] * basis[:, 1, None, :, :, None]
    slopes = slopes.reshape(3, len(first), -1)
    residual = (first - warped).reshape(len(first), -1)
    precision = np.diag(1 / np.square(PRIOR))
    normal = np.einsum("knp,lnp->nkl", slopes, slopes) / NOISE**2 + precision
    pull = np.einsum("knp,np->nk", slopes, residual) / NOISE**2 - motions @ precision
    step: F64 = np.linalg.solve(normal, pull[..., None])[..., 0]
    return step


@lru_cache(maxsize=4)
def _basis(height: int, width: int) -> F32:
    """Where pixels go per radian and metre of the three motions: [3, 2 (x, y), h, w]."""
    focal, horizon = width / 2, HORIZON * height
    x = np.broadcast_to(np.arange(width) + 0.5 - width / 2, (height, width))
    y = np.broadcast_to((np.arange(height) + 0.5 - horizon)[:, None], (height, width))
    nearness = np.maximum(y / (EYE * focal), 1 / FAR)
    turn = np.stack([-(focal + x * x / focal), -x * y / focal])
    forward = np.stack([x * nearness, y * nearness])
    strafe = np.stack([-focal * nearness, np.zeros_like(nearness)])
    return np.stack([turn, forward, strafe]).astype(np.float32)


def _half(frames: Frames) -> F32:
    count, height, width, _ = frames.shape
    even = frames[:, : height // 2 * 2, : width // 2 * 2].astype(np.float32) / 255
    half: F32 = even.reshape(count, height // 2, 2, width // 2, 2, 3).mean(axis=(2, 4))
    return half


def _blur(pictures: F32, sigma: float) -> F32:
    reach = int(np.ceil(2.5 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (reach, reach)
        wide = np.pad(pictures, pad, mode="edge")
        size = pictures.shape[axis]
        pictures = sum(w * wide.take(range(i, i + size), axis) for i, w in enumerate(weights))
    return pictures


def _warp(pictures: F32, flow: F32) -> F32:
    """Pictures [N, h, w, 3] read at p + flow(p), flow [N, 2, h, w]; bilinear, borders repeated."""
    count, height, width, _ = pictures.shape
    x = np.clip(np.arange(width, dtype=np.float32) + flow[:, 0], 0, width - 1.001)
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + flow[:, 1], 0, height - 1.001)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right = (x - left)[..., None].astype(np.float32)
    below = (y - top)[..., None].astype(np.float32)
    flat = pictures.reshape(-1, 3)
    place = (np.arange(count)[:, None, None] * height + top) * width + left
    upper = flat.take(place, 0) * (1 - right) + flat.take(place + 1, 0) * right
    lower = flat.take(place + width, 0) * (1 - right) + flat.take(place + width + 1, 0) * right
    blended: F32 = (upper * (1 - below) + lower * below).astype(np.float32, copy=False)
    return blended
