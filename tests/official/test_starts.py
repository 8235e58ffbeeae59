"""Pictures and videos to begin with: the memory is that of diffusers, for the same random numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from helios_world.errors import FrameError
from helios_world.memory import HistoryLayout, HistoryViews, RollingMemory
from helios_world.official import starts
from helios_world.official.starts import START, StartNoise, needed, remember_image, remember_latents, remember_video
from helios_world.official.video_codec import VideoCodec
from helios_world.resize import fit
from helios_world.sampling.noise import chunk_noise, chunk_uniform
from helios_world.spec import Frames

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    base: Any = pytest.importorskip("diffusers.pipelines.helios.pipeline_helios")
    pyramid: Any = pytest.importorskip("diffusers.pipelines.helios.pipeline_helios_pyramid")
    vae: Any = pytest.importorskip("diffusers.models.autoencoders.vae")

Make = Callable[..., Path]
SEED = 11
CHUNK = 9
SIDE = 32
LATENT = (4, SIDE // 8, SIDE // 8)
NOISE = StartNoise(image=(0.1, 0.2), video=(0.3, 0.5))
STILL = StartNoise(None, None)
RANGES: dict[str, Any] = {
    "image_noise_sigma_min": 0.1,
    "image_noise_sigma_max": 0.2,
    "video_noise_sigma_min": 0.3,
    "video_noise_sigma_max": 0.5,
}
NO_NOISE: dict[str, Any] = {"add_noise_to_image_latents": False, "add_noise_to_video_latents": False}


class _Stop(Exception):
    """The reference has shown its first history."""


@pytest.fixture(scope="module")
def codec(make_official: Make) -> VideoCodec:
    return VideoCodec.load(make_official() / "vae", "cpu")


@pytest.fixture(scope="module", params=["base", "mid"])
def pipeline(request: pytest.FixtureRequest, make_official: Make, open_reference: Callable[[Path], Any]) -> Any:
    return open_reference(make_official(request.param))


@pytest.fixture(scope="module")
def base_pipeline(make_official: Make, open_reference: Callable[[Path], Any]) -> Any:
    return open_reference(make_official("base"))


def some_frames(count: int, height: int = SIDE, width: int = SIDE) -> Frames:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def pictures(frames: Frames) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in frames]


def empty_memory(layout: HistoryLayout | None = None) -> RollingMemory:
    return RollingMemory(layout or HistoryLayout(chunk=CHUNK), *LATENT)


def normal(level: int, latents: int) -> Tensor:
    return chunk_noise(SEED, 0, (1, LATENT[0], latents, *LATENT[1:]), level=START + level)


def at_level(level: int) -> Callable[[tuple[int, ...]], Tensor]:
    return lambda shape: chunk_noise(SEED, 0, shape, level=START + level)


def uniform(level: int) -> Tensor:
    return chunk_uniform(SEED, 0, (1,), level=START + level)


def numbers(chunks: int, noised: int, noise: StartNoise) -> tuple[list[Tensor], list[Tensor]]:
    """The normal and the uniform numbers that the reference asks for, in its order, as the table in starts.py has them.

    Args:
        chunks: encoded after the anchor.
        noised: latents of the history, in groups of at most a chunk.
    """
    posteriors = [normal(0, 1), *(normal(3 + 3 * number, CHUNK) for number in reversed(range(chunks)))]
    if noise is STILL:
        return posteriors, []
    ages = [list(range(noised))[::-1][at : at + CHUNK] for at in range(0, noised, CHUNK)]
    noises = [torch.cat([normal(5 + 3 * age, 1) for age in group], dim=2) for group in ages]
    levels = [torch.cat([uniform(4 + 3 * age) for age in group]) for group in ages]
    return [*posteriors, normal(2, 1), *noises], [uniform(1), *levels]


def inject(monkeypatch: pytest.MonkeyPatch, normals: list[Tensor], uniforms: list[Tensor]) -> None:
    """Let the reference draw these numbers, and zeros after them."""

    def randn(shape: Any, **_: Any) -> Tensor:
        drawn = normals.pop(0) if normals else torch.zeros(tuple(shape))
        assert drawn.shape == tuple(shape)
        return drawn

    def rand(count: int, **_: Any) -> Tensor:
        drawn = uniforms.pop(0)
        assert drawn.shape == (count,)
        return drawn

    for module in (base, pyramid, vae):
        monkeypatch.setattr(module, "randn_tensor", randn)
    monkeypatch.setattr(torch, "rand", rand)


def history_of(pipeline: Any, prompt: str | list[str] = "fog", **inputs: Any) -> HistoryViews:
    """What the reference's transformer is told of the past in its first forward pass."""
    seen: dict[str, Tensor] = {}

    def note(_: Any, __: Any, told: dict[str, Tensor]) -> None:
        seen.update(told)
        raise _Stop

    steps = {} if isinstance(pipeline, base.HeliosPipeline) else {"pyramid_num_inference_steps_list": [1, 1, 1]}
    handle = pipeline.transformer.register_forward_pre_hook(note, with_kwargs=True)
    try:
        with pytest.raises(_Stop):
            pipeline(
                prompt=prompt,
                height=SIDE,
                width=SIDE,
                num_frames=33,
                guidance_scale=1.0,
                max_sequence_length=16,
                **steps,
                **inputs,
            )
    finally:
        handle.remove()
    long, mid, short = (seen[f"latents_history_{part}"] for part in ("long", "mid", "short"))
    return HistoryViews(anchor=short[:, :, :1], long=long, mid=mid, short=short[:, :, 1:])


