"""How a chunk is sampled: what a checkpoint's scheduler says, and what was chosen on top of it. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from helios_world.errors import CheckpointError

MOST_GAMMA = 1 / 3
"""How strongly noise can at most be anti-correlated within 2×2 blocks."""


@dataclass(frozen=True)
class SchedulerConfig:
    """What a checkpoint's scheduler_config.json says that the computation depends on.

    Args:
        solver: how a step is taken; the file's scheduler_type, "dmd" for the Distilled checkpoint.
        stages, stage_range: the pyramid's stages, and where in the flow they begin and end, from 0 to 1.
        gamma: how strongly the noise added between two stages is anti-correlated within a block.
        shift: moves the pyramid's noise levels. A single stage does not look at it, as in the published pipeline.
        dynamic_shift: how noise levels are moved by the number of noisy tokens; None for not at all.
        num_train_timesteps: resolution of the noise levels in training.
        solver_order, solver_type, lower_order_final, disable_corrector, predict_x0: of UniPC.
        base_image_seq_len, max_image_seq_len, base_shift, max_shift: two numbers of tokens, and the shift for each.

    Raises:
        CheckpointError: settings that contradict each other or do not exist.
    """

    solver: Literal["euler", "unipc", "dmd"]
    stages: int
    stage_range: tuple[float, ...]
    gamma: float
    shift: float
    dynamic_shift: Literal["exponential", "linear"] | None
    num_train_timesteps: int
    solver_order: int
    solver_type: Literal["bh1", "bh2"]
    lower_order_final: bool
    disable_corrector: tuple[int, ...]
    predict_x0: bool
    base_image_seq_len: int
    max_image_seq_len: int
    base_shift: float
    max_shift: float

    def __post_init__(self) -> None:
        _among("scheduler_type", self.solver, ("euler", "unipc", "dmd"))
        _among("time_shift_type", self.dynamic_shift, (None, "exponential", "linear"))
        _among("solver_type", self.solver_type, ("bh1", "bh2"))
        self._check_stages()
        self._check_numbers()

    def _check_stages(self) -> None:
        if self.stages < 1 or len(self.stage_range) != self.stages + 1:
            raise CheckpointError(
                f"stages is {self.stages}, stage_range is {self.stage_range}: it needs one number more"
            )
        places = [int(part * self.num_train_timesteps) for part in self.stage_range]
        if any(first >= last for first, last in pairwise([-1, *places, self.num_train_timesteps + 1])):
            raise CheckpointError(f"stage_range is {self.stage_range}; it needs growing numbers from 0 to 1")
        if self.stages > 1 and not 0 < self.gamma <= MOST_GAMMA:
            raise CheckpointError(f"gamma is {self.gamma}; noise in 2×2 blocks can be anti-correlated by up to 1/3")
        if self.stages == 1 and self.solver == "dmd":
            raise CheckpointError("stages is 1; the distilled scheduler runs a pyramid of at least 2")

    def _check_numbers(self) -> None:
        if self.solver_order < 1:
            raise CheckpointError(f"solver_order is {self.solver_order}; it must be at least 1")
        if self.shift <= 0:
            raise CheckpointError(f"shift is {self.shift}; it must be above 0")
        if self.dynamic_shift is not None and self.shift != 1:
            raise CheckpointError(f"shift is {self.shift}; with use_dynamic_shifting it must be 1")
        if self.base_image_seq_len == self.max_image_seq_len:
            raise CheckpointError(f"base_image_seq_len and max_image_seq_len are both {self.max_image_seq_len}")


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance.

    Args:
        scale: how far away from the negative prompt; at 1 or below it is not asked, and a step is one forward.
        zero_star: CFG-Zero* instead of the plain rule.
        zero_init, zero_steps: with CFG-Zero*, whether the first step of the first stage stands still, and how many
            after it. The published pipeline counts this way: its `zero_steps` of 1 makes two steps stand still.
    """

    scale: float
    zero_star: bool
    zero_init: bool = True
    zero_steps: int = 1


@dataclass(frozen=True)
class SamplingPlan:
    """How every chunk of a session is sampled.

    Args:
        steps: of each stage.
        amplify_first: twice the steps in the first chunk; only "dmd" has it.
        shift_resolution: whether a stage's dynamic shift is that of the stage before ("previous", as the published
            pipelines sample) or its own ("current", as the model was trained).

    Raises:
        ValueError: a plan that does not fit its scheduler.
    """

    scheduler: SchedulerConfig
    steps: tuple[int, ...]
    guidance: Guidance
    amplify_first: bool
    shift_resolution: Literal["previous", "current"]

    def __post_init__(self) -> None:
        if len(self.steps) != self.scheduler.stages or min(self.steps) < 1:
            raise ValueError(f"{self.scheduler.stages} stages need as many numbers of steps above 0; got {self.steps}")
        if self.amplify_first and self.scheduler.solver != "dmd":
            raise ValueError(f"amplify_first is only for the solver 'dmd'; this one is {self.scheduler.solver!r}")
        if self.shift_resolution not in ("previous", "current"):
            raise ValueError(f"shift_resolution is {self.shift_resolution!r}; use 'previous' or 'current'")


def _among(key: str, value: str | None, known: tuple[str | None, ...]) -> None:
    if value not in known:
        raise CheckpointError(f"{key} is {value!r}; known are {', '.join(map(repr, known))}")


PUBLISHED_PYRAMID = SchedulerConfig(
    solver="dmd",
    stages=3,
    stage_range=(0.0, 1 / 3, 2 / 3, 1.0),
    gamma=1 / 3,
    shift=1.0,
    dynamic_shift="linear",
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
"""The scheduler of the published Distilled checkpoint."""
