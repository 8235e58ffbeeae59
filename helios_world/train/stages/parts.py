"""The groups of settings that recipes are made of; see `helios_world.train.stages.recipe`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from helios_world.memory import HistoryLayout
from helios_world.sampling.config import PUBLISHED_PYRAMID, SchedulerConfig

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]


class Part(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LayoutPart(Part):
    """Latents per chunk and of each part of the history."""

    long: Positive = 16
    mid: Positive = 2
    short: Positive = 1
    chunk: Positive = 9

    def layout(self) -> HistoryLayout:
        return HistoryLayout(self.long, self.mid, self.short, self.chunk)


class ShardsPart(Part):
    """Clips of a folder of shards (`helios_world.train.shards`), in cuts of `sections` chunks."""

    kind: Literal["shards"]
    path: str
    sections: Positive


class LandsPart(Part):
    """Walks in the lands of `sections` chunks, seen through the codec and the words of the world folder `parts`."""

    kind: Literal["lands"]
    parts: str = "nano"
    sections: Positive
    detail: Share = 0.0


class AdapterPart(Part):
    """Low-rank adapters on all linear layers.

    Args:
        alpha: the factor is alpha / rank; None for as much as the rank.
        patches: embeddings of latents that get them too, such as "patch_embedding".
        full: beginnings of the names of weights that are trained whole, such as "patch_short".
    """

    rank: Positive = 128
    alpha: float | None = None
    patches: tuple[str, ...] = ()
    full: tuple[str, ...] = ()


class OptimizerPart(Part):
    """AdamW, a rate that rises over `warmup` updates and stays, and an average of the weights from an update on.

    Updates are counted from the beginning of the part of a stage that the settings are for.
    """

    learning_rate: Annotated[float, Field(gt=0)]
    betas: Range = (0.9, 0.999)
    weight_decay: float = 1e-4
    clip: float = 1.0
    warmup: Annotated[int, Field(ge=0)] = 0
    average: Share | None = None
    average_from: Annotated[int, Field(ge=0)] = 0


class DroppingPart(Part):
    """Chances of history dropping, one after the other: all, all but the newest, an old part."""

    text: Share = 0.4
    image: Share = 0.1
    partial: Share = 0.4


class LightPart(Part):
    """Chance of a clean window; else a factor below or above 1, each as often."""

    clean: Share = 0.1
    less: Range = (0.3, 0.999)
    more: Range = (1.001, 1.7)


class CorruptionPart(Part):
    """Frame-aware corruption.

    Args:
        clean: share of histories without noise or blur; of the others, `blur` are blurred.
        noise: levels between which each frame's is drawn.
        blur_ratio: sizes between which each window's is drawn.
    """

    clean: Share = 0.1
    noise: Range = (0.0, 1 / 3)
    blur: Share = 0.1
    blur_ratio: Range = (0.9, 1.0)
    saturation: LightPart | None = LightPart()
    exposure: LightPart | None = LightPart()


class SchedulePart(Part):
    """The pyramid's stages, as in scheduler_config.json, and how noise levels are moved."""

    stages: Positive = 3
    stage_range: tuple[float, ...] = (0.0, 1 / 3, 2 / 3, 1.0)
    gamma: float = 1 / 3
    dynamic_shift: Literal["exponential", "linear"] | None = "exponential"

    def config(self, solver: Literal["euler", "unipc", "dmd"]) -> SchedulerConfig:
        """CheckpointError where the settings contradict each other."""
        return replace(
            PUBLISHED_PYRAMID,
            solver=solver,
            stages=self.stages,
            stage_range=self.stage_range,
            gamma=self.gamma,
            dynamic_shift=self.dynamic_shift,
        )


class TrajectoryPart(Part):
    """The first steps of distill: the generator learns where the teacher's way ends from points on it.

    Args:
        steps: of training.
        teacher_steps, guidance: how the teacher samples, in each stage of the pyramid.
        sections: of the teacher's rollout; the loss is taken in `trained` of them.
        weight: of the loss.
        zero_steps: as in `helios_world.sampling.config.Guidance`.
        shift: the teacher's, which is not the generator's.
    """

    steps: Positive
    optimizer: OptimizerPart = OptimizerPart(
        learning_rate=2e-6, betas=(0.0, 0.999), weight_decay=1e-3, clip=10.0, average=0.99, average_from=250
    )
    teacher_steps: tuple[Positive, ...] = (20, 20, 20)
    guidance: float = 5.0
    zero_steps: int = 1
    shift: Literal["exponential", "linear"] | None = "exponential"
    sections: Positive = 5
    trained: Positive = 3
    weight: float = 80.0

    @model_validator(mode="after")
    def _fits(self) -> TrajectoryPart:
        if self.trained > self.sections:
            raise ValueError(f"the rollout has {self.sections} sections; trained is {self.trained}")
        return self


class AdversarialPart(Part):
    """Heads on the fake score's hidden states, from a step on.

    Args:
        blocks: whose outputs they read, besides the last one's; counted from 0.
        channels: of a head.
        generator_weight, critic_weight: of the softplus losses.
        penalty, penalty_noise: weight of the approximate R1, whatever `critic_weight` is, and the size of the noise on
            what the heads see.
    """

    begin: Annotated[int, Field(ge=0)] = 1000
    blocks: tuple[int, ...] = (5, 15, 25, 35)
    channels: Positive = 768
    generator_weight: float = 5e-2
    critic_weight: float = 1e-2
    penalty: float = 100.0
    penalty_noise: float = 0.1


class MatchingPart(Part):
    """Distribution matching.

    Args:
        every: the critic learns in each step, the generator in every so-many-th.
        steps: of the generator, in each stage of the pyramid; `amplify_first` doubles them in a first chunk.
        real_guidance: the real score is cond + real_guidance (cond - uncond).
        levels: the least and the largest noise level of the scores.
        beta, beta_steps: the generator's levels are Beta-distributed at first and uniform after so many steps.
        own_history: share of steps in which the history is what the generator made itself (the self-rollout).
    """

    every: Positive = 5
    generator: OptimizerPart = OptimizerPart(
        learning_rate=2e-6, betas=(0.0, 0.999), weight_decay=1e-3, clip=10.0, average=0.99, average_from=750
    )
    critic: OptimizerPart = OptimizerPart(learning_rate=4e-7, betas=(0.0, 0.999), weight_decay=1e-3, clip=10.0)
    steps: tuple[Positive, ...] = (2, 2, 2)
    amplify_first: bool = True
    real_guidance: float = 3.0
    levels: Range = (0.02, 0.98)
    beta: Range = (4.0, 1.5)
    beta_steps: int = 500
    own_history: Share = 0.0
    adversarial: AdversarialPart | None = None
