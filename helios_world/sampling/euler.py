"""The simplest solver: straight on."""

from __future__ import annotations

from torch import Tensor

from helios_world.sampling.flow import euler_step
from helios_world.sampling.solver import Past, Place


def euler(sample: Tensor, velocity: Tensor, place: Place, past: Past | None) -> tuple[Tensor, None]:
    """Move `sample`, float32 [B, …], along `velocity` to the next noise level."""
    return euler_step(sample, velocity, place.sigmas[place.index], place.sigmas[place.index + 1]), None
