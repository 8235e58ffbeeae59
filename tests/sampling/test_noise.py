"""Numbers as a function of the session's seed, the chunk's index and the draw's level."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helios_world.sampling.noise import chunk_noise, chunk_uniform

DRAWS = pytest.mark.parametrize("draw", [chunk_noise, chunk_uniform])


@DRAWS
@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**63 - 1), index=st.integers(0, 10**9), level=st.integers(0, 2000))
def test_the_same_arguments_give_the_same_numbers(
    draw: Callable[..., Tensor], seed: int, index: int, level: int
) -> None:
    numbers = draw(seed, index, (3, 5), level=level)
    assert numbers.dtype == torch.float32
    assert torch.equal(numbers, draw(seed, index, [3, 5], level=level))
    for other in ((seed ^ 1, index, level), (seed, index + 1, level), (seed, index, level + 1)):
        assert not torch.equal(numbers, draw(other[0], other[1], (3, 5), level=other[2]))


@DRAWS
def test_other_random_numbers_are_left_alone(draw: Callable[..., Tensor]) -> None:
    before = torch.get_rng_state()
    draw(1, 2, (4,))
    assert torch.equal(before, torch.get_rng_state())


def test_uniform_numbers_are_spread_evenly() -> None:
    numbers = chunk_uniform(7, 0, (100_000,))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    shares = torch.histc(numbers, 10, 0, 1) / len(numbers)
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.004, rtol=0)


def test_near_levels_are_not_correlated() -> None:
    rows = torch.stack([chunk_uniform(7, 0, (10_000,), level=level) for level in range(1000, 1008)])
    assert (torch.corrcoef(rows) - torch.eye(8)).abs().max() < 0.05
