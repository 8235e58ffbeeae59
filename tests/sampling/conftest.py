"""A scheduler's settings, and the scheduler in diffusers that has the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from helios_world.sampling.config import SchedulerConfig

Theirs = Callable[..., Any]

MID = SchedulerConfig(
    solver="unipc",
    stages=3,
    stage_range=(0.0, 1 / 3, 2 / 3, 1.0),
    gamma=1 / 3,
    shift=1.0,
    dynamic_shift="exponential",
    num_train_timesteps=1000,
    solver_order=2,
    solver_type="bh2",
    lower_order_final=True,
    disable_corrector=(),
    predict_x0=True,
    base_image_seq_len=256,
    max_image_seq_len=4096,
    base_shift=0.5,
    max_shift=1.15,
)
SHARED = ("stages", "gamma", "shift", "num_train_timesteps")
OF_UNIPC = ("solver_order", "solver_type", "lower_order_final", "predict_x0")


@pytest.fixture(scope="session")
def mid() -> SchedulerConfig:
    """The settings of the Mid checkpoint."""
    return MID


@pytest.fixture(scope="session")
def base() -> SchedulerConfig:
    """The settings of the Base checkpoint."""
    return replace(MID, stages=1, stage_range=(0.0, 1.0))


@pytest.fixture(scope="session")
def distilled() -> SchedulerConfig:
    """The settings of the Distilled checkpoint."""
    return replace(MID, solver="dmd", dynamic_shift="linear")


@pytest.fixture(scope="session")
def theirs() -> Theirs:
    """From our settings to a scheduler of diffusers; keywords are added to its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
        plain, dmd = diffusers.HeliosScheduler, diffusers.HeliosDMDScheduler

    def make(config: SchedulerConfig, **more: Any) -> Any:
        known: dict[str, Any] = {name: getattr(config, name) for name in SHARED}
        known["stage_range"] = list(config.stage_range)
        known["use_dynamic_shifting"] = config.dynamic_shift is not None
        known["time_shift_type"] = config.dynamic_shift or "linear"
        if config.solver == "dmd":
            return dmd(**known, **more)
        known |= {name: getattr(config, name) for name in OF_UNIPC}
        return plain(**known, scheduler_type=config.solver, disable_corrector=list(config.disable_corrector), **more)

    return make
