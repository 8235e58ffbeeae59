"""Classifier-free guidance, CFG-Zero* and its standing still."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helios_world.sampling.config import Guidance
from helios_world.sampling.guidance import classifier_free, guided, stands_still, zero_star

SHAPE = (2, 3, 2, 4, 4)


def pair() -> tuple[Tensor, Tensor]:
    conditional, negative = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))
    return conditional, negative


def test_the_ends_of_plain_guidance() -> None:
    conditional, negative = pair()
    torch.testing.assert_close(classifier_free(conditional, negative, 1.0), conditional)
    assert torch.equal(classifier_free(conditional, negative, 0.0), negative)
    torch.testing.assert_close(classifier_free(conditional, negative, 5.0), 5 * conditional - 4 * negative)


def test_zero_star_fits_the_negative_velocity_row_by_row() -> None:
    """At scale 0 the fitted negative velocity is left: what is missing to the other is at right angles to it."""
    conditional, negative = pair()
    fitted = zero_star(conditional, negative, 0.0)
    for row in range(SHAPE[0]):
        assert float(((conditional - fitted)[row] * negative[row]).sum()) == pytest.approx(0, abs=1e-4)
        alone = zero_star(conditional[row : row + 1], negative[row : row + 1], 5.0)
        torch.testing.assert_close(zero_star(conditional, negative, 5.0)[row : row + 1], alone)
    torch.testing.assert_close(zero_star(conditional, -0.3 * conditional, 5.0), conditional)


def test_zero_star_with_no_negative_velocity_is_finite() -> None:
    conditional, _ = pair()
    torch.testing.assert_close(zero_star(conditional, torch.zeros(SHAPE), 5.0), 5 * conditional)


@pytest.mark.parametrize(
    ("guidance", "asked"),
    [
        (Guidance(1.0, zero_star=True), [True]),
        (Guidance(5.0, zero_star=False), [True, False]),
        (Guidance(5.0, zero_star=True), []),
        (Guidance(5.0, zero_star=True, zero_init=False), [True, False]),
    ],
)
def test_only_the_forwards_that_are_needed_are_made(guidance: Guidance, asked: list[bool]) -> None:
    conditional, negative = pair()
    calls: list[bool] = []

    def velocity(sample: Tensor, timestep: Tensor, with_prompt: bool) -> Tensor:
        calls.append(with_prompt)
        return (conditional if with_prompt else negative).bfloat16()

    actual = guided(guidance, velocity, torch.randn(SHAPE), torch.zeros(2), 0, 0)
    assert calls == asked
    assert (actual.dtype, actual.shape) == (torch.float32, SHAPE)
    assert bool(actual.any()) == bool(asked)


def test_how_many_steps_stand_still() -> None:
    """diffusers compares with `<=`, so that its zero_steps of 1 leaves out two steps, one more than the name says.

    The published samples were made that way. The default here makes the same steps; the count is of the steps
    after the first.
    """

    def still(zero_steps: int, stage: int = 0) -> list[int]:
        guidance = Guidance(5.0, zero_star=True, zero_steps=zero_steps)
        return [index for index in range(6) if stands_still(guidance, stage, index)]

    by_the_name = [index for index in range(6) if index < 1]
    by_diffusers = [index for index in range(6) if index <= 1]
    assert still(Guidance(5.0, zero_star=True).zero_steps) == by_diffusers == [0, 1]
    assert still(0) == by_the_name == [0]
    assert still(1, stage=1) == []
    assert not stands_still(Guidance(5.0, zero_star=False), 0, 0)
