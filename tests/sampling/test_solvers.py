"""Euler's, UniPC's and DMD's steps against the schedulers in diffusers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from helios_world.sampling.config import SchedulerConfig
from helios_world.sampling.dmd import dmd
from helios_world.sampling.euler import euler
from helios_world.sampling.solver import Past, Place, Step
from helios_world.sampling.unipc import unipc

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

shapes = st.tuples(*(st.integers(1, 3) for _ in range(5)))
seeds = st.integers(0, 2**31)


def run(step: Step, sigmas: tuple[float, ...], sample: Tensor, velocities: Tensor) -> list[Tensor]:
    """Every sample on the way through a stage."""
    samples, past, first = [], None, sample
    for index, velocity in enumerate(velocities):
        sample, past = step(sample, velocity, Place(sigmas, index, first), past)
        samples.append(sample)
    return samples


def run_theirs(scheduler: Any, sample: Tensor, outputs: Any) -> list[Tensor]:
    """As `run`; `outputs` gives the model's output for a sample and the step's number."""
    samples = []
    for index, timestep in enumerate(scheduler.timesteps):
        sample = scheduler.step(outputs(sample, index), timestep, sample, return_dict=False)[0]
        samples.append(sample)
    return samples


def levels(scheduler: Any) -> tuple[float, ...]:
    return tuple(scheduler.sigmas.tolist())


def numbers(seed: int, steps: int, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(steps + 1, *shape, generator=generator, dtype=dtype)
    return drawn[0], drawn[1:]


@settings(deadline=None, max_examples=30)
@given(seed=seeds, shape=shapes, steps=st.integers(1, 50), stage=st.integers(0, 2))
def test_euler(mid: SchedulerConfig, theirs: Any, seed: int, shape: tuple[int, ...], steps: int, stage: int) -> None:
    scheduler = theirs(replace(mid, solver="euler"))
    scheduler.set_timesteps(steps, stage, mu=0.9)
    sample, velocities = numbers(seed, steps, shape, torch.float32)
    actual = run(euler, levels(scheduler), sample, velocities)
    expected = run_theirs(scheduler, sample, lambda _, index: velocities[index])
    torch.testing.assert_close(torch.stack(actual), torch.stack(expected), atol=1e-6, rtol=1e-6)


@settings(deadline=None, max_examples=150)
@given(
    seed=seeds,
    shape=shapes,
    steps=st.integers(1, 50),
    stage=st.one_of(st.none(), st.integers(0, 2)),
    order=st.integers(1, 3),
    kind=st.sampled_from(["bh1", "bh2"]),
    clean=st.booleans(),
    final=st.booleans(),
    disabled=st.lists(st.integers(0, 8), max_size=4),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_unipc(
    mid: SchedulerConfig,
    base: SchedulerConfig,
    theirs: Any,
    seed: int,
    shape: tuple[int, ...],
    steps: int,
    stage: int | None,
    order: int,
    kind: Literal["bh1", "bh2"],
    clean: bool,
    final: bool,
    disabled: list[int],
    dtype: torch.dtype,
) -> None:
    config = replace(
        base if stage is None else mid,
        solver_order=order,
        solver_type=kind,
        predict_x0=clean,
        lower_order_final=final,
        disable_corrector=tuple(disabled),
    )
    sample, velocities = numbers(seed, steps, shape, dtype)
    scheduler = unipc_of_theirs(theirs, config, steps, stage)
    sigmas = levels(scheduler)
    actual = run(partial(unipc, config), sigmas, sample, velocities)
    expected = run_theirs(scheduler, sample, outputs_for(config, sigmas, velocities))
    torch.testing.assert_close(torch.stack(actual), torch.stack(expected), atol=1e-6, rtol=1e-6)


def unipc_of_theirs(theirs: Any, config: SchedulerConfig, steps: int, stage: int | None) -> Any:
    scheduler = theirs(config, prediction_type="flow_prediction" if config.predict_x0 else "epsilon")
    even = np.linspace(0.999, 0.0, steps + 1)[:-1] if stage is None else None
    scheduler.set_timesteps(steps, stage, sigmas=even, mu=0.9)
    return scheduler


def outputs_for(config: SchedulerConfig, sigmas: tuple[float, ...], velocities: Tensor) -> Any:
    """diffusers knows `predict_x0` false only for a model that predicts the noise, so it is given that."""
    if config.predict_x0:
        return lambda _, index: velocities[index]
    return lambda sample, index: sample + (1 - sigmas[index]) * velocities[index]


@pytest.mark.parametrize(("order", "kind"), [(1, "bh1"), (2, "bh2"), (3, "bh1"), (3, "bh2")])
def test_unipc_is_exact_when_every_velocity_points_at_the_same_latents(
    mid: SchedulerConfig, order: int, kind: Literal["bh1", "bh2"]
) -> None:
    clean, noise = torch.randn(2, 1, 2, 1, 2, 2, dtype=torch.float64)
    sigmas = (0.999, 0.7, 0.4, 0.2, 0.05, 0.0)
    config = replace(mid, solver_order=order, solver_type=kind)
    sample, past = (1 - sigmas[0]) * clean + sigmas[0] * noise, None
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        velocity = (sample - clean) / sigma
        sample, past = unipc(config, sample, velocity, Place(sigmas, index, noise), past)
        torch.testing.assert_close(sample, (1 - following) * clean + following * noise, atol=1e-7, rtol=0)


def test_unipc_keeps_as_many_predictions_as_its_order(mid: SchedulerConfig) -> None:
    sigmas = (0.9, 0.7, 0.5, 0.3, 0.1, 0.0)
    past: Past | None = None
    sample, orders, kept = torch.randn(1, 2, 1, 2, 2), [], []
    for index in range(5):
        place = Place(sigmas, index, sample)
        sample, past = unipc(replace(mid, solver_order=3), sample, torch.randn_like(sample), place, past)
        orders.append(past.order)
        kept.append(len(past.predictions))
    assert orders == [1, 2, 3, 2, 1]
    assert kept == [1, 2, 3, 3, 3]


@settings(deadline=None, max_examples=30)
@given(seed=seeds, shape=shapes, steps=st.integers(1, 8), stage=st.integers(0, 2), amplified=st.booleans())
def test_dmd(
    distilled: SchedulerConfig,
    theirs: Any,
    seed: int,
    shape: tuple[int, ...],
    steps: int,
    stage: int,
    amplified: bool,
) -> None:
    scheduler = theirs(distilled)
    scheduler.set_timesteps(steps, stage, mu=0.9, is_amplify_first_chunk=amplified)
    sample, velocities = numbers(seed, len(scheduler.timesteps), shape, torch.float32)
    actual = run(dmd, levels(scheduler), sample, velocities)
    for index, timestep in enumerate(scheduler.timesteps):
        at = actual[index - 1] if index else sample
        expected = dmd_of_theirs(scheduler, velocities[index], timestep, at, sample, index)
        torch.testing.assert_close(actual[index], expected, atol=1e-6, rtol=1e-6)


def dmd_of_theirs(
    scheduler: Any, velocity: Tensor, timestep: Tensor, sample: Tensor, first: Tensor, index: int
) -> Tensor:
    known = {"cur_sampling_step": index, "dmd_noisy_tensor": first, "all_timesteps": scheduler.timesteps}
    tables = {"dmd_sigmas": scheduler.sigmas, "dmd_timesteps": scheduler.timesteps}
    moved: Tensor = scheduler.step(velocity, timestep, sample, return_dict=False, **known, **tables)[0]
    return moved


def test_dmd_stays_in_float32_where_diffusers_goes_on_in_the_dtype_of_the_model(
    distilled: SchedulerConfig, theirs: Any
) -> None:
    """A last step in bfloat16 leaves latents with 8 bits, which the memory would then keep."""
    scheduler = theirs(distilled)
    scheduler.set_timesteps(1, 2, mu=0.9)
    sample, velocities = numbers(4, 1, (1, 3, 2, 4, 4), torch.float32)
    told = velocities[0].bfloat16()
    ours, _ = dmd(sample, told.float(), Place(levels(scheduler), 0, sample), None)
    other = dmd_of_theirs(scheduler, told, scheduler.timesteps[0], sample, sample, 0)
    assert (ours.dtype, other.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(ours.bfloat16(), other)