def assert_same(ours: HistoryViews, theirs: HistoryViews) -> None:
    for part in ("anchor", "long", "mid", "short"):
        torch.testing.assert_close(getattr(ours, part), getattr(theirs, part), atol=1e-5, rtol=0)


def test_without_pictures_the_memory_is_empty(pipeline: Any) -> None:
    assert_same(empty_memory().views(), history_of(pipeline))


@pytest.mark.parametrize("noise", [NOISE, STILL])
def test_a_picture_is_remembered_as_by_diffusers(
    codec: VideoCodec, pipeline: Any, monkeypatch: pytest.MonkeyPatch, noise: StartNoise
) -> None:
    memory, image = empty_memory(), some_frames(1)[0]
    remember_image(memory, codec, image, SEED, noise, CHUNK)
    inject(monkeypatch, *numbers(1, 1, noise))
    choices = RANGES if noise is NOISE else NO_NOISE
    theirs = history_of(pipeline, image=Image.fromarray(image), **choices)
    assert theirs.short.abs().max() > 0.1
    assert_same(memory.views(), theirs)


@pytest.mark.parametrize("noise", [NOISE, STILL])
@pytest.mark.parametrize("count", [33, 40, 66, 100])
def test_a_video_is_remembered_as_by_diffusers(
    codec: VideoCodec, pipeline: Any, monkeypatch: pytest.MonkeyPatch, count: int, noise: StartNoise
) -> None:
    memory, video = empty_memory(), some_frames(count)
    remember_video(memory, codec, video, SEED, noise, CHUNK)
    chunks = count // 33
    inject(monkeypatch, *numbers(chunks, chunks * CHUNK, noise))
    choices = RANGES if noise is NOISE else NO_NOISE
    theirs = history_of(pipeline, video=pictures(video), **choices)
    assert theirs.long.any()
    assert_same(memory.views(), theirs)


