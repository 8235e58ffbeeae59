"""Whole chunks against the published loops, written here around the schedulers in diffusers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from helios_world.sampling.chunk import sample_chunk
from helios_world.sampling.config import Guidance, SamplingPlan, SchedulerConfig
from helios_world.sampling.noise import chunk_noise
from helios_world.sampling.pyramid import block_noise

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHAPE = (2, 3, 9, 16, 24)
PATCH = (1, 2, 2)
Resolution = Literal["previous", "current"]
Combine = Callable[[Tensor, int, int, Tensor], Tensor]


def fake_velocity(sample: Tensor, timestep: Tensor, conditional: bool) -> Tensor:
    """Smooth, different with and without the prompt, and sensitive to the timestep's last digit."""
    turned = torch.tanh(sample.roll(1, -1)) if conditional else torch.sin(sample.roll(1, -2))
    return 0.5 * turned + torch.cos(timestep.float()).view(-1, 1, 1, 1, 1)


def draw(number: int, shape: tuple[int, ...]) -> Tensor:
    return chunk_noise(3, 5, shape, level=number)


def ours(plan: SamplingPlan, first: bool = False, shape: tuple[int, int, int, int, int] = SHAPE) -> Tensor:
    return sample_chunk(plan, fake_velocity, draw, shape, PATCH, first)


def mu_of(sample: Tensor) -> float:
    tokens = sample.shape[-1] * sample.shape[-2] * sample.shape[-3] // math.prod(PATCH)
    return 0.5 + (tokens - 256) * (1.15 - 0.5) / (4096 - 256)


def combined(guidance: Guidance, sample: Tensor, stage: int, index: int, timestep: Tensor) -> Tensor:
    """Guidance as the published pipelines write it."""
    conditional = fake_velocity(sample, timestep, True)
    if guidance.scale <= 1:
        return conditional
    negative = fake_velocity(sample, timestep, False)
    if not guidance.zero_star:
        return negative + guidance.scale * (conditional - negative)
    if stage == 0 and index <= guidance.zero_steps and guidance.zero_init:
        return conditional * 0.0
    rows, others = conditional.reshape(len(sample), -1), negative.reshape(len(sample), -1)
    fit = (rows * others).sum(1) / (others.square().sum(1) + 1e-8)
    fitted = negative * fit.view(-1, 1, 1, 1, 1)
    return fitted + guidance.scale * (conditional - fitted)


def base_of_theirs(scheduler: Any, steps: int, guidance: Guidance) -> Tensor:
    sample = draw(0, SHAPE)
    scheduler.set_timesteps(steps, sigmas=np.linspace(0.999, 0.0, steps + 1)[:-1], mu=mu_of(sample))
    for index, timestep in enumerate(scheduler.timesteps):
        velocity = combined(guidance, sample, 1, index, timestep.expand(len(sample)))
        sample = scheduler.step(velocity, timestep, sample, return_dict=False)[0]
    return sample


