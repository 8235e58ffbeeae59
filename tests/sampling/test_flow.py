"""The rules of the flow, and the noise."""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.sampling import flow
from helios_world.sampling.noise import chunk_noise, mix

levels = st.floats(0, 1)


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    clean, noise = torch.randn(2, 3, 2, 1, 4, 4).unbind()
    return clean, noise


@settings(deadline=None)
@given(levels, levels)
def test_a_step_along_the_true_velocity_stays_on_the_line(sigma: float, following: float) -> None:
    clean, noise = pair()
    sample, velocity = flow.interpolate(clean, noise, sigma), flow.velocity_target(clean, noise)
    moved = flow.euler_step(sample, velocity, sigma, following)
    torch.testing.assert_close(moved, flow.interpolate(clean, noise, following), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(flow.predict_clean(sample, velocity, sigma), clean, atol=1e-5, rtol=1e-5)


def test_the_ends_of_the_line() -> None:
    clean, noise = pair()
    assert torch.equal(flow.interpolate(clean, noise, 0.0), clean)
    assert torch.equal(flow.interpolate(clean, noise, 1.0), noise)


def test_a_level_for_each_row_equals_a_row_at_a_time() -> None:
    clean, noise = pair()
    sigma, following = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.8, 0.0, 0.1])
    sample = flow.interpolate(clean, noise, sigma)
    moved = flow.euler_step(sample, noise, sigma, following)
    for row in range(3):
        single = flow.interpolate(clean[row], noise[row], float(sigma[row]))
        torch.testing.assert_close(sample[row], single)
        step = flow.euler_step(single, noise[row], float(sigma[row]), float(following[row]))
        torch.testing.assert_close(moved[row], step)


def test_noise_is_a_function_of_its_arguments() -> None:
    shape = (1, 24, 1, 8, 16)
    first = chunk_noise(7, 3, shape)
    torch.manual_seed(5)
    torch.rand(9)
    assert torch.equal(chunk_noise(7, 3, shape), first)
    assert first.dtype == torch.float32
    others = [chunk_noise(*key, shape) for key in ((7, 2), (3, 7), (7 + 2**40, 3))]
    others.append(chunk_noise(7, 3, shape, level=1))
    for other in others:
        correlation = float((other * first).mean())
        assert abs(correlation) < 5 / math.sqrt(first.numel())


def test_noise_is_standard_normal() -> None:
    noise = torch.cat([chunk_noise(1, index, (10000,)) for index in range(10)])
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02


def test_the_noise_of_a_session_never_changes() -> None:
    assert mix(0) == 0xE220A8397B1DCDAF
    expected = torch.tensor([[-0.579096, -0.654861, 2.107795, -0.261085]])
    torch.testing.assert_close(chunk_noise(42, 7, (1, 4)), expected, atol=1e-6, rtol=0)


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**20))
def test_mixing_reaches_all_bits(seed: int, index: int) -> None:
    changed = (mix(seed, index, 0) ^ mix(seed, index + 1, 0)).bit_count()
    assert 6 <= changed <= 58
    assert 0 <= mix(seed, index) < 2**64
