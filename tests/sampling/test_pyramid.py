"""From one resolution to the next: the noise within blocks, halving and doubling."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helios_world.sampling import pyramid
from helios_world.sampling.config import SchedulerConfig
from helios_world.sampling.noise import chunk_noise
from helios_world.sampling.stages import stages


def covariance(gamma: float) -> Tensor:
    return (1 + gamma) * torch.eye(4) - gamma * torch.ones(4, 4)


def measured(noise: Tensor) -> Tensor:
    """The covariance of the four numbers in the 2×2 blocks of [..., h, w]."""
    height, width = noise.shape[-2:]
    blocks = noise.reshape(-1, height // 2, 2, width // 2, 2).permute(0, 1, 3, 2, 4).reshape(-1, 4)
    return blocks.T @ blocks / len(blocks)


@pytest.mark.parametrize("gamma", [1 / 3, 0.2, 0.01])
def test_block_noise_has_the_covariance(gamma: float) -> None:
    noise = pyramid.block_noise(chunk_noise(1, 0, (400, 20, 20)), gamma)
    assert torch.allclose(measured(noise), covariance(gamma), atol=0.03)


@pytest.mark.parametrize("gamma", [1 / 3, 0.2])
def test_block_noise_is_the_square_root_by_eigenvectors(gamma: float) -> None:
    values, vectors = torch.linalg.eigh(covariance(gamma).double())
    root = (vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T).float()
    normal = torch.randn(2, 3, 4, 6)
    blocks = functional.unfold(normal, 2, stride=2).unflatten(1, (3, 4))
    expected = functional.fold(torch.einsum("ij,bcjn->bcin", root, blocks).flatten(1, 2), (4, 6), 2, stride=2)
    torch.testing.assert_close(pyramid.block_noise(normal, gamma), expected)


def test_block_noise_at_one_third_sums_to_zero_in_each_block() -> None:
    normal = torch.randn(2, 4, 6)
    noise = pyramid.block_noise(normal, 1 / 3)
    assert functional.avg_pool2d(noise, 2).abs().max() < 1e-6
    mean = functional.avg_pool2d(normal, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(noise, math.sqrt(4 / 3) * (normal - mean))


def of_diffusers(gamma: float, patch: tuple[int, int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("transformers")
        sample = pytest.importorskip("diffusers").HeliosPyramidPipeline.sample_block_noise
    pipeline = SimpleNamespace(scheduler=SimpleNamespace(config=SimpleNamespace(gamma=gamma)))
    generator = torch.Generator().manual_seed(3)
    noise: Tensor = sample(pipeline, 1, 20, 20, 20, 20, patch, torch.device("cpu"), generator)
    return noise


def test_block_noise_is_distributed_as_in_diffusers() -> None:
    ours = pyramid.block_noise(chunk_noise(1, 0, (1, 20, 20, 20, 20)), 0.2)
    assert torch.allclose(measured(of_diffusers(0.2, (1, 2, 2))), measured(ours), atol=0.05)


def test_block_noise_does_not_depend_on_the_patches() -> None:
    """diffusers takes blocks of the patch size; with patches of one latent its noise is white.

    But it is the doubling that copied the latents, into blocks of 2×2, and only noise of these blocks makes the sum
    what the flow has there.
    """
    assert torch.allclose(measured(of_diffusers(0.2, (1, 1, 1))), torch.eye(4), atol=0.05)
    ours = pyramid.block_noise(chunk_noise(1, 0, (1, 20, 20, 20, 20)), 0.2)
    assert torch.allclose(measured(ours), covariance(0.2), atol=0.05)


def test_block_noise_needs_no_factor_of_a_singular_matrix() -> None:
    """At gamma 1/3 the least eigenvalue is 0, where diffusers' Cholesky factor can fail on the CPU."""
    assert float(torch.linalg.eigvalsh(covariance(1 / 3).double())[0]) == pytest.approx(0, abs=1e-7)
    assert bool(pyramid.block_noise(torch.randn(1, 8, 8), 1 / 3).isfinite().all())


@pytest.mark.parametrize("gamma", [0.0, 0.34])
def test_an_impossible_gamma_is_told(gamma: float) -> None:
    with pytest.raises(ValueError, match=f"gamma is {gamma}"):
        pyramid.block_noise(torch.randn(2, 2), gamma)


def test_entering_a_stage_keeps_the_flow(mid: SchedulerConfig) -> None:
    """Doubled latents and block noise are noise of variance start² around (1 - start) times the signal."""
    for previous, stage in pairwise(stages(mid)):
        latents = (1 - previous.end) * 3.0 + previous.end * chunk_noise(2, 0, (40000, 1, 1))
        noise = pyramid.block_noise(chunk_noise(2, 1, (40000, 2, 2)), mid.gamma)
        values = pyramid.enter_stage(latents, stage, noise).reshape(-1, 4) - (1 - stage.start) * 3.0
        assert torch.allclose(values.T @ values / len(values), stage.start**2 * torch.eye(4), atol=0.02)
        assert values.mean().abs() < 0.02


def test_halved_noise_is_that_of_blocks_and_standard_normal() -> None:
    noise = chunk_noise(4, 0, (5, 10, 3, 40, 20))
    halved = pyramid.halve_noise(noise)
    torch.testing.assert_close(halved, 2 * functional.avg_pool3d(noise, (1, 2, 2)))
    assert float(halved.std()) == pytest.approx(1, abs=0.02)
