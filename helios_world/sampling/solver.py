"""What a solver is: a function that moves a sample from one noise level of a stage to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Place:
    """Where in a stage a step is taken.

    Args:
        sigmas: the stage's noise levels, one more than there are steps.
        index: of the step, which goes from sigmas[index] to sigmas[index + 1].
        first: the sample that the stage began with.
    """

    sigmas: tuple[float, ...]
    index: int
    first: Tensor


@dataclass(frozen=True)
class Past:
    """What a solver of several steps keeps of the steps before.

    Args:
        predictions: of the latest steps, the newest first.
        sample: what the latest step moved, once corrected.
        order: of the latest step.
    """

    predictions: tuple[Tensor, ...]
    sample: Tensor
    order: int


Step = Callable[[Tensor, Tensor, Place, Past | None], tuple[Tensor, Past | None]]
"""(sample, velocity, place, past) to the next sample and the past of the next step; None begins a stage."""
