"""The steps of every stage, to the last bit those of diffusers, and the shifts behind them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_world.sampling import schedule
from helios_world.sampling.config import Guidance, SamplingPlan, SchedulerConfig
from helios_world.sampling.shift import dynamic_shift, exponential_shift, linear_shift, shifted
from helios_world.sampling.stages import stages

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TOKENS = (540, 2160, 8640)
FULL = (1, 16, 9, 48, 80)
PATCH = (1, 2, 2)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.2, 7))
def test_a_shift_keeps_the_ends_and_is_undone_by_its_inverse(sigma: float, shift: float) -> None:
    moved = shifted(sigma, shift)
    assert 0 <= moved <= 1
    assert shifted(moved, 1 / shift) == pytest.approx(sigma, abs=1e-9)
    assert (shifted(0.0, shift), shifted(1.0, shift)) == (0.0, pytest.approx(1.0))


def test_the_published_shifts(mid: SchedulerConfig) -> None:
    assert [linear_shift(tokens, mid) for tokens in TOKENS] == pytest.approx([0.5481, 0.8223, 1.9192], abs=5e-5)
    assert exponential_shift(8640, mid) == pytest.approx(6.81, abs=0.01)
    assert exponential_shift(256, mid) == math.exp(0.5)


def test_the_shift_follows_the_settings(mid: SchedulerConfig) -> None:
    own = replace(mid, base_image_seq_len=100, max_image_seq_len=200, base_shift=1.0, max_shift=2.0)
    assert linear_shift(150, own) == pytest.approx(1.5)
    assert dynamic_shift(150, own) == pytest.approx(math.exp(1.5))
    assert dynamic_shift(150, replace(own, dynamic_shift="linear")) == pytest.approx(1.5)
    assert dynamic_shift(150, replace(own, dynamic_shift=None)) is None


def assert_same(ours: schedule.Schedule, scheduler: Any) -> None:
    assert list(ours.timesteps) == scheduler.timesteps.tolist()
    assert list(ours.sigmas) == scheduler.sigmas.tolist()


@pytest.mark.parametrize("kind", [None, "exponential", "linear"])
@pytest.mark.parametrize("count", [1000, 2000])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_stages_of_mid(
    mid: SchedulerConfig, theirs: Any, number: int, count: int, kind: Literal["exponential", "linear"] | None
) -> None:
    config = replace(mid, dynamic_shift=kind, num_train_timesteps=count)
    scheduler = theirs(config)
    for steps in (1, 2, 3, 17, 20, 50):
        scheduler.set_timesteps(steps, number, mu=linear_shift(TOKENS[number], config))
        shift = dynamic_shift(TOKENS[number], config)
        assert_same(schedule.stage_schedule(config, stages(config)[number], steps, shift), scheduler)


@pytest.mark.parametrize("kind", [None, "exponential", "linear"])
@pytest.mark.parametrize("amplified", [False, True])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_stages_of_distilled(
    distilled: SchedulerConfig,
    theirs: Any,
    number: int,
    amplified: bool,
    kind: Literal["exponential", "linear"] | None,
) -> None:
    config = replace(distilled, dynamic_shift=kind)
    scheduler = theirs(config)
    for steps in (1, 2, 4, 10):
        mu = linear_shift(TOKENS[number], config)
        scheduler.set_timesteps(steps, number, mu=mu, is_amplify_first_chunk=amplified)
        shift = dynamic_shift(TOKENS[number], config)
        count = 2 * steps if amplified else steps
        assert_same(schedule.restart_schedule(config, stages(config)[number], count, shift), scheduler)


@pytest.mark.parametrize("kind", [None, "exponential", "linear"])
@pytest.mark.parametrize("count", [1000, 500])
def test_the_stage_of_base(
    base: SchedulerConfig, theirs: Any, count: int, kind: Literal["exponential", "linear"] | None
) -> None:
    config = replace(base, dynamic_shift=kind, num_train_timesteps=count)
    scheduler = theirs(config)
    for steps in (1, 2, 10, 50):
        even = np.linspace(0.999, 0.0, steps + 1)[:-1]
        scheduler.set_timesteps(steps, sigmas=even, mu=linear_shift(8640, config))
        assert_same(schedule.single_schedule(config, steps, dynamic_shift(8640, config)), scheduler)


def test_the_stage_of_base_does_not_look_at_the_fixed_shift(base: SchedulerConfig, theirs: Any) -> None:
    """Nor does diffusers, whose pipeline always brings levels of its own; its scheduler alone would move its own."""
    config = replace(base, dynamic_shift=None, shift=3.0)
    scheduler = theirs(config)
    scheduler.set_timesteps(4, sigmas=np.linspace(0.999, 0.0, 5)[:-1])
    assert_same(schedule.single_schedule(config, 4, None), scheduler)
    scheduler.set_timesteps(4)
    assert scheduler.sigmas.tolist()[1] == pytest.approx(shifted(0.75025, 3.0))


def plan_of(config: SchedulerConfig, steps: int, resolution: Literal["previous", "current"]) -> SamplingPlan:
    return SamplingPlan(config, (steps,) * config.stages, Guidance(1.0, False), config.solver == "dmd", resolution)


def exact(plan: SamplingPlan, monkeypatch: pytest.MonkeyPatch, first: bool = False) -> list[schedule.Schedule]:
    """The schedules of a chunk of 384×640 before their timesteps are cut."""
    monkeypatch.setattr(schedule, "whole", lambda table: table)
    return list(schedule.schedules(plan, FULL, PATCH, first))


def test_the_published_schedules_of_the_distilled_checkpoint(
    distilled: SchedulerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`shift_resolution`: diffusers shifts for the resolution before the doubling, the training code for that after."""
    assert times(exact(plan_of(distilled, 1, "current"), monkeypatch)) == [[998.53], [742.82], [385.41]]
    assert times(exact(plan_of(distilled, 1, "previous"), monkeypatch)) == [[998.53], [742.60], [385.15]]
    current = exact(plan_of(distilled, 2, "current"), monkeypatch)
    previous = exact(plan_of(distilled, 2, "previous"), monkeypatch)
    assert times(current) == [[998.53, 833.96], [742.82, 547.19], [385.41, 253.99]]
    assert times(previous) == [[998.53, 833.96], [742.60, 512.46], [385.15, 174.76]]
    assert [round(table.sigmas[1], 4) for table in current] == [0.3540, 0.4512, 0.6574]
    assert [round(table.sigmas[1], 4) for table in previous] == [0.3540, 0.3540, 0.4512]
    assert times(exact(plan_of(distilled, 2, "current"), monkeypatch, first=True)) == [
        [998.53, 902.22, 833.96, 783.07],
        [742.82, 640.00, 547.19, 463.00],
        [385.41, 328.62, 253.99, 151.53],
    ]


