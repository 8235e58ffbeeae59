"""Flow matching: straight lines from clean latents (noise level 0) to noise (noise level 1).

Lipman et al. 2023, arXiv 2210.02747, with time reversed. Noise levels are called sigma; the model's timestep
is 1000 times sigma.
"""

from __future__ import annotations

import math

from torch import Tensor

Sigma = float | Tensor
"""One noise level, or one for each row of the batch, [B]."""


def interpolate(clean: Tensor, noise: Tensor, sigma: Sigma) -> Tensor:
    """The point at `sigma` on the line from `clean` to `noise`, both [B, …]."""
    level = _aligned(sigma, clean)
    return (1 - level) * clean + level * noise


def velocity_target(clean: Tensor, noise: Tensor) -> Tensor:
    """What the model learns to predict, the same everywhere on the line."""
    return noise - clean


def predict_clean(sample: Tensor, velocity: Tensor, sigma: Sigma) -> Tensor:
    """Where the line through `sample` [B, …] with slope `velocity` meets sigma 0."""
    return sample - _aligned(sigma, sample) * velocity


def euler_step(sample: Tensor, velocity: Tensor, sigma: Sigma, following: Sigma) -> Tensor:
    """Move `sample` [B, …] along `velocity` from noise level `sigma` to `following`."""
    return sample + _aligned(following - sigma, sample) * velocity


def sigmas(steps: int, *, first: float = 1.0, shift: float = 1.0) -> tuple[float, ...]:
    """Noise levels for `steps` steps: evenly spaced from `first`, shifted, and 0 at the end.

    Raises:
        ValueError: no step, or a first level outside (0, 1].
    """
    if steps < 1 or not 0 < first <= 1:
        raise ValueError(f"sampling takes at least one step from a level in (0, 1]; got {steps} from {first}")
    even = (first * (1 - step / steps) for step in range(steps))
    return (*(shifted(sigma, shift) for sigma in even), 0.0)


def shifted(sigma: float, shift: float) -> float:
    """`sigma` moved towards 1 by a shift above 1: shift / (shift + 1/sigma - 1), and 0 for 0.

    Esser et al. 2024, arXiv 2403.03206, section 5.3.2.
    """
    return shift * sigma / (shift * sigma + (1 - sigma))


def linear_shift(tokens: int) -> float:
    """The distilled checkpoints' shift for a chunk of `tokens` noisy tokens: 0.5 at 256, 1.15 at 4096."""
    return 0.5 + (tokens - 256) * 0.65 / 3840


def exponential_shift(tokens: int) -> float:
    """The shift of the undistilled checkpoints."""
    return math.exp(linear_shift(tokens))


def _aligned(sigma: Sigma, latents: Tensor) -> Sigma:
    if isinstance(sigma, float | int) or sigma.dim() == 0:
        return sigma
    return sigma.reshape(-1, *(1,) * (latents.dim() - 1))
