"""Whole sessions against the pipelines of diffusers, from the same noise: every kind, every start, several chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helios_world.dream import DreamWorld
from helios_world.official import starts
from helios_world.sampling.noise import chunk_noise, chunk_uniform
from helios_world.sampling.pyramid import block_noise
from helios_world.spec import Frames, World

MEAN, LEVEL, NOISE = 0, 1, 2
"""Draws of each latent of a start, counted from its first level: see helios_world.official.starts."""

pytestmark = [
    # diffusers hands tensors to numpy in a way that numpy is going to drop.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SIZE = (64, 128)
SEED = 11
CHUNKS = 4
PROMPT = "a brick garden at noon, the camera moves forward"
NEGATIVE = "rain"
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "base": (
        "base",
        {"steps": 10, "guidance": 5.0},
        {"num_inference_steps": 10, "guidance_scale": 5.0},
    ),
    "mid": (
        "mid",
        {"steps": (3, 2, 2), "guidance": 5.0},
        {"pyramid_num_inference_steps_list": [3, 2, 2], "guidance_scale": 5.0},
    ),
    "distilled once": (
        "distilled",
        {"steps": (1, 1, 1), "amplify_first": False},
        {"pyramid_num_inference_steps_list": [1, 1, 1], "guidance_scale": 1.0},
    ),
    "distilled twice": (
        "distilled",
        {"steps": (2, 2, 2), "amplify_first": True},
        {"pyramid_num_inference_steps_list": [2, 2, 2], "guidance_scale": 1.0, "is_amplify_first_chunk": True},
    ),
}
"""The kind of checkpoint, our options and the arguments of the reference."""
PICTURE = np.random.default_rng(1).integers(0, 256, (8, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
FILM = np.random.default_rng(2).integers(0, 256, (100, 8, 16, 3), np.uint8).repeat(8, 1).repeat(8, 2)


Level = int | list[int]
"""Of one draw, or of the draws of the latents of a chunk."""


class Noise:
    """Gives the reference, call by call, the numbers that our session draws by name.

    Args:
        start: levels of the numbers that encoding and noising the start takes, in the reference's order.
    """

    def __init__(self, start: list[Level]) -> None:
        self._start = iter(start)
        self._chunk = -1

    def normal(self, shape: Any, **_: Any) -> Tensor:
        """randn_tensor, as the pipelines call it: for the start, then once for each chunk."""
        level = next(self._start, None)
        if level is None:
            self._chunk += 1
            return chunk_noise(SEED, self._chunk, tuple(shape), level=0)
        if isinstance(level, int):
            return chunk_noise(SEED, 0, tuple(shape), level=level)
        batch, channels, _, height, width = shape
        return torch.stack([chunk_noise(SEED, 0, (batch, channels, height, width), level=one) for one in level], 2)

    def uniform(self, count: int, **_: Any) -> Tensor:
        level = next(self._start)
        levels = [level] if isinstance(level, int) else level
        assert len(levels) == count
        return torch.cat([chunk_uniform(SEED, 0, (1,), level=one) for one in levels])

    def block(self, batch: int, channels: int, frames: int, height: int, width: int, *_: Any) -> Tensor:
        """sample_block_noise; the reference's own takes the Cholesky factor of a singular matrix."""
        stage = {SIZE[0] // 16: 1, SIZE[0] // 8: 2}[height]
        normal = chunk_noise(SEED, self._chunk, (batch, channels, frames, height, width), level=stage)
        return block_noise(normal, 1 / 3)


@pytest.fixture
def compare(
    make_official: Callable[..., Path], open_reference: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Tensor, Tensor, Frames, Frames]]:
    """Latents of ours and of the reference [1, C, F, h, w], and the frames of both, uint8 [T, H, W, 3]."""

    def run(kind: str, given: dict[str, Any], start: list[Level], **changes: Any) -> tuple[Any, ...]:
        name, options, arguments = KINDS[kind]
        folder = make_official(name, **changes)
        latents, frames = ours(folder, options, given)
        return latents, *reference(open_reference(folder), arguments, given, Noise(start), monkeypatch), frames

    return run


