"""The video codec: equal to diffusers, strict about what it reads and what it is given."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from helios_world.errors import CheckpointError, DependencyError, FrameError
from helios_world.official.dependencies import borrow
from helios_world.official.video_codec import VideoCodec
from helios_world.sampling.noise import chunk_noise
from helios_world.spec import Frames

Make = Callable[..., Path]
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folder(make_official: Make) -> Path:
    return make_official() / "vae"


@pytest.fixture(scope="module")
def codec(folder: Path) -> VideoCodec:
    return VideoCodec.load(folder, "cpu")


@pytest.fixture(scope="module")
def reference(make_official: Make, open_reference: Callable[[Path], Any]) -> Any:
    return open_reference(make_official())


def draw(shape: tuple[int, ...]) -> Tensor:
    return chunk_noise(3, 0, shape)


def some_frames(count: int, height: int = 16, width: int = 24, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def as_pixels(reference: Any, frames: Frames) -> Tensor:
    pictures = [Image.fromarray(frame) for frame in frames]
    pixels: Tensor = reference.video_processor.preprocess_video(pictures, *frames.shape[1:3])
    return pixels


def statistics(reference: Any) -> tuple[Tensor, Tensor]:
    """The mean, and one over the deviation, as the reference takes them."""
    config = reference.vae.config
    mean, std = torch.tensor(config.latents_mean), torch.tensor(config.latents_std)
    return mean.reshape(1, -1, 1, 1, 1), (1 / std).reshape(1, -1, 1, 1, 1)


def test_the_weights_are_those_of_the_files(codec: VideoCodec, reference: Any) -> None:
    theirs = reference.vae.state_dict()
    ours = codec.module.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not codec.module.training
    assert not any(parameter.requires_grad for parameter in codec.module.parameters())


def test_its_sizes_are_those_of_the_configuration(codec: VideoCodec) -> None:
    assert (codec.temporal, codec.spatial, codec.channels) == (4, 8, 4)


@pytest.mark.parametrize(("count", "height", "width"), [(1, 16, 24), (5, 24, 8), (33, 16, 16)])
def test_encoding_equals_diffusers(codec: VideoCodec, reference: Any, count: int, height: int, width: int) -> None:
    frames = some_frames(count, height, width)
    with torch.no_grad():
        posterior = reference.vae.encode(as_pixels(reference, frames)).latent_dist
    mean, inverse = statistics(reference)
    expected = (posterior.mean + posterior.std * draw(tuple(posterior.mean.shape)) - mean) * inverse
    latents = codec.encode(frames, draw)
    assert latents.dtype == torch.float32
    assert latents.shape == (1, 4, (count - 1) // 4 + 1, height // 8, width // 8)
    torch.testing.assert_close(latents, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_decoding_equals_the_pictures_of_diffusers(codec: VideoCodec, reference: Any, count: int) -> None:
    latents = 3 * chunk_noise(1, 0, (1, 4, count, 2, 3))
    mean, inverse = statistics(reference)
    with torch.no_grad():
        pixels = reference.vae.decode(latents / inverse + mean).sample
    (pictures,) = reference.video_processor.postprocess_video(pixels, output_type="pil")
    frames = codec.decode(latents)
    assert frames.flags.c_contiguous
    assert np.array_equal(frames, np.stack([np.asarray(picture) for picture in pictures]))


@settings(deadline=None, max_examples=100)
@given(
    pixels=arrays(
        np.float32, (1, 3, 1, 8, 8), elements=st.floats(-1.5, 1.5, width=32) | st.sampled_from([-1, 0, 1, 1 / 255])
    )
)
def test_pixels_are_rounded_as_by_diffusers(reference: Any, pixels: np.ndarray) -> None:
    module = SimpleNamespace(config=reference.vae.config)
    module.decode = lambda latents: SimpleNamespace(sample=torch.from_numpy(pixels))
    (pictures,) = reference.video_processor.postprocess_video(torch.from_numpy(pixels), output_type="pil")
    frames = VideoCodec(module, "cpu").decode(torch.zeros(1, 4, 1, 1, 1))  # type: ignore[arg-type]
    assert np.array_equal(frames[0], np.asarray(pictures[0]))


def test_pixels_are_scaled_as_by_diffusers(reference: Any) -> None:
    seen: list[Tensor] = []
    shape = (1, 4, 1, 2, 2)

    def encode(pixels: Tensor) -> SimpleNamespace:
        seen.append(pixels)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=torch.zeros(shape), std=torch.ones(shape)))

    frames = np.arange(16 * 16 * 3).reshape(1, 16, 16, 3).astype(np.uint8)
    VideoCodec(SimpleNamespace(config=reference.vae.config, encode=encode), "cpu").encode(frames, draw)  # type: ignore[arg-type]
    assert torch.equal(seen[0], as_pixels(reference, frames))


def test_chunks_do_not_depend_on_what_was_coded_before(codec: VideoCodec) -> None:
    frames, latents = some_frames(9, seed=1), chunk_noise(2, 0, (1, 4, 3, 2, 3))
    encoded, decoded = codec.encode(frames, draw), codec.decode(latents)
    codec.encode(some_frames(5, seed=2), draw)
    codec.decode(chunk_noise(9, 0, (1, 4, 2, 2, 3)))
    assert torch.equal(codec.encode(frames, draw), encoded)
    assert np.array_equal(codec.decode(latents), decoded)


def test_the_chunk_decides_the_frames_and_not_the_one_before(codec: VideoCodec) -> None:
    whole = chunk_noise(2, 0, (1, 4, 6, 2, 3))
    apart = np.concatenate([codec.decode(whole[:, :, :3]), codec.decode(whole[:, :, 3:])])
    assert len(apart) == 18
    assert len(codec.decode(whole)) == 21


def test_bfloat16_is_close(folder: Path, codec: VideoCodec) -> None:
    narrow = VideoCodec.load(folder, "cpu", torch.bfloat16)
    frames, latents = some_frames(5), chunk_noise(2, 0, (1, 4, 2, 2, 3))
    assert {parameter.dtype for parameter in narrow.module.parameters()} == {torch.bfloat16}
    assert narrow.encode(frames, draw).dtype == torch.float32
    torch.testing.assert_close(narrow.encode(frames, draw), codec.encode(frames, draw), atol=0.05, rtol=0.05)
    assert np.abs(narrow.decode(latents).astype(int) - codec.decode(latents)).mean() < 2


def test_large_frames_can_be_coded_in_tiles(folder: Path, codec: VideoCodec) -> None:
    tiled = VideoCodec.load(folder, "cpu", tiling=True)
    latents = chunk_noise(2, 0, (1, 4, 1, 36, 4))
    difference = np.abs(tiled.decode(latents).astype(int) - codec.decode(latents))
    assert difference.shape == (1, 288, 32, 3)
    assert 0 < difference.mean() < 8


def test_loading_leaves_other_random_numbers_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    VideoCodec.load(folder, "cpu")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("frames", "shown"),
    [
        (some_frames(4), "4 frames do not make whole latents; 1 or 5 would"),
        (some_frames(34), "34 frames .* 33 or 37"),
        (some_frames(1, 20, 24), "20×24; .* multiples of 8, such as 16×24"),
        (some_frames(1, 16, 3), "16×3; .* such as 16×8"),
        (some_frames(0), "not empty"),
        (some_frames(1)[0], r"uint8 \[16, 24, 3\]"),
        (some_frames(1).astype(np.float32), "float32"),
        ([1, 2], "list"),
    ],
)
def test_frames_that_do_not_fit_are_refused(codec: VideoCodec, frames: Any, shown: str) -> None:
    with pytest.raises(FrameError, match=shown):
        codec.encode(frames, draw)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_are_refused(codec: VideoCodec, value: float) -> None:
    latents = torch.zeros(1, 4, 1, 2, 2)
    latents[0, 0, 0, 0, 0] = value
    with pytest.raises(CheckpointError, match=r"hold 1 of 16 numbers that are not finite; .* float32"):
        codec.decode(latents)


def test_an_encoder_that_gives_nonsense_is_noticed(folder: Path) -> None:
    broken = VideoCodec.load(folder, "cpu")
    with torch.no_grad():
        next(broken.module.parameters()).fill_(float("nan"))
    with pytest.raises(CheckpointError, match=r"encoding the frames gave .* not finite"):
        broken.encode(some_frames(1), draw)


@pytest.mark.parametrize("shape", [(1, 3, 1, 2, 2), (2, 4, 1, 2, 2), (4, 1, 2, 2)])
def test_latents_of_another_shape_are_refused(codec: VideoCodec, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\[1, 4, F, h, w\]; got"):
        codec.decode(torch.zeros(shape))


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_bytes()), **changes}
    path.write_text(json.dumps({name: value for name, value in config.items() if value != "left out"}))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def cut(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


BIAS = "quant_conv.bias"


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json' cannot be read"),
        (lambda f: (f / "config.json").write_text("{"), "config.json' is no JSON"),
        (lambda f: change_config(f, _class_name="AutoencoderKL"), "_class_name is 'AutoencoderKL'"),
        (lambda f: change_config(f, quantised=True), r"config.json' has the unknown settings \['quantised'\]"),
        (lambda f: change_config(f, z_dim="left out"), r"config.json' lacks \['z_dim'\]"),
        (lambda f: change_config(f, latents_std="left out"), r"lacks \['latents_std'\]"),
        (lambda f: change_config(f, latents_mean=[0.0]), "'latents_mean' is .*4 channels"),
        (lambda f: change_config(f, latents_mean=[0, 0, 0, "x"]), "'latents_mean' .* finite numbers"),
        (lambda f: change_config(f, latents_std=[1, 1, 1, float("nan")]), "'latents_std' .* finite numbers"),
        (lambda f: change_config(f, latents_std=[1, 1, 1, 0]), "'latents_std' .* above 0"),
        (lambda f: change_config(f, scale_factor_temporal=8), "'scale_factor_temporal' compresses by 8"),
        (lambda f: change_config(f, scale_factor_spatial=16), "'scale_factor_spatial' compresses by 16"),
        (lambda f: change_config(f, temperal_downsample=[False, False, True]), "'temperal_downsample'"),
        (lambda f: change_config(f, temperal_downsample=3), "'temperal_downsample' is 3"),
        (lambda f: change_config(f, base_dim="wide"), "config.json' is not valid"),
        (lambda f: change_config(f, base_dim=8), f"{WEIGHTS}': .* has the shape .* config.json asks for"),
        (lambda f: (f / WEIGHTS).unlink(), f"has neither {WEIGHTS} nor {WEIGHTS}.index.json"),
        (cut, f"{WEIGHTS}' cannot be read, it is damaged or incomplete"),
        (lambda f: (f / WEIGHTS).write_bytes(b""), f"{WEIGHTS}' cannot be read"),
        (lambda f: change_weights(f, lambda t: t.pop(BIAS)), f"lacks weights .*{BIAS}"),
        (lambda f: change_weights(f, lambda t: t.update(more=torch.zeros(1))), "has the unknown weights .*more"),
        (lambda f: change_weights(f, lambda t: t.update({BIAS: torch.zeros(3)})), rf"'{BIAS}' has the shape \[3\]"),
        (lambda f: change_weights(f, lambda t: t.update({BIAS: t[BIAS].int()})), f"'{BIAS}' is stored as I32"),
        (lambda f: (f / f"{WEIGHTS}.index.json").write_text("{}"), "index.json': weight_map is None"),
        (
            lambda f: (f / f"{WEIGHTS}.index.json").write_text('{"weight_map": {"a": "../b.safetensors"}}'),
            "'a' is in '../b.safetensors', which is no file of this folder",
        ),
    ],
)
def test_a_broken_folder_is_named(copy_official: Make, damage: Callable[[Path], object], shown: str) -> None:
    folder = copy_official() / "vae"
    damage(folder)
    with pytest.raises(CheckpointError, match=shown) as caught:
        VideoCodec.load(folder, "cpu")
    assert str(folder) in str(caught.value)


def test_without_diffusers_the_error_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(DependencyError, match=r'diffusers.AutoencoderKLWan,.* pip install "helios-world\[helios\]"'):
        VideoCodec.load(folder, "cpu")


def test_an_old_diffusers_counts_as_none() -> None:
    with pytest.raises(DependencyError, match=r"diffusers.AutoencoderOfTomorrow,.* pip install"):
        borrow("diffusers", "AutoencoderOfTomorrow")