def pyramid_of_theirs(scheduler: Any, plan: SamplingPlan, first: bool) -> Tensor:
    """The published loop. Its block noise is replaced, since it fails where gamma is 1/3."""
    sample, guidance = draw(0, SHAPE), plan.guidance
    for _ in range(len(plan.steps) - 1):
        frames = sample.transpose(1, 2).flatten(0, 1)
        size = (sample.shape[-2] // 2, sample.shape[-1] // 2)
        frames = 2 * functional.interpolate(frames, size=size, mode="bilinear")
        sample = frames.reshape(SHAPE[0], SHAPE[2], SHAPE[1], *size).transpose(1, 2)
    for number, steps in enumerate(plan.steps):
        before, gamma = sample, scheduler.config.gamma
        if number:
            sample = functional.interpolate(sample, scale_factor=(1, 2, 2), mode="nearest")
            noise = block_noise(draw(number, tuple(sample.shape)), gamma)
            boundary = scheduler.ori_start_sigmas[number]
            keep = 1 / (math.sqrt(1 + 1 / gamma) * boundary + 1 - boundary)
            sample = keep * sample + keep * boundary / math.sqrt(gamma) * noise
        mu = mu_of(before if plan.shift_resolution == "previous" else sample)
        scheduler.set_timesteps(steps, number, mu=mu, is_amplify_first_chunk=plan.amplify_first and first)
        sample = stage_of_theirs(scheduler, guidance, sample, number, plan.scheduler.solver == "dmd")
    return sample


def stage_of_theirs(scheduler: Any, guidance: Guidance, sample: Tensor, number: int, distilled: bool) -> Tensor:
    first, timesteps, more = sample, scheduler.timesteps, {}
    for index, timestep in enumerate(timesteps):
        velocity = combined(guidance, sample, number, index, timestep.expand(len(sample)).to(torch.int64))
        if distilled:
            tables = {"dmd_sigmas": scheduler.sigmas, "dmd_timesteps": timesteps, "all_timesteps": timesteps}
            more = {"cur_sampling_step": index, "dmd_noisy_tensor": first, **tables}
        sample = scheduler.step(velocity, timestep, sample, return_dict=False, **more)[0]
    return sample


@pytest.mark.parametrize("solver", ["unipc", "euler"])
@pytest.mark.parametrize(("steps", "scale"), [(10, 5.0), (1, 5.0), (50, 5.0), (10, 1.0)])
def test_base(base: SchedulerConfig, theirs: Any, solver: Literal["unipc", "euler"], steps: int, scale: float) -> None:
    config, guidance = replace(base, solver=solver), Guidance(scale, zero_star=False)
    plan = SamplingPlan(config, (steps,), guidance, False, "previous")
    expected = base_of_theirs(theirs(config), steps, guidance)
    torch.testing.assert_close(ours(plan), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("resolution", ["previous", "current"])
@pytest.mark.parametrize(
    "guidance",
    [
        Guidance(5.0, zero_star=True),
        Guidance(5.0, zero_star=True, zero_init=False),
        Guidance(3.0, zero_star=True, zero_steps=3),
        Guidance(5.0, zero_star=False),
        Guidance(1.0, zero_star=True),
    ],
)
def test_mid(mid: SchedulerConfig, theirs: Any, guidance: Guidance, resolution: Resolution) -> None:
    plan = SamplingPlan(mid, (4, 3, 5), guidance, False, resolution)
    expected = pyramid_of_theirs(theirs(mid), plan, False)
    torch.testing.assert_close(ours(plan), expected, atol=1e-5, rtol=1e-5)


def test_mid_with_twenty_steps_and_with_euler(mid: SchedulerConfig, theirs: Any) -> None:
    for config, steps in ((mid, 20), (replace(mid, solver="euler"), 6)):
        plan = SamplingPlan(config, (steps,) * 3, Guidance(5.0, zero_star=True), False, "previous")
        expected = pyramid_of_theirs(theirs(config), plan, False)
        torch.testing.assert_close(ours(plan), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("resolution", ["previous", "current"])
@pytest.mark.parametrize(
    ("steps", "first"), [((1, 1, 1), False), ((2, 2, 2), False), ((2, 2, 2), True), ((3, 1, 2), True)]
)
def test_distilled(
    distilled: SchedulerConfig, theirs: Any, steps: tuple[int, ...], first: bool, resolution: Resolution
) -> None:
    plan = SamplingPlan(distilled, steps, Guidance(1.0, zero_star=False), True, resolution)
    expected = pyramid_of_theirs(theirs(distilled), plan, first)
    torch.testing.assert_close(ours(plan, first), expected, atol=1e-5, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(
    parts=st.sampled_from([(0.0, 0.5, 1.0), (0.0, 0.3, 1.0), (0.0, 1 / 3, 2 / 3, 1.0)]),
    gamma=st.sampled_from([1 / 3, 0.25, 0.1]),
    count=st.sampled_from([1000, 600]),
    shift=st.sampled_from([1.0, 2.5]),
    steps=st.integers(1, 6),
    solver=st.sampled_from(["euler", "unipc", "dmd"]),
    order=st.integers(1, 3),
)
def test_other_settings(
    mid: SchedulerConfig,
    theirs: Any,
    parts: tuple[float, ...],
    gamma: float,
    count: int,
    shift: float,
    steps: int,
    solver: Literal["euler", "unipc", "dmd"],
    order: int,
) -> None:
    known: dict[str, Any] = {"stages": len(parts) - 1, "stage_range": parts, "num_train_timesteps": count}
    kind: Literal["exponential"] | None = "exponential" if shift == 1 else None
    config = replace(mid, **known, gamma=gamma, shift=shift, dynamic_shift=kind, solver=solver, solver_order=order)
    plan = SamplingPlan(config, (steps,) * config.stages, Guidance(2.0, zero_star=False), False, "previous")
    expected = pyramid_of_theirs(theirs(config), plan, False)
    torch.testing.assert_close(ours(plan), expected, atol=1e-5, rtol=1e-5)


def test_only_the_first_chunk_is_amplified(distilled: SchedulerConfig) -> None:
    plan = SamplingPlan(distilled, (1, 2, 1), Guidance(1.0, zero_star=False), True, "previous")
    counts = []
    for amplified in (True, False):
        calls: list[int] = []

        def velocity(sample: Tensor, timestep: Tensor, conditional: bool, calls: list[int] = calls) -> Tensor:
            calls.append(sample.shape[-1])
            return torch.zeros_like(sample)

        sample_chunk(plan, velocity, draw, SHAPE, PATCH, amplified)
        counts.append([calls.count(width) for width in (6, 12, 24)])
    assert counts == [[2, 4, 2], [1, 2, 1]]


def test_what_the_model_and_the_caller_are_told(distilled: SchedulerConfig) -> None:
    """Each stage at its resolution, whole timesteps for every row, and a sign at every end."""
    seen: list[Any] = []

    def velocity(sample: Tensor, timestep: Tensor, conditional: bool) -> Tensor:
        assert timestep.shape == (2,)
        assert (sample.dtype, timestep.dtype, conditional) == (torch.float32, torch.float32, True)
        seen.append((*sample.shape[-2:], float(timestep[0])))
        return torch.zeros_like(sample, dtype=torch.bfloat16)

    def drawn(number: int, shape: tuple[int, ...]) -> Tensor:
        seen.append((number, shape[-2:]))
        return draw(number, shape)

    plan = SamplingPlan(replace(distilled, dynamic_shift=None), (1, 1, 1), Guidance(1.0, False), False, "previous")
    latents = sample_chunk(plan, velocity, drawn, SHAPE, PATCH, False, lambda: seen.append("end"))
    ends = [(0, (16, 24)), (4, 6, 999.0), "end", (1, (8, 12)), (8, 12, 743.0), "end"]
    assert seen == [*ends, (2, (16, 24)), (16, 24, 385.0), "end"]
    assert (latents.dtype, latents.shape) == (torch.float32, SHAPE)


def test_the_same_arguments_give_the_same_chunk(mid: SchedulerConfig) -> None:
    plan = SamplingPlan(mid, (3, 3, 3), Guidance(5.0, zero_star=True), False, "previous")
    first = ours(plan)
    torch.manual_seed(1)
    torch.rand(5)
    assert torch.equal(ours(plan), first)


@pytest.mark.parametrize("kind", ["base", "mid", "distilled"])
def test_no_value_is_read_back_from_the_device(kind: str, request: pytest.FixtureRequest) -> None:
    """A tensor on "meta" has none: reading one would fail here, and on a GPU it would wait for it."""
    config: SchedulerConfig = request.getfixturevalue(kind)
    plan = SamplingPlan(config, (3,) * config.stages, Guidance(5.0, zero_star=kind == "mid"), False, "previous")

    def drawn(number: int, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, device="meta")

    def velocity(sample: Tensor, timestep: Tensor, conditional: bool) -> Tensor:
        # The time is told on the host, so that a model may look at it.
        assert timestep.device.type == "cpu"
        return fake_velocity(sample, timestep.to(sample.device), conditional)

    latents = sample_chunk(plan, velocity, drawn, SHAPE, PATCH, True)
    assert (latents.device.type, latents.shape) == ("meta", SHAPE)


def test_latents_that_cannot_be_halved_are_told(mid: SchedulerConfig) -> None:
    plan = SamplingPlan(mid, (1, 1, 1), Guidance(1.0, zero_star=False), False, "previous")
    with pytest.raises(ValueError, match="3 stages need multiples of 4; the latents are 6×16"):
        ours(plan, shape=(1, 3, 1, 6, 16))
