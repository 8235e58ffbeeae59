"""What may be chosen when an official checkpoint is opened, beside device, dtype and threads. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from helios_world.arguments import check_prompt
from helios_world.errors import OptionError

TRAINED_CHUNK = 9
"""Latents per chunk that every published checkpoint was trained with."""
TRAINED_HISTORY = (16, 2, 1)
"""Latents at the long, mid and short time scale that every published checkpoint was trained with."""
TILE = 256
"""Pixels; the side of a tile that the codec of the published checkpoints works on."""

Positive = Annotated[int, Field(gt=0)]
Range = tuple[float, float]


class LoadOptions(TypedDict, total=False):
    """The keywords of World.load for an official checkpoint; `Options` says what they mean."""

    height: int
    width: int
    steps: int | Sequence[int] | None
    guidance: float | None
    negative_prompt: str
    zero_init: bool
    zero_steps: int
    amplify_first: bool | None
    shift_resolution: Literal["previous", "current"]
    blend: int
    fade: Literal["early", "late"]
    steering: str | Path | None
    loras: Mapping[str, float]
    variant: str
    offload: Literal["none", "group"]
    keep_text_encoder: bool | None
    text_tokens: int
    vae_dtype: Literal["float32", "bfloat16"]
    vae_tiling: bool | None
    vae_compile: bool
    vae_channels_last: bool
    attention: Literal["auto", "torch", "cudnn", "flash", "efficient", "fa3"]
    graphs: bool | Literal["auto"]
    precision: Literal["exact", "fp8"]
    image_noise: Range | None
    video_noise: Range | None
    fps: int
    second_anchor: bool
    latents_per_chunk: int
    history: Sequence[int]
    untrained: bool


class Options(BaseModel):
    """How an official checkpoint is run.

    Args:
        height, width: of the frames, in pixels; multiples of 64, for Base of 16.
        steps: network passes per chunk, one number for each stage of the pyramid. By default 50 for Base, (20, 20, 20)
            for Mid and (2, 2, 2) for Distilled; (1, 1, 1) is the fastest.
        guidance: scale of classifier-free guidance; 1 for none, which halves the work. By default 5, and 1 for
            Distilled, which knows no other.
        negative_prompt: what guidance leads away from.
        zero_init, zero_steps: of CFG-Zero*, as in `helios_world.sampling`.
        amplify_first: twice the steps in the first chunk; Distilled only, and there the default.
        shift_resolution: whether the schedule of a stage is shifted for the resolution of the stage before, as
            diffusers does, or for its own, as the model was trained.
        blend: chunks over which a new prompt fades in.
        fade: "early" begins in the first chunk after a change; "late" leaves that one as it was, as the authors do.
        steering: a table that turns actions into words, instead of the shipped one.
        loras: files or folders of low-rank adapters, each with its weight, merged in this order.
        variant: the folder of the transformer, such as "transformer_ode".
        offload: "group" keeps the weights on the host and brings them to the device block by block.
        keep_text_encoder: False drops its weights once a prompt is embedded and reads them again for a new one. By
            default it is kept, except with offloading.
        text_tokens: tokens of a prompt that the model reads.
        vae_dtype: in which frames are encoded and decoded.
        vae_tiling: code frames larger than 256 pixels in overlapping tiles, which takes less memory and changes them a
            little. By default only with offloading.
        vae_compile: compile the decoder, on the device; the first frames then take minutes.
        vae_channels_last: keep the codec's activations with the channels last.
        attention: what computes it. "auto" measures on a GPU what there is for each shape, and is torch's own choice
            elsewhere; a name fixes it. They round differently.
        graphs: replay every pass as a recorded CUDA graph. "auto" does so for the shapes whose pass is bound by the
            host; other devices, and offloading, have none.
        precision: "fp8" rounds most matrix products of the transformer to 8 bits, for a GPU of compute capability 8.9
            or newer. That changes the frames; nothing else does it by itself.
        image_noise, video_noise: range of the noise levels added to a given picture or video, None for none. Less noise
            keeps more of it, more noise gives more motion.
        fps: frames per second at which the frames are meant to be shown.
        second_anchor: take the anchor from the second chunk instead of the first.
        latents_per_chunk, history: as trained; other values need `untrained`.
        untrained: allow what no checkpoint was trained with.

    Raises:
        pydantic.ValidationError: `Options.read` turns it into an OptionError.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    height: Positive = 384
    width: Positive = 640
    steps: tuple[Positive, ...] | None = None
    guidance: float | None = Field(default=None, ge=1)
    negative_prompt: str = ""
    zero_init: bool = True
    zero_steps: int = Field(default=1, ge=0)
    amplify_first: bool | None = None
    shift_resolution: Literal["previous", "current"] = "previous"
    blend: Positive = 3
    fade: Literal["early", "late"] = "early"
    steering: Path | None = None
    loras: dict[str, float] = {}
    variant: str = "transformer"
    offload: Literal["none", "group"] = "none"
    keep_text_encoder: bool | None = None
    text_tokens: Positive = 512
    vae_dtype: Literal["float32", "bfloat16"] = "float32"
    vae_tiling: bool | None = None
    vae_compile: bool = False
    vae_channels_last: bool = False
    attention: Literal["auto", "torch", "cudnn", "flash", "efficient", "fa3"] = "auto"
    graphs: bool | Literal["auto"] = "auto"
    precision: Literal["exact", "fp8"] = "exact"
    image_noise: Range | None = (0.111, 0.135)
    video_noise: Range | None = (0.111, 0.135)
    fps: Positive = 24
    second_anchor: bool = False
    latents_per_chunk: Positive = TRAINED_CHUNK
    history: tuple[Positive, Positive, Positive] = TRAINED_HISTORY
    untrained: bool = False

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Options:
        """The options of `values`; OptionError names every wrong one."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            wrong = [_told(dict(e)) for e in error.errors()]
            raise OptionError(f"{'; '.join(wrong)}; the options are {sorted(cls.model_fields)}") from error

    @property
    def keeps_text_encoder(self) -> bool:
        return self.offload == "none" if self.keep_text_encoder is None else self.keep_text_encoder

    def tiles(self, side: int) -> bool:
        """Whether frames with a longer side of so many pixels are coded in tiles."""
        wanted = self.offload == "group" if self.vae_tiling is None else self.vae_tiling
        return wanted and side > TILE

    @field_validator("steps", mode="before")
    @classmethod
    def _one_stage(cls, steps: Any) -> Any:
        return (steps,) if isinstance(steps, int) and not isinstance(steps, bool) else steps

    @field_validator("negative_prompt")
    @classmethod
    def _a_prompt(cls, prompt: str) -> str:
        return check_prompt(prompt)

    @field_validator("image_noise", "video_noise")
    @classmethod
    def _levels(cls, levels: Range | None) -> Range | None:
        if levels is not None and not 0 <= levels[0] <= levels[1] <= 1:
            raise ValueError(f"noise levels go from low to high within 0 and 1; got {list(levels)}")
        return levels

    @model_validator(mode="after")
    def _as_trained(self) -> Options:
        asked = (self.latents_per_chunk, self.history)
        if asked != (TRAINED_CHUNK, TRAINED_HISTORY) and not self.untrained:
            raise ValueError(
                f"no checkpoint was trained with latents_per_chunk {asked[0]} and history {list(asked[1])}, only with "
                f"{TRAINED_CHUNK} and {list(TRAINED_HISTORY)}; pass untrained=True to try it all the same"
            )
        return self


def _told(error: dict[str, Any]) -> str:
    told = f"{'.'.join(map(str, error['loc'])) or 'options'}: {error['msg']}"
    # An unknown option is told by its name, and messages of our own have the value in them.
    return told if error["type"] in ("extra_forbidden", "value_error") else f"{told}, not {error['input']!r}"
