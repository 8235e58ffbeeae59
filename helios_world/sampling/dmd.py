"""The Distilled checkpoint's solver: to the end of the stage and part of the way back, in every step."""

from __future__ import annotations

from torch import Tensor

from helios_world.sampling.flow import interpolate, predict_clean
from helios_world.sampling.solver import Past, Place


def dmd(sample: Tensor, velocity: Tensor, place: Place, past: Past | None) -> tuple[Tensor, None]:
    """Where the stage ends if `velocity` is right, and back along the line to the stage's first sample.

    Yin et al. 2024, DMD2, arXiv 2405.14867, with the stage's first sample for fresh noise. Stays in the
    sample's float32, where the published pipeline goes on in the model's dtype after the first step.
    """
    end = predict_clean(sample, velocity, place.sigmas[place.index])
    return interpolate(end, place.first, place.sigmas[place.index + 1]), None
