"""What a training run does, as data. A recipe is a JSON file; unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldPart(_Part):
    """The lands as the model sees them: frame size in pixels, the look's dial, the prompt's cross-fade in chunks."""

    height: int = Field(multiple_of=8)
    width: int = Field(multiple_of=8)
    detail: float = Field(ge=0, le=1)
    blend: int = Field(ge=1)


class CodecPart(_Part):
    """`clips` clips to fit the linear part on, `steps` of `batch` clips for the learned residual; `deblock` as in
    `helios_world.codec.CodecConfig`.
    """

    latent_channels: int
    hidden: int
    blocks: int
    clips: int
    steps: int
    batch: int
    learning_rate: float
    deblock: tuple[float, ...] = ()


class AtlasPart(_Part):
    """What the model knows of its lands by heart, trained on views from anywhere before the video model is.

    Args:
        hidden, depth: of the light field, per land; stride, landmarks: hidden channels of odometry and localizer.
        reader_steps, odometry_steps, field_steps, localizer_steps: of 256 captions, of `walkers` chunks, and of
            `field_batch` views.
        reader_rate, odometry_rate, field_rate, localizer_rate: of AdamW, at the beginning.
        kept: views in store; every few steps `painted` ones of one land replace its oldest.
    """

    hidden: int
    depth: int
    stride: int
    landmarks: int
    reader_steps: int
    reader_rate: float
    odometry_steps: int
    odometry_rate: float
    walkers: int
    field_steps: int
    field_rate: float
    field_batch: int
    localizer_steps: int
    localizer_rate: float
    kept: int
    painted: int

    @model_validator(mode="after")
    def _fits(self) -> AtlasPart:
        if 4 * self.painted > self.kept:
            raise ValueError(f"{self.painted} views painted at a time do not fit into {self.kept} for four lands")
        return self


class TextPart(_Part):
    """`steps` on captions alone, before the video model trains it further with `auxiliary` weight on the scene."""

    steps: int
    auxiliary: float


class StreamPart(_Part):
    """The walkers that the batches are drawn from.

    Args:
        count: walkers alive at once.
        words, image: shares of walks that begin from words alone and from one picture; the rest continue a walk.
        life: mean length of a walk in chunks.
        prompt_change: chance per chunk that the prompt changes.
        prompt_dropout: share of walks without words (never those that begin from words).
        rest: share of the walkers' choices to stand still, besides the habits.
        own: the share of walks whose history is what the model itself made, at the end of training.
        own_from, own_to: the steps between which it rises from 0.
        segment: mean length in chunks of a stretch on own or on true history; of a share `far` of them, `far_segment`.
        noise: largest noise level added to a true history frame; `clean` of the histories get none.
        lost: with an atlas, share of the walkers that do not know where they are; drift: metres that the others are
            wrong about it at most in one direction (standard deviation; a fifth as many radians), and `astray` of them
            eight times as many.
    """

    count: int
    words: float
    image: float
    life: float
    prompt_change: float
    prompt_dropout: float
    rest: float
    own: float
    own_from: int
    own_to: int
    segment: float
    far: float
    far_segment: float
    noise: float
    clean: float
    lost: float = 0.0
    drift: float = 0.0
    astray: float = 0.0


class OptimizerPart(_Part):
    """Muon for the matrices of the blocks, AdamW for the rest; a constant rate that falls to 0 over `decay` steps."""

    muon: float
    adamw: float
    weight_decay: float
    warmup: int
    decay: int
    clip: float
    ema: float


class Recipe(_Part):
    """A whole run.

    Args:
        batch: sequences per step and process.
        second: share of them that is denoised from a second noise level, between `lowest_sigma` and 1, as well.
        refined: share of what the model remembers of its own that went through all of `refined_sigmas`, not one step.
            It is the last part of a batch, and `second` the first part.
        pose: weight of the hint that predicts the pose.
        transformer: the keys of TransformerConfig.
        sigmas, first_sigmas: noise levels of the sampler, of any chunk and of a first one made from words.
    """

    name: str
    seed: int
    steps: int
    batch: int
    second: float
    lowest_sigma: float
    refined: float
    refined_sigmas: tuple[float, ...]
    pose: float
    world: WorldPart
    codec: CodecPart
    text: TextPart
    atlas: AtlasPart | None = None
    transformer: dict[str, Any]
    streams: StreamPart
    optimizer: OptimizerPart
    sigmas: tuple[float, ...]
    first_sigmas: tuple[float, ...]
    save_every: int
    sheet_every: int

    @model_validator(mode="after")
    def _guides(self) -> Recipe:
        guided = bool(self.transformer.get("guided", False))
        if guided != (self.atlas is not None):
            raise ValueError(f"the transformer's guided is {guided}; it has to be true with an atlas and only then")
        return self

    def scaled(self, steps: int) -> Recipe:
        """The same plan in another number of steps: what is told in steps grows or shrinks with them."""
        share = steps / self.steps
        streams = {name: round(share * getattr(self.streams, name)) for name in ("own_from", "own_to")}
        streams["own_to"] = max(streams["own_to"], streams["own_from"] + 1)
        decay = max(1, round(share * self.optimizer.decay))
        return self.model_copy(
            update={
                "steps": steps,
                "streams": self.streams.model_copy(update=streams),
                "optimizer": self.optimizer.model_copy(update={"decay": decay}),
            }
        )

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe file; pydantic's ValidationError names what is wrong."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
