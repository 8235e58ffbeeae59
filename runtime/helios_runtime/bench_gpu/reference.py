"""diffusers' side: its HeliosPyramidPipeline, which makes its chunks from the noise of our sessions, one at a time.

The noise is put in by methods that the class has for it. They are called at the start of every chunk and stage, which
is also how the chunks of one long call are told apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from helios_runtime.bench_gpu.models import PROMPT, Models
from helios_world.official.dependencies import borrow
from helios_world.sampling.config import PUBLISHED_PYRAMID
from helios_world.sampling.noise import chunk_noise
from helios_world.sampling.pyramid import block_noise

Between = Callable[[int], None]
"""Called before chunk 0, 1, …, when all noise of the chunk is there."""


class StoppedError(Exception):
    """Enough chunks were made."""


class Noise:
    """The noise of our session of `seed`, chunk by chunk, ready before the chunk begins."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device = seed, device
        self._chunk = -1
        self._levels: dict[tuple[int, ...], Tensor] = {}

    def next_chunk(self, shape: tuple[int, ...]) -> int:
        """Draw all of the next chunk's, of [B, C, F, h, w] at full size. Returns the chunk's number."""
        self._chunk += 1
        *lead, height, width = shape
        halvings = PUBLISHED_PYRAMID.stages - 1
        sizes = [(*lead, height >> halvings - level, width >> halvings - level) for level in range(1, halvings + 1)]
        drawn = {size: self._draw(size, level) for level, size in enumerate(sizes, start=1)}
        self._levels = {size: block_noise(normal, PUBLISHED_PYRAMID.gamma) for size, normal in drawn.items()}
        self._full = self._draw(shape, 0)
        return self._chunk

    @property
    def full(self) -> Tensor:
        return self._full

    def block(self, shape: tuple[int, ...]) -> Tensor:
        return self._levels[shape]

    def _draw(self, shape: tuple[int, ...], level: int) -> Tensor:
        return chunk_noise(self._seed, self._chunk, shape, self._device, level=level)


def open_pipeline(models: Models, **replaced: Any) -> Any:
    """The pipeline over the parts of `models`, any of which may be replaced by name.

    Raises:
        DependencyError: diffusers is missing, or has no such pipeline.
    """
    scheduler = borrow("diffusers", "HeliosDMDScheduler")(
        stages=PUBLISHED_PYRAMID.stages,
        stage_range=list(PUBLISHED_PYRAMID.stage_range),
        gamma=PUBLISHED_PYRAMID.gamma,
        use_dynamic_shifting=True,
        time_shift_type="linear",
    )
    parts = {
        "tokenizer": models.tokenizer,
        "text_encoder": models.text,
        "vae": models.vae,
        "transformer": models.theirs,
        **replaced,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = _reference_class()(scheduler=scheduler, is_cfg_zero_star=False, is_distilled=True, **parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_chunks(
    pipeline: Any, models: Models, steps: tuple[int, ...], seed: int, chunks: int, between: Between
) -> Tensor | None:
    """Let it make so many chunks of a session.

    Returns:
        The latents of all chunks, [1, C, F, h, w]; None if `between` raised StoppedError.
    """
    size = models.size
    pipeline.listen(Noise(seed, models.compute.device), between)
    with warnings.catch_warnings(), models.compute.threaded():
        warnings.simplefilter("ignore")
        try:
            made: Tensor = pipeline(
                prompt=PROMPT,
                height=size.height,
                width=size.width,
                num_frames=size.frames * chunks,
                num_latent_frames_per_chunk=size.layout.chunk,
                guidance_scale=1.0,
                pyramid_num_inference_steps_list=list(steps),
                max_sequence_length=size.text_tokens,
                output_type="latent",
            ).frames
        except StoppedError:
            return None
    return made[:, :, -size.layout.chunk * chunks :]


def _reference_class() -> Any:
    """Made when it is needed: diffusers is optional, and takes long to import."""
    base = borrow("diffusers", "HeliosPyramidPipeline")

    class ReferencePipeline(base):  # type: ignore[misc, valid-type]
        def listen(self, noise: Noise, between: Between) -> None:
            self._told = noise, between

        def prepare_latents(
            self, batch: int, channels: int, height: int, width: int, frames: int, *_: Any, **__: Any
        ) -> Tensor:
            noise, between = self._told
            time, side = self.vae_scale_factor_temporal, self.vae_scale_factor_spatial
            between(noise.next_chunk((batch, channels, (frames - 1) // time + 1, height // side, width // side)))
            return noise.full

        def sample_block_noise(
            self, batch: int, channels: int, frames: int, height: int, width: int, *_: Any, **__: Any
        ) -> Tensor:
            return self._told[0].block((batch, channels, frames, height, width))

    return ReferencePipeline
