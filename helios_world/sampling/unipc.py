"""UniPC, a solver that learns from the steps before (Zhao et al. 2023, arXiv 2302.04867), for a flow.

A step predicts the next sample from the latest predictions of the model; the next step's prediction then corrects it.
Both are exact where the predictions are polynomials of half the logarithm of the signal-to-noise ratio. The paper's
names: order p, r_k the `ratios`, B(h) the `scale`, D_k the `slopes`, rho_k the weights. Numbers are Python floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
from torch import Tensor

from helios_world.sampling.config import SchedulerConfig
from helios_world.sampling.flow import predict_clean
from helios_world.sampling.solver import Past, Place

_LOWEST = 1e-8
_SCALES: dict[str, Callable[[float], float]] = {"bh1": float, "bh2": math.expm1}


def unipc(
    config: SchedulerConfig, sample: Tensor, velocity: Tensor, place: Place, past: Past | None
) -> tuple[Tensor, Past]:
    """Correct `sample`, float32 [B, …], by what the model says about it, and move it to the next noise level."""
    sigmas, index = place.sigmas, place.index
    prediction = _prediction(config, sample, velocity, sigmas[index])
    if past is not None and index - 1 not in config.disable_corrector:
        levels = _latest(sigmas, index, past.order)
        sample = _move(config, past.sample, past.predictions, levels, arrived=prediction)
    predictions = (prediction, *(past.predictions if past else ()))[: config.solver_order]
    order = min(len(predictions), len(sigmas) - 1 - index) if config.lower_order_final else len(predictions)
    moved = _move(config, sample, predictions, _latest(sigmas, index + 1, order))
    return moved, Past(predictions, sample, order)


def _prediction(config: SchedulerConfig, sample: Tensor, velocity: Tensor, sigma: float) -> Tensor:
    """The clean latents, or else the noise, at the end of the line through `sample`."""
    return predict_clean(sample, velocity, sigma) if config.predict_x0 else sample + (1 - sigma) * velocity


def _latest(sigmas: tuple[float, ...], target: int, order: int) -> tuple[float, ...]:
    """The level at `target` and as many before it as `order` says, backwards."""
    return sigmas[target - order : target + 1][::-1]


def _move(
    config: SchedulerConfig,
    sample: Tensor,
    predictions: tuple[Tensor, ...],
    levels: tuple[float, ...],
    arrived: Tensor | None = None,
) -> Tensor:
    """`sample`, at the second of `levels`, to the first of them.

    Args:
        predictions: at the second level, at the third and so on; as many are used as there are levels.
        arrived: the prediction at the first level, once it is known.
    """
    to, sigma = levels[:2]
    step = _half_log_snr(to) - _half_log_snr(sigma)
    ratios = [(_half_log_snr(level) - _half_log_snr(sigma)) / step for level in levels[2:]]
    latest, older = predictions[0], predictions[1 : 1 + len(ratios)]
    slopes = [(prediction - latest) / ratio for prediction, ratio in zip(older, ratios, strict=True)]
    if arrived is not None:
        slopes.append(arrived - latest)
        ratios.append(1.0)
    change = -step if config.predict_x0 else step
    scale = _SCALES[config.solver_type](change)
    keep, share = _factors(config, to, sigma)
    moved = keep * sample - share * math.expm1(change) * latest
    if not slopes:
        return moved
    weighted = (weight * slope for weight, slope in zip(_weights(ratios, change, scale), slopes, strict=True))
    return moved - share * scale * reduce(add, weighted)


def _half_log_snr(sigma: float) -> float:
    return math.log(1 - sigma) - math.log(max(sigma, _LOWEST))


def _factors(config: SchedulerConfig, to: float, sigma: float) -> tuple[float, float]:
    """How much of the sample is kept, and how much of what is predicted is at the level `to`."""
    low = max(to, _LOWEST)
    return (low / max(sigma, _LOWEST), 1 - to) if config.predict_x0 else ((1 - to) / (1 - sigma), low)


def _weights(ratios: list[float], change: float, scale: float) -> list[float]:
    """Solve sum_k weight_k ratio_k^(i-1) = i! phi_(i+1)(change) / scale for i = 1, 2, …"""
    if len(ratios) < 2:
        return [0.5] * len(ratios)  # the paper's choice where there is one slope: exact for a step that tends to 0
    phi, factorial, targets = math.expm1(change) / change - 1, 1, []
    for power in range(1, len(ratios) + 1):
        targets.append(phi * factorial / scale)
        factorial *= power + 1
        phi = phi / change - 1 / factorial
    solution: list[float] = np.linalg.solve(np.vander(ratios, increasing=True).T, targets).tolist()
    return solution