def times(tables: list[schedule.Schedule]) -> list[list[float]]:
    return [[round(timestep, 2) for timestep in table.timesteps] for table in tables]


def test_with_one_step_the_model_is_told_the_same_for_either_resolution(distilled: SchedulerConfig) -> None:
    for resolution in ("previous", "current"):
        plan = plan_of(distilled, 1, resolution)
        told = [table.timesteps for table in schedule.schedules(plan, FULL, PATCH, False)]
        assert told == [(998.0,), (742.0,), (385.0,)]


def test_the_pyramid_cuts_timesteps_and_base_does_not(base: SchedulerConfig, mid: SchedulerConfig) -> None:
    (single,) = schedule.schedules(plan_of(base, 7, "previous"), FULL, PATCH, False)
    assert any(timestep != int(timestep) for timestep in single.timesteps)
    tables = schedule.schedules(plan_of(mid, 7, "previous"), FULL, PATCH, False)
    assert all(timestep == int(timestep) for table in tables for timestep in table.timesteps)


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16, 32])
def test_the_level_that_diffusers_looks_up_is_that_of_the_step(
    distilled: SchedulerConfig, theirs: Any, steps: int
) -> None:
    """It takes the level whose timestep is nearest to the cut one; ours takes the step's own, which is the same."""
    scheduler = theirs(distilled)
    for number, tokens in enumerate(TOKENS):
        scheduler.set_timesteps(steps, number, mu=linear_shift(tokens, distilled))
        assert [nearest(scheduler, timestep) for timestep in scheduler.timesteps] == list(range(steps))


def test_with_very_many_steps_diffusers_looks_up_others(distilled: SchedulerConfig, theirs: Any) -> None:
    """Timesteps less than one apart are mixed up by the cut; ours still takes every step in its turn."""
    scheduler = theirs(distilled)
    scheduler.set_timesteps(600, 0, mu=linear_shift(540, distilled))
    assert [nearest(scheduler, timestep) for timestep in scheduler.timesteps] != list(range(600))


def nearest(scheduler: Any, timestep: torch.Tensor) -> int:
    return int((scheduler.timesteps - timestep.long()).abs().argmin())
