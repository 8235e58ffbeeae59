"""What a training run does, as data. A recipe is a JSON file; unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldPart(_Part):
    """The lands as the model sees them: frame size in pixels, the look's dial, the prompt's cross-fade in chunks."""

    height: int = Field(multiple_of=8)
    width: int = Field(multiple_of=8)
    detail: float = Field(ge=0, le=1)
    blend: int = Field(ge=1)


class CodecPart(_Part):
    """`frames` clips to fit the linear part on, `steps` of `batch` clips for the learned residual."""

    latent_channels: int
    hidden: int
    blocks: int
    clips: int
    steps: int
    batch: int
    learning_rate: float


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
    transformer: dict[str, Any]
    streams: StreamPart
    optimizer: OptimizerPart
    sigmas: tuple[float, ...]
    first_sigmas: tuple[float, ...]
    save_every: int
    sheet_every: int

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
