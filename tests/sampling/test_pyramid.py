"""The three-stage pyramid: its tables, its noise, and a whole chunk against the schedulers in diffusers."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helios_world.sampling import pyramid
from helios_world.sampling.flow import exponential_shift, linear_shift
from helios_world.sampling.noise import chunk_noise

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers: Any = pytest.importorskip("diffusers")
    HeliosScheduler, HeliosDMDScheduler = diffusers.HeliosScheduler, diffusers.HeliosDMDScheduler

# diffusers hands tensors to numpy in a way that numpy is going to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STAGES = pyramid.stages()
SHAPE = (2, 3, 2, 8, 16)
TOKENS = (540, 2160, 8640)


def test_the_published_tables() -> None:
    assert [stage.boundary for stage in STAGES] == pytest.approx([0.999, 0.666333, 0.333666], abs=1e-6)
    assert [stage.start for stage in STAGES] == pytest.approx([0.999, 0.799760, 0.500374], abs=1e-6)
    assert [stage.end for stage in STAGES] == pytest.approx([0.666333, 0.333666, 0], abs=1e-6)
    assert [stage.keep for stage in STAGES] == pytest.approx([1, 0.600120, 0.749813], abs=1e-6)
    assert [stage.renoise for stage in STAGES] == pytest.approx([0, 0.692612, 0.433337], abs=1e-6)
    ranges = [(stage.first_timestep, stage.last_timestep) for stage in STAGES]
    for actual, printed in zip(ranges, [(999, 743.51), (743.26, 385.97), (385.61, 1.384)], strict=True):
        assert actual == pytest.approx(printed, abs=0.005)


@pytest.mark.parametrize("gamma", [1 / 3, 0.25, 0.1])
@pytest.mark.parametrize("parts", [(0, 1 / 3, 2 / 3, 1), (0, 0.5, 1), (0, 0.2, 0.5, 0.75, 1)])
def test_stages_equal_those_of_diffusers(gamma: float, parts: tuple[float, ...]) -> None:
    theirs = HeliosScheduler(stages=len(parts) - 1, stage_range=list(parts), gamma=gamma)
    for number, stage in enumerate(pyramid.stages(parts, gamma)):
        table = theirs.timesteps_per_stage[number]
        assert stage.boundary == pytest.approx(theirs.ori_start_sigmas[number])
        assert stage.start == pytest.approx(theirs.start_sigmas[number])
        assert stage.end == pytest.approx(theirs.end_sigmas[number])
        assert stage.first_timestep == pytest.approx(float(table[0]))
        assert stage.last_timestep == pytest.approx(float(table[-1]))


@pytest.mark.parametrize("steps", [1, 2, 3, 17, 20])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_euler_schedules_equal_those_of_diffusers(number: int, steps: int) -> None:
    plain, moved = HeliosScheduler(), HeliosScheduler(use_dynamic_shifting=True)
    plain.set_timesteps(steps, number)
    moved.set_timesteps(steps, number, mu=linear_shift(TOKENS[number]))
    assert_schedule(pyramid.euler_schedule(STAGES[number], steps, None), plain)
    shift = exponential_shift(TOKENS[number])
    assert_schedule(pyramid.euler_schedule(STAGES[number], steps, shift), moved)


@pytest.mark.parametrize("amplified", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_restart_schedules_equal_those_of_diffusers(number: int, steps: int, amplified: bool) -> None:
    plain, moved = HeliosDMDScheduler(), HeliosDMDScheduler(use_dynamic_shifting=True)
    shift, count = linear_shift(TOKENS[number]), steps * 2 if amplified else steps
    plain.set_timesteps(steps, number, is_amplify_first_chunk=amplified)
    moved.set_timesteps(steps, number, mu=shift, is_amplify_first_chunk=amplified)
    assert_schedule(pyramid.restart_schedule(STAGES[number], count, None), plain)
    assert_schedule(pyramid.restart_schedule(STAGES[number], count, shift), moved)


def assert_schedule(ours: pyramid.Schedule, theirs: Any) -> None:
    assert ours.timesteps == pytest.approx(theirs.timesteps.tolist())
    assert ours.sigmas == pytest.approx(theirs.sigmas.tolist())


def test_the_published_schedules_of_the_distilled_checkpoint() -> None:
    current = [pyramid.restart_schedule(STAGES[n], 2, linear_shift(TOKENS[n])) for n in range(3)]
    times = [(998.53, 833.96), (742.82, 547.19), (385.41, 253.99)]
    levels = [(0.998, 0.3540), (0.999, 0.4512), (0.9995, 0.6574)]
    for schedule, timesteps, sigmas in zip(current, times, levels, strict=True):
        assert schedule.timesteps == pytest.approx(timesteps, abs=0.005)
        assert schedule.sigmas == pytest.approx((*sigmas, 0), abs=5e-4)
    once = [pyramid.restart_schedule(STAGES[n], 1, linear_shift(TOKENS[max(0, n - 1)])) for n in range(3)]
    assert [schedule.timesteps[0] for schedule in once] == pytest.approx([998.53, 742.60, 385.15], abs=0.005)


@pytest.mark.parametrize("gamma", [1 / 3, 0.2, 0.01])
def test_block_noise_has_the_covariance(gamma: float) -> None:
    noise = pyramid.block_noise(chunk_noise(1, 0, (40000, 2, 2)), gamma).reshape(-1, 4)
    expected = (1 + gamma) * torch.eye(4) - gamma * torch.ones(4, 4)
    assert torch.allclose(noise.T @ noise / len(noise), expected, atol=0.03)


def test_block_noise_is_the_square_root_by_eigenvectors() -> None:
    gamma = 0.2
    values, vectors = torch.linalg.eigh((1 + gamma) * torch.eye(4) - gamma * torch.ones(4, 4))
    root = vectors @ torch.diag(values.sqrt()) @ vectors.T
    normal = torch.randn(2, 3, 4, 6)
    blocks = functional.unfold(normal, 2, stride=2).unflatten(1, (3, 4))
    expected = functional.fold(torch.einsum("ij,bcjn->bcin", root, blocks).flatten(1, 2), (4, 6), 2, stride=2)
    torch.testing.assert_close(pyramid.block_noise(normal, gamma), expected)


def test_block_noise_at_one_third_sums_to_zero_in_each_block() -> None:
    normal = torch.randn(2, 4, 6)
    noise = pyramid.block_noise(normal)
    assert functional.avg_pool2d(noise, 2).abs().max() < 1e-6
    mean = functional.avg_pool2d(normal, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(noise, math.sqrt(4 / 3) * (normal - mean))


@pytest.mark.parametrize("gamma", [0.0, 0.34])
def test_an_impossible_gamma_is_told(gamma: float) -> None:
    with pytest.raises(ValueError, match=f"gamma is {gamma}"):
        pyramid.block_noise(torch.randn(2, 2), gamma)


def test_entering_a_stage_keeps_the_flow() -> None:
    """Doubled latents and block noise are noise of variance start² around (1 - start) times the signal."""
    for previous, stage in pairwise(STAGES):
        latents = (1 - previous.end) * 3.0 + previous.end * chunk_noise(2, 0, (40000, 1, 1))
        entered = pyramid.enter_stage(latents, stage, chunk_noise(2, 1, (40000, 2, 2)))
        values = entered.reshape(-1, 4) - (1 - stage.start) * 3.0
        assert torch.allclose(values.T @ values / len(values), stage.start**2 * torch.eye(4), atol=0.02)
        assert values.mean().abs() < 0.02


def test_halved_noise_is_a_bilinear_half_of_twice_the_size() -> None:
    noise = torch.randn(2, 3, 8, 6)
    expected = 2 * functional.interpolate(noise, size=(4, 3), mode="bilinear")
    torch.testing.assert_close(pyramid.halve_noise(noise), expected)


def fake_velocity(sample: Tensor, timestep: Tensor) -> Tensor:
    return torch.tanh(sample.roll(1, -1)) + timestep.view(-1, 1, 1, 1, 1) / 1000


def draw(number: int, shape: tuple[int, ...]) -> Tensor:
    return chunk_noise(3, 5, shape, level=number)


def theirs_generate(scheduler: Any, steps: int, shifts: list[float], distilled: bool) -> Tensor:
    """The published loop, with the schedulers of diffusers for the tables and the steps."""
    sample = draw(0, SHAPE)
    for _ in range(2):
        sample = 2 * functional.avg_pool3d(sample, (1, 2, 2))
    for number in range(3):
        scheduler.set_timesteps(steps, number, mu=shifts[number])
        if number:
            sample = functional.interpolate(sample, scale_factor=(1, 2, 2), mode="nearest")
            noise = pyramid.block_noise(draw(number, tuple(sample.shape)))
            boundary = scheduler.ori_start_sigmas[number]
            keep = 1 / (2 * boundary + 1 - boundary)
            sample = keep * sample + keep * boundary * math.sqrt(3) * noise
        first, timesteps = sample, scheduler.timesteps
        for index, timestep in enumerate(timesteps):
            velocity = fake_velocity(sample, timestep.expand(SHAPE[0]).to(torch.int64))
            if distilled:
                known = {"cur_sampling_step": index, "dmd_noisy_tensor": first, "all_timesteps": timesteps}
                tables = {"dmd_sigmas": scheduler.sigmas, "dmd_timesteps": scheduler.timesteps}
                sample = scheduler.step(velocity, timestep, sample, return_dict=False, **known, **tables)[0]
            else:
                sample = scheduler.step(velocity, timestep, sample, return_dict=False)[0]
    return sample


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chunk_of_the_mid_kind_equals_diffusers(steps: int) -> None:
    scheduler = HeliosScheduler(scheduler_type="euler", use_dynamic_shifting=True)
    shifts = [exponential_shift(tokens) for tokens in TOKENS]
    expected = theirs_generate(scheduler, steps, [linear_shift(tokens) for tokens in TOKENS], distilled=False)
    pairs = zip(STAGES, shifts, strict=True)
    plan = [(stage, pyramid.euler_schedule(stage, steps, shift)) for stage, shift in pairs]
    actual = pyramid.generate_pyramid(fake_velocity, draw, SHAPE, plan, pyramid.euler)
    torch.testing.assert_close(actual, expected.float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_chunk_of_the_distilled_kind_equals_diffusers(steps: int) -> None:
    shifts = [linear_shift(tokens) for tokens in (TOKENS[0], *TOKENS[:2])]
    scheduler = HeliosDMDScheduler(use_dynamic_shifting=True)
    expected = theirs_generate(scheduler, steps, shifts, distilled=True)
    pairs = zip(STAGES, shifts, strict=True)
    plan = [(stage, pyramid.restart_schedule(stage, steps, shift)) for stage, shift in pairs]
    actual = pyramid.generate_pyramid(fake_velocity, draw, SHAPE, plan, pyramid.restart)
    torch.testing.assert_close(actual, expected.float(), atol=1e-4, rtol=1e-4)


def test_each_stage_sees_its_resolution() -> None:
    seen: list[tuple[int, ...]] = []

    def velocity(sample: Tensor, timestep: Tensor) -> Tensor:
        seen.append((*sample.shape[-2:], int(timestep[0])))
        return torch.zeros_like(sample)

    plan = [(stage, pyramid.restart_schedule(stage, 1, None)) for stage in STAGES]
    pyramid.generate_pyramid(velocity, draw, SHAPE, plan, pyramid.restart)
    assert seen == [(2, 4, 999), (4, 8, 743), (8, 16, 385)]


def test_latents_that_cannot_be_halved_and_no_steps_are_told() -> None:
    plan = [(stage, pyramid.euler_schedule(stage, 1, None)) for stage in STAGES]
    with pytest.raises(ValueError, match="3 stages need multiples of 4; the latents are 6×16"):
        pyramid.generate_pyramid(fake_velocity, draw, (1, 3, 1, 6, 16), plan, pyramid.euler)
    with pytest.raises(ValueError, match="at least one step; got 0"):
        pyramid.euler_schedule(STAGES[0], 0, None)