def test_the_default_noise_is_that_of_diffusers(
    codec: VideoCodec, base_pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, video = empty_memory(), some_frames(33)
    remember_video(memory, codec, video, SEED, StartNoise(), CHUNK)
    inject(monkeypatch, *numbers(1, CHUNK, StartNoise()))
    assert_same(memory.views(), history_of(base_pipeline, video=pictures(video)))


def test_a_long_video_is_not_encoded_further_back_than_it_is_remembered(
    codec: VideoCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, chunks = some_frames(33 * 6 + 5), 6
    encoded: list[int] = []
    encode = codec.encode

    def noted(frames: Frames, draw: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
        encoded.append(len(frames))
        return encode(frames, draw)

    monkeypatch.setattr(codec, "encode", noted)
    memory = empty_memory()
    remember_video(memory, codec, video, SEED, NOISE, CHUNK)
    assert encoded == [1, 33, 33, 33]
    ages = reversed(range(chunks))
    latents = [
        encode(piece, at_level(3 + 3 * age)) for piece, age in zip(np.split(video[5:], chunks), ages, strict=True)
    ]
    anchor = encode(video[:1], at_level(0))
    whole = empty_memory()
    remember_latents(whole, anchor, torch.cat(latents, dim=2), SEED, NOISE)
    assert_same(memory.views(), whole.views())


@pytest.mark.parametrize("count", [33, 34, 40, 99, 100, 101, 250])
def test_the_needed_frames_give_the_same_memory(codec: VideoCodec, count: int) -> None:
    layout = HistoryLayout(long=5, mid=2, short=1, chunk=3)
    video = some_frames(count, 16, 16)
    kept = needed(video, layout, 9, 3)
    assert len(kept) <= 28
    whole, part = (RollingMemory(layout, 4, 2, 2) for _ in range(2))
    remember_video(whole, codec, video, SEED, NOISE, 3)
    remember_video(part, codec, kept, SEED, NOISE, 3)
    assert_same(part.views(), whole.views())
    assert whole.views().long.any()


def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(index, level) of every draw from now on."""
    levels: list[tuple[int, int]] = []
    for name in ("chunk_noise", "chunk_uniform"):
        draw = getattr(starts, name)

        def noted(seed: int, index: int, *rest: Any, draw: Any = draw, level: int, **more: Any) -> Tensor:
            levels.append((index, level))
            result: Tensor = draw(seed, index, *rest, level=level, **more)
            return result

        monkeypatch.setattr(starts, name, noted)
    return levels


@pytest.mark.parametrize("count", [1, 33, 140])
def test_no_random_number_is_used_twice(codec: VideoCodec, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    levels = drawn(monkeypatch)
    frames = some_frames(count)
    if count == 1:
        remember_image(empty_memory(), codec, frames[0], SEED, NOISE, CHUNK)
    else:
        remember_video(empty_memory(), codec, frames, SEED, NOISE, CHUNK)
    assert len(levels) == len(set(levels)) >= 6
    assert {index for index, _ in levels} == {0}
    assert min(level for _, level in levels) == START


def test_the_seed_decides(codec: VideoCodec) -> None:
    image = some_frames(1)[0]
    memories = [empty_memory() for _ in range(3)]
    for memory, seed in zip(memories, (1, 1, 2), strict=True):
        remember_image(memory, codec, image, seed, NOISE, CHUNK)
    first, again, other = (memory.views() for memory in memories)
    assert_same(first, again)
    assert not torch.equal(first.anchor, other.anchor)
    assert not torch.equal(first.short, other.short)


def test_noise_levels_are_in_their_range_and_of_each_latent_its_own() -> None:
    memory, latents = RollingMemory(HistoryLayout(chunk=CHUNK), 4, 32, 32), torch.zeros(1, 4, 19, 32, 32)
    remember_latents(memory, latents[:, :, :1], latents, SEED, NOISE)
    views = memory.views()
    assert 0.095 < float(views.anchor.std()) < 0.21
    spreads = torch.cat([views.long, views.mid, views.short], dim=2).std(dim=(0, 1, 3, 4))
    assert ((spreads > 0.28) & (spreads < 0.53)).all()
    assert spreads.std() > 0.03


def test_the_first_frame_is_the_anchor_although_it_is_dropped_from_the_history(codec: VideoCodec) -> None:
    video = some_frames(40)
    changed = video.copy()
    changed[0] = 255 - changed[0]
    changed[1:7] = 0
    memories = [empty_memory(), empty_memory()]
    for memory, frames in zip(memories, (video, changed), strict=True):
        remember_video(memory, codec, frames, SEED, STILL, CHUNK)
    ours, theirs = (memory.views() for memory in memories)
    assert not torch.equal(ours.anchor, theirs.anchor)
    assert torch.equal(ours.long, theirs.long)
    assert torch.equal(ours.short, theirs.short)


@pytest.mark.parametrize(("count", "chunk", "least"), [(32, 9, 33), (1, 9, 33), (12, 4, 13)])
def test_a_short_video_says_how_many_frames_it_needs(codec: VideoCodec, count: int, chunk: int, least: int) -> None:
    with pytest.raises(FrameError, match=f"the video has {count} frames; at least {least} are needed"):
        remember_video(empty_memory(), codec, some_frames(count), SEED, NOISE, chunk)


@pytest.mark.parametrize("image", [some_frames(1), some_frames(1)[0].astype(np.float32), "picture.png"])
def test_what_is_no_picture_is_refused(codec: VideoCodec, image: Any) -> None:
    memory = empty_memory()
    with pytest.raises(FrameError, match=r"the image must be a numpy array, uint8 \[H, W, 3\]"):
        remember_image(memory, codec, image, SEED, NOISE, CHUNK)
    assert memory.count == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 900), (700, 40), (900, 1600), (2160, 3840)])
def test_pictures_of_any_size_can_be_made_to_fit(codec: VideoCodec, size: tuple[int, int]) -> None:
    memory = RollingMemory(HistoryLayout(chunk=3), 4, 8, 12)
    image = np.full((*size, 3), (200, 30, 90), np.uint8)
    image[: size[0] // 3] = 0
    fitted = fit(image, 64, 96)
    assert fitted.shape == (64, 96, 3)
    remember_image(memory, codec, fitted, SEED, NOISE, 3)
    assert memory.views().short.isfinite().all()


def test_the_reference_cannot_take_latents_of_a_video(base_pipeline: Any) -> None:
    """It forgets to encode the first frame; here the anchor is an argument."""
    video, latents = torch.zeros(1, 3, 33, SIDE, SIDE), chunk_noise(1, 0, (1, LATENT[0], 9, *LATENT[1:]))
    zeros = torch.zeros(1, LATENT[0], 1, 1, 1)
    with pytest.raises(UnboundLocalError):
        base_pipeline.prepare_video_latents(video, zeros, zeros + 1, CHUNK, latents=latents)
    memory = empty_memory()
    remember_latents(memory, latents[:, :, :1], latents, SEED, STILL)
    assert torch.equal(memory.views().long[:, :, -6:], latents[:, :, :6])


def test_the_reference_cannot_take_latents_of_a_picture_alone(base_pipeline: Any) -> None:
    """It adds noise to a history that was not given; here a picture's latent may stand for its history."""
    latent = chunk_noise(1, 0, (1, LATENT[0], 1, *LATENT[1:]))
    with pytest.raises(AttributeError, match="NoneType"):
        base_pipeline(prompt="fog", height=SIDE, width=SIDE, guidance_scale=1.0, image_latents=latent)
    memory = empty_memory()
    remember_latents(memory, latent, latent, SEED, NOISE)
    assert memory.views().anchor.any()
    assert not torch.equal(memory.views().anchor, memory.views().short)


def test_the_reference_drops_the_newest_latents_of_a_video(base_pipeline: Any) -> None:
    """It takes whole groups of nine only, from the beginning; here the newest latent is the last one that was given."""
    latents = chunk_noise(1, 0, (1, LATENT[0], 12, *LATENT[1:]))
    quiet: dict[str, Any] = {**dict.fromkeys(RANGES, 0.0), "add_noise_to_image_latents": False}
    anchor = latents[:, :, :1]
    theirs = history_of(base_pipeline, image_latents=anchor, video_latents=latents, **quiet)
    assert torch.equal(theirs.short, latents[:, :, 8:9])
    memory = empty_memory()
    remember_latents(memory, anchor, latents, SEED, StartNoise((0, 0), (0, 0)))
    assert torch.equal(memory.views().short, latents[:, :, 11:])
    assert torch.equal(memory.views().mid, latents[:, :, 9:11])


def test_the_reference_gives_a_whole_batch_one_noise_level(base_pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pictures of a batch get the same amount of noise there; here every session draws its own."""
    for module in (base, vae):
        monkeypatch.setattr(module, "randn_tensor", lambda shape, **_: torch.ones(tuple(shape)))
    latent = torch.zeros(2, LATENT[0], 1, *LATENT[1:])
    theirs = history_of(base_pipeline, ["fog", "rain"], image_latents=latent, fake_image_latents=latent, **RANGES)
    assert 0.1 < float(theirs.anchor[0].mean()) < 0.2
    assert torch.equal(theirs.anchor[0], theirs.anchor[1])
    memories = [empty_memory(), empty_memory()]
    for seed, memory in enumerate(memories):
        remember_latents(memory, latent[:1], latent[:1], seed, StartNoise((0, 1), (0, 1)))
    spreads = [float(memory.views().anchor.std()) for memory in memories]
    assert abs(spreads[0] - spreads[1]) > 0.05
