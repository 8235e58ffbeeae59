"""Settings and plans that cannot be meant are refused, with the value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helios_world.errors import CheckpointError
from helios_world.sampling.config import Guidance, SamplingPlan, SchedulerConfig


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"solver": "heun"}, "scheduler_type is 'heun'; known are 'euler', 'unipc', 'dmd'"),
        ({"solver_type": "bh3"}, "solver_type is 'bh3'; known are 'bh1', 'bh2'"),
        ({"dynamic_shift": "cubic"}, "time_shift_type is 'cubic'; known are None, 'exponential', 'linear'"),
        ({"stages": 2}, "stages is 2, stage_range is .* it needs one number more"),
        ({"stages": 0, "stage_range": (0.0,)}, "stages is 0"),
        ({"stage_range": (0.0, 0.6, 0.3, 1.0)}, r"stage_range is .* growing numbers from 0 to 1"),
        ({"stage_range": (0.0, 0.3, 0.6, 1.2)}, r"stage_range is .* growing numbers from 0 to 1"),
        ({"stage_range": (-0.1, 0.3, 0.6, 1.0)}, r"stage_range is .* growing numbers from 0 to 1"),
        ({"gamma": 0.0}, r"gamma is 0\.0; .* up to 1/3"),
        ({"gamma": 0.34}, r"gamma is 0\.34; .* up to 1/3"),
        ({"solver": "dmd", "stages": 1, "stage_range": (0.0, 1.0)}, "stages is 1; .* at least 2"),
        ({"solver_order": 0}, "solver_order is 0; it must be at least 1"),
        ({"shift": 3.0}, r"shift is 3\.0; with use_dynamic_shifting it must be 1"),
        ({"shift": 0.0, "dynamic_shift": None}, r"shift is 0\.0; it must be above 0"),
        ({"base_image_seq_len": 4096}, "are both 4096"),
    ],
)
def test_impossible_settings_are_told(mid: SchedulerConfig, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        replace(mid, **changes)


def test_a_single_stage_needs_no_gamma(base: SchedulerConfig) -> None:
    assert replace(base, gamma=0.5).gamma == 0.5


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"steps": (2, 2)}, r"3 stages need as many numbers of steps above 0; got \(2, 2\)"),
        ({"steps": (2, 0, 2)}, r"3 stages need as many numbers of steps above 0; got \(2, 0, 2\)"),
        ({"amplify_first": True}, "amplify_first is only for the solver 'dmd'; this one is 'unipc'"),
        ({"shift_resolution": "next"}, "shift_resolution is 'next'; use 'previous' or 'current'"),
    ],
)
def test_plans_that_do_not_fit_are_told(mid: SchedulerConfig, changes: dict[str, Any], told: str) -> None:
    plan = SamplingPlan(mid, (2, 2, 2), Guidance(5.0, zero_star=True), False, "previous")
    with pytest.raises(ValueError, match=told):
        replace(plan, **changes)
