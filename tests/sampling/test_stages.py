"""The pyramid's stages: the published numbers, and to the last bit those of diffusers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helios_world.sampling.config import SchedulerConfig
from helios_world.sampling.stages import stages

# diffusers hands tensors to numpy in a way that numpy is going to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_published_tables(mid: SchedulerConfig) -> None:
    table = stages(mid)
    assert [stage.boundary for stage in table] == pytest.approx([0.999, 0.666333, 0.333666], abs=1e-6)
    assert [stage.start for stage in table] == pytest.approx([0.999, 0.799760, 0.500374], abs=1e-6)
    assert [stage.end for stage in table] == pytest.approx([0.666333, 0.333666, 0], abs=1e-6)
    assert [stage.keep for stage in table] == pytest.approx([1, 0.600120, 0.749813], abs=1e-6)
    assert [stage.renoise for stage in table] == pytest.approx([0, 0.692612, 0.433337], abs=1e-6)
    ranges = [(stage.first_timestep, stage.last_timestep) for stage in table]
    for actual, printed in zip(ranges, [(999, 743.51), (743.26, 385.97), (385.61, 1.384)], strict=True):
        assert actual == pytest.approx(printed, abs=0.005)


@pytest.mark.parametrize("count", [1000, 500, 2000])
@pytest.mark.parametrize("shift", [1.0, 3.0, 0.5])
@pytest.mark.parametrize("gamma", [1 / 3, 0.25, 0.1])
@pytest.mark.parametrize("parts", [(0, 1 / 3, 2 / 3, 1), (0, 0.5, 1), (0, 0.2, 0.5, 0.75, 1), (0.1, 0.5, 0.9), (0, 1)])
def test_every_number_is_that_of_diffusers(
    mid: SchedulerConfig, theirs: Any, parts: tuple[float, ...], gamma: float, shift: float, count: int
) -> None:
    known = {"stage_range": parts, "gamma": gamma, "shift": shift, "num_train_timesteps": count}
    config = replace(mid, stages=len(parts) - 1, dynamic_shift=None, **known)
    scheduler = theirs(config)
    for number, stage in enumerate(stages(config)):
        table = scheduler.timesteps_per_stage[number]
        assert stage.boundary == scheduler.ori_start_sigmas[number]
        assert stage.start == scheduler.start_sigmas[number]
        assert stage.end == scheduler.end_sigmas[number]
        assert (stage.first_timestep, stage.last_timestep) == (float(table[0]), float(table[-1]))