def ours(folder: Path, options: dict[str, Any], given: dict[str, Any]) -> tuple[Tensor, Frames]:
    world = World.load(
        str(folder),
        device="cpu",
        dtype="float32",
        height=SIZE[0],
        width=SIZE[1],
        text_tokens=32,
        negative_prompt=NEGATIVE,
        **options,
    )
    latents, frames = [], []
    for chunk, made in session(world, given):
        frames.append(chunk)
        latents.append(made)
    return torch.cat(latents, dim=2), np.concatenate(frames)


def session(world: World, given: dict[str, Any]) -> Iterator[tuple[Frames, Tensor]]:
    assert isinstance(world, DreamWorld)
    made: list[Tensor] = []
    sample = world.dreamer.sample
    world.dreamer.sample = lambda *asked: made.append((got := sample(*asked))[0]) or got  # type: ignore[method-assign]
    yield world.reset(seed=SEED, prompt=PROMPT, **given).frames, made[-1]
    for _ in range(1, CHUNKS):
        yield world.step().frames, made[-1]


class Torch:
    """torch, but for rand."""

    def __init__(self, rand: Callable[..., Tensor]) -> None:
        self.rand = rand

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def reference(
    pipeline: Any, arguments: dict[str, Any], given: dict[str, Any], noise: Noise, patch: pytest.MonkeyPatch
) -> tuple[Tensor, Frames]:
    import sys

    import diffusers.models.autoencoders.vae as vae

    module = sys.modules[type(pipeline).__module__]
    decoded: list[Tensor] = []
    decode = pipeline.vae.decode

    def listen(latents: Tensor, **options: Any) -> Any:
        video = decode(latents, **options)
        decoded.append(video[0])
        return video

    with patch.context() as patched:
        patched.setattr(module, "randn_tensor", noise.normal)
        patched.setattr(vae, "randn_tensor", noise.normal)
        patched.setattr(module, "torch", Torch(noise.uniform))
        patched.setattr(pipeline.vae, "decode", listen)
        if hasattr(pipeline, "sample_block_noise"):
            patched.setattr(pipeline, "sample_block_noise", noise.block)
        pictures = {name: to_reference(value) for name, value in given.items()}
        latents = pipeline(
            prompt=PROMPT,
            negative_prompt=NEGATIVE,
            height=SIZE[0],
            width=SIZE[1],
            num_frames=33 * CHUNKS,
            output_type="latent",
            max_sequence_length=32,
            generator=torch.Generator().manual_seed(0),
            **pictures,
            **arguments,
        ).frames
    video = torch.cat(decoded, dim=2)[0].permute(1, 2, 3, 0)
    frames = ((video.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return latents[:, :, -9 * CHUNKS :], frames


def to_reference(given: Frames) -> Any:
    from PIL import Image

    if given.ndim == 3:
        return Image.fromarray(given)
    return [Image.fromarray(frame) for frame in given]


def check(latents: Tensor, expected: Tensor, theirs: Frames, frames: Frames) -> None:
    assert latents.shape == expected.shape
    assert expected.std() > 0.1
    assert (latents - expected).abs().max() <= 1e-4
    assert np.abs(frames.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_text_to_video_equals_diffusers(compare: Any, kind: str) -> None:
    check(*compare(kind, {}, []))


@pytest.mark.parametrize("kind", KINDS)
def test_image_to_video_equals_diffusers(compare: Any, kind: str) -> None:
    anchor, newest = level(0), level(1)
    order: list[Level] = [anchor + MEAN, newest + MEAN, anchor + LEVEL, anchor + NOISE, newest + LEVEL, newest + NOISE]
    check(*compare(kind, {"image": PICTURE}, order))


@pytest.mark.parametrize("length", [100])
@pytest.mark.parametrize("kind", KINDS)
def test_video_to_video_equals_diffusers(compare: Any, kind: str, length: int) -> None:
    chunks = range(length // 33, 0, -1)
    means = [level(number) + MEAN for number in chunks]
    order: list[Level] = [level(0) + MEAN, *means, level(0) + LEVEL, level(0) + NOISE]
    for number in chunks:
        latents = range(9 * number, 9 * (number - 1), -1)
        order += [[level(n) + LEVEL for n in latents], [level(n) + NOISE for n in latents]]
    check(*compare(kind, {"video": FILM[:length]}, order))


def level(number: int) -> int:
    """The first level of the anchor, 0, or of the latent or chunk so many from the newest, 1."""
    return starts.START + 3 * number
