"""What a session remembers when it begins with a picture or a video.

The first frame becomes the anchor, and what happened before the first chunk becomes the history: a picture has stood
still for a chunk, a video is cut into chunks that end with its last frame. Noise is added to both, since the model
was trained on histories that are not quite clean.

Every random number comes from the session's seed, index 0 and a level of its own. The levels start at START, far from
those that the sampler takes for the first chunk, and count from the newest latent backwards, so that a longer video
with the same end gives the same history:

START            the distribution of the anchor
START + 1, + 2   the noise level of the anchor, its noise
START + 3 + 3 n  the distribution of the chunk n before the newest; n = 0 for the newest, and for a picture
START + 4 + 3 n  the noise level of the latent n before the newest
START + 5 + 3 n  its noise

Shapes: C latent channels, F latent frames, h w latent height and width, T frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from helios_world import arguments
from helios_world.memory import HistoryLayout, RollingMemory
from helios_world.sampling.flow import interpolate
from helios_world.sampling.noise import chunk_noise, chunk_uniform
from helios_world.spec import Frames

START = 1000
"""The first level of the draws listed above."""
_DRAWS = 3

Range = tuple[float, float]


class Codec(Protocol):
    """What `VideoCodec` offers here."""

    temporal: int

    def encode(self, frames: Frames, draw: Callable[[tuple[int, ...]], Tensor]) -> Tensor: ...


@dataclass(frozen=True)
class StartNoise:
    """How much noise is added to what a session begins with: none, or a noise level drawn from a range in [0, 1].

    Args:
        image: for the anchor, drawn once.
        video: for the history, drawn for every latent.
    """

    image: Range | None = (0.111, 0.135)
    video: Range | None = (0.111, 0.135)


def remember_image(
    memory: RollingMemory, codec: Codec, image: Frames, seed: int, noise: StartNoise, chunk: int
) -> None:
    """Begin with a picture.

    Args:
        memory: empty.
        image: uint8 [H, W, 3], of the size that the memory is for.
        seed: of the session.
        chunk: latents per chunk.

    Raises:
        FrameError: no picture, or one of a size that the codec does not take.
    """
    still = np.broadcast_to(arguments.check_image(image), (_frames(codec, chunk), *image.shape))
    anchor = codec.encode(still[:1], _normal(seed, 0))
    history = codec.encode(still, _normal(seed, 1))[:, :, -1:]
    remember_latents(memory, anchor, history, seed, noise)


def remember_video(
    memory: RollingMemory, codec: Codec, video: Frames, seed: int, noise: StartNoise, chunk: int
) -> None:
    """Continue a video. Arguments as for `remember_image`.

    Args:
        video: uint8 [T, H, W, 3], T at least the frames of a chunk. What is left over at its beginning only gives the
            anchor.

    Raises:
        FrameError: no video, too short a one, or one of a size that the codec does not take.
    """
    length = _frames(codec, chunk)
    kept = needed(arguments.check_video(video, length), memory.layout, length, chunk)
    anchor = codec.encode(kept[:1], _normal(seed, 0))
    count = len(kept) // length
    pieces = np.split(kept[len(kept) - count * length :], count)
    draws = [_normal(seed, count - number) for number in range(count)]
    latents = [codec.encode(piece, draw) for piece, draw in zip(pieces, draws, strict=True)]
    remember_latents(memory, anchor, torch.cat(latents, dim=2), seed, noise)


def remember_latents(memory: RollingMemory, anchor: Tensor, history: Tensor, seed: int, noise: StartNoise) -> None:
    """Begin with latents that were encoded before, any number of them, and add the noise.

    Args:
        anchor: float32 [1, C, 1, h, w].
        history: float32 [1, C, F, h, w], F ≥ 1, the newest last.
    """
    newest = history[:, :, -memory.layout.length :].unbind(2)
    ages = range(len(newest))
    noised = [_noised(latent, seed, 1 + age, noise.video) for age, latent in zip(ages, reversed(newest), strict=True)]
    memory.set_anchor(_noised(anchor, seed, 0, noise.image))
    memory.append(torch.stack(noised[::-1], dim=2))


def needed(video: Frames, layout: HistoryLayout, length: int, chunk: int) -> Frames:
    """The frames that `remember_video` looks at: the first one, and as many chunks at the end as are remembered.

    The result is a video that gives the same memory. Frames of any size; `length` frames make `chunk` latents.
    """
    count = min(len(video) // length, -(-layout.length // chunk))
    if len(video) <= count * length + 1:
        return video
    return np.concatenate([video[:1], video[len(video) - count * length :]])


def _frames(codec: Codec, chunk: int) -> int:
    return codec.temporal * (chunk - 1) + 1


def _normal(seed: int, number: int) -> Callable[[tuple[int, ...]], Tensor]:
    return lambda shape: chunk_noise(seed, 0, shape, level=START + _DRAWS * number)


def _noised(latent: Tensor, seed: int, number: int, levels: Range | None) -> Tensor:
    if levels is None:
        return latent
    level = START + _DRAWS * number
    low, high = levels
    sigma = chunk_uniform(seed, 0, (1,), latent.device, level=level + 1) * (high - low) + low
    return interpolate(latent, chunk_noise(seed, 0, latent.shape, latent.device, level=level + 2), sigma)
