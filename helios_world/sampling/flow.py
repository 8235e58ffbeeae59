"""Flow matching: straight lines from clean latents (noise level 0) to noise (noise level 1).

Lipman et al. 2023, arXiv 2210.02747, with time reversed. Noise levels are called sigma; the model's timestep
is 1000 times sigma.
"""

from __future__ import annotations

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


def _aligned(sigma: Sigma, latents: Tensor) -> Sigma:
    if isinstance(sigma, float | int) or sigma.dim() == 0:
        return sigma
    return sigma.reshape(-1, *(1,) * (latents.dim() - 1))
